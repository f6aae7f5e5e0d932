// The page: a recording is given, the server answers, and the answer is shown.

import * as draw from "./draw.js";
import { Microphone, Player, bytes } from "./sound.js";
import { Timeline } from "./timeline.js";

const at = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(share > 0.0995 ? 0 : 1)} %`;
const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};
const list = (where, sentences) => {
  where.replaceChildren(...sentences.map((sentence) => element("li", sentence)));
  where.hidden = !sentences.length;
};

let info = null; // of the server
let look = null; // what is shown
let asking = null; // the request that is under way
let microphone = null;

const player = new Player(() => timeline.draw());
const timeline = new Timeline(
  Object.fromEntries(
    ["lens", "selection", "hover", "cursor", "play", "clear", "clock", "readout"].map((id) => [id, at(id)]),
  ),
  player,
  said,
);

// --- what answers ---------------------------------------------------------------------------

async function begin() {
  const answer = await fetch("api/info");
  info = await answer.json();
  const { trained_on: trained, limits, result } = info;
  at("system").textContent = `${info.system}: ${info.classes.join(", ")}`;
  list(at("marks"), info.warnings);
  at("limits").textContent =
    `WAV, FLAC, OGG, MP3, AIFF and others, up to ${limits.max_seconds} s and ${limits.max_mb} MB. ` +
    "Nothing is stored.";
  at("no-fact").textContent = `${info.note} Trained on ${trained.corpora.join(", ")}.`;
  const rows = [
    ["System", info.system],
    ["Classes", info.classes.join(", ")],
    [
      "Trained on",
      `${trained.corpora.join(", ")}: ${trained.recordings} recordings` +
        (trained.speakers ? ` of ${trained.speakers} speakers` : ""),
    ],
    ["Terms", Object.entries(trained.licences).map(([name, terms]) => `${name}: ${terms}`).join("; ")],
    [
      "Result of its run",
      `UAR ${(100 * result.uar.mean).toFixed(1)} %` +
        (result.uar.low === null
          ? ""
          : `, 95 % interval by speaker ${(100 * result.uar.low).toFixed(1)} to ` +
            `${(100 * result.uar.high).toFixed(1)} %`) +
        ` (${info.protocol})`,
    ],
    [
      "Calibration",
      `off by ${(100 * info.calibration_error).toFixed(1)} points on average, on test speakers`,
    ],
    ["Made with", `jser ${info.jser}`],
  ];
  at("about").replaceChildren(
    ...rows.map(([name, text]) => {
      const row = element("div");
      row.append(element("dt", name), element("dd", text));
      return row;
    }),
  );
}

// --- giving a recording ---------------------------------------------------------------------

function refuse(sentence) {
  at("refusal").textContent = sentence;
  at("refusal").hidden = !sentence;
}

async function listen(file, rest = 0) {
  asking?.abort();
  const own = (asking = new AbortController());
  player.stop();
  refuse("");
  const { max_mb: most } = info.limits;
  if (file.size > most * 1e6) {
    asking = null;
    working("");
    return refuse(`${file.name}: has ${(file.size / 1e6).toFixed(1)} MB, and this server takes ` +
      `${most} MB; cut it, or compress it (FLAC, MP3).`);
  }
  working(`Listening to ${file.name} …`);
  try {
    const form = new FormData();
    form.append("sound", "true");
    form.append("file", file, file.name);
    const answer = await fetch("api/look", { method: "POST", body: form, signal: own.signal });
    const made = await answer.json();
    if (!answer.ok) throw new Error(made.error);
    const sound = bytes(made.sound);
    delete made.sound;
    await player.load(sound);
    if (own !== asking) return;
    show(made, rest);
  } catch (error) {
    if (own.signal.aborted) return;
    refuse(error instanceof TypeError ? "The server does not answer; is it still running?" : error.message);
  } finally {
    if (own === asking) {
      asking = null;
      working("");
    }
  }
}

function working(sentence) {
  at("working-text").textContent = sentence;
  at("working").hidden = !sentence;
}

function given(files) {
  if (files.length && info) listen(files[0], files.length - 1);
}

at("file").addEventListener("change", (event) => {
  given([...event.target.files]);
  event.target.value = "";
});
at("cancel").addEventListener("click", () => {
  asking?.abort();
  asking = null;
  working("");
});

// Anywhere on the page: a file that misses the box would replace the page.
addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) at("drop").classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  given([...event.dataTransfer.files]);
});

at("record").addEventListener("click", async () => {
  refuse("");
  at("record").disabled = true;
  const { max_seconds: seconds, max_mb: mb } = info.limits;
  // Two bytes a sample, at 48 kHz at most as a rule.
  microphone = new Microphone(Math.min(seconds, (mb * 1e6 - 1e4) / 96000), level, finish);
  try {
    await microphone.start();
    at("live").hidden = false;
    at("stop").focus();
  } catch (error) {
    at("record").disabled = false;
    refuse(error.message);
  }
});
at("stop").addEventListener("click", finish);
at("discard").addEventListener("click", () => stopped());

function level(seconds, peak) {
  at("live-clock").textContent = `${seconds.toFixed(1)} s`;
  at("level").value = Math.max(Math.sqrt(peak), at("level").value * 0.9);
}

async function stopped() {
  const used = microphone;
  microphone = null;
  at("live").hidden = true;
  at("record").disabled = false;
  return used?.stop();
}

async function finish() {
  const file = await stopped();
  if (file) listen(file);
}

// --- showing the answer ---------------------------------------------------------------------

function show(made, rest) {
  look = made;
  const { answer } = look;
  at("answer").hidden = at("time").hidden = false;
  at("name").textContent = `${look.path}, ${look.seconds.toFixed(2)} s` +
    (rest ? `; ${rest} more were dropped: this page shows one at a time` : "");
  const top = answer.probabilities && Math.max(...Object.values(answer.probabilities));
  at("answer-head").replaceChildren(answer.label);
  if (top) at("answer-head").append(" ", element("small", percent(top)));
  list(at("unlike"), answer.warnings.map((sentence) =>
    answer.probabilities ? `Unlike the training recordings: ${sentence}.` : `${sentence}.`));
  at("bars").replaceChildren(...info.classes.map((name) => bar(name, answer)));
  const { windows } = info;
  at("cut").textContent = look.windows.length < 2
    ? "Heard as a whole: recordings as long as those of training are not cut."
    : `Heard in ${look.windows.length} windows of ${windows.window.toFixed(1)} s, ` +
      `${windows.hop.toFixed(1)} s apart; each is drawn over the time around its middle. ` +
      "The answer above is their mean.";
  timeline.reset(look.seconds);
  paint();
  at("answer").focus({ preventScroll: true });
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  at("answer").scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
}

function bar(name, answer) {
  const share = answer.probabilities?.[name] ?? 0;
  const row = element("div", undefined, name === answer.label ? "bar best" : "bar");
  row.setAttribute("role", "listitem");
  const track = element("span", undefined, "track"), fill = element("span", undefined, "fill");
  fill.style.width = percent(share).replace(" ", "");
  fill.style.background = draw.colour(info.classes, name);
  track.append(fill);
  row.append(element("span", name), track,
    element("span", answer.probabilities ? percent(share) : "–", "value"));
  return row;
}

function paint() {
  if (!look) return;
  draw.waveform(at("waveform"), look);
  draw.spectrogram(at("spectrogram"), look);
  draw.emotions(at("emotions"), look, info.classes);
  draw.axis(at("axis"), look);
  at("waveform").setAttribute("aria-label", `Waveform of ${look.path}`);
  at("spectrogram").setAttribute("aria-label", `Log-Mel spectrogram of ${look.path} with attention`);
  const labels = look.windows.map((w) => `${w.start.toFixed(1)} s ${w.label}`);
  at("emotions").setAttribute("aria-label", `Emotion over time: ${labels.slice(0, 20).join(", ")}` +
    (labels.length > 20 ? ", and so on" : ""));
}

// What is known of a place in the recording.
function said(seconds) {
  if (!look) return "";
  const { window } = draw.cells(look).findLast(({ from }) => from <= seconds) ?? draw.cells(look)[0];
  const part = look.log_mel;
  const weight = part.attention[Math.floor((seconds - part.start) / part.seconds_a_column)];
  const shares = window.probabilities
    ? Object.entries(window.probabilities).sort((a, b) => b[1] - a[1])
      .map(([name, share]) => `${name} ${percent(share)}`).join(", ")
    : "nothing but silence";
  const attention = weight == null ? "" : `; attention ×${weight.toFixed(2)}`;
  return `${seconds.toFixed(2)} s, in ${window.start.toFixed(1)} to ${window.end.toFixed(1)} s: ` +
    `${shares}${attention}`;
}

new ResizeObserver(paint).observe(at("plots"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);

at("save").addEventListener("click", () => {
  const { path, seconds, answer, windows } = look;
  const { system, trained_on: trained, warnings, note } = info;
  const whole = { path, seconds, answer, windows, artefact: { system, trained_on: trained, warnings, note } };
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(whole, null, 1)], { type: "application/json" }));
  link.download = `${path.replace(/\.[^.]*$/, "")}.answer.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});

begin().catch(() => refuse("The server does not answer; is it still running?"));
