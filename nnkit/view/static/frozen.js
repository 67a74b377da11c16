// The frozen form of an explorer: the live form's module, served in the page by answers that were computed in advance.

import { makeHtml } from "./shared.js";

const FRAME_PERIOD = 150; // milliseconds between two frames of a recorded training
const LIVE_PAGES = "#jupyter-config-data, [data-vscode-theme-kind], colab-cell"; // a kernel serves the live form there

/** The part of a widget's model that the modules use, without a kernel. */
class FrozenModel {
  constructor({ language, setups, answers, frames }) {
    this.setups = setups.map((setup) => ({ ...setup, frozen: true }));
    Object.assign(this, { answers, frames, listeners: [], frame: 0, granted: 0, answered: 0 });
    const state = answers ? answers[0].state : frames[0];
    this.values = { language, setup: this.setups[answers ? answers[0].setup : 0], state, request: {}, step: 0 };
  }

  get(name) {
    return this.values[name];
  }

  set(name, value) {
    this.values[name] = value;
    if (name !== "request") this.emit(`change:${name}`);
  }

  on(names, listener) {
    for (const name of names.split(" ")) this.listeners.push([name, listener]);
  }

  off(names, listener) {
    this.listeners = this.listeners.filter(([name, one]) => one !== listener || !names.split(" ").includes(name));
  }

  emit(name, ...values) {
    for (const [one, listener] of [...this.listeners]) if (one === name) listener(...values);
  }

  /** Answer a new request with the nearest one that was answered in advance. */
  save_changes() {
    const { request } = this.values;
    if (!this.answers || request.number === this.answered) return;
    this.answered = request.number;
    const { state, setup } = nearest(this.answers, request);
    this.values.setup = this.setups[setup];
    this.set("state", { ...state, number: request.number });
  }

  /** Return the values of one number of the requests, in order: of those that have the values of `where`. */
  ticks(name, where = {}) {
    const chosen = this.answers.map(({ request }) => request).filter((request) =>
      Object.entries(where).every(([key, value]) => request[key] === value));
    return [...new Set(chosen.map((request) => request[name]))].sort((a, b) => a - b);
  }

  // -- a recorded training ----------------------------------------------------------------------

  send({ frames, train, reset }) {
    if (!this.frames) return;
    if (frames != null) {
      this.granted = frames;
      if (!frames || this.timer) return;
      if (this.frame + 1 === this.frames.length) this.frame = -1; // play again from the start
      this.run();
    } else if (train || reset) this.show(reset ? 0 : this.frame + 1, Boolean(train));
    else setTimeout(() => this.show(this.frame, false)); // the page is listening by then
  }

  run() {
    this.timer = 0;
    if (this.granted <= 0) return;
    this.granted -= 1;
    this.show(this.frame + 1, true);
    if (this.frame + 1 < this.frames.length) this.timer = setTimeout(() => this.run(), FRAME_PERIOD);
  }

  show(frame, trained) {
    this.frame = Math.min(frame, this.frames.length - 1);
    const { content, buffers } = this.frames[this.frame];
    const ended = content.ended || this.frame + 1 === this.frames.length;
    this.emit("msg:custom", { ...content, trained, ended }, buffers);
  }
}

/** Return the answer whose request has these values, where it has them, or numbers closest to them. */
function nearest(answers, request) {
  const distance = (one) => Object.entries(one.request).reduce((sum, [name, value]) => {
    const wanted = request[name] ?? answers[0].request[name];
    if (typeof value !== "number") return sum + (JSON.stringify(value) === JSON.stringify(wanted) ? 0 : 1e6);
    return sum + Math.abs(value - Number(wanted)) / Math.max(1e-9, Math.abs(value));
  }, 0);
  return answers.reduce((best, one) => (distance(one) < distance(best) ? one : best));
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new DataView(await new Response(stream).arrayBuffer());
}

/** Put the frozen form in the place of the still form with this id, unless a kernel serves a live form there. */
export async function showFrozen(id, explorer, style) {
  const holder = document.getElementById(id);
  if (!holder || document.querySelector(LIVE_PAGES)) return;
  const frozen = JSON.parse(document.getElementById(`${id}-data`).textContent);
  for (const frame of frozen.frames ?? []) frame.buffers = await Promise.all(frame.buffers.map(unpack));
  if (style && !document.getElementById("nnx-style")) {
    document.head.append(makeHtml("style", { id: "nnx-style" }, style));
  }
  const el = makeHtml("div", {});
  explorer.render({ model: new FrozenModel(frozen), el });
  holder.replaceChildren(el);
  holder.classList.add("nnx-frozen");
}
