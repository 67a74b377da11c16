// The activation explorer: a curve, its slope, and at one point the tangent and the numerical derivative.

import { asker, draw, make, root, say, show, slider } from "./kit.js";
import { Plane, range } from "./plot.js";

const [WIDE, HIGH] = [760, 440];

class ActivationExplorer {
  constructor(model, el) {
    this.model = model;
    this.scene = model.get("scene");
    this.whole = root(el, `Activation explorer: ${this.scene.name}`);
    this.busy = make("p", { class: "nnx-warning", role: "status" });
    this.kernel = asker(model, (words) => say(this.busy, words));
    this.build();
    this.refresh = () => this.update();
    model.on("change:film", this.refresh);
    this.update();
  }

  build() {
    const { name, reach } = this.scene;
    const label = "The point x. Left and right arrow move it.";
    this.svg = draw("svg", {
      class: "nnx-plot", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "slider", tabindex: 0, "aria-label": label,
      "aria-valuemin": -reach, "aria-valuemax": reach, "aria-valuenow": 0,
    });
    this.planes();
    const key = (kind, words) => make("span", { class: "nnx-legend" }, make("i", { class: `nnx-line ${kind}` }), words);
    const legend = make("div", { class: "nnx-bar" }, make("strong", {}, name), key("nnx-solid", "output"),
      key("nnx-dashed", "slope"), key("nnx-dotted", "tangent"), key("nnx-hatched", "saturated: the slope is below 0.01"));
    this.words = make("div");
    this.measured = make("div");
    this.flat = make("strong");
    const sentence = make("div", { class: "nnx-sentence", "aria-live": "polite", "aria-atomic": "true" }, this.words,
      this.measured, this.flat);
    this.error = make("p", { class: "nnx-error", role: "alert" });
    const { x, step } = this.model.get("film");
    this.x = slider({ label: "x", low: -reach, high: reach, step: 0.05, value: x }, (text) => this.ask({ x: text }));
    this.step = slider({ label: "h = 10^", low: -17, high: 0, step: 0.5, value: Math.log10(step) },
      (text) => this.ask({ step: 10 ** Number(text) }));
    this.whole.append(legend, this.svg, sentence, this.error, this.busy,
      make("div", { class: "nnx-sliders" }, this.x.element, this.step.element));
    this.listen();
  }

  planes() {
    const { reach, x, out, slope, saturated } = this.scene;
    const place = { left: 52, width: WIDE - 64, x: [-reach, reach] };
    this.above = new Plane(this.svg, { ...place, top: 8, height: 215, y: range(out, [0]) });
    this.below = new Plane(this.svg, { ...place, top: 245, height: 150, y: range(slope, [0, 0.1]) });
    const clip = draw("clipPath", { id: `clip-${this.model.model_id}` },
      draw("rect", { x: place.left, y: 8, width: place.width, height: 215 }));
    const lines = draw("path", { class: "nnx-tick", d: "M0 8L8 0" });
    const hatch = { id: `hatch-${this.model.model_id}`, width: 8, height: 8, patternUnits: "userSpaceOnUse" };
    const shades = [this.above, this.below].flatMap((plane) => saturated.map(([a, b]) => draw("rect", {
      fill: `url(#${hatch.id})`, x: plane.px(a), y: plane.top, width: plane.px(b) - plane.px(a), height: plane.height,
    })));
    this.tangent = draw("path", { class: "nnx-curve nnx-dotted", "clip-path": `url(#${clip.id})` });
    this.at = draw("path", { class: "nnx-tick" });
    this.dots = ["circle", "circle"].map((tag) => draw(tag, { class: "nnx-point", r: 6 }));
    this.cross = draw("path", { class: "nnx-cross" });
    this.svg.append(draw("defs", {}, clip, draw("pattern", hatch, lines)), ...shades,
      ...this.above.axes(null, "output"), ...this.below.axes("x", "slope, and × the numerical one"),
      this.above.curve("nnx-solid", x, out), this.below.curve("nnx-dashed", x, slope), this.at, this.tangent,
      ...this.dots, this.cross);
  }

  ask(change) {
    const { x, step } = this.model.get("ask").number ? this.model.get("ask") : this.model.get("film");
    this.kernel.ask({ x, step, ...change });
  }

  to(x) {
    const { reach } = this.scene;
    const near = Math.min(reach, Math.max(-reach, Math.round(x * 20) / 20));
    this.x.set(String(near));
    this.ask({ x: near });
  }

  listen() {
    this.svg.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -0.1, ArrowRight: 0.1, PageDown: -1, PageUp: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      this.to(Number(this.model.get("film").x) + by);
    });
    this.svg.addEventListener("pointermove", (event) => this.to(this.above.under(event)[0]));
    this.svg.addEventListener("pointerdown", (event) => this.to(this.above.under(event)[0]));
  }

  update() {
    const film = this.model.get("film");
    const [out, slope, measured] = film.point;
    const { reach } = this.scene;
    const [x, y] = [this.above.px(film.x), this.above.py(out ?? 0)];
    const ends = [-2 * reach, 2 * reach];
    const line = out == null || slope == null ? [null, null] : ends.map((end) => out + slope * (end - film.x));
    this.tangent.setAttribute("d", this.above.path(ends, line));
    this.at.setAttribute("d", `M${x} ${this.above.top}V${this.below.top + this.below.height}`);
    for (const [dot, cy] of [[this.dots[0], y], [this.dots[1], this.below.py(slope ?? 0)]]) {
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", cy);
    }
    const at = this.below.py(Math.min(this.below.y[1], Math.max(this.below.y[0], measured ?? 0)));
    this.cross.setAttribute("d", measured == null ? "" : `M${x - 7} ${at - 7}l14 14m0 -14l-14 14`);
    this.svg.setAttribute("aria-valuenow", film.x);
    this.svg.setAttribute("aria-valuetext", `x = ${show(film.x)}`);
    say(this.words, film.words);
    say(this.measured, film.measured);
    say(this.flat, film.saturated);
    say(this.error, film.error ? `✗ ${film.error}` : "");
  }

  end() {
    this.kernel.close();
    this.model.off("change:film", this.refresh);
  }
}

export default {
  render({ model, el }) {
    const explorer = new ActivationExplorer(model, el);
    return () => explorer.end();
  },
};
