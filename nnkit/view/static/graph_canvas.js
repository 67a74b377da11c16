// The graph of the graph explorer: boxes, wires, numbers; zoom and pan.

import { countColumns, makeSvg, reducedMotion, say } from "./shared.js";

const MIN_ZOOM = 0.9; // a graph that would have to shrink further is wrapped into lines
const MAX_HEIGHT = 720; // a graph that is higher is panned
const FLIGHT = 700; // milliseconds in which a number travels along a wire

/**
 * Draws SVG models into `holder`; calls `opened(box)` for a box that is clicked, `fold(group)` for a frame's button,
 * `resized(width)` when there is room for longer or only for shorter lines. Without `opened`, gates are no buttons.
 */
export class GraphCanvas {
  constructor(holder, { opened, fold, resized }) {
    Object.assign(this, { holder, opened, fold, resized });
    this.svg = makeSvg("svg", { class: "nnx-graph", role: "presentation" });
    holder.append(this.svg);
    this.zoom = 0;
    this.listen();
  }

  /** Draw a new model; the view does not move if the size is the same. */
  build(svgModel) {
    const focused = this.svg.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const moved = !this.svgModel || this.svgModel.width !== svgModel.width || this.svgModel.height !== svgModel.height;
    this.svgModel = svgModel;
    this.wires = new Map(svgModel.wires.map((wire) => [wire.id, makeSvg("path", { class: "nnx-wire", d: wire.d })]));
    this.boxes = new Map(svgModel.boxes.map((box) => [box.id, this.box(box)]));
    const dots = svgModel.splits.map(([cx, cy]) => makeSvg("circle", { class: "nnx-dot", cx, cy, r: 3.5 }));
    const frames = svgModel.frames.map((frame) => this.frame(frame));
    const parts = [...this.boxes.values()].map((box) => box.group);
    this.svg.replaceChildren(...this.wires.values(), ...dots, ...frames, ...parts);
    if (moved) this.fit();
    if (focused) this.svg.querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
  }

  box(box) {
    const above = makeSvg("text", { class: "nnx-above", x: box.middle, y: box.y - 6, "text-anchor": "middle" });
    const value = makeSvg("tspan", { class: "nnx-value" });
    above.append(makeSvg("tspan", {}, box.prefix), value);
    const grad = makeSvg("text", { class: "nnx-grad", x: box.middle, y: box.y + 17, "text-anchor": "middle" });
    const group = makeSvg("g", { class: `nnx-${box.kind}` }, above, grad);
    if (box.kind === "input") {
      group.append(makeSvg("text", { x: box.x + box.w - 6, y: box.y + 5, "text-anchor": "end" }, box.name));
    } else group.append(this.gate(box));
    if (box.output) group.append(arrow(box.end, box.y));
    return { ...box, group, value, grad, above };
  }

  gate(box) {
    const open = (event) => {
      if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      this.opened(box);
    };
    const top = box.y - (17 * (box.lines.length - 1)) / 2 + 5;
    const single = box.lines.join("").length === 1;
    const lines = box.lines.map((line, i) =>
      makeSvg("text", {
        class: "nnx-symbol", x: box.x + box.w / 2, y: single ? box.y + 7 : top + 17 * i,
        "text-anchor": "middle", "font-size": single ? 20 : 14,
      }, line));
    const shape = { class: "nnx-box", x: box.x, y: box.y - box.h / 2, width: box.w, height: box.h, rx: box.r };
    const double = { ...shape, class: "nnx-inner", x: box.x + 3, y: box.y - box.h / 2 + 3, width: box.w - 6,
      height: box.h - 6, rx: Math.max(4, box.r - 3) };
    const rim = box.kind === "group" ? [makeSvg("rect", double)] : [];
    if (!this.opened) return makeSvg("g", {}, makeSvg("rect", shape), ...rim, ...lines);
    return makeSvg("g", {
      class: "nnx-key", role: "button", tabindex: 0, "data-key": `gate-${box.id}`,
      "aria-label": say("{gate}: its forward and backward", { gate: box.label }), click: open, keydown: open,
    }, makeSvg("rect", shape), ...rim, ...lines);
  }

  frame({ group, symbol, first, x, y, w, h }) {
    const fold = (event) => {
      if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      this.fold(group);
    };
    const name = say("fold into {symbol}", { symbol });
    const wide = 16 + 7.5 * countColumns(name);
    const button = makeSvg("g", {
      class: "nnx-key nnx-fold", role: "button", tabindex: 0, "data-key": `fold-${group}`, click: fold, keydown: fold,
    }, makeSvg("rect", { class: "nnx-box", x: x + 6, y: y - 12, width: wide, height: 22, rx: 6 }),
    makeSvg("text", { x: x + 6 + wide / 2, y: y + 4, "text-anchor": "middle", "font-size": 13 }, name));
    const rim = makeSvg("rect", { class: "nnx-frame", x, y, width: w, height: h, rx: 10 });
    return makeSvg("g", {}, rim, ...(first ? [button] : []));
  }

  /** Show the known numbers, and highlight the current gate. */
  show({ values, grads, now }) {
    for (const [id, box] of this.boxes) {
      box.value.textContent = values[id] ?? "";
      box.above.style.display = id in values ? "" : "none";
      box.grad.textContent = id in grads ? `∂ ${grads[id]}` : "";
      box.group.classList.toggle("nnx-now", now?.node === id && now.phase !== "start");
      box.group.classList.toggle("nnx-back", now?.node === id && now.phase === "backward");
    }
    const into = now && now.phase !== "start" ? this.boxes.get(now.node)?.inputs ?? [] : [];
    for (const [id, wire] of this.wires) {
      wire.classList.toggle("nnx-now", into.includes(id) || (now?.phase === "start" && now.node === id));
      wire.classList.toggle("nnx-back", now?.phase === "backward");
    }
    if (now) this.reveal(this.boxes.get(now.node));
  }

  /** Let the numbers of a step travel: values along the wires into a gate, gradients back along them. */
  travel(now, values) {
    const box = this.boxes.get(now?.node);
    this.svg.querySelectorAll(".nnx-flying").forEach((number) => number.remove());
    if (!box || now.phase === "start" || reducedMotion()) return;
    const back = now.phase === "backward";
    const rows = [...now.rows];
    box.inputs.forEach((id, slot) => {
      const row = rows.findIndex((one) => one.node === id);
      const text = back ? rows.splice(row, row < 0 ? 0 : 1)[0]?.down : values[id];
      if (!text) return;
      const kind = back ? "nnx-flying-grad" : "nnx-flying-value";
      const number = makeSvg("text", { class: `nnx-flying ${kind}`, "text-anchor": "middle", "aria-hidden": "true" }, text);
      this.svg.append(number);
      this.follow(number, makeSvg("path", { d: box.routes[slot] }), back);
    });
  }

  follow(number, route, back) {
    const [length, begun] = [route.getTotalLength(), performance.now()];
    const tick = (time) => {
      const t = Math.max(0, time - begun) / FLIGHT;
      if (t >= 1 || !number.isConnected) return number.remove();
      const { x, y } = route.getPointAtLength((back ? 1 - t : t) * length);
      number.setAttribute("x", x);
      number.setAttribute("y", y - 6);
      return requestAnimationFrame(tick);
    };
    tick(begun);
  }

  // -- zoom and pan ----------------------------------------------------------------------------

  fit() {
    const wide = this.holder.clientWidth;
    if (!wide) return;
    this.zoom = Math.min(1.25, Math.max(MIN_ZOOM, wide / this.svgModel.width));
    this.x = this.svgModel.left;
    this.y = this.svgModel.left;
    this.place();
  }

  showAll() {
    const { width, height, left } = this.svgModel;
    this.zoom = Math.min(1.25, this.holder.clientWidth / width, MAX_HEIGHT / height);
    [this.x, this.y] = [left, left];
    this.place();
  }

  scale(factor, px = this.holder.clientWidth / 2, py = this.svg.clientHeight / 2) {
    const zoom = Math.min(3, Math.max(0.05, this.zoom * factor));
    this.x += px / this.zoom - px / zoom;
    this.y += py / this.zoom - py / zoom;
    this.zoom = zoom;
    this.place();
  }

  place() {
    const high = Math.max(120, Math.min(MAX_HEIGHT, this.svgModel.height * this.zoom));
    const [wide, tall] = [this.holder.clientWidth / this.zoom, high / this.zoom];
    const keep = (at, size, room) => {
      const [least, most] = [this.svgModel.left, this.svgModel.left + Math.max(0, size - room)];
      return Math.min(Math.max(at, least), most);
    };
    this.x = keep(this.x, this.svgModel.width, wide);
    this.y = keep(this.y, this.svgModel.height, tall);
    this.svg.setAttribute("viewBox", `${this.x} ${this.y} ${wide} ${tall}`);
    this.svg.style.height = `${high}px`;
    this.svg.classList.toggle("nnx-wide", this.svgModel.width > wide + 1 || this.svgModel.height > tall + 1);
  }

  /** Move the view so that a box and its labels are visible. */
  reveal(box) {
    if (!box || !this.zoom) return;
    const [wide, tall] = [this.holder.clientWidth / this.zoom, this.svg.clientHeight / this.zoom];
    const inside = (at, low, high, room) => (low < at ? low : high > at + room ? high - room : at);
    const x = inside(this.x, box.x - 140, Math.max(box.end, box.x + box.w) + 20, wide);
    const y = inside(this.y, box.y - box.h / 2 - 40, box.y + box.h / 2 + 40, tall);
    if (x !== this.x || y !== this.y) this.glide(x, y);
  }

  glide(x, y) {
    cancelAnimationFrame(this.frameId);
    const [fromX, fromY, begun] = [this.x, this.y, performance.now()];
    const tick = (time) => {
      const t = reducedMotion() ? 1 : Math.min(1, (time - begun) / 200);
      [this.x, this.y] = [fromX + (x - fromX) * t, fromY + (y - fromY) * t];
      this.place();
      if (t < 1) this.frameId = requestAnimationFrame(tick);
    };
    tick(begun);
  }

  listen() {
    let from = null;
    const svg = this.svg;
    svg.addEventListener("pointerdown", (event) => {
      if (!event.target.closest(".nnx-key")) from = [event.clientX, event.clientY, this.x, this.y, event.pointerId];
    });
    svg.addEventListener("pointermove", (event) => {
      if (!from) return;
      if (!svg.hasPointerCapture(from[4])) svg.setPointerCapture(from[4]);
      this.x = from[2] - (event.clientX - from[0]) / this.zoom;
      this.y = from[3] - (event.clientY - from[1]) / this.zoom;
      this.place();
    });
    for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => (from = null));
    svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the wheel alone scrolls the page
      event.preventDefault();
      const at = svg.getBoundingClientRect();
      this.scale(Math.exp(-event.deltaY / 300), event.clientX - at.left, event.clientY - at.top);
    }, { passive: false });
    svg.addEventListener("focusin", (event) => {
      const id = Number(event.target.dataset.key?.split("-")[1]);
      if (event.target.dataset.key?.startsWith("gate")) this.reveal(this.boxes.get(id));
    });
    this.sizes = new ResizeObserver(() => this.svgModel && this.resize());
    this.sizes.observe(this.holder);
  }

  /** Fit the drawing into a page of another width, with lines of another length if need be. */
  resize() {
    const room = this.holder.clientWidth / MIN_ZOOM;
    if (!room || room === this.room) return; // its own height changes when one zooms
    this.room = room;
    this.fit();
    const { width, room: had, boxes } = this.svgModel;
    const wrapped = boxes.some((box) => box.line);
    clearTimeout(this.asking);
    if (width > room + 1 || (wrapped && room > had + 40)) this.asking = setTimeout(() => this.resized?.(Math.floor(room)), 120);
  }

  close() {
    clearTimeout(this.asking);
    this.sizes.disconnect();
    cancelAnimationFrame(this.frameId);
  }
}

function arrow(x, y) {
  return makeSvg("path", { class: "nnx-dot", d: `M${x - 7} ${y - 4}L${x} ${y}L${x - 7} ${y + 4}z` });
}
