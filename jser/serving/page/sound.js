// Sound: heard in stretches, and recorded as a 16-bit WAV, which every reader knows.

export const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

// Plays stretches of one recording; `changed()` is called whenever something starts or ends.
export class Player {
  constructor(changed) {
    this.changed = changed;
    this.context = null;
    this.buffer = null;
    this.source = null;
    this.at = 0;
    this.to = 0;
    this.asked = 0;
  }

  async load(flac) {
    this.stop();
    this.buffer = null;
    this.at = 0;
    this.context ??= new AudioContext();
    this.buffer = await this.context.decodeAudioData(flac.buffer);
  }

  get seconds() {
    return this.buffer ? this.buffer.duration : 0;
  }

  get running() {
    return this.source !== null;
  }

  get position() {
    if (!this.source) return this.at;
    return Math.min(this.at + Math.max(this.context.currentTime - this.began, 0), this.to);
  }

  async play(from, to) {
    if (!this.buffer) return;
    this.stop();
    const asked = ++this.asked;
    // Browsers let a page sound only after somebody has touched it.
    await this.context.resume();
    if (asked !== this.asked) return;
    const source = this.context.createBufferSource();
    source.buffer = this.buffer;
    source.connect(this.context.destination);
    source.onended = () => {
      if (this.source !== source) return;
      this.at = this.to;
      this.source = null;
      this.changed();
    };
    this.at = from;
    this.to = to;
    this.began = this.context.currentTime;
    this.source = source;
    source.start(0, from, Math.max(to - from, 0.01));
    this.changed();
  }

  stop() {
    this.asked++;
    if (!this.source) return;
    const source = this.source;
    this.at = this.position;
    this.source = null;
    source.stop();
    this.changed();
  }

  seek(to) {
    this.stop();
    this.at = Math.min(Math.max(to, 0), this.seconds);
    this.changed();
  }
}

// Records until it is told to stop, or the recording is as long as the server takes.
export class Microphone {
  constructor(mostSeconds, level, full) {
    this.most = mostSeconds;
    this.level = level;
    this.full = full;
  }

  async start() {
    if (!navigator.mediaDevices || !window.AudioWorkletNode) {
      throw new Error("This browser records on localhost or by https alone; choose a file instead.");
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
    } catch (error) {
      throw new Error(`The microphone cannot be used (${error.message}); allow it, or choose a file.`);
    }
    this.context = new AudioContext();
    this.blocks = [];
    this.samples = 0;
    await this.context.audioWorklet.addModule("recorder.js");
    await this.context.resume();
    this.node = new AudioWorkletNode(this.context, "recorder", { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => {
      this.blocks.push(data);
      this.samples += data.length;
      let peak = 0;
      for (const x of data) peak = Math.max(peak, Math.abs(x));
      this.level(this.samples / this.context.sampleRate, peak);
      if (this.samples / this.context.sampleRate >= this.most) this.full();
    };
    this.context.createMediaStreamSource(this.stream).connect(this.node);
  }

  async stop() {
    this.node.port.onmessage = null;
    for (const track of this.stream.getTracks()) track.stop();
    const rate = this.context.sampleRate;
    await this.context.close();
    const most = Math.floor(this.most * rate);
    return new File([wav(this.blocks, Math.min(this.samples, most), rate)], "recording.wav", {
      type: "audio/wav",
    });
  }
}

// Blocks of samples in -1..1 -> the bytes of a mono 16-bit WAV of the first `samples`.
export function wav(blocks, samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples));
  const text = (at, word) => [...word].forEach((c, k) => view.setUint8(at + k, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples, true);
  let at = 44;
  for (const block of blocks) {
    for (const x of block) {
      if (at >= view.byteLength) return view.buffer;
      view.setInt16(at, Math.round(Math.min(Math.max(x * 32768, -32768), 32767)), true);
      at += 2;
    }
  }
  return view.buffer;
}
