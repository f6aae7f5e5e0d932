// Position, selection and what is said there: by pointer and by keys.

const CLICK_PIXELS = 4;

// `player` is heard; `say(seconds)` gives the sentence for a place.
export class Timeline {
  constructor(parts, player, say) {
    this.parts = parts;
    this.player = player;
    this.say = say;
    this.seconds = 0;
    this.chosen = null; // [from, to] in seconds
    this.hovered = null;
    const { lens, play, clear } = parts;
    lens.addEventListener("pointerdown", (event) => this.#press(event));
    lens.addEventListener("pointermove", (event) => this.#move(event));
    lens.addEventListener("pointerup", (event) => this.#release(event));
    lens.addEventListener("pointercancel", () => this.#leave(true));
    lens.addEventListener("pointerleave", () => this.#leave(false));
    lens.addEventListener("keydown", (event) => this.#key(event));
    play.addEventListener("click", () => this.toggle());
    clear.addEventListener("click", () => this.select(null));
  }

  reset(seconds) {
    this.seconds = seconds;
    this.chosen = this.hovered = this.anchor = null;
    this.parts.lens.setAttribute("aria-valuemax", seconds.toFixed(2));
    this.draw();
  }

  select(chosen) {
    this.chosen = chosen;
    this.draw();
  }

  toggle() {
    if (this.player.running) return this.player.stop();
    const [from, to] = this.chosen ?? [0, this.seconds];
    const at = this.player.position;
    this.player.play(at > from && at < to - 0.02 ? at : from, to);
  }

  draw() {
    const { lens, selection, hover, cursor, play, clear, clock, readout } = this.parts;
    const now = this.player.position, running = this.player.running;
    const place = (element, seconds) => {
      element.style.left = `${Math.min((100 * seconds) / this.seconds, 100)}%`;
    };
    place(cursor, now);
    hover.hidden = this.hovered === null;
    if (!hover.hidden) place(hover, this.hovered);
    selection.hidden = clear.hidden = !this.chosen;
    if (this.chosen) {
      place(selection, this.chosen[0]);
      selection.style.width = `${(100 * (this.chosen[1] - this.chosen[0])) / this.seconds}%`;
    }
    const [from, to] = (this.chosen ?? [0, this.seconds]).map((s) => s.toFixed(2));
    play.textContent = running ? "Pause" : this.chosen ? `Play ${from} to ${to} s` : "Play";
    play.classList.toggle("running", running);
    clock.textContent = `${now.toFixed(2)} of ${this.seconds.toFixed(2)} s`;
    const said = this.say(this.hovered ?? now);
    readout.textContent = said;
    lens.setAttribute("aria-valuenow", now.toFixed(2));
    lens.setAttribute("aria-valuetext", this.say(now));
    if (running && !this.waiting) {
      this.waiting = true;
      requestAnimationFrame(() => {
        this.waiting = false;
        this.draw();
      });
    }
  }

  #at(event) {
    const box = this.parts.lens.getBoundingClientRect();
    return Math.min(Math.max((this.seconds * (event.clientX - box.left)) / box.width, 0), this.seconds);
  }

  #press(event) {
    if (event.button) return;
    this.anchor = { x: event.clientX, seconds: this.#at(event), dragged: false };
    this.parts.lens.setPointerCapture(event.pointerId);
  }

  #move(event) {
    this.hovered = this.#at(event);
    if (this.anchor) {
      this.anchor.dragged ||= Math.abs(event.clientX - this.anchor.x) >= CLICK_PIXELS;
      if (this.anchor.dragged) {
        this.chosen = [this.anchor.seconds, this.hovered].sort((a, b) => a - b);
      }
    }
    this.draw();
  }

  #release(event) {
    if (!this.anchor) return;
    const { dragged, seconds } = this.anchor;
    this.anchor = null;
    if (dragged) {
      this.player.play(...this.chosen);
    } else {
      this.chosen = null;
      this.player.seek(seconds);
    }
    if (event.pointerType !== "mouse") this.hovered = null;
    this.draw();
  }

  #leave(cancelled) {
    if (cancelled) this.anchor = null;
    this.hovered = null;
    this.draw();
  }

  #key(event) {
    const step = Math.max(0.05, this.seconds / 200), now = this.player.position;
    const to = {
      ArrowRight: now + step, ArrowUp: now + step, ArrowLeft: now - step, ArrowDown: now - step,
      Home: 0, End: this.seconds,
    }[event.key];
    if (to !== undefined) {
      const at = Math.min(Math.max(to, 0), this.seconds);
      if (event.shiftKey) {
        // The end that the position is at moves, the other one stays.
        const [from, until] = this.chosen ?? [now, now];
        const other = Math.abs(now - from) < Math.abs(now - until) ? until : from;
        this.chosen = [other, at].sort((a, b) => a - b);
        if (this.chosen[1] - this.chosen[0] < 1e-3) this.chosen = null;
      }
      this.player.seek(at);
    } else if (event.key === " " || event.key === "Enter") this.toggle();
    else if (event.key === "Escape") this.select(null);
    else return;
    event.preventDefault();
    this.draw();
  }
}
