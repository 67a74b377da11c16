// The activation explorer: a curve, its slope, and at one point the tangent and the numerical derivative.

import { connectKernel, formatNumber, makeHtml, makeId, makeRoot, makeSlider, makeSvg, say, setText, speak } from "./shared.js";
import { Plane, fitRange } from "./plot.js";

const [WIDE, HIGH] = [760, 440];

class ActivationExplorer {
  constructor(model, el) {
    this.model = model;
    this.setup = model.get("setup");
    this.root = makeRoot(el, say("Activation explorer: {gate}", { gate: this.setup.name }));
    this.root.classList.add("nnx-activation");
    this.busy = makeHtml("p", { class: "nnx-warning", role: "status" });
    this.kernel = connectKernel(model, (words) => setText(this.busy, words));
    this.build();
    this.refresh = () => this.update();
    model.on("change:state", this.refresh);
    this.update();
  }

  build() {
    const { name, reach } = this.setup;
    const label = say("The point x. Left and right arrow move it.");
    this.svg = makeSvg("svg", {
      class: "nnx-plot", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "slider", tabindex: 0, "aria-label": label,
      "aria-valuemin": -reach, "aria-valuemax": reach, "aria-valuenow": 0,
    });
    this.planes();
    const key = (kind, words) => makeHtml("span", { class: "nnx-legend" }, makeHtml("i", { class: `nnx-line ${kind}` }), words);
    const legend = makeHtml("div", { class: "nnx-bar" }, makeHtml("strong", {}, name), key("nnx-solid", say("output")),
      key("nnx-dashed", say("slope")), key("nnx-dotted", say("tangent")),
      key("nnx-hatched", say("saturated: the slope is below 0.01")));
    this.words = makeHtml("div");
    this.measured = makeHtml("div");
    this.flat = makeHtml("strong");
    const sentence = makeHtml("div", { class: "nnx-sentence", "aria-live": "polite", "aria-atomic": "true" }, this.words,
      this.measured, this.flat);
    this.error = makeHtml("p", { class: "nnx-error", role: "alert" });
    const { x, step } = this.model.get("state");
    this.tick = this.setup.frozen ? 2 * reach / (this.model.ticks("x").length - 1) : 0.05;
    this.x = makeSlider({ label: "x", low: -reach, high: reach, step: this.tick, value: x, fixed: this.setup.frozen },
      (text) => this.ask({ x: text }));
    this.step = makeSlider({ label: "h = 10^", low: -17, high: 0, step: 0.5, value: Math.log10(step) },
      (text) => this.ask({ step: 10 ** Number(text) }));
    this.root.append(legend, this.svg, sentence, this.error, this.busy,
      makeHtml("div", { class: "nnx-sliders" }, this.x.element, this.setup.frozen ? null : this.step.element));
    this.listen();
  }

  planes() {
    const { reach, x, out, slope, saturated } = this.setup;
    const place = { left: 52, width: WIDE - 64, x: [-reach, reach] };
    this.above = new Plane(this.svg, { ...place, top: 22, height: 203, y: fitRange(out, [0]) });
    this.below = new Plane(this.svg, { ...place, top: 249, height: 146, y: fitRange(slope, [0, 0.1]) });
    const clip = makeSvg("clipPath", { id: makeId("clip") },
      makeSvg("rect", { x: place.left, y: 22, width: place.width, height: 203 }));
    const lines = makeSvg("path", { class: "nnx-tick", d: "M0 8L8 0" });
    const hatch = { id: makeId("hatch"), width: 8, height: 8, patternUnits: "userSpaceOnUse" };
    const shades = [this.above, this.below].flatMap((plane) => saturated.map(([a, b]) => makeSvg("rect", {
      fill: `url(#${hatch.id})`, x: plane.px(a), y: plane.top, width: plane.px(b) - plane.px(a), height: plane.height,
    })));
    this.tangent = makeSvg("path", { class: "nnx-curve nnx-dotted", "clip-path": `url(#${clip.id})` });
    this.at = makeSvg("path", { class: "nnx-tick" });
    this.dots = ["circle", "circle"].map((tag) => makeSvg(tag, { class: "nnx-point", r: 6 }));
    this.cross = makeSvg("path", { class: "nnx-cross" });
    this.svg.append(makeSvg("defs", {}, clip, makeSvg("pattern", hatch, lines)), ...shades,
      ...this.above.axes(null, say("output")), ...this.below.axes("x", say("slope; ×: numerical slope")),
      this.above.curve("nnx-solid", x, out), this.below.curve("nnx-dashed", x, slope), this.at, this.tangent,
      ...this.dots, this.cross);
  }

  ask(change) {
    const { x, step } = this.model.get("request").number ? this.model.get("request") : this.model.get("state");
    this.kernel.ask({ x, step, ...change });
  }

  to(x) {
    const { reach } = this.setup;
    const near = Math.min(reach, Math.max(-reach, Number((Math.round(x / this.tick) * this.tick).toFixed(2))));
    this.x.set(String(near));
    this.ask({ x: near });
  }

  listen() {
    this.svg.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -0.1, ArrowRight: 0.1, PageDown: -1, PageUp: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      this.to(Number(this.model.get("state").x) + by);
    });
    this.svg.addEventListener("pointermove", (event) => this.to(this.above.locate(event)[0]));
    this.svg.addEventListener("pointerdown", (event) => this.to(this.above.locate(event)[0]));
  }

  update() {
    const state = this.model.get("state");
    const [out, slope, measured] = state.point;
    const { reach } = this.setup;
    const [x, y] = [this.above.px(state.x), this.above.py(out ?? 0)];
    const ends = [-2 * reach, 2 * reach];
    const line = out == null || slope == null ? [null, null] : ends.map((end) => out + slope * (end - state.x));
    this.tangent.setAttribute("d", this.above.path(ends, line));
    this.at.setAttribute("d", `M${x} ${this.above.top}V${this.below.top + this.below.height}`);
    for (const [dot, cy] of [[this.dots[0], y], [this.dots[1], this.below.py(slope ?? 0)]]) {
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", cy);
    }
    const at = this.below.py(Math.min(this.below.y[1], Math.max(this.below.y[0], measured ?? 0)));
    this.cross.setAttribute("d", measured == null ? "" : `M${x - 7} ${at - 7}l14 14m0 -14l-14 14`);
    this.svg.setAttribute("aria-valuenow", state.x);
    this.svg.setAttribute("aria-valuetext", `x = ${formatNumber(state.x)}`);
    setText(this.words, state.words);
    setText(this.measured, state.measured);
    setText(this.flat, state.saturated);
    setText(this.error, state.error ? `✗ ${state.error}` : "");
  }

  dispose() {
    this.kernel.close();
    this.model.off("change:state", this.refresh);
  }
}

export default {
  render({ model, el }) {
    speak(model.get("language"));
    const explorer = new ActivationExplorer(model, el);
    return () => explorer.dispose();
  },
};
