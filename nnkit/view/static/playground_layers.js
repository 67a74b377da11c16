// The weights and gradients of the playground's network as images: a column per unit, the bias as the last row.

import { formatNumber, makeHtml, say, setText } from "./shared.js";

const sayLegend = () => say("Weights W and gradients dW, a column per unit, the bias as the last row. Orange is positive, "
  + "blue negative. Point at an entry to read it.");
export const [ORANGE, BLUE] = [[213, 94, 0], [0, 114, 178]];

export class LayerImages {
  constructor() {
    this.sheet = makeHtml("div", { class: "nnx-layers" });
    this.reading = makeHtml("p", { class: "nnx-rule" }, sayLegend());
    this.element = makeHtml("div", { class: "nnx-part" }, this.sheet, this.reading);
  }

  /** Draw the images, and with `captions` update the numbers below them. */
  draw({ shapes }, buffer, captions) {
    this.values = new Float32Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength));
    if (this.shapes !== String(shapes)) this.build(shapes);
    const paper = getComputedStyle(this.element).getPropertyValue("--nnx-paper").trim() === "#fff" ? 255 : 22;
    this.parts.forEach((part) => this.fill(part, paper, captions));
    if (this.at) this.describe(...this.at);
  }

  build(shapes) {
    this.shapes = String(shapes);
    const depth = shapes.length / 2;
    let from = 0;
    this.parts = shapes.map(([rows, columns], i) => {
      const name = `${i < depth ? "" : "d"}#${(i % depth) + 1}`;
      const canvas = makeHtml("canvas", { width: columns, height: rows, role: "img" });
      const size = Math.min(14, 120 / Math.max(rows, columns));
      canvas.style.width = `${columns * size}px`;
      canvas.style.height = `${rows * size}px`;
      const part = { name, from, rows, columns, canvas, words: makeHtml("figcaption", {}) };
      canvas.addEventListener("pointermove", (event) => this.under(part, event));
      canvas.addEventListener("pointerleave", () => this.leave());
      from += rows * columns;
      return part;
    });
    const figures = Array.from({ length: depth }, (_, k) =>
      makeHtml("div", {}, ...[this.parts[k], this.parts[depth + k]].map(({ canvas, words }) =>
        makeHtml("figure", {}, canvas, words))));
    this.sheet.replaceChildren(...figures);
    this.at = null;
  }

  fill({ name, from, rows, columns, canvas, words }, paper, captions) {
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(columns, rows);
    const entries = this.values.subarray(from, from + rows * columns);
    let largest = 0;
    for (const entry of entries) if (Math.abs(entry) > largest) largest = Math.abs(entry);
    entries.forEach((entry, i) => {
      const hue = entry > 0 ? ORANGE : BLUE;
      const share = largest ? Math.min(1, Math.abs(entry) / largest) : 0;
      for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = Number.isFinite(entry) ? paper + (hue[c] - paper) * share : 128;
      image.data[4 * i + 3] = 255;
    });
    pen.putImageData(image, 0, 0);
    if (!captions) return;
    const title = name.replace("#", "W");
    const known = entries.every((entry) => Number.isFinite(entry));
    const text = known ? `|${title}| ≤ ${formatNumber(largest)}` : say("{name} has NaN or ∞", { name: title });
    setText(words, text);
    canvas.setAttribute("aria-label", text);
  }

  under(part, event) {
    const box = part.canvas.getBoundingClientRect();
    const at = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    const row = at((event.clientY - box.top) / box.height, part.rows);
    const column = at((event.clientX - box.left) / box.width, part.columns);
    this.at = [part, row, column];
    this.describe(part, row, column);
  }

  leave() {
    this.at = null;
    setText(this.reading, sayLegend());
  }

  describe({ name, from, rows, columns }, row, column) {
    const bias = row === rows - 1;
    const place = bias ? `[${column}]` : `[${row}, ${column}]`;
    const value = this.values[from + row * columns + column];
    setText(this.reading, `${name.replace("#", bias ? "b" : "W")}${place} = ${formatNumber(value)}`);
  }
}
