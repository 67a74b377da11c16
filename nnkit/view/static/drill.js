// The drill: a random graph, whose values and gradients are typed in wire by wire.

import { connectKernel, makeButton, makeHtml, makeRoot, say, setText, speak } from "./shared.js";
import { GraphCanvas } from "./graph_canvas.js";

const STORE = "nnkit-drill"; // where the browser keeps the streak

class Drill {
  constructor(model, el) {
    Object.assign(this, { model, asked: false });
    this.root = makeRoot(el, say("Drill"));
    this.busy = makeHtml("p", { class: "nnx-warning", role: "status" });
    this.kernel = connectKernel(model, (words) => setText(this.busy, words));
    this.createParts();
    this.canvas = new GraphCanvas(this.holder, { resized: (width) => this.kernel.ask({ width }) });
    this.refresh = () => this.update();
    model.on("change:state", this.refresh);
    this.update();
  }

  createParts() {
    const { levels } = this.model.get("setup");
    const names = Object.entries(levels).map(([level, name]) => makeHtml("option", { value: level }, `${level}: ${name}`));
    this.level = makeHtml("select", { "aria-label": say("Level"), change: () => this.ask({ level: this.level.value }) }, ...names);
    this.place = makeHtml("span", { class: "nnx-count" });
    this.streak = makeHtml("span", { class: "nnx-count nnx-streak", role: "status" });
    this.holder = makeHtml("div", { class: "nnx-stage" });
    this.question = makeHtml("div", { class: "nnx-sentence", "aria-live": "polite" });
    this.feedback = makeHtml("p", { class: "nnx-feedback", role: "status" });
    this.error = makeHtml("p", { class: "nnx-error", role: "alert" });
    this.field = makeHtml("input", {
      type: "text", size: 14, autocomplete: "off", "aria-label": say("Your answer"),
      keydown: (event) => event.key === "Enter" && this.enter(),
    });
    this.name = makeHtml("span", { class: "nnx-slider-name" });
    this.check = makeButton(say("Check"), say("Check the answer (Enter)"), () => this.enter());
    this.show = makeButton(say("Show"), say("Show this answer; the streak ends"), () => this.ask({ show: true }));
    this.next = makeButton(say("New graph"), say("Go on with another graph"), () => this.ask({ next: true }));
    this.form = makeHtml("div", { class: "nnx-bar nnx-answer" }, this.name, this.field, this.check, this.show, this.next);
    this.root.append(makeHtml("div", { class: "nnx-bar" }, this.level, this.place, this.streak), this.holder, this.question,
      this.form, this.feedback, this.error, this.busy);
    this.count(0);
  }

  ask(request) {
    this.asked = true;
    this.kernel.ask(request);
  }

  /** Check what was typed; when the graph is done, Enter goes on with the next. */
  enter() {
    if (!this.model.get("state").question) this.ask({ next: true });
    else if (this.field.value.trim()) this.ask({ answer: this.field.value });
  }

  update() {
    const [setup, state] = [this.model.get("setup"), this.model.get("state")];
    if (setup !== this.setup) this.canvas.build((this.setup = setup));
    const { values, grads, question, outcome, feedback, error, done, count, graph } = state;
    const asked = question ? { [question.node]: "?" } : {};
    this.canvas.show({
      values: question && !question.gradient ? { ...values, ...asked } : values,
      grads: question?.gradient ? { ...grads, ...asked } : grads,
      now: question && { node: question.node, phase: question.gradient ? "start" : "forward" },
    });
    this.level.value = setup.level;
    const wire = Math.min(done + 1, count);
    setText(this.place, say("graph {graph}, wire {wire} of {count}", { graph, wire, count }));
    setText(this.question, question ? question.words : say("Done: every value and every gradient. Press Enter for a new graph."));
    setText(this.name, question ? `${question.name} =` : "");
    setText(this.feedback, error ? "" : feedback);
    this.feedback.dataset.outcome = outcome;
    setText(this.error, error ? `✗ ${error}` : "");
    this.check.disabled = this.show.disabled = !question;
    if (!this.asked) return;
    this.asked = false;
    if (error) return;
    if (outcome === "wrong") this.field.select();
    else this.field.value = "";
    this.field.focus({ preventScroll: true });
    if (outcome) this.count(outcome === "right" ? 1 : -1);
  }

  /** Add 1 to the streak, end it (-1), or only show it (0). */
  count(change) {
    const { streak = 0, best = 0 } = load();
    const now = change < 0 ? 0 : streak + change;
    save({ streak: now, best: Math.max(best, now) });
    setText(this.streak, say("{number} right in a row (best: {best})", { number: now, best: Math.max(best, now) }));
  }

  dispose() {
    this.canvas.close();
    this.kernel.close();
    this.model.off("change:state", this.refresh);
  }
}

function load() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) ?? {};
  } catch {
    return {}; // no storage in this page
  }
}

function save(streak) {
  try {
    localStorage.setItem(STORE, JSON.stringify(streak));
  } catch {
    // it lasts as long as the page then
  }
}

export default {
  render({ model, el }) {
    speak(model.get("language"));
    const drill = new Drill(model, el);
    return () => drill.dispose();
  },
};
