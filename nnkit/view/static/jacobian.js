// The Jacobian explorer: the matrix as a table, its memory in a real layer, and the shape rule as a puzzle.

import { connectKernel, makeButton, makeHtml, makeRoot, setText } from "./shared.js";

class JacobianExplorer {
  constructor(model, el) {
    this.model = model;
    this.setup = model.get("setup");
    this.root = makeRoot(el, "Jacobian explorer");
    this.busy = makeHtml("p", { class: "nnx-warning", role: "status" });
    this.kernel = connectKernel(model, (words) => setText(this.busy, words));
    this.createParts();
    this.choose(0);
    this.refresh = () => this.update();
    model.on("change:state", this.refresh);
    this.update();
  }

  createParts() {
    const { grids, puzzle, sizes } = this.setup;
    this.tabs = grids.map(({ title }, i) => makeButton(title, `Show ${title}`, () => this.choose(i)));
    this.sheet = makeHtml("div", { class: "nnx-sheet" });
    this.words = makeHtml("div", { class: "nnx-sentence", "aria-live": "polite" });
    this.memory = makeHtml("p", { role: "status" });
    this.error = makeHtml("p", { class: "nnx-error", role: "alert" });
    this.fields = Object.entries(sizes).map(([name, value]) => makeHtml("label", { class: "nnx-field" }, `${name} = `,
      makeHtml("input", { type: "number", min: 1, max: 1000000, value, "data-size": name, input: () => this.askMemory() })));
    this.root.append(makeHtml("div", { class: "nnx-bar" }, ...this.tabs), this.sheet, this.words,
      makeHtml("div", { class: "nnx-part" }, makeHtml("strong", {}, "Memory in a real layer: "), ...this.fields),
      this.memory, this.error, this.busy);
    if (puzzle.targets) this.root.append(this.puzzle(puzzle));
  }

  // -- the matrix -------------------------------------------------------------------------------

  choose(number) {
    this.grid = this.setup.grids[number];
    this.tabs.forEach((tab, i) => tab.setAttribute("aria-pressed", i === number));
    const { title, rows, columns, upstream, product, entries } = this.grid;
    const names = columns.map((name) => makeHtml("th", { scope: "col" }, name));
    const head = makeHtml("tr", {}, makeHtml("td"), makeHtml("td"), ...names);
    this.cells = entries.map((row, i) => row.map((_, j) => this.cell(i, j)));
    const body = rows.map((name, i) => makeHtml("tr", {}, makeHtml("td", { class: "nnx-up" }, `${upstream[i]} ·`),
      makeHtml("th", { scope: "row" }, name), ...this.cells[i]));
    const foot = makeHtml("tr", { class: "nnx-product" }, makeHtml("td"), makeHtml("th", { scope: "row" }, "sum"),
      ...product.map((value) => makeHtml("td", { class: "nnx-down" }, value)));
    const about = `${title}: a row per output, a column per input. Arrow keys go from entry to entry.`;
    const table = makeHtml("table", { class: "nnx-matrix", "aria-label": about, keydown: (event) => this.key(event) },
      makeHtml("tbody", {}, head, ...body, foot));
    this.sheet.replaceChildren(table);
    this.words.textContent = "Point at an entry, or go to it with the arrow keys, to see which output and input it connects.";
    this.at = [0, 0];
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

  key(event) {
    const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!by) return;
    event.preventDefault();
    this.cells[this.at[0] + by[0]]?.[this.at[1] + by[1]]?.focus();
  }

  select(i, j) {
    const { rows, columns, entries, absent, upstream, product } = this.grid;
    this.at = [i, j];
    this.cells.flat().forEach((cell) => {
      const [row, column] = cell.dataset.at.split(",").map(Number);
      cell.classList.toggle("nnx-here", row === i && column === j);
      cell.classList.toggle("nnx-line-of", (row === i) !== (column === j));
      cell.tabIndex = row === i && column === j ? 0 : -1;
    });
    const entry = `∂${rows[i]}/∂${columns[j]}`;
    const meaning = absent[i][j]
      ? `${entry} is 0 whatever the values: ${rows[i]} does not depend on ${columns[j]}.`
      : `${entry} = ${entries[i][j]}: it connects the output ${rows[i]} to the input ${columns[j]}.`;
    const live = rows.map((_, k) => k).filter((k) => !absent[k][j]);
    const terms = live.map((k) => `${upstream[k]} · ${entries[k][j]}`);
    setText(this.words, `${meaning} Its column gives the gradient d${columns[j]} = ${terms.join(" + ") || 0} = ${product[j]}.`);
  }

  // -- its memory -------------------------------------------------------------------------------

  askMemory() {
    const inputs = [...this.root.querySelectorAll("[data-size]")];
    this.kernel.ask({ sizes: Object.fromEntries(inputs.map((input) => [input.dataset.size, input.value])) });
  }

  update() {
    const { words, error } = this.model.get("state");
    setText(this.memory, error ? "" : words);
    setText(this.error, error ? `✗ ${error}` : "");
  }

  // -- the puzzle -------------------------------------------------------------------------------

  puzzle({ targets, factors }) {
    const choice = (label, names) => makeHtml("select", { "aria-label": label, change: () => this.solve(targets, factors) },
      ...names.map((name) => makeHtml("option", { value: name }, name || "?")));
    const both = ["", ...Object.keys(factors).flatMap((name) => [name, `${name}ᵀ`])];
    this.target = choice("The gradient wanted", Object.keys(targets));
    this.left = choice("The left factor", both);
    this.right = choice("The right factor", both);
    this.verdict = makeHtml("p", { role: "status" });
    const shapes = Object.entries(factors).map(([name, shape]) => `${name} is ${size(shape)}`).join(", ");
    this.solve(targets, factors);
    return makeHtml("div", { class: "nnx-part" }, makeHtml("strong", {}, "The shape rule: "),
      `which two factors, in which order? ${shapes}.`,
      makeHtml("div", { class: "nnx-bar nnx-puzzle" }, this.target, " = ", this.left, " @ ", this.right), this.verdict);
  }

  solve(targets, factors) {
    const [name, left, right] = [this.target.value, this.left.value, this.right.value];
    const wanted = targets[name];
    if (!left || !right) return setText(this.verdict, `${name} must be ${size(wanted)}, like ${name.slice(1)}.`);
    const [a, b] = [left, right].map((factor) => transposeIfMarked(factor, factors));
    const product = `${left} ${size(a)} @ ${right} ${size(b)}`;
    if (a[1] !== b[0]) return setText(this.verdict, `✗ ${product}: the inner sizes ${a[1]} and ${b[0]} do not match.`);
    const made = [a[0], b[1]];
    const fits = made[0] === wanted[0] && made[1] === wanted[1];
    const end = fits ? `as ${name} must be. ${name} = ${left} @ ${right}.` : `but ${name} must be ${size(wanted)}.`;
    return setText(this.verdict, `${fits ? "✓" : "✗"} ${product} is ${size(made)}, ${end}`);
  }

  dispose() {
    this.kernel.close();
    this.model.off("change:state", this.refresh);
  }
}

function transposeIfMarked(factor, factors) {
  const shape = factors[factor.replace("ᵀ", "")];
  return factor.endsWith("ᵀ") ? [...shape].reverse() : shape;
}

function size([rows, columns]) {
  return `${rows} × ${columns}`;
}

export default {
  render({ model, el }) {
    const explorer = new JacobianExplorer(model, el);
    return () => explorer.dispose();
  },
};
