// Buttons that step through a film: reset, back, play, step; and their keys.

import { button, make, say } from "./kit.js";

const PAUSE = 1100; // milliseconds from one step to the next while it plays

export class Player {
  /** `last()` is the number of the last step; `reset()` is called before the first is shown again. */
  constructor(model, last, { pause = PAUSE, reset = () => {} } = {}) {
    Object.assign(this, { model, last, pause, timer: 0 });
    this.play = button("Play", "Play the steps one after the other (space)", () => this.toggle());
    this.back = button("← Back", "One step back (left arrow)", () => this.go(this.at - 1));
    this.next = button("Step →", "One step forward (right arrow)", () => this.go(this.at + 1));
    this.again = button("Reset", "Back to before the first step, with the first inputs", () => {
      this.stop();
      reset();
      this.go(0);
    });
    this.count = make("span", { class: "nnx-count" });
    this.parts = [this.again, this.back, this.play, this.next, this.count];
  }

  get at() {
    return Math.min(this.model.get("at"), this.last());
  }

  go(at) {
    const next = Math.min(this.last(), Math.max(0, at));
    if (next === this.model.get("at")) return;
    this.model.set("at", next);
    this.model.save_changes();
  }

  /** What the buttons can do now; `moved`: whether there is something to reset though no step was taken. */
  show(moved) {
    const [at, last] = [this.at, this.last()];
    say(this.count, `step ${at} of ${last}`);
    this.again.disabled = !at && !moved;
    this.back.disabled = !at;
    this.next.disabled = at >= last;
    this.play.disabled = !last;
    if (at >= last) this.stop();
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.at >= this.last()) this.go(0);
    this.timer = setInterval(() => this.go(this.at + 1), this.pause);
    say(this.play, "Pause");
    this.go(this.at + 1);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
    say(this.play, "Play");
  }

  /** Arrows and space, unless a field or (for space) a button wants them. */
  key(event) {
    const field = event.target.closest("input, select, textarea, pre");
    if (field || event.altKey || event.ctrlKey || event.metaKey) return;
    const pressed = event.target.closest("button, [role=button]");
    if (event.key === "ArrowRight") this.go(this.at + 1);
    else if (event.key === "ArrowLeft") this.go(this.at - 1);
    else if (event.key === " " && !pressed) this.toggle();
    else return;
    event.preventDefault();
  }
}
