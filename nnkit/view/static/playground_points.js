// The plane of the playground: the class regions of the network, and points that can be painted.

import { makeButton, makeHtml, say, setText } from "./shared.js";

const [SIZE, GRID_SIDE, CONFIDENCE_LEVELS, NO_NUMBER, TEST_OFFSET] = [384, 64, 50, 255, 10]; // as in playground_points.py
const PIXELS = SIZE / 2; // side of the regions' image, scaled up by two
const HUES = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [140, 140, 140]]; // Okabe and Ito's
const NAMES = ["0 ●", "1 ■", "2 ▲", "3 ◆", "4 ▼"];
const MAX_SHARE = 0.45; // of a hue where the network is certain
const KEY_STEP = 0.04; // of the plane, by which an arrow key moves the cursor
const MIN_DISTANCE = 0.03; // of the plane, between two points of one stroke

export class PointsPlane {
  /** Calls `ask` with {paint: [x, y, class]}, {erase: [x, y]} or {clear}. */
  constructor(ask) {
    Object.assign(this, { ask, brush: 0, points: new Float32Array(), cursor: null, last: null });
    this.under = makeHtml("canvas", { width: PIXELS, height: PIXELS, "aria-hidden": "true" });
    this.over = makeHtml("canvas", {
      class: "nnx-points", width: SIZE, height: SIZE, tabindex: 0, role: "application",
      "aria-label": say("The plane with its points. Arrows move a cursor, Enter paints a point, Delete erases."),
    });
    this.place = makeHtml("p", { class: "nnx-rule", "aria-live": "polite" });
    this.pixels = this.under.getContext("2d").createImageData(PIXELS, PIXELS);
    const plane = makeHtml("div", { class: "nnx-plane" }, this.under, this.over);
    this.element = makeHtml("div", {}, this.tools(), plane, this.place);
    this.listen();
  }

  tools() {
    const brush = (name, number) => makeButton(name, say("Paint points of class {number}", { number }), () => this.choose(number));
    this.brushes = NAMES.slice(0, 3).map(brush);
    this.eraser = makeButton(say("Erase"), say("Erase points"), () => this.choose(null));
    this.brushes.push(this.eraser);
    const clear = makeButton(say("Clear"), say("Erase all points"), () => this.ask({ clear: true }));
    this.bar = makeHtml("div", { class: "nnx-bar", role: "group", "aria-label": say("Paint") }, say("paint"), ...this.brushes, clear);
    this.choose(0);
    return this.bar;
  }

  /** Show the points of a recorded training, which cannot be painted. */
  freeze() {
    this.bar.remove();
    this.over.replaceWith((this.over = this.over.cloneNode()));
    for (const name of ["tabindex", "role"]) this.over.removeAttribute(name);
    this.over.setAttribute("aria-hidden", "true");
  }

  choose(brush) {
    this.brush = brush;
    this.brushes.forEach((one, i) => {
      one.setAttribute("aria-pressed", String(one === this.eraser ? brush === null : brush === i));
    });
  }

  // -- painting ----------------------------------------------------------------------------------

  listen() {
    const over = this.over;
    over.addEventListener("pointerdown", (event) => {
      over.setPointerCapture(event.pointerId);
      this.last = null;
      this.stroke(event);
    });
    over.addEventListener("pointermove", (event) => event.buttons === 1 && this.stroke(event));
    over.addEventListener("keydown", (event) => this.key(event));
    over.addEventListener("blur", () => this.point(null));
  }

  /** Paint a point under the pointer, if it is far enough from the last. */
  stroke(event) {
    const box = this.over.getBoundingClientRect();
    const at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    if (at.some((share) => share < 0 || share > 1)) return;
    if (this.last && Math.hypot(at[0] - this.last[0], at[1] - this.last[1]) < MIN_DISTANCE) return;
    this.last = at;
    this.put(at, this.brush);
  }

  put(at, brush) {
    const [x, y] = this.numbers(at);
    this.ask(brush === null ? { erase: [x, y] } : { paint: [x, y, brush] });
  }

  key(event) {
    const by = { ArrowLeft: [-KEY_STEP, 0], ArrowRight: [KEY_STEP, 0], ArrowUp: [0, -KEY_STEP], ArrowDown: [0, KEY_STEP] }[event.key];
    const at = this.cursor ?? [0.5, 0.5];
    const inside = (share) => Math.min(1, Math.max(0, share));
    if (by) this.point([inside(at[0] + by[0]), inside(at[1] + by[1])]);
    else if (event.key === "Enter" || event.key === " ") this.put(at, this.brush);
    else if (event.key === "Delete" || event.key === "Backspace") this.put(at, null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  point(at) {
    this.cursor = at;
    const place = at && this.numbers(at).map((n) => n.toFixed(2).replace("-", "−")).join(", ");
    setText(this.place, at ? say("Cursor at {place}", { place }) : "");
    this.drawPoints();
  }

  numbers([right, down]) {
    const [[left, far], [low, high]] = this.span;
    return [left + right * (far - left), high - down * (high - low)];
  }

  // -- drawing -----------------------------------------------------------------------------------

  hold(buffer) {
    this.points = new Float32Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength));
  }

  draw({ span }, codes) {
    this.span = span;
    const style = getComputedStyle(this.element);
    const paper = style.getPropertyValue("--nnx-paper") || "#fff";
    if (paper !== this.paper) this.mix(paper);
    this.fill(new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength));
    this.under.getContext("2d").putImageData(this.pixels, 0, 0);
    const ink = style.getPropertyValue("--nnx-ink") || "#000";
    if (this.drawn === this.points && this.ink === ink) return;
    [this.drawn, this.ink] = [this.points, ink];
    this.drawPoints();
  }

  /** Compute the pixel of each byte, plain and on a line of the hatching. */
  mix(paper) {
    this.paper = paper;
    this.plain = Uint32Array.from({ length: 256 }, (_, code) => mixed(code, rgb(paper)));
    this.dark = Uint32Array.from({ length: 256 }, (_, code) => mixed(code, rgb(paper), 0.25));
  }

  /** Fill the image: a hue per class, stronger with confidence, and a hatching; dots where there is no number. */
  fill(codes) {
    const out = new Uint32Array(this.pixels.data.buffer);
    const cell = PIXELS / GRID_SIDE;
    for (let row = 0; row < PIXELS; row += 1) {
      const from = Math.floor(row / cell) * GRID_SIDE;
      for (let column = 0; column < PIXELS; column += 1) {
        const code = codes[from + Math.floor(column / cell)];
        out[row * PIXELS + column] = (hatched(code, row, column) ? this.dark : this.plain)[code];
      }
    }
  }

  drawPoints() {
    const pen = this.over.getContext("2d");
    pen.clearRect(0, 0, SIZE, SIZE);
    if (!this.span) return;
    const [[left, far], [low, high]] = this.span;
    pen.strokeStyle = this.ink;
    pen.lineWidth = 1;
    for (let i = 0; i < this.points.length; i += 3) {
      const x = ((this.points[i] - left) / (far - left)) * SIZE;
      const y = ((high - this.points[i + 1]) / (high - low)) * SIZE;
      mark(pen, x, y, this.points[i + 2] % TEST_OFFSET, this.points[i + 2] >= TEST_OFFSET ? this.paper : null);
    }
    if (!this.cursor) return;
    const [x, y] = this.cursor.map((share) => share * SIZE);
    pen.lineWidth = 2;
    pen.strokeRect(x - 8, y - 8, 16, 16);
    pen.strokeRect(x - 0.5, y - 0.5, 1, 1);
  }
}

/** Draw a point; those of the test set are hollow. */
function mark(pen, x, y, label, hollow) {
  pen.fillStyle = hollow ?? `rgb(${HUES[label]})`;
  pen.beginPath();
  if (label === 0) pen.arc(x, y, 4, 0, 7);
  else {
    const corners = [
      [[-3.5, -3.5], [3.5, -3.5], [3.5, 3.5], [-3.5, 3.5]], [[0, -4.5], [4.5, 4], [-4.5, 4]],
      [[0, -5], [5, 0], [0, 5], [-5, 0]], [[0, 4.5], [4.5, -4], [-4.5, -4]],
    ][label - 1];
    corners.forEach(([dx, dy]) => pen.lineTo(x + dx, y + dy));
    pen.closePath();
  }
  pen.fill();
  pen.stroke();
}

function hatched(code, row, column) {
  if (code === NO_NUMBER) return row % 4 === 0 && column % 4 === 0;
  if (code < CONFIDENCE_LEVELS) return false;
  if (code < 2 * CONFIDENCE_LEVELS) return (row + column) % 8 === 0;
  if (code < 3 * CONFIDENCE_LEVELS) return (row - column + PIXELS) % 8 === 0;
  return (code < 4 * CONFIDENCE_LEVELS ? row : column) % 8 === 0;
}

/** Return a pixel as the little-endian bytes r, g, b, a. */
function mixed(code, paper, more = 0) {
  const hue = code === NO_NUMBER ? [128, 128, 128] : HUES[Math.floor(code / CONFIDENCE_LEVELS)] ?? HUES[4];
  const share = (code === NO_NUMBER ? 0 : 0.08 + (MAX_SHARE * (code % CONFIDENCE_LEVELS)) / CONFIDENCE_LEVELS) + more;
  const [r, g, b] = paper.map((p, i) => Math.round(p + (hue[i] - p) * share));
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** Return "#fff" or "#161616" as three numbers. */
function rgb(text) {
  const hex = text.trim().slice(1);
  const pairs = hex.length === 3 ? [...hex].map((c) => c + c) : hex.match(/../g);
  return pairs.map((pair) => parseInt(pair, 16));
}
