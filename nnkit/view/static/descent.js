// The descent explorer: updates on a loss surface, seen from above, and the loss over the updates.

import { connectKernel, makeHtml, makeRoot, makeSlider, makeSvg, say, setText, speak } from "./shared.js";
import { StepPlayer } from "./player.js";
import { Plane, fitRange } from "./plot.js";

const [WIDE, HIGH] = [500, 400];

class DescentExplorer {
  constructor(model, el) {
    this.model = model;
    this.setup = model.get("setup");
    this.request = { surface: 0, ...model.get("request") };
    this.root = makeRoot(el, say("Descent explorer"));
    this.busy = makeHtml("p", { class: "nnx-warning", role: "status" });
    this.kernel = connectKernel(model, (words) => setText(this.busy, words));
    const last = () => model.get("state").path.length - 1;
    this.player = new StepPlayer(model, last, { pause: 500, reset: () => this.reset() });
    this.createParts();
    this.showSurface(this.request.surface);
    this.refresh = () => this.update();
    model.on("change:state change:step", this.refresh);
    this.update();
  }

  createParts() {
    const names = this.setup.surfaces.map(({ name }, i) => makeHtml("option", { value: i }, name));
    this.choice = makeHtml("select", { "aria-label": say("Surface"), change: () => this.choose() }, ...names);
    this.choice.value = this.request.surface;
    this.batch = makeHtml("select", { "aria-label": say("Batch size"), change: () => this.ask({ batch_size: this.batch.value }) });
    this.batchField = makeHtml("label", { class: "nnx-field nnx-right" }, say("batch size"), " ", this.batch);
    this.svg = makeSvg("svg", {
      class: "nnx-plot", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", tabindex: 0,
      "aria-label": say("The loss surface. Left and right arrow step, space plays."),
    });
    const about = say("The loss up to now, over the updates");
    this.curve = makeSvg("svg", { class: "nnx-plot", viewBox: `0 0 320 ${HIGH}`, role: "img", "aria-label": about });
    const plots = makeHtml("div", { class: "nnx-two nnx-unequal" }, this.svg, this.curve);
    this.words = makeHtml("div", { class: "nnx-sentence", "aria-live": "polite" });
    this.warning = makeHtml("p", { class: "nnx-warning", role: "status" });
    this.error = makeHtml("p", { class: "nnx-error", role: "alert" });
    this.sliders = makeHtml("div", { class: "nnx-sliders", role: "group", "aria-label": say("Settings") });
    this.root.append(makeHtml("div", { class: "nnx-bar" }, ...this.player.parts, this.batchField, this.choice), plots, this.words,
      this.warning, this.error, this.busy, this.sliders);
    this.root.addEventListener("keydown", (event) => this.player.key(event));
    this.svg.addEventListener("pointerdown", (event) => this.drag(event));
    this.svg.addEventListener("pointermove", (event) => event.buttons === 1 && this.held && this.drag(event));
    this.svg.addEventListener("pointerup", () => (this.held = false));
  }

  // -- requests ---------------------------------------------------------------------------------

  choose() {
    this.request = { surface: Number(this.choice.value) };
    this.showSurface(this.request.surface);
    this.player.stop();
    this.model.set("step", 0);
    this.kernel.ask(this.request);
  }

  ask(change) {
    const { first, start } = this.setup.surfaces[this.request.surface];
    this.request = { step_size: first, momentum: 0, start, ...this.request, ...change };
    this.kernel.ask(this.request);
  }

  reset() {
    this.request = { surface: this.request.surface };
    this.showSurface(this.request.surface);
    this.kernel.ask(this.request);
  }

  /** Move the start to the pointer. */
  drag(event) {
    if (this.setup.frozen) return;
    const [x, y] = this.plane.locate(event);
    const inside = (at, [low, high]) => at >= low && at <= high;
    if (!inside(x, this.plane.x) || !inside(y, this.plane.y)) return;
    this.held = true;
    this.move([x.toFixed(2), y.toFixed(2)]);
  }

  move(start) {
    start.forEach((text, i) => this.starts[i].set(text));
    this.model.set("step", 0);
    this.ask({ start });
  }

  // -- drawing --------------------------------------------------------------------------------

  showSurface(number) {
    const surface = this.setup.surfaces[number];
    const { first, high, tick, start } = { ...surface, ...(this.request.start && { start: this.request.start }) };
    this.plane = new Plane(this.svg, { left: 48, top: 22, width: 440, height: 326, x: surface.x, y: surface.y });
    const lines = surface.contours.map(({ x, y }) => this.plane.curve("nnx-contour", x, y));
    const seen = new Set();
    const names = surface.contours.filter(({ level }) => !seen.has(level) && seen.add(level)).map(({ level, x, y }) =>
      label(level, this.plane.px(x[Math.floor(x.length * 0.3)]), this.plane.py(y[Math.floor(y.length * 0.3)])));
    this.moving = makeSvg("g", {});
    this.svg.replaceChildren(...this.plane.axes("W[0]", ""), ...lines, ...names, this.moving,
      makeSvg("text", { x: 48, y: 15 }, "W[1]"));
    const { batches } = surface;
    this.batchField.hidden = !batches.length || this.setup.frozen;
    this.batch.replaceChildren(...batches.map((n, i) => makeHtml("option", { value: n }, i ? n : say("all {number}", { number: n }))));
    if (this.request.batch_size) this.batch.value = this.request.batch_size;
    const { frozen } = this.setup;
    const [size, drag] = frozen ? this.chooseTicks(number) : [
      { label: "step_size", low: 0, high, step: tick, value: this.request.step_size ?? first },
      { label: say("momentum"), low: 0, high: 0.99, step: 0.01, value: this.request.momentum ?? 0 },
    ];
    const bars = [makeSlider(size, (text) => this.ask({ step_size: text })),
      makeSlider(drag, (text) => this.ask({ momentum: text }))];
    const ends = [surface.x, surface.y];
    this.starts = ends.map(([low, top], i) => makeSlider(
      { label: say("start {weight}", { weight: `W[${i}]` }), low, high: top, step: 0.05, value: start[i] },
      (text) => this.move((this.request.start ?? start).map((old, j) => (i === j ? text : old))),
    ));
    this.sliders.replaceChildren(...[...bars, ...(frozen ? [] : this.starts)].map((bar) => bar.element));
  }

  /** Return sliders on which every position was computed in advance. */
  chooseTicks(number) {
    return [["step_size", "step_size"], ["momentum", say("momentum")]].map(([name, label]) => {
      const values = this.model.ticks(name, { surface: number });
      const [low, high] = [values[0], values[values.length - 1]];
      const value = this.request[name] ?? (name === "momentum" ? 0 : this.setup.surfaces[number].first);
      return { label, low, high, step: (high - low) / (values.length - 1), value, fixed: true };
    });
  }

  update() {
    const { path, losses, plain, words, warning, error, surface } = this.model.get("state");
    const { at } = this.player;
    if (surface === this.request.surface) {
      this.trail(path.slice(0, at + 1));
      this.losses(losses, plain, at);
    }
    this.player.show(Object.keys(this.request).length > 1);
    setText(this.words, words[at]);
    setText(this.warning, warning && at ? `! ${warning}` : ""); // it tells the end, so not before the first step
    setText(this.error, error ? `✗ ${error}` : "");
  }

  trail(path) {
    const [first, last] = [path[0], path[path.length - 1]];
    const near = (value, [low, high]) => Math.min(high, Math.max(low, value ?? high));
    const held = path.map(([x, y]) => [near(x, this.plane.x), near(y, this.plane.y)]);
    const dots = held.slice(0, -1).map(([x, y]) =>
      makeSvg("circle", { class: "nnx-dot", cx: this.plane.px(x), cy: this.plane.py(y), r: 3 }));
    const [x, y] = held[held.length - 1];
    const outside = last[0] !== x || last[1] !== y;
    const ball = { class: `nnx-point ${outside ? "nnx-outside" : ""}`, cx: this.plane.px(x), cy: this.plane.py(y), r: 8 };
    const [sx, sy] = [this.plane.px(near(first[0], this.plane.x)), this.plane.py(near(first[1], this.plane.y))];
    const beyond = outside ? [makeSvg("text", { x: 474, y: 340, "text-anchor": "end" }, say("outside the picture"))] : [];
    this.moving.replaceChildren(
      this.plane.curve("nnx-dashed", held.map((p) => p[0]), held.map((p) => p[1])), ...dots,
      makeSvg("rect", { class: "nnx-point", x: sx - 6, y: sy - 6, width: 12, height: 12 }), makeSvg("circle", ball), ...beyond,
    );
  }

  /** Draw the loss up to now, and dotted what it would be without momentum. */
  losses(losses, plain, at) {
    const [seen, without] = [losses.slice(0, at + 1), plain.slice(0, at + 1)];
    const plane = new Plane(this.curve, { left: 50, top: 22, width: 250, height: 326, x: [0, losses.length - 1 || 1],
      y: fitRange([...seen, ...without], [0]) });
    const steps = losses.map((_, i) => i);
    const ends = [[seen, "nnx-solid"], [without, "nnx-dotted"]].map(([ys, kind]) => plane.curve(kind, steps.slice(0, ys.length), ys));
    const legend = without.length > 1 ? [makeSvg("text", { x: 300, y: 15, "text-anchor": "end" }, say("dotted: without momentum"))] : [];
    this.curve.replaceChildren(...plane.axes(say("updates"), say("loss")), ...ends, ...legend,
      makeSvg("circle", { class: "nnx-point", cx: plane.px(at), cy: plane.py(losses[at] ?? plane.y[1]), r: 6 }));
  }

  dispose() {
    this.player.stop();
    this.kernel.close();
    this.model.off("change:state change:step", this.refresh);
  }
}

function label(level, x, y) {
  return makeSvg("text", { class: "nnx-level", x, y: y + 4, "text-anchor": "middle" }, level);
}

export default {
  render({ model, el }) {
    speak(model.get("language"));
    const explorer = new DescentExplorer(model, el);
    return () => explorer.dispose();
  },
};
