// The curves of the playground: loss and accuracy over the updates.

import { makeSvg } from "./shared.js";
import { Plane } from "./plot.js";

const [WIDE, HIGH] = [460, 384];

export class TrainingCurves {
  constructor() {
    const label = "Curves of the loss and the accuracy over the updates";
    this.svg = makeSvg("svg", { class: "nnx-plot", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": label });
    this.lines = ["nnx-solid", "nnx-dashed"].map((kind) => makeSvg("path", { class: `nnx-curve ${kind}` }));
    this.axes = makeSvg("g", {});
    this.svg.append(this.axes, ...this.lines);
    this.element = this.svg;
  }

  /** Draw the curves from float32 numbers: update, loss and accuracy of each point. */
  draw(buffer) {
    const numbers = new Float32Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength));
    const columns = [[], [], []];
    numbers.forEach((number, i) => columns[i % 3].push(Number.isFinite(number) ? number : null));
    const [steps, losses, shares] = columns;
    this.scale(roundUp(steps[steps.length - 1] ?? 1), roundUp(Math.max(0, ...losses)));
    this.lines[0].setAttribute("d", this.loss.path(steps, losses));
    this.lines[1].setAttribute("d", this.share.path(steps, shares));
  }

  /** Draw new axes if the old ones have become too small or too large. */
  scale(most, top) {
    if (this.drawn === `${most} ${top}`) return;
    this.drawn = `${most} ${top}`;
    const place = { left: 52, width: WIDE - 70, height: 150, x: [0, most] };
    this.loss = new Plane(this.svg, { ...place, top: 8, y: [0, top] });
    this.share = new Plane(this.svg, { ...place, top: 186, y: [0, 1.05] });
    this.axes.replaceChildren(...this.loss.axes(null, "loss"), ...this.share.axes("updates", "accuracy"));
  }
}

/** Round up to the next of 1, 1.5, 2, 3, 5, 10, ..., so that axes change seldom. */
function roundUp(number) {
  if (!(number > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 1.5, 2, 3, 5, 10].map((m) => m * power).find((m) => m >= number * 0.9999);
}
