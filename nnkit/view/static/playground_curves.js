// The curves of the playground: loss and accuracy over the updates.

import { makeSvg, say } from "./shared.js";
import { Plane } from "./plot.js";

const [WIDE, HIGH] = [460, 384];

export class TrainingCurves {
  constructor() {
    const label = say("Curves of the loss and the accuracy over the updates");
    this.svg = makeSvg("svg", { class: "nnx-plot", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": label });
    this.lines = ["nnx-solid", "nnx-dashed", "nnx-dotted"].map((kind) => makeSvg("path", { class: `nnx-curve ${kind}` }));
    this.axes = makeSvg("g", {});
    this.svg.append(this.axes, ...this.lines);
    this.element = this.svg;
  }

  /** Draw the curves from float32 numbers: update, loss, accuracy and test loss of each point. */
  draw(buffer) {
    const numbers = new Float32Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength));
    const columns = [[], [], [], []];
    numbers.forEach((number, i) => columns[i % 4].push(Number.isFinite(number) ? number : null));
    const [steps, losses, shares, tests] = columns;
    const [powers, tested] = [losses, tests].map((all) => all.map((loss) => (loss > 0 ? Math.log10(loss) : null)));
    this.name = tests.some((loss) => loss !== null)
      ? say("loss, on a log scale (dotted: test set)")
      : say("loss, on a log scale");
    this.scale(roundUp(steps[steps.length - 1] ?? 1), fitDecades([...powers, ...tested].filter((power) => power !== null)));
    this.lines[0].setAttribute("d", this.loss.path(steps, powers));
    this.lines[1].setAttribute("d", this.share.path(steps, shares));
    this.lines[2].setAttribute("d", this.loss.path(steps, tested));
  }

  /** Draw new axes if the old ones have become too small or too large. */
  scale(most, decades) {
    if (this.drawn === `${most} ${decades} ${this.name}`) return;
    this.drawn = `${most} ${decades} ${this.name}`;
    const place = { left: 52, width: WIDE - 70, height: 140, x: [0, most] };
    this.loss = new Plane(this.svg, { ...place, top: 22, y: decades, logarithmic: true });
    this.share = new Plane(this.svg, { ...place, top: 198, y: [0, 1.05] });
    this.axes.replaceChildren(...this.loss.axes(null, this.name), ...this.share.axes(say("updates"), say("accuracy")));
  }
}

/** Return the whole powers of ten that these lie between, at least a decade apart. */
function fitDecades(powers) {
  const high = Math.ceil(Math.max(...powers));
  return powers.length ? [Math.min(high - 1, Math.floor(Math.min(...powers))), high] : [-1, 0];
}

/** Round up to the next of 1, 1.5, 2, 3, 5, 10, ..., so that axes change seldom. */
function roundUp(number) {
  if (!(number > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 1.5, 2, 3, 5, 10].map((m) => m * power).find((m) => m >= number * 0.9999);
}
