// Buttons that step through the steps of an explorer (reset, back, play, step), and their keys.

import { makeButton, makeHtml, say, setText } from "./shared.js";

const STEP_PERIOD = 1100; // milliseconds from one step to the next while it plays

export class StepPlayer {
  /** `last()` is the number of the last step; `reset()` is called before the first is shown again. */
  constructor(model, last, { pause = STEP_PERIOD, reset = () => {} } = {}) {
    Object.assign(this, { model, last, pause, timer: 0 });
    this.play = makeButton(say("Play"), say("Play the steps one after the other (space)"), () => this.toggle());
    this.back = makeButton(say("← Back"), say("One step back (left arrow)"), () => this.go(this.at - 1));
    this.next = makeButton(say("Step →"), say("One step forward (right arrow)"), () => this.go(this.at + 1));
    this.again = makeButton(say("Reset"), say("Back to the start, with the original inputs"), () => {
      this.stop();
      reset();
      this.go(0);
    });
    this.count = makeHtml("span", { class: "nnx-count" });
    this.parts = [this.again, this.back, this.play, this.next, this.count];
  }

  get at() {
    return Math.min(this.model.get("step"), this.last());
  }

  go(at) {
    const next = Math.min(this.last(), Math.max(0, at));
    if (next === this.model.get("step")) return;
    this.model.set("step", next);
    this.model.save_changes();
  }

  /** Enable the buttons that can be used now; `moved` enables Reset before the first step too. */
  show(moved) {
    const [at, last] = [this.at, this.last()];
    setText(this.count, say("step {at} of {last}", { at, last }));
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
    setText(this.play, say("Pause"));
    this.go(this.at + 1);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
    setText(this.play, say("Play"));
  }

  /** Handle arrows and space, unless a field or (for space) a button uses them. */
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
