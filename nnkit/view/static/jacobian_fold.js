// The fold of the Jacobian explorer: rows of the right table are weighted and laid down in the shape of W, step by step.

import { makeHtml, reducedMotion, setText } from "./shared.js";
import { StepPlayer } from "./player.js";

const FLIGHT = 700; // milliseconds in which a number moves from the table to its place

export class FoldPanel {
  /** `table` is the MatrixTable from which the numbers come. */
  constructor(model, fold, table) {
    Object.assign(this, { fold, table, shown: 0 });
    this.player = new StepPlayer(model, () => fold.steps.length - 1, { pause: 2200 });
    this.words = makeHtml("div", { class: "nnx-sentence", "aria-live": "polite" });
    this.weights = fold.values.map((row) => makeHtml("tr", {}, ...row.map((text) => makeHtml("td", { class: "nnx-entry" }, text))));
    const empty = fold.values.map((row) => row.map(() => makeHtml("td", { class: "nnx-entry" })));
    this.places = empty;
    this.heads = empty.map(() => makeHtml("td", { class: "nnx-up" }));
    this.tops = empty[0].map(() => makeHtml("td", { class: "nnx-local" }));
    const rows = empty.map((row, i) => makeHtml("tr", {}, this.heads[i], ...row));
    const corner = makeHtml("td", { class: "nnx-rule" }, `${fold.left} · ${fold.top}`);
    const parts = makeHtml("div", { class: "nnx-tables" }, small(fold.weights, this.weights),
      small(fold.target, [makeHtml("tr", {}, corner, ...this.tops), ...rows]));
    this.element = makeHtml("div", { class: "nnx-part nnx-fold-panel" }, makeHtml("strong", {}, fold.title),
      makeHtml("div", { class: "nnx-bar" }, ...this.player.parts), parts, this.words);
    this.element.addEventListener("keydown", (event) => this.player.key(event));
  }

  show() {
    const { at } = this.player;
    const { words, total, moves, left, top } = this.fold.steps[at];
    const lit = new Set(moves.map((move) => move.to[0]));
    const rows = new Set(moves.map((move) => move.from[0]));
    this.weights.forEach((row, i) => row.classList.toggle("nnx-lit", lit.has(i)));
    this.table.rows.forEach((row, i) => row.classList.toggle("nnx-lit", rows.has(i)));
    this.places.forEach((row, i) => row.forEach((cell, j) => (cell.textContent = total[i][j])));
    this.heads.forEach((head, i) => {
      head.textContent = left[i] == null ? "" : `${left[i]} ·`;
      head.parentElement.classList.toggle("nnx-lit", lit.has(i));
    });
    this.tops.forEach((head, j) => (head.textContent = top[j] ?? ""));
    setText(this.words, words);
    this.player.show();
    if (at === this.shown + 1 && !reducedMotion()) moves.forEach((move) => this.fly(move));
    this.shown = at;
  }

  /** Let a number move from its entry of the table to its place. */
  fly({ from, to }) {
    const cell = this.places[to[0]][to[1]];
    const [start, end] = [this.table.cells[from[0]][from[1]], cell].map((one) => one.getBoundingClientRect());
    const text = makeHtml("span", { class: "nnx-flying" }, cell.textContent);
    cell.replaceChildren(text);
    text.animate([{ transform: `translate(${start.x - end.x}px, ${start.y - end.y}px)` }, { transform: "none" }],
      { duration: FLIGHT, easing: "ease-in-out" });
  }

  dispose() {
    this.player.stop();
  }
}

function small(name, rows) {
  return makeHtml("table", { class: "nnx-matrix" }, makeHtml("caption", {}, makeHtml("strong", {}, name)), makeHtml("tbody", {}, ...rows));
}
