// The playground: a network, watched while it learns. The kernel trains as long as this page requests frames.

import { formatNumber, makeButton, makeHtml, makeRoot, makeSlider, reducedMotion, say, sayWaiting, setText, speak } from "./shared.js";
import { TrainingCurves } from "./playground_curves.js";
import { PointsPlane } from "./playground_points.js";
import { NetworkDrawing } from "./playground_network.js";
import { LayerImages } from "./playground_layers.js";

const GRANTED_FRAMES = 24; // frames that the kernel may send before the page grants more
const SENTENCE_PERIOD = 5000; // milliseconds between two sentences of the live region while it plays
const CAPTION_PERIOD = 500; // milliseconds between two changes of the numbers below the layers
const REDUCED_MOTION_PERIOD = 1000; // milliseconds between two frames where reduced motion is preferred
const WAITING_DELAY = 1500; // milliseconds until the page says that it waits for the kernel

class Playground {
  constructor(model, el) {
    Object.assign(this, { model, setup: model.get("setup"), playing: false, granted: 0, visible: true, spoken: 0, captioned: 0 });
    this.root = makeRoot(el, say("Playground"));
    this.build();
    this.hear = (content, buffers) => this.receive(content, buffers);
    model.on("msg:custom", this.hear);
    const { content, buffers } = model.get("state");
    this.frame = [content, buffers];
    this.draw();
    this.ask({ look: true });
    this.watch();
  }

  build() {
    this.play = makeButton(say("Play"), say("Train (space)"), () => this.toggle());
    this.stepper = makeButton(say("Step →"), say("One update (right arrow)"), () => this.step());
    this.again = makeButton(say("Reset"), say("The same network before its first update"), () => this.change({ reset: true }));
    const paces = Object.entries(this.setup.paces).map(([n, name]) => makeHtml("option", { value: n }, name));
    this.pace = makeHtml("select", { class: "nnx-pace", "aria-label": say("Pace") }, ...paces);
    this.pace.value = 5;
    this.count = makeHtml("span", { class: "nnx-count nnx-running" });
    this.plane = new PointsPlane((request) => this.change(request));
    this.curves = new TrainingCurves();
    this.network = new NetworkDrawing();
    this.layers = new LayerImages();
    this.words = makeHtml("div", { class: "nnx-sentence", "aria-live": "polite" });
    this.error = makeHtml("p", { class: "nnx-error", role: "alert" });
    this.stopped = makeHtml("p", { class: "nnx-error", role: "alert" });
    this.warnings = makeHtml("div", { role: "status" });
    this.busy = makeHtml("p", { class: "nnx-warning", role: "status" });
    const bar = makeHtml("div", { class: "nnx-bar" }, this.again, this.play, this.stepper, this.pace, this.count);
    const plots = makeHtml("div", { class: "nnx-two" }, this.plane.element, this.curves.element);
    const { frozen } = this.setup;
    const [choices, sliders] = [this.choices(), this.sliders()];
    if (frozen) {
      this.pace.remove();
      this.stepper.title = say("The next frame (right arrow)");
      this.plane.freeze();
    }
    this.root.append(...(frozen ? [] : [choices]), bar, plots, this.words, this.stopped, this.error, this.warnings, this.busy,
      this.network.element, this.layers.element, ...(frozen ? [] : [sliders]));
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  choices() {
    const choice = (name, label, options, names = this.setup.names) => {
      const made = options.map((option) => makeHtml("option", { value: option }, names[option] ?? option));
      const select = makeHtml("select", { "aria-label": label, change: () => this.set({ [name]: select.value }) }, ...made);
      this[name] = select;
      return makeHtml("label", { class: "nnx-field" }, `${label} `, select);
    };
    return makeHtml("div", { class: "nnx-bar nnx-choices" }, choice("data", say("data"), this.setup.sets),
      choice("activation", say("activation"), this.setup.activations), choice("batch_size", say("batch"), this.setup.batches),
      choice("test_share", say("test set"), Object.keys(this.setup.shares), this.setup.shares));
  }

  sliders() {
    const { layers, width } = this.setup.most;
    this.bars = {
      layers: { label: say("hidden layers"), low: 0, high: layers, step: 1 },
      width: { label: say("width"), low: 1, high: width, step: 1 },
      step_size: { label: "step_size", low: 0, high: 3, step: 0.01 },
      weight_decay: { label: say("weight decay λ"), low: 0, high: 0.1, step: 0.0005 },
      noise: { label: say("noise"), low: 0, high: 0.5, step: 0.01 },
      seed: { label: say("seed"), low: 0, high: 20, step: 1 },
    };
    for (const [name, bar] of Object.entries(this.bars)) {
      this.bars[name] = makeSlider({ ...bar, value: 0 }, (text) => this.set({ [name]: text }));
    }
    const parts = Object.values(this.bars).map((bar) => bar.element);
    return makeHtml("div", { class: "nnx-sliders", role: "group", "aria-label": say("Settings") }, ...parts);
  }

  // -- requests ---------------------------------------------------------------------------------

  ask(request) {
    this.model.send(request);
    clearTimeout(this.late);
    this.late = setTimeout(() => {
      setText(this.busy, sayWaiting());
    }, WAITING_DELAY);
  }

  /** Send a request whose answer is read aloud. */
  change(request) {
    this.spoken = 0;
    this.ask(request);
  }

  set(settings) {
    this.change({ set: settings });
  }

  step() {
    this.pause();
    this.change({ train: 1 });
  }

  /** While it plays: draw the latest frame, and grant the kernel more frames before it has sent all. */
  tick() {
    if (this.fresh) this.draw();
    const calm = reducedMotion();
    if (this.visible && this.granted <= (calm ? 0 : GRANTED_FRAMES / 2)) {
      this.granted = calm ? 1 : GRANTED_FRAMES;
      const updates = Number(this.pace.value) * (calm ? REDUCED_MOTION_PERIOD / 25 : 1);
      this.ask({ frames: this.granted, each: { train: updates } });
    }
    if (!this.playing) return;
    if (calm) this.calm = setTimeout(() => this.tick(), REDUCED_MOTION_PERIOD);
    else this.due = requestAnimationFrame(() => this.tick());
  }

  toggle() {
    if (this.playing) return this.pause();
    Object.assign(this, { playing: true, granted: 0, spoken: 0 });
    setText(this.play, say("Pause"));
    this.tick();
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    clearTimeout(this.calm);
    cancelAnimationFrame(this.due);
    this.model.send({ frames: 0 });
    this.ask({ look: true }); // the maps as they are now
    this.spoken = 0;
    setText(this.play, say("Play"));
    this.draw();
  }

  key(event) {
    if (event.target.closest("input, select, .nnx-points") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowRight") this.step();
    else if (event.key === " " && !event.target.closest("button")) this.toggle();
    else return;
    event.preventDefault();
  }

  /** Grant no frames while the playground is out of sight. */
  watch() {
    this.sight = new IntersectionObserver(([seen]) => {
      this.visible = seen.isIntersecting;
    });
    this.sight.observe(this.root);
    this.theme = new MutationObserver(() => this.draw());
    this.theme.observe(document.body, { attributes: true });
  }

  // -- frames ----------------------------------------------------------------------------------

  receive(content, buffers) {
    clearTimeout(this.late);
    setText(this.busy, "");
    if (content.trained) this.granted -= 1;
    this.frame = content.words ? [content, buffers] : [{ ...this.frame[0], error: content.error }, this.frame[1]];
    if (buffers.length > 4) this.plane.hold(buffers[4]);
    this.fresh = true;
    if (content.trained && content.ended) this.pause();
    if (!this.playing) this.draw();
  }

  draw() {
    const [content, buffers] = this.frame;
    this.fresh = false;
    const { updates, loss, accuracy, test_loss, error, stopped, settings } = content;
    const counts = [
      updates,
      loss == null ? say("loss unknown") : say("loss {loss}", { loss: formatNumber(loss) }),
      test_loss == null ? "" : say("test loss {loss}", { loss: formatNumber(test_loss) }),
      accuracy == null ? "" : say("accuracy {percent}%", { percent: (100 * accuracy).toFixed(1) }),
    ];
    setText(this.count, counts.filter(Boolean).join(", "));
    this.plane.draw(content, buffers[0]);
    const now = performance.now();
    const readable = !this.playing || now - this.captioned > CAPTION_PERIOD;
    if (readable) this.captioned = now;
    this.network.draw(content, buffers[3], buffers[1], readable);
    this.layers.draw(content, buffers[1], readable);
    this.curves.draw(buffers[2]);
    setText(this.error, error ? `✗ ${error}` : "");
    setText(this.stopped, stopped ? `✗ ${stopped} ${say("Reset starts again.")}` : "");
    this.describe(content);
    if (!content.trained && settings) this.settle(settings);
  }

  /**
   * Update the sentences, only every few seconds while it plays, so that they can be heard and read. What is said of the
   * network is out of date by then: it is seen only at rest, when it agrees with the count above.
   */
  describe({ words, warnings }) {
    this.words.classList.toggle("nnx-only-heard", this.playing);
    this.warn(warnings);
    const now = performance.now();
    if (this.playing && now - this.spoken < SENTENCE_PERIOD) return;
    this.spoken = now;
    setText(this.words, words);
  }

  /** Show warnings at once, each with its numbers as they were when it came up or as they are at rest. */
  warn(warnings) {
    const kinds = warnings.map((text) => text.replace(/\d+/g, "#")).join();
    if (this.playing && kinds === this.warned) return;
    this.warned = kinds;
    const paragraphs = warnings.map((warning) => makeHtml("p", { class: "nnx-warning" }, `! ${warning}`));
    if (this.warnings.textContent !== paragraphs.map((p) => p.textContent).join("")) this.warnings.replaceChildren(...paragraphs);
  }

  /** Show the kernel's settings in sliders and choices. */
  settle(settings) {
    for (const name of ["data", "activation", "batch_size", "test_share"]) this[name].value = settings[name];
    for (const [name, bar] of Object.entries(this.bars)) {
      if (!bar.element.contains(document.activeElement)) bar.set(settings[name]);
    }
  }

  dispose() {
    if (this.playing) this.pause();
    clearTimeout(this.late);
    this.sight.disconnect();
    this.theme.disconnect();
    this.model.off("msg:custom", this.hear);
  }
}

export default {
  render({ model, el }) {
    speak(model.get("language"));
    const playground = new Playground(model, el);
    return () => playground.dispose();
  },
};
