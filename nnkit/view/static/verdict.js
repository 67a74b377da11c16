// A verdict to look into: entry by entry, by its marks or its numbers; hints open one after the other.

import { button, make, root, say } from "./kit.js";

const WAYS = { mark: "Marks", yours: "Yours", expected: "Expected", difference: "Difference" };

class VerdictExplorer {
  constructor(model, el) {
    this.scene = model.get("scene");
    const { headline, grid, notes } = this.scene;
    this.whole = root(el, "Verdict");
    this.whole.append(make("strong", {}, headline), ...(grid ? this.evidence(grid) : []), this.hints(),
      ...notes.map((note) => make("p", { class: "nnx-notes" }, note)));
    if (grid) this.choose(grid.cells.flat().every((cell) => cell.yours) && grid.cells.length === 1 ? "yours" : "mark");
  }

  evidence({ rows, columns, cells, above, below }) {
    const ways = cells.flat().every((cell) => cell.yours) ? Object.keys(WAYS) : ["mark"];
    this.ways = Object.fromEntries(ways.map((way) => [way, button(WAYS[way], `Show ${WAYS[way].toLowerCase()}`,
      () => this.choose(way))]));
    const next = button("Next wrong →", "Go to the next entry that is wrong", () => this.next());
    this.cells = cells.map((row, i) => row.map((cell, j) => this.cell(cell, i, j)));
    this.at = [0, 0];
    const head = make("tr", {}, make("td"), ...columns.map((name) => make("th", { scope: "col" }, name)));
    const body = rows.map((name, i) => make("tr", {}, make("th", { scope: "row" }, name), ...this.cells[i]));
    const table = make("table", {
      class: "nnx-matrix", "aria-label": `${above}. Arrow keys go from entry to entry.`, keydown: (event) => this.key(event),
    }, make("tbody", {}, head, ...body));
    this.words = make("div", { class: "nnx-sentence", "aria-live": "polite" });
    say(this.words, "Point at an entry, or go to it with the arrow keys.");
    const bar = make("div", { class: "nnx-bar", role: "group", "aria-label": "What to show" },
      ...(ways.length > 1 ? Object.values(this.ways) : []), next);
    return [make("p", {}, above), bar, make("div", { class: "nnx-sheet" }, table),
      below ? make("p", { class: "nnx-notes" }, below) : null, this.words].filter(Boolean);
  }

  cell(told, i, j) {
    const wrong = told.mark === "·" ? "" : "nnx-wrong";
    const look = () => this.look(i, j);
    return make("td", {
      class: `nnx-entry ${wrong}`, tabindex: i || j ? -1 : 0, "data-at": `${i},${j}`, pointerenter: look, focus: look,
      click: (event) => event.currentTarget.focus(),
    });
  }

  choose(way) {
    for (const [name, one] of Object.entries(this.ways)) one.setAttribute("aria-pressed", String(name === way));
    this.cells.forEach((row, i) => row.forEach((cell, j) => {
      const told = this.scene.grid.cells[i][j];
      const mark = way === "mark" || told.mark === "·" ? "" : `${told.mark} `;
      cell.textContent = mark + told[way];
    }));
  }

  look(i, j) {
    this.cells[this.at[0]][this.at[1]].tabIndex = -1;
    this.whole.querySelector(".nnx-here")?.classList.remove("nnx-here");
    this.at = [i, j];
    this.cells[i][j].tabIndex = 0;
    this.cells[i][j].classList.add("nnx-here");
    say(this.words, this.scene.grid.cells[i][j].words);
  }

  /** The first wrong entry after this one; after the last comes the first. */
  next() {
    const order = this.scene.grid.cells.flatMap((row, i) => row.map((cell, j) => [i, j, cell.mark !== "·"]));
    const here = order.findIndex(([i, j]) => i === this.at[0] && j === this.at[1]);
    const from = this.whole.querySelector(".nnx-here") ? here + 1 : here;
    const found = [...order.slice(from), ...order.slice(0, from)].find(([, , wrong]) => wrong);
    if (found) this.look(found[0], found[1]);
  }

  key(event) {
    const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!by) return;
    event.preventDefault();
    this.cells[this.at[0] + by[0]]?.[this.at[1] + by[1]]?.focus();
  }

  /** One hint more at each press. */
  hints() {
    const told = make("div", { "aria-live": "polite" });
    const more = button("Hint", "Show a hint", () => {
      told.append(make("p", { class: "nnx-hint" }, this.scene.hints[told.children.length]));
      say(more, "Another hint");
      more.hidden = told.children.length === this.scene.hints.length;
    });
    more.hidden = !this.scene.hints.length;
    return make("div", { class: "nnx-part" }, told, more);
  }
}

export default {
  render({ model, el }) {
    new VerdictExplorer(model, el);
  },
};
