// The descent explorer: updates on a loss surface, seen from above, and the loss over them.

import { asker, draw, make, root, say, slider } from "./kit.js";
import { Player } from "./player.js";
import { Plane, range } from "./plot.js";

const [WIDE, HIGH] = [820, 400];

class DescentExplorer {
  constructor(model, el) {
    this.model = model;
    this.scene = model.get("scene");
    this.asked = { surface: 0, ...model.get("ask") };
    this.whole = root(el, "Descent explorer");
    this.busy = make("p", { class: "nnx-warning", role: "status" });
    this.kernel = asker(model, (words) => say(this.busy, words));
    const last = () => model.get("film").path.length - 1;
    this.player = new Player(model, last, { pause: 500, reset: () => this.reset() });
    this.parts();
    this.turn(this.asked.surface);
    this.refresh = () => this.update();
    model.on("change:film change:at", this.refresh);
    this.update();
  }

  parts() {
    const names = this.scene.surfaces.map(({ name }, i) => make("option", { value: i }, name));
    this.choice = make("select", { "aria-label": "Surface", change: () => this.choose() }, ...names);
    this.choice.value = this.asked.surface;
    this.svg = draw("svg", {
      class: "nnx-plot", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", tabindex: 0,
      "aria-label": "The loss surface. Left and right arrow step, space plays.",
    });
    this.words = make("div", { class: "nnx-sentence", "aria-live": "polite" });
    this.warning = make("p", { class: "nnx-warning", role: "status" });
    this.error = make("p", { class: "nnx-error", role: "alert" });
    this.sliders = make("div", { class: "nnx-sliders", role: "group", "aria-label": "Settings" });
    this.whole.append(make("div", { class: "nnx-bar" }, ...this.player.parts, this.choice), this.svg, this.words,
      this.warning, this.error, this.busy, this.sliders);
    this.whole.addEventListener("keydown", (event) => this.player.key(event));
    this.svg.addEventListener("pointerdown", (event) => this.drag(event));
    this.svg.addEventListener("pointermove", (event) => event.buttons === 1 && this.held && this.drag(event));
    this.svg.addEventListener("pointerup", () => (this.held = false));
  }

  // -- what is asked ----------------------------------------------------------------------------

  choose() {
    this.asked = { surface: Number(this.choice.value) };
    this.turn(this.asked.surface);
    this.player.stop();
    this.model.set("at", 0);
    this.kernel.ask(this.asked);
  }

  ask(change) {
    const { first, start } = this.scene.surfaces[this.asked.surface];
    this.asked = { step_size: first, momentum: 0, start, ...this.asked, ...change };
    this.kernel.ask(this.asked);
  }

  reset() {
    this.asked = { surface: this.asked.surface };
    this.turn(this.asked.surface);
    this.kernel.ask(this.asked);
  }

  /** The start goes where the pointer is. */
  drag(event) {
    const [x, y] = this.plane.under(event);
    const inside = (at, [low, high]) => at >= low && at <= high;
    if (!inside(x, this.plane.x) || !inside(y, this.plane.y)) return;
    this.held = true;
    this.move([x.toFixed(2), y.toFixed(2)]);
  }

  move(start) {
    start.forEach((text, i) => this.starts[i].set(text));
    this.model.set("at", 0);
    this.ask({ start });
  }

  // -- what is drawn ----------------------------------------------------------------------------

  turn(number) {
    const surface = this.scene.surfaces[number];
    const { first, high, tick, start } = { ...surface, ...(this.asked.start && { start: this.asked.start }) };
    this.plane = new Plane(this.svg, { left: 48, top: 8, width: 440, height: 340, x: surface.x, y: surface.y });
    const lines = surface.contours.map(({ x, y }) => this.plane.curve("nnx-contour", x, y));
    const seen = new Set();
    const names = surface.contours.filter(({ level }) => !seen.has(level) && seen.add(level)).map(({ level, x, y }) =>
      label(level, this.plane.px(x[Math.floor(x.length * 0.3)]), this.plane.py(y[Math.floor(y.length * 0.3)])));
    this.moving = draw("g", {});
    this.curve = draw("g", {});
    this.svg.replaceChildren(...this.plane.axes("W[0]", ""), ...lines, ...names, this.moving, this.curve,
      draw("text", { x: 54, y: 24 }, "W[1]"));
    const size = { label: "step_size", low: 0, high, step: tick, value: this.asked.step_size ?? first };
    const drag = { label: "momentum", low: 0, high: 0.99, step: 0.01, value: this.asked.momentum ?? 0 };
    const bars = [slider(size, (text) => this.ask({ step_size: text })),
      slider(drag, (text) => this.ask({ momentum: text }))];
    const ends = [surface.x, surface.y];
    this.starts = ends.map(([low, top], i) => slider(
      { label: `start W[${i}]`, low, high: top, step: 0.05, value: start[i] },
      (text) => this.move((this.asked.start ?? start).map((old, j) => (i === j ? text : old))),
    ));
    this.sliders.replaceChildren(...[...bars, ...this.starts].map((bar) => bar.element));
  }

  update() {
    const { path, losses, words, warning, error, surface } = this.model.get("film");
    const { at } = this.player;
    if (surface === this.asked.surface) {
      this.trail(path.slice(0, at + 1));
      this.losses(losses, at);
    }
    this.player.show(Object.keys(this.asked).length > 1);
    say(this.words, words[at]);
    say(this.warning, warning ? `! ${warning}` : "");
    say(this.error, error ? `✗ ${error}` : "");
  }

  trail(path) {
    const [first, last] = [path[0], path[path.length - 1]];
    const near = (value, [low, high]) => Math.min(high, Math.max(low, value ?? high));
    const held = path.map(([x, y]) => [near(x, this.plane.x), near(y, this.plane.y)]);
    const dots = held.slice(0, -1).map(([x, y]) =>
      draw("circle", { class: "nnx-dot", cx: this.plane.px(x), cy: this.plane.py(y), r: 3 }));
    const [x, y] = held[held.length - 1];
    const outside = last[0] !== x || last[1] !== y;
    const ball = { class: `nnx-point ${outside ? "nnx-outside" : ""}`, cx: this.plane.px(x), cy: this.plane.py(y), r: 8 };
    const [sx, sy] = [this.plane.px(near(first[0], this.plane.x)), this.plane.py(near(first[1], this.plane.y))];
    const beyond = outside ? [draw("text", { x: 474, y: 340, "text-anchor": "end" }, "outside of the picture")] : [];
    this.moving.replaceChildren(
      this.plane.curve("nnx-dashed", held.map((p) => p[0]), held.map((p) => p[1])), ...dots,
      draw("rect", { class: "nnx-point", x: sx - 6, y: sy - 6, width: 12, height: 12 }), draw("circle", ball), ...beyond,
    );
  }

  losses(losses, at) {
    const plane = new Plane(this.svg, { left: 560, top: 8, width: 250, height: 340, x: [0, losses.length - 1 || 1],
      y: range(losses, [0]) });
    const steps = losses.map((_, i) => i);
    this.curve.replaceChildren(...plane.axes("updates", "loss"), plane.curve("nnx-solid", steps, losses),
      draw("circle", { class: "nnx-point", cx: plane.px(at), cy: plane.py(losses[at] ?? plane.y[1]), r: 6 }));
  }

  end() {
    this.player.stop();
    this.kernel.close();
    this.model.off("change:film change:at", this.refresh);
  }
}

function label(level, x, y) {
  return draw("text", { class: "nnx-level", x, y: y + 4, "text-anchor": "middle" }, level);
}

export default {
  render({ model, el }) {
    const explorer = new DescentExplorer(model, el);
    return () => explorer.end();
  },
};
