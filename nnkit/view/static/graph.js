// The graph explorer: step through both passes, move the inputs, look into gates, fold groups.

import { connectKernel, makeButton, makeHtml, makeRoot, makeSlider, say, setText, speak } from "./shared.js";
import { StepPlayer } from "./player.js";
import { GraphCanvas } from "./graph_canvas.js";

class GraphExplorer {
  constructor(model, el) {
    this.model = model;
    this.player = new StepPlayer(model, () => model.get("state").steps.length, { reset: () => this.reset() });
    this.root = makeRoot(el, say("Graph explorer"));
    this.kernel = connectKernel(model, (words) => setText(this.busy, words));
    const keys = say("The graph. Left and right arrow step, space plays, tab goes to the gates.");
    this.holder = makeHtml("div", { class: "nnx-stage", tabindex: 0, role: "group", "aria-label": keys });
    this.createParts();
    this.canvas = new GraphCanvas(this.holder, {
      opened: (box) => this.open(box), fold: (group) => this.toggle(group), resized: (width) => this.ask({ width }),
    });
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.refresh = () => this.update();
    this.restep = () => this.step();
    model.on("change:state", this.refresh);
    model.on("change:step", this.restep);
    this.update();
  }

  createParts() {
    const zooms = makeHtml("span", { class: "nnx-zoom", role: "group", "aria-label": say("Zoom") },
      makeButton("−", say("Zoom out"), () => this.canvas.scale(0.8)),
      makeButton("+", say("Zoom in"), () => this.canvas.scale(1.25)),
      makeButton(say("Whole"), say("Show the whole graph"), () => this.canvas.showAll()));
    const bar = makeHtml("div", { class: "nnx-bar" }, ...this.player.parts, zooms);
    this.title = makeHtml("strong", { class: "nnx-title" });
    this.words = makeHtml("span", { class: "nnx-words" });
    this.rows = makeHtml("span", { class: "nnx-rows" });
    const sentence = makeHtml("div", { class: "nnx-sentence", "aria-live": "polite", "aria-atomic": "true" },
      this.title, " ", this.words, " ", this.rows);
    this.error = makeHtml("p", { class: "nnx-error", role: "alert" });
    this.warning = makeHtml("p", { class: "nnx-warning", role: "status" });
    this.busy = makeHtml("p", { class: "nnx-warning", role: "status" });
    this.notes = makeHtml("div", { class: "nnx-notes" });
    this.sliders = makeHtml("div", { class: "nnx-sliders", role: "group", "aria-label": say("Inputs") });
    this.detail = makeHtml("div", { class: "nnx-detail", role: "region", "aria-label": say("The chosen gate"), tabindex: -1 });
    this.detail.hidden = true;
    this.root.append(this.notes, bar, this.holder, sentence, this.error, this.warning, this.busy, this.sliders,
      this.detail);
  }

  // -- answers of the kernel --------------------------------------------------------------------

  update() {
    const setup = this.model.get("setup");
    const state = this.model.get("state");
    if (setup !== this.setup) this.build(setup);
    if (this.left && setup.folded.includes(this.left.group) === this.left.folded) {
      const { time } = this.left;
      const done = state.steps.findIndex((step) => step.time > time);
      this.left = null;
      this.player.go(done < 0 ? state.steps.length : done);
    }
    setText(this.error, state.error ? `✗ ${state.error}` : "");
    setText(this.warning, state.warning ? `! ${state.warning}` : "");
    this.step();
  }

  build(setup) {
    const first = !this.setup;
    this.setup = setup;
    this.canvas.build(setup);
    this.notes.replaceChildren(...setup.notes.map((note) => makeHtml("p", {}, note)));
    if (this.chosen && !setup.boxes.some((box) => box.id === this.chosen.id)) this.close();
    if (!first) return;
    this.values = {};
    this.request = {};
    this.fields = (setup.frozen ? [] : setup.sliders).map((one) => makeSlider(one, (text) => {
      this.values[one.key] = text;
      this.ask();
    }));
    for (const [key, text] of Object.entries(this.model.get("request").values ?? {})) this.put(key, text);
    this.sliders.append(...this.fields.map((field) => field.element));
    this.sliders.hidden = !this.fields.length;
  }

  put(key, text) {
    this.values[key] = text;
    this.fields[this.setup.sliders.findIndex((one) => one.key === key)]?.set(text);
  }

  ask(change = {}) {
    Object.assign(this.request, change);
    this.kernel.ask({ values: this.values, folded: this.setup.folded, ...this.request });
  }

  // -- steps ------------------------------------------------------------------------------------

  step() {
    const { known, steps } = this.model.get("state");
    const { at } = this.player;
    const [values, grads] = [{ ...known }, {}];
    for (const step of steps.slice(0, at)) {
      if (step.value != null) values[step.node] = step.value;
      Object.assign(grads, step.grads);
    }
    const now = steps[at - 1];
    this.canvas.show({ values, grads, now });
    if (at === this.shown + 1) this.canvas.travel(now, values);
    this.shown = at;
    this.describe(now);
    this.player.show(Object.keys(this.values).length);
  }

  describe(now) {
    setText(this.title, now ? `${now.title}.` : say("Only the inputs are known."));
    setText(this.words, now ? now.words : say("Step, or press the right arrow, to run the first gate."));
    this.words.classList.toggle("nnx-rule", now?.phase === "backward");
    const rows = (now?.rows ?? []).map((row) => line(row));
    const text = rows.map((row) => row.textContent).join();
    if (this.rows.textContent !== text) this.rows.replaceChildren(...rows);
    this.rows.hidden = !rows.length;
  }

  reset() {
    const moved = Object.keys(this.values).length;
    if (moved) {
      for (const one of this.setup.sliders) this.put(one.key, one.value);
      this.ask();
    }
    this.values = {};
    this.step();
  }

  key(event) {
    if (event.key === "Escape" && !this.detail.hidden) this.close();
    this.player.key(event);
  }

  // -- gates and groups -------------------------------------------------------------------------

  open(box) {
    this.chosen = box;
    const code = this.setup.sources[box.source];
    const names = box.group == null ? [] : [this.folding(box)];
    const closeButton = makeButton(say("Close"), say("Close (escape)"), () => this.close());
    const heading = makeHtml("div", { class: "nnx-bar" }, makeHtml("strong", {}, capital(box.label)), ...names, closeButton);
    this.detail.replaceChildren(heading, ...(code.about ? [makeHtml("p", {}, code.about)] : []),
      makeHtml("div", { class: "nnx-code" }, ...["forward", "backward"].map((pass) =>
        makeHtml("div", {}, makeHtml("div", { class: "nnx-pass" }, pass), makeHtml("pre", { tabindex: 0, "aria-label": pass },
          code[pass])))));
    this.detail.hidden = false;
    this.detail.focus({ preventScroll: true });
  }

  folding(box) {
    const folded = this.setup.folded.includes(box.group);
    const symbol = this.setup.symbols[box.group];
    const name = folded ? say("Unfold {symbol} into its gates", { symbol }) : say("Fold into {symbol}", { symbol });
    return makeButton(name, name, () => this.toggle(box.group));
  }

  /** Fold a group into one gate, or unfold it; what has been computed so far stays computed. */
  toggle(group) {
    const { folded } = this.setup;
    this.close();
    this.player.stop();
    const now = this.model.get("state").steps[this.player.at - 1];
    this.left = { group, folded: !folded.includes(group), time: now?.time ?? -1 };
    this.ask({ folded: folded.includes(group) ? folded.filter((one) => one !== group) : [...folded, group] });
  }

  close() {
    if (!this.chosen) return;
    this.detail.hidden = true;
    this.canvas.svg.querySelector(`[data-key="gate-${this.chosen.id}"]`)?.focus({ preventScroll: true });
    this.chosen = null;
  }

  dispose() {
    this.player.stop();
    this.canvas.close();
    this.kernel.close();
    this.model.off("change:state", this.refresh);
    this.model.off("change:step", this.restep);
  }
}

/** "To q: 1 × −4 = −4." */
function line({ to, upstream, local, down, total }) {
  const part = (name, text) => makeHtml("b", { class: `nnx-${name}` }, text);
  const product = local ? [part("up", upstream), " × ", part("local", local), " = "] : [];
  const sum = total ? [" ", say("Added to the gradient from other branches: {total}.", { total })] : [];
  return makeHtml("span", { class: "nnx-row" }, say("To {wire}:", { wire: to }), " ", ...product, part("down", down), ". ", ...sum);
}

function capital(words) {
  return words[0].toUpperCase() + words.slice(1);
}

export default {
  render({ model, el }) {
    speak(model.get("language"));
    const explorer = new GraphExplorer(model, el);
    return () => explorer.dispose();
  },
};
