// The network of the playground: a map of the plane for each unit, and its weights as lines.

import { makeHtml, say } from "./shared.js";
import { BLUE, ORANGE } from "./playground_layers.js";

const [MAX_WIDTH, MAP_SIDE, UNIT, GAP, TOP] = [800, 16, 22, 5, 18]; // the second as in explore_playground.py
const MAX_LINE = 4; // width of the largest weight of a layer

export class NetworkDrawing {
  constructor() {
    this.canvas = makeHtml("canvas", { class: "nnx-network", role: "img", width: MAX_WIDTH, height: 10 });
    const words = say("Each square is the plane as one unit sees it: orange where its output is positive, blue where it is "
      + "negative. The wider a line, the larger the weight.");
    this.element = makeHtml("div", { class: "nnx-part" }, this.canvas, makeHtml("p", { class: "nnx-notes" }, words));
    this.maps = new Int8Array();
  }

  /** Draw the maps that came with a frame, if there were any, and the weights. */
  draw({ sizes, mapped, shapes }, maps, weights, due) {
    if (!maps?.byteLength) return;
    this.maps = new Int8Array(maps.buffer.slice(maps.byteOffset, maps.byteOffset + maps.byteLength));
    if (!due && this.sizes === String(sizes)) return;
    this.sizes = String(sizes);
    const numbers = new Float32Array(weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength));
    const height = TOP + Math.max(...mapped) * (UNIT + GAP);
    const wide = Math.min(MAX_WIDTH, this.element.clientWidth || MAX_WIDTH);
    Object.assign(this.canvas, { width: 2 * wide, height: 2 * height });
    this.canvas.style.width = `${wide}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(2, 2);
    const places = mapped.map((count, k) => Array.from({ length: count }, (_, i) => [
      10 + (k * (wide - UNIT - 20)) / (mapped.length - 1), TOP + (height - TOP - count * (UNIT + GAP)) / 2 + i * (UNIT + GAP),
    ]));
    this.lines(pen, places, shapes, numbers);
    this.units(pen, places, sizes);
    const hidden = sizes.slice(1, -1).join(", ") || say("none");
    this.canvas.setAttribute("aria-label", say(
      "The network: 2 inputs, hidden units in each layer: {hidden}, {scores} scores", { hidden, scores: sizes.at(-1) }));
  }

  lines(pen, places, shapes, numbers) {
    let from = 0;
    places.slice(1).forEach((layer, k) => {
      const [rows, columns] = shapes[k];
      const entries = numbers.subarray(from, from + rows * columns);
      const most = Math.max(1e-12, ...entries.map(Math.abs));
      from += rows * columns;
      places[k].forEach(([x, y], i) => layer.forEach(([toX, toY], j) => {
        const weight = entries[i * columns + j];
        pen.strokeStyle = `rgba(${weight > 0 ? ORANGE : BLUE}, 0.75)`;
        pen.lineWidth = (MAX_LINE * Math.abs(weight)) / most;
        if (!(pen.lineWidth > 0.15)) return;
        const [startX, half] = [x + UNIT, (x + UNIT + toX) / 2];
        pen.beginPath();
        pen.moveTo(startX, y + UNIT / 2);
        pen.bezierCurveTo(half, y + UNIT / 2, half, toY + UNIT / 2, toX, toY + UNIT / 2);
        pen.stroke();
      }));
    });
  }

  units(pen, places, sizes) {
    const style = getComputedStyle(this.canvas);
    const paper = style.getPropertyValue("--nnx-paper").trim() === "#fff" ? 255 : 22;
    const tile = makeHtml("canvas", { width: MAP_SIDE, height: MAP_SIDE });
    pen.fillStyle = style.getPropertyValue("--nnx-ink");
    pen.font = '12px "DejaVu Sans", Verdana, sans-serif';
    pen.imageSmoothingEnabled = false;
    let from = 0;
    places.forEach((layer, k) => {
      const name = k === 0 ? say("inputs")
        : k === places.length - 1 ? say("scores")
        : sizes[k] > layer.length ? say("{shown} of {all}", { shown: layer.length, all: sizes[k] })
        : say("layer {number}", { number: k });
      pen.textAlign = k === 0 ? "left" : k === places.length - 1 ? "right" : "center";
      pen.fillText(name, layer[0][0] + (k === 0 ? 0 : k === places.length - 1 ? UNIT : UNIT / 2), 12);
      for (const [x, y] of layer) {
        this.fill(tile, this.maps.subarray(from, from + MAP_SIDE ** 2), paper);
        from += MAP_SIDE ** 2;
        pen.drawImage(tile, x, y, UNIT, UNIT);
        pen.strokeStyle = style.getPropertyValue("--nnx-line");
        pen.lineWidth = 1;
        pen.strokeRect(x, y, UNIT, UNIT);
      }
    });
  }

  fill(tile, map, paper) {
    const pen = tile.getContext("2d");
    const image = pen.createImageData(MAP_SIDE, MAP_SIDE);
    map.forEach((value, i) => {
      const hue = value > 0 ? ORANGE : BLUE;
      for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = paper + ((hue[c] - paper) * Math.abs(value)) / 127;
      image.data[4 * i + 3] = 255;
    });
    pen.putImageData(image, 0, 0);
  }
}
