// A matrix as a table: an entry is chosen by pointer or arrow keys; frames; the upstream gradient and the product.

import { makeHtml, say } from "./shared.js";

/** Calls `chosen(sentence)` for the entry that is pointed at. */
export class MatrixTable {
  constructor(grid, name, chosen) {
    Object.assign(this, { grid, chosen, at: [0, 0] });
    const { rows, columns, upstream, product, entries } = grid;
    const head = makeHtml("tr", {}, makeHtml("td"), makeHtml("td"), ...columns.map((text) => makeHead("col", text)));
    this.cells = entries.map((row, i) => row.map((_, j) => this.cell(i, j)));
    this.rows = rows.map((text, i) => makeHtml("tr", {}, makeHtml("td", { class: "nnx-up" }, `${upstream[i]} ·`),
      makeHead("row", text), ...this.cells[i]));
    const foot = makeHtml("tr", { class: "nnx-product" }, makeHtml("td"), makeHtml("th", { scope: "row" }, say("sum")),
      ...product.map((value) => makeHtml("td", { class: "nnx-down" }, value)));
    const about = say("{name}: a row per output, a column per input. Arrow keys go from entry to entry.", { name });
    this.element = makeHtml("table", { class: "nnx-matrix", "aria-label": about, keydown: (event) => this.key(event) },
      makeHtml("caption", {}, makeHtml("strong", {}, name)),
      makeHtml("tbody", {}, head, ...this.rows, foot));
    this.frame();
  }

  cell(i, j) {
    const { values, absent, entries } = this.grid;
    const most = Math.max(...values.flat().map(Math.abs)) || 1;
    const value = values[i][j];
    const share = absent[i][j] || !value ? 0 : Math.round(12 + (40 * Math.abs(value)) / most);
    const kind = absent[i][j] ? "nnx-absent" : value > 0 ? "nnx-plus" : value < 0 ? "nnx-minus" : "";
    const select = () => this.select(i, j);
    return makeHtml("td", {
      class: `nnx-entry ${kind}`, style: `--nnx-share: ${share}%`, tabindex: i || j ? -1 : 0, "data-at": `${i},${j}`,
      pointerenter: select, focus: select, click: (event) => event.currentTarget.focus(),
    }, absent[i][j] ? "·" : entries[i][j]);
  }

  /** Mark the cells at the sides of each frame. */
  frame() {
    for (const [top, left, high, wide] of this.grid.frames) {
      const mark = (i, j, side) => this.cells[i][j].classList.add("nnx-edge", `nnx-edge-${side}`);
      for (let j = left; j < left + wide; j += 1) [mark(top, j, "top"), mark(top + high - 1, j, "bottom")];
      for (let i = top; i < top + high; i += 1) [mark(i, left, "left"), mark(i, left + wide - 1, "right")];
    }
  }

  key(event) {
    const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    this.cells[this.at[0] + by[0]]?.[this.at[1] + by[1]]?.focus();
  }

  select(i, j) {
    this.at = [i, j];
    this.cells.forEach((row, k) => row.forEach((cell, l) => {
      cell.classList.toggle("nnx-here", k === i && l === j);
      cell.classList.toggle("nnx-line-of", (k === i) !== (l === j));
      cell.tabIndex = k === i && l === j ? 0 : -1;
    }));
    this.chosen(this.describe(i, j));
  }

  /** Forget the entry that was chosen, because one of another table is. */
  leave() {
    for (const cell of this.cells.flat()) cell.classList.remove("nnx-here", "nnx-line-of");
  }

  describe(i, j) {
    const { rows, columns, entries, absent, upstream, product } = this.grid;
    const entry = `∂${rows[i]}/∂${columns[j]}`;
    const [output, input] = [rows[i], columns[j]];
    const meaning = absent[i][j]
      ? say("{entry} is 0 whatever the values: {output} does not depend on {input}.", { entry, output, input })
      : say("{entry} = {value}: it connects the output {output} to the input {input}.",
        { entry, value: entries[i][j], output, input });
    const live = rows.map((_, k) => k).filter((k) => !absent[k][j]);
    const terms = live.map((k) => `${upstream[k]} · ${entries[k][j]}`);
    const equation = `d${input} = ${terms.join(" + ") || 0} = ${product[j]}`;
    const sum = say("Its column gives the gradient {equation}.", { equation });
    return `${meaning} ${sum}`;
  }
}

/** Create a heading for an entry such as "w[0, 1]", with its indices as a subscript. */
export function makeHead(scope, text) {
  const [, name, places] = text.match(/^(.+)\[(.+)\]$/) ?? [];
  const short = name ? [name, makeHtml("sub", {}, /\d\d/.test(places) ? places : places.replaceAll(", ", ""))] : [text];
  return makeHtml("th", { scope, title: text, "aria-label": text }, ...short);
}
