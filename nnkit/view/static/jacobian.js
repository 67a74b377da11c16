// The Jacobian explorer: the matrix as a table, what it would weigh, and the shape rule as a puzzle.

import { asker, button, make, root, say } from "./kit.js";

class JacobianExplorer {
  constructor(model, el) {
    this.model = model;
    this.scene = model.get("scene");
    this.whole = root(el, "Jacobian explorer");
    this.busy = make("p", { class: "nnx-warning", role: "status" });
    this.kernel = asker(model, (words) => say(this.busy, words));
    this.parts();
    this.choose(0);
    this.refresh = () => this.update();
    model.on("change:film", this.refresh);
    this.update();
  }

  parts() {
    const { grids, puzzle, sizes } = this.scene;
    this.tabs = grids.map(({ title }, i) => button(title, `Show ${title}`, () => this.choose(i)));
    this.sheet = make("div", { class: "nnx-sheet" });
    this.words = make("div", { class: "nnx-sentence", "aria-live": "polite" });
    this.weight = make("p", { role: "status" });
    this.error = make("p", { class: "nnx-error", role: "alert" });
    this.fields = Object.entries(sizes).map(([name, value]) => make("label", { class: "nnx-field" }, `${name} = `,
      make("input", { type: "number", min: 1, max: 1000000, value, "data-size": name, input: () => this.weigh() })));
    this.whole.append(make("div", { class: "nnx-bar" }, ...this.tabs), this.sheet, this.words,
      make("div", { class: "nnx-part" }, make("strong", {}, "What a real layer's would weigh: "), ...this.fields),
      this.weight, this.error, this.busy);
    if (puzzle.targets) this.whole.append(this.puzzle(puzzle));
  }

  // -- the matrix -------------------------------------------------------------------------------

  choose(number) {
    this.grid = this.scene.grids[number];
    this.tabs.forEach((tab, i) => tab.setAttribute("aria-pressed", i === number));
    const { title, rows, columns, upstream, product, entries } = this.grid;
    const head = make("tr", {}, make("td"), make("td"), ...columns.map((name) => make("th", { scope: "col" }, name)));
    this.cells = entries.map((row, i) => row.map((_, j) => this.cell(i, j)));
    const body = rows.map((name, i) => make("tr", {}, make("td", { class: "nnx-up" }, `${upstream[i]} ·`),
      make("th", { scope: "row" }, name), ...this.cells[i]));
    const foot = make("tr", { class: "nnx-product" }, make("td"), make("th", { scope: "row" }, "sum"),
      ...product.map((value) => make("td", { class: "nnx-down" }, value)));
    const about = `${title}: a row an output, a column an input. Arrow keys go from entry to entry.`;
    const table = make("table", { class: "nnx-matrix", "aria-label": about, keydown: (event) => this.key(event) },
      make("tbody", {}, head, ...body, foot));
    this.sheet.replaceChildren(table);
    this.words.textContent = "Point at an entry, or go to it with the arrow keys: which output and input does it tie?";
    this.at = [0, 0];
  }

  cell(i, j) {
    const { values, absent, entries } = this.grid;
    const most = Math.max(...values.flat().map(Math.abs)) || 1;
    const value = values[i][j];
    const share = absent[i][j] || !value ? 0 : Math.round(12 + (40 * Math.abs(value)) / most);
    const kind = absent[i][j] ? "nnx-absent" : value > 0 ? "nnx-plus" : value < 0 ? "nnx-minus" : "";
    const tie = () => this.tie(i, j);
    return make("td", {
      class: `nnx-entry ${kind}`, style: `--nnx-share: ${share}%`, tabindex: i || j ? -1 : 0, "data-at": `${i},${j}`,
      pointerenter: tie, focus: tie, click: (event) => event.currentTarget.focus(),
    }, absent[i][j] ? "·" : entries[i][j]);
  }

  key(event) {
    const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!by) return;
    event.preventDefault();
    this.cells[this.at[0] + by[0]]?.[this.at[1] + by[1]]?.focus();
  }

  tie(i, j) {
    const { rows, columns, entries, absent, upstream, product } = this.grid;
    this.at = [i, j];
    this.cells.flat().forEach((cell) => {
      const [row, column] = cell.dataset.at.split(",").map(Number);
      cell.classList.toggle("nnx-here", row === i && column === j);
      cell.classList.toggle("nnx-line-of", (row === i) !== (column === j));
      cell.tabIndex = row === i && column === j ? 0 : -1;
    });
    const entry = `∂${rows[i]}/∂${columns[j]}`;
    const tied = absent[i][j]
      ? `${entry} is 0 whatever the values: ${columns[j]} has no way to ${rows[i]}.`
      : `${entry} = ${entries[i][j]}: it ties the output ${rows[i]} to the input ${columns[j]}.`;
    const live = rows.map((_, k) => k).filter((k) => !absent[k][j]);
    const terms = live.map((k) => `${upstream[k]} · ${entries[k][j]}`);
    say(this.words, `${tied} Its column makes the gradient d${columns[j]} = ${terms.join(" + ") || 0} = ${product[j]}.`);
  }

  // -- its weight -------------------------------------------------------------------------------

  weigh() {
    const inputs = [...this.whole.querySelectorAll("[data-size]")];
    this.kernel.ask({ sizes: Object.fromEntries(inputs.map((input) => [input.dataset.size, input.value])) });
  }

  update() {
    const { words, error } = this.model.get("film");
    say(this.weight, error ? "" : words);
    say(this.error, error ? `✗ ${error}` : "");
  }

  // -- the puzzle -------------------------------------------------------------------------------

  puzzle({ targets, factors }) {
    const choice = (label, names) => make("select", { "aria-label": label, change: () => this.solve(targets, factors) },
      ...names.map((name) => make("option", { value: name }, name || "?")));
    const both = ["", ...Object.keys(factors).flatMap((name) => [name, `${name}ᵀ`])];
    this.target = choice("The gradient wanted", Object.keys(targets));
    this.left = choice("The left factor", both);
    this.right = choice("The right factor", both);
    this.verdict = make("p", { role: "status" });
    const shapes = Object.entries(factors).map(([name, shape]) => `${name} is ${size(shape)}`).join(", ");
    this.solve(targets, factors);
    return make("div", { class: "nnx-part" }, make("strong", {}, "The shape rule: "),
      `which two factors, in which order? ${shapes}.`,
      make("div", { class: "nnx-bar nnx-puzzle" }, this.target, " = ", this.left, " @ ", this.right), this.verdict);
  }

  solve(targets, factors) {
    const [name, left, right] = [this.target.value, this.left.value, this.right.value];
    const wanted = targets[name];
    if (!left || !right) return say(this.verdict, `${name} must be ${size(wanted)}, like ${name.slice(1)}.`);
    const [a, b] = [left, right].map((factor) => turned(factor, factors));
    const product = `${left} ${size(a)} @ ${right} ${size(b)}`;
    if (a[1] !== b[0]) return say(this.verdict, `✗ ${product}: the inner sizes ${a[1]} and ${b[0]} do not meet.`);
    const made = [a[0], b[1]];
    const fits = made[0] === wanted[0] && made[1] === wanted[1];
    const end = fits ? `as ${name} must be. ${name} = ${left} @ ${right}.` : `but ${name} must be ${size(wanted)}.`;
    return say(this.verdict, `${fits ? "✓" : "✗"} ${product} is ${size(made)}, ${end}`);
  }

  end() {
    this.kernel.close();
    this.model.off("change:film", this.refresh);
  }
}

function turned(factor, factors) {
  const shape = factors[factor.replace("ᵀ", "")];
  return factor.endsWith("ᵀ") ? [...shape].reverse() : shape;
}

function size([rows, columns]) {
  return `${rows} × ${columns}`;
}

export default {
  render({ model, el }) {
    const explorer = new JacobianExplorer(model, el);
    return () => explorer.end();
  },
};
