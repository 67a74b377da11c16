// The graph explorer: step through both passes, move the inputs, look into gates, fold groups.

import { asker, button, make, root, say, slider } from "./kit.js";
import { Player } from "./player.js";
import { Stage } from "./stage.js";

class GraphExplorer {
  constructor(model, el) {
    this.model = model;
    this.player = new Player(model, () => model.get("film").steps.length, { reset: () => this.reset() });
    this.whole = root(el, "Graph explorer");
    this.kernel = asker(model, (words) => say(this.busy, words));
    const keys = "The graph. Left and right arrow step, space plays, tab goes to the gates.";
    this.holder = make("div", { class: "nnx-stage", tabindex: 0, role: "group", "aria-label": keys });
    this.parts();
    this.stage = new Stage(this.holder, (box) => this.open(box), (group) => this.toggle(group));
    this.whole.addEventListener("keydown", (event) => this.key(event));
    this.refresh = () => this.update();
    this.restep = () => this.step();
    model.on("change:film", this.refresh);
    model.on("change:at", this.restep);
    this.update();
  }

  parts() {
    const zooms = make("span", { class: "nnx-zoom", role: "group", "aria-label": "Zoom" },
      button("−", "Zoom out", () => this.stage.scale(0.8)),
      button("+", "Zoom in", () => this.stage.scale(1.25)),
      button("Whole", "Show the whole graph", () => this.stage.whole()));
    const bar = make("div", { class: "nnx-bar" }, ...this.player.parts, zooms);
    this.title = make("strong", { class: "nnx-title" });
    this.words = make("span", { class: "nnx-words" });
    this.rows = make("span", { class: "nnx-rows" });
    const sentence = make("div", { class: "nnx-sentence", "aria-live": "polite", "aria-atomic": "true" },
      this.title, " ", this.words, " ", this.rows);
    this.error = make("p", { class: "nnx-error", role: "alert" });
    this.warning = make("p", { class: "nnx-warning", role: "status" });
    this.busy = make("p", { class: "nnx-warning", role: "status" });
    this.notes = make("div", { class: "nnx-notes" });
    this.sliders = make("div", { class: "nnx-sliders", role: "group", "aria-label": "Inputs" });
    this.detail = make("div", { class: "nnx-detail", role: "region", "aria-label": "The chosen gate", tabindex: -1 });
    this.detail.hidden = true;
    this.whole.append(this.notes, bar, this.holder, sentence, this.error, this.warning, this.busy, this.sliders,
      this.detail);
  }

  // -- what the kernel tells --------------------------------------------------------------------

  update() {
    const scene = this.model.get("scene");
    const film = this.model.get("film");
    if (scene !== this.scene) this.build(scene);
    say(this.error, film.error ? `✗ ${film.error}` : "");
    say(this.warning, film.warning ? `! ${film.warning}` : "");
    this.step();
  }

  build(scene) {
    const first = !this.scene;
    this.scene = scene;
    this.stage.build(scene);
    this.notes.replaceChildren(...scene.notes.map((note) => make("p", {}, note)));
    if (this.chosen && !scene.boxes.some((box) => box.id === this.chosen.id)) this.close();
    if (!first) return;
    this.values = {};
    this.fields = scene.sliders.map((one) => slider(one, (text) => {
      this.values[one.key] = text;
      this.ask();
    }));
    for (const [key, text] of Object.entries(this.model.get("ask").values ?? {})) this.put(key, text);
    this.sliders.append(...this.fields.map((field) => field.element));
    this.sliders.hidden = !this.fields.length;
  }

  put(key, text) {
    this.values[key] = text;
    this.fields[this.scene.sliders.findIndex((one) => one.key === key)]?.set(text);
  }

  ask(folded = this.scene.folded) {
    this.kernel.ask({ values: this.values, folded });
  }

  // -- steps ------------------------------------------------------------------------------------

  step() {
    const { known, steps } = this.model.get("film");
    const { at } = this.player;
    const [values, grads] = [{ ...known }, {}];
    for (const step of steps.slice(0, at)) {
      if (step.value != null) values[step.node] = step.value;
      Object.assign(grads, step.grads);
    }
    const now = steps[at - 1];
    this.stage.show({ values, grads, now });
    this.tell(now);
    this.player.show(Object.keys(this.values).length);
  }

  tell(now) {
    say(this.title, now ? `${now.title}.` : "Only the inputs are known.");
    say(this.words, now ? now.words : "Step, or press the right arrow, to run the first gate.");
    this.words.classList.toggle("nnx-rule", now?.phase === "backward");
    const rows = (now?.rows ?? []).map((row) => line(row));
    const text = rows.map((row) => row.textContent).join();
    if (this.rows.textContent !== text) this.rows.replaceChildren(...rows);
    this.rows.hidden = !rows.length;
  }

  reset() {
    const moved = Object.keys(this.values).length;
    for (const one of this.scene.sliders) this.put(one.key, one.value);
    if (moved) this.ask();
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
    const code = this.scene.sources[box.source];
    const names = box.group == null ? [] : [this.folding(box)];
    const shut = button("Close", "Close (escape)", () => this.close());
    const heading = make("div", { class: "nnx-bar" }, make("strong", {}, capital(box.label)), ...names, shut);
    this.detail.replaceChildren(heading,
      make("div", { class: "nnx-code" }, ...["forward", "backward"].map((pass) =>
        make("div", {}, make("div", { class: "nnx-pass" }, pass), make("pre", { tabindex: 0, "aria-label": pass },
          code[pass])))));
    this.detail.hidden = false;
    this.detail.focus({ preventScroll: true });
  }

  folding(box) {
    const folded = this.scene.folded.includes(box.group);
    const symbol = this.scene.symbols[box.group];
    const name = folded ? `Unfold ${symbol} into its gates` : `Fold into ${symbol}`;
    return button(name, name, () => this.toggle(box.group));
  }

  toggle(group) {
    const { folded } = this.scene;
    this.close();
    this.player.stop();
    this.model.set("at", 0);
    this.ask(folded.includes(group) ? folded.filter((one) => one !== group) : [...folded, group]);
  }

  close() {
    if (!this.chosen) return;
    this.detail.hidden = true;
    this.stage.svg.querySelector(`[data-key="gate-${this.chosen.id}"]`)?.focus({ preventScroll: true });
    this.chosen = null;
  }

  end() {
    this.player.stop();
    this.stage.close();
    this.kernel.close();
    this.model.off("change:film", this.refresh);
    this.model.off("change:at", this.restep);
  }
}

/** "To q: 1 × −4 = −4." */
function line({ to, upstream, local, down, total }) {
  const part = (name, text) => make("b", { class: `nnx-${name}` }, text);
  const product = local ? [part("up", upstream), " × ", part("local", local), " = "] : [];
  const sum = total ? [` With the share that was there already: ${total}.`] : [];
  return make("span", { class: "nnx-row" }, `To ${to}: `, ...product, part("down", down), ". ", ...sum);
}

function capital(words) {
  return words[0].toUpperCase() + words.slice(1);
}

export default {
  render({ model, el }) {
    const explorer = new GraphExplorer(model, el);
    return () => explorer.end();
  },
};
