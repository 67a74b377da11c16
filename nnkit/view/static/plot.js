// A plane with two axes, for curves and points.

import { formatNumber, makeSvg } from "./shared.js";

/** Maps coordinates of the plane to a rectangle of an SVG, and draws there. With `logarithmic`, y is a power of ten. */
export class Plane {
  constructor(svg, { left, top, width, height, x, y, logarithmic = false }) {
    Object.assign(this, { svg, left, top, width, height, x, y, logarithmic });
  }

  px(x) {
    return this.left + ((x - this.x[0]) / (this.x[1] - this.x[0])) * this.width;
  }

  py(y) {
    return this.top + (1 - (y - this.y[0]) / (this.y[1] - this.y[0])) * this.height;
  }

  /** Return the point of the plane under the pointer. */
  locate(event) {
    const box = this.svg.getBoundingClientRect();
    const [wide, high] = this.svg.getAttribute("viewBox").split(" ").slice(2).map(Number);
    const [x, y] = [((event.clientX - box.left) / box.width) * wide, ((event.clientY - box.top) / box.height) * high];
    return [
      this.x[0] + ((x - this.left) / this.width) * (this.x[1] - this.x[0]),
      this.y[0] + (1 - (y - this.top) / this.height) * (this.y[1] - this.y[0]),
    ];
  }

  /** Return a path through points; null leaves a gap. */
  path(xs, ys) {
    let d = "";
    let pen = "M";
    xs.forEach((x, i) => {
      if (ys[i] == null || x == null) pen = "M";
      else {
        d += `${pen}${this.px(x).toFixed(1)} ${this.py(clip(ys[i], this.y)).toFixed(1)}`;
        pen = "L";
      }
    });
    return d;
  }

  curve(kind, xs, ys) {
    return makeSvg("path", { class: `nnx-curve ${kind}`, d: this.path(xs, ys) });
  }

  axes(xname, yname) {
    const bottom = this.top + this.height;
    const rim = { class: "nnx-axis", x: this.left, y: this.top, width: this.width, height: this.height };
    const parts = [makeSvg("rect", rim)];
    for (const t of chooseTicks(...this.x)) {
      if (xname === null) break;
      const at = { x: this.px(t), y: bottom + 17, "text-anchor": "middle" };
      parts.push(makeSvg("path", { class: "nnx-tick", d: `M${this.px(t)} ${bottom}v4` }), makeSvg("text", at, formatNumber(t)));
    }
    for (const t of chooseTicks(...this.y)) {
      if (this.logarithmic && !Number.isInteger(t)) continue;
      const at = { x: this.left - 7, y: this.py(t) + 5, "text-anchor": "end" };
      parts.push(makeSvg("path", { class: "nnx-tick", d: `M${this.left} ${this.py(t)}h-4` }),
        makeSvg("text", at, formatNumber(this.logarithmic ? 10 ** t : t)));
    }
    const words = { x: this.left + this.width / 2, y: bottom + 34, "text-anchor": "middle" };
    if (xname) parts.push(makeSvg("text", words, xname));
    parts.push(makeSvg("text", { x: this.left, y: this.top - 7 }, yname)); // above the plane, where no curve runs
    return parts;
  }
}

function clip(y, [low, high]) {
  const room = 20 * (high - low);
  return Math.min(high + room, Math.max(low - room, y));
}

/** Return about five round numbers in an interval. */
export function chooseTicks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1) found.push(i * step || 0);
  return found;
}

/** Return the ends of an axis for these numbers (ignoring null), with a margin. */
export function fitRange(numbers, atLeast) {
  const known = [...numbers.filter((n) => n != null), ...atLeast];
  const [low, high] = [Math.min(...known), Math.max(...known)];
  return [low - 0.06 * (high - low), high + 0.12 * (high - low)];
}
