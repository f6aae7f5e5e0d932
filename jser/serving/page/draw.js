// A recording's numbers -> pictures on canvases that share one axis of time.

import { bytes } from "./sound.js";

// Nine points of matplotlib's magma (CC0): lightness rises evenly, for all kinds of eyes.
const MAGMA = [
  "000004", "1d1147", "51127c", "822681", "b63679", "e65164", "fb8861", "fec287", "fcfdbf",
].map((hex) => [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16)));
const KHZ = [0.25, 0.5, 1, 2, 4];
// A colour and the text on it; emotions that have one as a rule keep it from artefact to artefact.
const KNOWN = {
  anger: ["#c8402f", "#fff"], happiness: ["#e8b52c", "#1d232b"], neutral: ["#8b96a1", "#1d232b"],
  sadness: ["#2d6fb0", "#fff"], fear: ["#7a4a9e", "#fff"], disgust: ["#4c8f4f", "#fff"],
  surprise: ["#e58fb0", "#1d232b"], boredom: ["#8a6a48", "#fff"], calm: ["#74c3c6", "#1d232b"],
};
const OTHERS = [
  ["#d9792f", "#1d232b"], ["#5b63b7", "#fff"], ["#a9b23a", "#1d232b"], ["#2f8f8a", "#fff"],
  ["#b35a8a", "#fff"], ["#c9a27e", "#1d232b"],
];

const both = (classes, name) => KNOWN[name] ??
  OTHERS[classes.filter((other) => !KNOWN[other]).indexOf(name) % OTHERS.length];

export const colour = (classes, name) => both(classes, name)[0];

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A cleared canvas of as many dots as the screen has there, and where its plot lies in it.
function prepare(canvas) {
  const width = canvas.clientWidth, height = canvas.clientHeight, dots = devicePixelRatio || 1;
  canvas.width = Math.round(width * dots);
  canvas.height = Math.round(height * dots);
  const context = canvas.getContext("2d");
  context.scale(dots, dots);
  context.font = "12px " + getComputedStyle(document.body).fontFamily;
  const left = parseFloat(css("--gutter-left")), right = parseFloat(css("--gutter-right"));
  return { context, left, width: Math.max(width - left - right, 1), height };
}

export function waveform(canvas, look) {
  const { context, left, width, height } = prepare(canvas);
  const part = look.waveform, middle = height / 2;
  const low = new Int8Array(bytes(part.low).buffer), high = new Int8Array(bytes(part.high).buffer);
  // Quiet recordings are shown as high as loud ones; the level is no part of the answer.
  const top = Math.max(...low.map((x) => Math.min(-x, 127)), ...high, 8);
  const scale = (middle - 2) / top, step = (width * part.seconds_a_column) / look.seconds;
  context.save();
  context.beginPath();
  context.rect(left, 0, width, height);
  context.clip();
  context.fillStyle = css("--wave");
  for (let k = 0; k < part.columns; k++) {
    const above = Math.max(high[k] * scale, 0.5), below = Math.min((low[k] + 1) * scale, -0.5);
    context.fillRect(left + k * step, middle - above, Math.max(step, 1), above - below);
  }
  context.restore();
}

const mixed = (share) => {
  const at = share * (MAGMA.length - 1), k = Math.min(Math.floor(at), MAGMA.length - 2);
  return MAGMA[k].map((x, c) => Math.round(x + (at - k) * (MAGMA[k + 1][c] - x)));
};

function picture(part) {
  const image = new ImageData(part.columns, part.bands), levels = bytes(part.levels);
  const palette = Array.from({ length: 256 }, (_, k) => mixed(k / 255));
  for (let x = 0; x < part.columns; x++) {
    for (let band = 0; band < part.bands; band++) {
      const to = 4 * ((part.bands - 1 - band) * part.columns + x);
      image.data.set([...palette[levels[x * part.bands + band]], 255], to);
    }
  }
  const held = document.createElement("canvas");
  held.width = part.columns;
  held.height = part.bands;
  held.getContext("2d").putImageData(image, 0, 0);
  return held;
}

export function spectrogram(canvas, look) {
  const { context, left, width, height } = prepare(canvas);
  const part = look.log_mel;
  look.picture ??= picture(part);
  const x = (seconds) => left + (width * seconds) / look.seconds;
  context.fillStyle = "#000004";
  context.fillRect(left, 0, width, height);
  context.save();
  context.beginPath();
  context.rect(left, 0, width, height);
  context.clip();
  const begin = x(part.start), end = x(part.start + part.columns * part.seconds_a_column);
  context.drawImage(look.picture, begin, 0, end - begin, height);
  const top = attention(context, part, x, left, width, height);
  context.restore();
  context.fillStyle = css("--quiet");
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const khz of KHZ) {
    context.fillText(`${khz}`, left - 6, height * (1 - place(part.band_hz, 1000 * khz)));
  }
  context.fillText("kHz", left - 6, 7);
  if (top) {
    context.textAlign = "left";
    context.fillText(`×${top.toFixed(1)}`, left + width + 5, 7);
    context.fillText("×1", left + width + 5, height * (1 - 1 / top));
  }
}

// Where a frequency lies, 0 at the bottom and 1 at the top.
function place(bands, hz) {
  const k = Math.max(bands.findIndex((centre) => centre >= hz), 1);
  const share = (hz - bands[k - 1]) / (bands[k] - bands[k - 1]);
  return (k - 1 + share + 0.5) / bands.length;
}

// The curve over the picture; gives the value at the picture's upper edge.
function attention(context, part, x, left, width, height) {
  const there = part.attention.filter((value) => value !== null);
  if (!there.length) return null;
  const top = Math.max(2, Math.max(...there) * 1.04);
  const curve = new Path2D(), area = new Path2D();
  let drawing = false;
  part.attention.forEach((value, k) => {
    if (value === null) {
      drawing = false;
      return;
    }
    const from = x(part.start + k * part.seconds_a_column);
    const to = x(part.start + (k + 1) * part.seconds_a_column);
    const y = height * (1 - value / top);
    if (drawing) curve.lineTo(from, y);
    else curve.moveTo(from, y);
    curve.lineTo(to, y);
    area.rect(from, y, to - from, height - y);
    drawing = true;
  });
  context.fillStyle = "#ffffff1c";
  context.fill(area);
  context.strokeStyle = "#ffffffc0";
  context.lineWidth = 1;
  context.setLineDash([3, 4]);
  context.beginPath();
  context.moveTo(left, height * (1 - 1 / top));
  context.lineTo(left + width, height * (1 - 1 / top));
  context.stroke();
  context.setLineDash([]);
  context.lineJoin = "round";
  context.strokeStyle = "#0000049a";
  context.lineWidth = 5;
  context.stroke(curve);
  context.strokeStyle = "#fff";
  context.lineWidth = 2;
  context.stroke(curve);
  return top;
}

// Windows overlap: each stands for the time that is nearest to its middle.
export function cells(look) {
  const middle = look.windows.map((w) => (w.start + w.end) / 2);
  return look.windows.map((window, k) => ({
    window,
    from: k ? (middle[k - 1] + middle[k]) / 2 : 0,
    to: k + 1 < middle.length ? (middle[k] + middle[k + 1]) / 2 : look.seconds,
  }));
}

export function emotions(canvas, look, classes) {
  const { context, left, width, height } = prepare(canvas);
  const x = (seconds) => left + (width * seconds) / look.seconds;
  const best = classes.map(() => null); // where a class has most room for its name
  for (const { window, from, to } of cells(look)) {
    const begin = x(from), across = x(to) - begin;
    if (!window.probabilities) {
      hatch(context, begin, across, height);
      continue;
    }
    let y = height;
    classes.forEach((name, k) => {
      const high = window.probabilities[name] * height;
      y -= high;
      context.fillStyle = colour(classes, name);
      context.fillRect(begin, y, across + 0.5, high);
      const room = Math.min(high, 40) * Math.min(across, 120);
      if (high > 16 && (!best[k] || room > best[k].room)) {
        best[k] = { room, x: begin + across / 2, y: y + high / 2, begin, across };
      }
    });
    context.fillStyle = css("--card");
    if (from > 0 && across > 6) context.fillRect(begin - 0.5, 0, 1, height);
  }
  context.textAlign = "center";
  context.textBaseline = "middle";
  best.forEach((at, k) => {
    if (!at || context.measureText(classes[k]).width + 10 > at.across) return;
    context.fillStyle = both(classes, classes[k])[1];
    context.fillText(classes[k], at.x, at.y);
  });
  context.fillStyle = css("--quiet");
  context.textAlign = "right";
  for (const [share, y] of [["100", 7], ["50", height / 2], ["0", height - 7]]) {
    context.fillText(share, left - 6, y);
  }
}

function hatch(context, begin, across, height) {
  context.save();
  context.beginPath();
  context.rect(begin, 0, across, height);
  context.clip();
  context.strokeStyle = css("--mute");
  context.lineWidth = 2;
  for (let at = begin - height; at < begin + across; at += 8) {
    context.beginPath();
    context.moveTo(at, height);
    context.lineTo(at + height, 0);
    context.stroke();
  }
  context.restore();
}

export function axis(canvas, look) {
  const { context, left, width } = prepare(canvas);
  const wanted = look.seconds / Math.max(width / 60, 2), power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= wanted);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  context.fillStyle = context.strokeStyle = css("--quiet");
  context.textBaseline = "top";
  context.textAlign = "center";
  context.beginPath();
  for (let k = 0; k * step <= look.seconds * 1.0001; k++) {
    const at = left + (width * k * step) / look.seconds;
    context.moveTo(at, 0);
    context.lineTo(at, 5);
    context.fillText((k * step).toFixed(digits), at, 9);
  }
  context.stroke();
  context.textAlign = "left";
  context.fillText("s", left + width + 8, 9);
}
