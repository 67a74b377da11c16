// The Jacobian explorer: its matrices side by side, the fold, their memory in a real layer, the shape rule as a puzzle.

import { Scroller, connectKernel, makeHtml, makeRoot, setText } from "./shared.js";
import { FoldPanel } from "./jacobian_fold.js";
import { MatrixTable } from "./matrix.js";

class JacobianExplorer {
  constructor(model, el) {
    this.model = model;
    this.setup = model.get("setup");
    this.root = makeRoot(el, "Jacobian explorer");
    this.busy = makeHtml("p", { class: "nnx-warning", role: "status" });
    this.kernel = connectKernel(model, (words) => setText(this.busy, words));
    this.createParts();
    this.refresh = () => this.update();
    model.on("change:state change:step", this.refresh);
    this.update();
  }

  createParts() {
    const { fold, puzzle, sizes } = this.setup;
    const tables = this.createTables();
    this.fold = fold && new FoldPanel(this.model, fold, this.tables[1]);
    this.memory = makeHtml("p", { role: "status" });
    this.error = makeHtml("p", { class: "nnx-error", role: "alert" });
    this.fields = Object.entries(sizes).map(([name, value]) => makeHtml("label", { class: "nnx-field" }, `${name} = `,
      makeHtml("input", { type: "number", min: 1, max: 1000000, value, "data-size": name, input: () => this.askMemory() })));
    this.root.append(...tables, ...(fold ? [this.fold.element] : []),
      makeHtml("div", { class: "nnx-part" }, makeHtml("strong", {}, "Memory in a real layer: "), ...this.fields),
      this.memory, this.error, this.busy);
    if (puzzle) this.root.append(this.puzzle(puzzle));
  }

  // -- the matrices -----------------------------------------------------------------------------

  createTables() {
    const { grids, frames } = this.setup;
    const sides = grids.length > 1 ? ["Left: ", "Right: "] : [""];
    this.words = makeHtml("div", { class: "nnx-sentence", "aria-live": "polite" });
    setText(this.words, "Point at an entry, or go to it with the arrow keys, to see which output and input it connects.");
    this.tables = grids.map((grid, i) => new MatrixTable(grid, `${sides[i]}${grid.title}`, (text) => {
      for (const other of this.tables) if (other !== this.tables[i]) other.leave();
      setText(this.words, text);
    }));
    this.sheets = this.tables.map((table) => new Scroller(table.element));
    const legend = frames ? [makeHtml("p", { class: "nnx-notes" }, makeHtml("i", { class: "nnx-edge-key" }), `Frames: ${frames}.`)] : [];
    return [makeHtml("div", { class: "nnx-tables" }, ...this.sheets.map((sheet) => sheet.element)), ...legend, this.words];
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
    this.fold?.show();
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
    this.fold?.dispose();
    for (const sheet of this.sheets) sheet.close();
    this.model.off("change:state change:step", this.refresh);
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
