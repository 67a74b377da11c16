// The Jacobian explorer: its matrices side by side, the fold, their memory in a real layer, the shape rule as a puzzle.

import { Scroller, connectKernel, makeHtml, makeRoot, say, setText, speak } from "./shared.js";
import { FoldPanel } from "./jacobian_fold.js";
import { MatrixTable } from "./matrix.js";

class JacobianExplorer {
  constructor(model, el) {
    this.model = model;
    this.setup = model.get("setup");
    this.root = makeRoot(el, say("Jacobian explorer"));
    this.busy = makeHtml("p", { class: "nnx-warning", role: "status" });
    this.kernel = connectKernel(model, (words) => setText(this.busy, words));
    this.createParts();
    this.refresh = () => this.update();
    model.on("change:state change:step", this.refresh);
    this.update();
  }

  createParts() {
    const { fold, puzzle, frozen } = this.setup;
    const sizes = frozen ? {} : this.setup.sizes;
    const tables = this.createTables();
    this.fold = fold && new FoldPanel(this.model, fold, this.tables[1]);
    this.memory = makeHtml("p", { role: "status" });
    this.error = makeHtml("p", { class: "nnx-error", role: "alert" });
    this.fields = Object.entries(sizes).map(([name, value]) => makeHtml("label", { class: "nnx-field" }, `${name} = `,
      makeHtml("input", { type: "number", min: 1, max: 1000000, value, "data-size": name, input: () => this.askMemory() })));
    this.root.append(...tables, ...(fold ? [this.fold.element] : []),
      makeHtml("div", { class: "nnx-part" }, makeHtml("strong", {}, say("Memory in a real layer:"), " "), ...this.fields),
      this.memory, this.error, this.busy);
    if (puzzle) this.root.append(this.puzzle(puzzle));
  }

  // -- the matrices -----------------------------------------------------------------------------

  createTables() {
    const { grids, frames } = this.setup;
    this.words = makeHtml("div", { class: "nnx-sentence", "aria-live": "polite" });
    setText(this.words, say("Point at an entry, or go to it with the arrow keys, to see which output and input it connects."));
    this.tables = grids.map((grid, i) => new MatrixTable(grid, nameTable(grids, i), (text) => {
      for (const other of this.tables) if (other !== this.tables[i]) other.leave();
      setText(this.words, text);
    }));
    this.sheets = this.tables.map((table) => new Scroller(table.element));
    const legend = frames ? [makeHtml("p", { class: "nnx-notes" }, makeHtml("i", { class: "nnx-edge-key" }),
      say("Frames: {frames}.", { frames }))] : [];
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
    this.target = choice(say("The gradient wanted"), Object.keys(targets));
    this.left = choice(say("The left factor"), both);
    this.right = choice(say("The right factor"), both);
    this.verdict = makeHtml("p", { role: "status" });
    const shapes = Object.entries(factors).map(([name, shape]) => say("{name} is {size}", { name, size: size(shape) })).join(", ");
    this.solve(targets, factors);
    return makeHtml("div", { class: "nnx-part" }, makeHtml("strong", {}, say("The shape rule:"), " "),
      say("which two factors, in which order? {shapes}.", { shapes }),
      makeHtml("div", { class: "nnx-bar nnx-puzzle" }, this.target, " = ", this.left, " @ ", this.right), this.verdict);
  }

  solve(targets, factors) {
    const [name, left, right] = [this.target.value, this.left.value, this.right.value];
    const wanted = targets[name];
    const known = { name, size: size(wanted), variable: name.slice(1) };
    if (!left || !right) return setText(this.verdict, say("{name} must be {size}, like {variable}.", known));
    const [a, b] = [left, right].map((factor) => transposeIfMarked(factor, factors));
    const product = `${left} ${size(a)} @ ${right} ${size(b)}`;
    const inner = { product, first: a[1], second: b[0] };
    const mismatch = say("{product}: the inner sizes {first} and {second} do not match.", inner);
    if (a[1] !== b[0]) return setText(this.verdict, `✗ ${mismatch}`);
    const made = [a[0], b[1]];
    const fits = made[0] === wanted[0] && made[1] === wanted[1];
    const parts = { product, size: size(made), name, wanted: size(wanted) };
    return setText(this.verdict, fits
      ? `✓ ${say("{product} is {size}, as {name} must be.", parts)} ${name} = ${left} @ ${right}.`
      : `✗ ${say("{product} is {size}, but {name} must be {wanted}.", parts)}`);
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

function nameTable(grids, i) {
  const { title } = grids[i];
  if (grids.length === 1) return title;
  return i ? say("Right: {title}", { title }) : say("Left: {title}", { title });
}

function size([rows, columns]) {
  return `${rows} × ${columns}`;
}

export default {
  render({ model, el }) {
    speak(model.get("language"));
    const explorer = new JacobianExplorer(model, el);
    return () => explorer.dispose();
  },
};
