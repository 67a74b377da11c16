// The verdict explorer: a verdict entry by entry, as marks or as numbers; hints open one after the other.

import { makeButton, makeHtml, makeRoot, say, setText, speak } from "./shared.js";

/** Return the ways to show an entry, each with the name and the title of its button. */
function listWays() {
  return {
    mark: [say("Marks"), say("Show marks")],
    yours: [say("Yours"), say("Show yours")],
    expected: [say("Expected"), say("Show expected")],
    difference: [say("Difference"), say("Show difference")],
  };
}

class VerdictExplorer {
  constructor(model, el) {
    this.setup = model.get("setup");
    const { headline, grid, notes } = this.setup;
    this.root = makeRoot(el, say("Verdict"));
    this.root.append(makeHtml("strong", {}, headline), ...(grid ? this.evidence(grid) : []),
      ...notes.map((note) => makeHtml("p", { class: "nnx-notes" }, note)), this.hints());
    if (grid) this.choose(grid.cells.flat().every((cell) => cell.yours) && grid.cells.length === 1 ? "yours" : "mark");
  }

  evidence({ rows, columns, cells, above, below }) {
    const names = listWays();
    const ways = cells.flat().every((cell) => cell.yours) ? Object.keys(names) : ["mark"];
    this.ways = Object.fromEntries(ways.map((way) => [way, makeButton(...names[way],
      () => this.choose(way))]));
    const next = makeButton(say("Next wrong →"), say("Go to the next wrong entry"), () => this.next());
    this.cells = cells.map((row, i) => row.map((cell, j) => this.cell(cell, i, j)));
    this.at = [0, 0];
    const head = makeHtml("tr", {}, makeHtml("td"), ...columns.map((name) => makeHtml("th", { scope: "col" }, name)));
    const body = rows.map((name, i) => makeHtml("tr", {}, makeHtml("th", { scope: "row" }, name), ...this.cells[i]));
    const table = makeHtml("table", {
      class: "nnx-matrix", "aria-label": say("{title}. Arrow keys go from entry to entry.", { title: above }),
      keydown: (event) => this.key(event),
    }, makeHtml("tbody", {}, head, ...body));
    this.words = makeHtml("div", { class: "nnx-sentence", "aria-live": "polite" });
    setText(this.words, say("Point at an entry, or go to it with the arrow keys."));
    const bar = makeHtml("div", { class: "nnx-bar", role: "group", "aria-label": say("What to show") },
      ...(ways.length > 1 ? Object.values(this.ways) : []), next);
    return [makeHtml("p", {}, above), bar, makeHtml("div", { class: "nnx-sheet" }, table),
      below ? makeHtml("p", { class: "nnx-notes" }, below) : null, this.words].filter(Boolean);
  }

  cell(entry, i, j) {
    const wrong = entry.mark === "·" ? "" : "nnx-wrong";
    const look = () => this.look(i, j);
    return makeHtml("td", {
      class: `nnx-entry ${wrong}`, tabindex: i || j ? -1 : 0, "data-at": `${i},${j}`, pointerenter: look, focus: look,
      click: (event) => event.currentTarget.focus(),
    });
  }

  choose(way) {
    for (const [name, one] of Object.entries(this.ways)) one.setAttribute("aria-pressed", String(name === way));
    this.cells.forEach((row, i) => row.forEach((cell, j) => {
      const entry = this.setup.grid.cells[i][j];
      const mark = way === "mark" || entry.mark === "·" ? "" : `${entry.mark} `;
      cell.textContent = mark + entry[way];
    }));
  }

  look(i, j) {
    this.cells[this.at[0]][this.at[1]].tabIndex = -1;
    this.root.querySelector(".nnx-here")?.classList.remove("nnx-here");
    this.at = [i, j];
    this.cells[i][j].tabIndex = 0;
    this.cells[i][j].classList.add("nnx-here");
    setText(this.words, this.setup.grid.cells[i][j].words);
  }

  /** Go to the next wrong entry; after the last comes the first. */
  next() {
    const order = this.setup.grid.cells.flatMap((row, i) => row.map((cell, j) => [i, j, cell.mark !== "·"]));
    const here = order.findIndex(([i, j]) => i === this.at[0] && j === this.at[1]);
    const from = this.root.querySelector(".nnx-here") ? here + 1 : here;
    const found = [...order.slice(from), ...order.slice(0, from)].find(([, , wrong]) => wrong);
    if (found) this.look(found[0], found[1]);
  }

  key(event) {
    const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!by) return;
    event.preventDefault();
    this.cells[this.at[0] + by[0]]?.[this.at[1] + by[1]]?.focus();
  }

  /** A button that shows one more hint at each press. */
  hints() {
    const hints = makeHtml("div", { "aria-live": "polite" });
    const more = makeButton(say("Hint"), say("Show a hint"), () => {
      hints.append(makeHtml("p", { class: "nnx-hint" }, this.setup.hints[hints.children.length]));
      setText(more, say("Another hint"));
      more.hidden = hints.children.length === this.setup.hints.length;
    });
    more.hidden = !this.setup.hints.length;
    return makeHtml("div", { class: "nnx-part" }, hints, more);
  }
}

export default {
  render({ model, el }) {
    speak(model.get("language"));
    new VerdictExplorer(model, el);
  },
};
