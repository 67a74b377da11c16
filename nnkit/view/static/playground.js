// The playground: a network that learns, seen while it does. The kernel trains as long as this page asks for frames.

import { button, make, reducedMotion, root, say, show, slider } from "./kit.js";
import { Curves } from "./curves.js";
import { Ground } from "./ground.js";
import { Layers } from "./layers.js";

const GRANT = 24; // frames that the kernel may send before it hears from the page again
const SPEAK = 5000; // milliseconds between two sentences of the live region while it plays
const READABLE = 500; // milliseconds between two changes of the numbers below the layers
const CALM = 1000; // milliseconds between two frames for who wants little motion
const PACES = [1, 5, 20, 100];
const PATIENCE = 1500;

class Playground {
  constructor(model, el) {
    Object.assign(this, { model, scene: model.get("scene"), playing: false, granted: 0, visible: true, spoken: 0, captioned: 0 });
    this.whole = root(el, "Playground");
    this.build();
    this.hear = (content, buffers) => this.receive(content, buffers);
    model.on("msg:custom", this.hear);
    const { content, buffers } = model.get("film");
    this.frame = [content, buffers];
    this.draw();
    this.ask({ look: true });
    this.watch();
  }

  build() {
    this.play = button("Play", "Train (space)", () => this.toggle());
    this.stepper = button("Step →", "One update (right arrow)", () => this.step());
    this.again = button("Reset", "The same network before its first update", () => this.change({ reset: true }));
    const paces = PACES.map((n) => make("option", { value: n }, `${n} update${n > 1 ? "s" : ""} a frame`));
    this.pace = make("select", { "aria-label": "Pace" }, ...paces);
    this.pace.value = 5;
    this.count = make("span", { class: "nnx-count nnx-running" });
    this.ground = new Ground((asked) => this.change(asked));
    this.curves = new Curves();
    this.layers = new Layers();
    this.words = make("div", { class: "nnx-sentence", "aria-live": "polite" });
    this.error = make("p", { class: "nnx-error", role: "alert" });
    this.stopped = make("p", { class: "nnx-error", role: "alert" });
    this.warnings = make("div", { role: "status" });
    this.busy = make("p", { class: "nnx-warning", role: "status" });
    const bar = make("div", { class: "nnx-bar" }, this.again, this.play, this.stepper, this.pace, this.count);
    const plots = make("div", { class: "nnx-two" }, this.ground.element, this.curves.element);
    this.whole.append(this.choices(), bar, plots, this.words, this.stopped, this.error, this.warnings, this.busy,
      this.layers.element, this.sliders());
    this.whole.addEventListener("keydown", (event) => this.key(event));
  }

  choices() {
    const choice = (name, label, options) => {
      const made = options.map((option) => make("option", { value: option }, option));
      const select = make("select", { "aria-label": label, change: () => this.set({ [name]: select.value }) }, ...made);
      this[name] = select;
      return make("label", { class: "nnx-field" }, `${label} `, select);
    };
    return make("div", { class: "nnx-bar nnx-choices" }, choice("data", "data", this.scene.sets),
      choice("activation", "activation", this.scene.activations), choice("batch_size", "batch", this.scene.batches));
  }

  sliders() {
    const { layers, width } = this.scene.most;
    this.bars = {
      layers: { label: "hidden layers", low: 0, high: layers, step: 1 },
      width: { label: "width", low: 1, high: width, step: 1 },
      step_size: { label: "step_size", low: 0, high: 3, step: 0.01 },
      weight_decay: { label: "weight decay λ", low: 0, high: 0.1, step: 0.0005 },
      seed: { label: "seed", low: 0, high: 20, step: 1 },
    };
    for (const [name, bar] of Object.entries(this.bars)) {
      this.bars[name] = slider({ ...bar, value: 0 }, (text) => this.set({ [name]: text }));
    }
    const parts = Object.values(this.bars).map((bar) => bar.element);
    return make("div", { class: "nnx-sliders", role: "group", "aria-label": "Settings" }, ...parts);
  }

  // -- what is asked ----------------------------------------------------------------------------

  ask(question) {
    this.model.send(question);
    clearTimeout(this.late);
    this.late = setTimeout(() => {
      say(this.busy, "Waiting for the kernel: it is busy with another cell, or it has gone. If it has, run this cell again.");
    }, PATIENCE);
  }

  /** A question whose answer is read aloud. */
  change(question) {
    this.spoken = 0;
    this.ask(question);
  }

  set(settings) {
    this.change({ set: settings });
  }

  step() {
    this.pause();
    this.change({ train: 1 });
  }

  /** While it plays: draw what has come, and grant the kernel more frames before it has sent all. */
  tick() {
    if (this.fresh) this.draw();
    const calm = reducedMotion();
    if (this.visible && this.granted <= (calm ? 0 : GRANT / 2)) {
      this.granted = calm ? 1 : GRANT;
      const updates = Number(this.pace.value) * (calm ? CALM / 25 : 1);
      this.ask({ frames: this.granted, each: { train: updates } });
    }
    if (!this.playing) return;
    if (calm) this.calm = setTimeout(() => this.tick(), CALM);
    else this.due = requestAnimationFrame(() => this.tick());
  }

  toggle() {
    if (this.playing) return this.pause();
    Object.assign(this, { playing: true, granted: 0, spoken: 0 });
    say(this.play, "Pause");
    this.tick();
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    clearTimeout(this.calm);
    cancelAnimationFrame(this.due);
    this.model.send({ frames: 0 });
    this.spoken = 0;
    say(this.play, "Play");
    this.draw();
  }

  key(event) {
    if (event.target.closest("input, select, .nnx-ground") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowRight") this.step();
    else if (event.key === " " && !event.target.closest("button")) this.toggle();
    else return;
    event.preventDefault();
  }

  /** No frames are granted while this is out of sight. */
  watch() {
    this.sight = new IntersectionObserver(([seen]) => {
      this.visible = seen.isIntersecting;
    });
    this.sight.observe(this.whole);
    this.theme = new MutationObserver(() => this.draw());
    this.theme.observe(document.body, { attributes: true });
  }

  // -- what is answered -------------------------------------------------------------------------

  receive(content, buffers) {
    clearTimeout(this.late);
    say(this.busy, "");
    if (content.trained) this.granted -= 1;
    this.frame = content.words ? [content, buffers] : [{ ...this.frame[0], error: content.error }, this.frame[1]];
    if (buffers.length > 3) this.ground.hold(buffers[3]);
    this.fresh = true;
    if (content.trained && content.ended) this.pause();
    if (!this.playing) this.draw();
  }

  draw() {
    const [content, buffers] = this.frame;
    this.fresh = false;
    const { step, loss, accuracy, error, stopped, settings } = content;
    const known = accuracy == null ? "" : `, accuracy ${(100 * accuracy).toFixed(1)}%`;
    say(this.count, `${step} update${step === 1 ? "" : "s"}, loss ${loss == null ? "unknown" : show(loss)}${known}`);
    this.ground.draw(content, buffers[0]);
    const now = performance.now();
    const readable = !this.playing || now - this.captioned > READABLE;
    if (readable) this.captioned = now;
    this.layers.draw(content, buffers[1], readable);
    this.curves.draw(buffers[2]);
    say(this.error, error ? `✗ ${error}` : "");
    say(this.stopped, stopped ? `✗ ${stopped} Reset begins again.` : "");
    this.speak(content);
    if (!content.trained && settings) this.settle(settings);
  }

  /** Words change seldom while it plays, so that they can be read. */
  speak({ words, warnings }) {
    const now = performance.now();
    if (this.playing && now - this.spoken < SPEAK) return;
    this.spoken = now;
    say(this.words, words);
    const told = warnings.map((warning) => make("p", { class: "nnx-warning" }, `! ${warning}`));
    if (this.warnings.textContent !== told.map((p) => p.textContent).join("")) this.warnings.replaceChildren(...told);
  }

  /** Sliders and choices show what the kernel has. */
  settle(settings) {
    for (const name of ["data", "activation", "batch_size"]) this[name].value = settings[name];
    for (const [name, bar] of Object.entries(this.bars)) {
      if (!bar.element.contains(document.activeElement)) bar.set(settings[name]);
    }
  }

  end() {
    if (this.playing) this.pause();
    clearTimeout(this.late);
    this.sight.disconnect();
    this.theme.disconnect();
    this.model.off("msg:custom", this.hear);
  }
}

export default {
  render({ model, el }) {
    const playground = new Playground(model, el);
    return () => playground.end();
  },
};
