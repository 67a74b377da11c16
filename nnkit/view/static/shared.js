// Shared by all explorers: creating elements, requests to the kernel, keys, live regions.

// Milliseconds after which a message from the page brings a pending answer. Jupyter's server holds back its second small
// packet until the browser has acknowledged the first (Nagle), which an idle browser does 40 ms late (delayed ACK).
const NUDGE_DELAY = 10;

const SVG = "http://www.w3.org/2000/svg";

let language = { code: "en", sentences: {} };

/** Speak a language from now on: {code, sentences}, each English sentence of the scripts with its translation. */
export function speak(chosen) {
  language = chosen;
}

/** Return a sentence in that language, its named placeholders filled. It is a literal: Python collects them. */
export function say(sentence, values = {}) {
  const words = language.sentences[sentence] ?? sentence;
  return words.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}

export function sayWaiting() {
  return say("Waiting for the kernel: it is busy with another cell, or it has stopped. If it has, run this cell again.");
}

/** Create an HTML element with attributes (functions are listeners) and children. */
export function makeHtml(tag, attributes = {}, ...children) {
  return addParts(document.createElement(tag), attributes, children);
}

/** Create an SVG element in the same way. */
export function makeSvg(tag, attributes = {}, ...children) {
  return addParts(document.createElementNS(SVG, tag), attributes, children);
}

function addParts(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Return an id that no other element of the page has: views share a page, and each has its own copy of this module. */
export function makeId(name) {
  return `nnx-${name}-${Math.random().toString(36).slice(2)}`;
}

/** Set text only where it changes, so that a live region speaks only then. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

/** Return how many columns a text takes, where a Korean or Chinese character takes two. */
export function countColumns(text) {
  const isWide = (letter) => /[\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff\uff00-\uff60]/.test(letter);
  return [...text].reduce((sum, letter) => sum + (isWide(letter) ? 2 : 1), 0);
}

/** Return a number as the kernel writes it: four digits and a true minus sign. */
export function formatNumber(x) {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  let text = Number(x).toPrecision(4);
  if (!text.includes("e") && text.includes(".")) text = text.replace(/\.?0+$/, "");
  return text.replace(/\.?0+e/, "e").replaceAll("-", "−");
}

/**
 * Return {ask, close} for requests to the kernel. Sliders ask faster than a kernel answers: only the last request waits.
 * Calls `waiting(message)` when the kernel takes long, and `waiting("")` when it has answered.
 */
export function connectKernel(model, waiting) {
  let number = 0;
  let timer = 0;
  let nudge = 0;
  const answered = () => {
    if ((model.get("state").number || 0) >= number) {
      clearTimeout(timer);
      clearTimeout(nudge);
      waiting("");
    }
  };
  model.on("change:state", answered);
  return {
    ask(request) {
      number = Math.max(number, model.get("request").number || 0) + 1;
      clearTimeout(timer);
      clearTimeout(nudge);
      nudge = setTimeout(() => model.send({ nudge: number }), NUDGE_DELAY);
      timer = setTimeout(() => {
        waiting(sayWaiting());
      }, 1500);
      model.set("request", { ...request, number });
      model.save_changes(); // a page without a kernel has answered by then
    },
    close() {
      clearTimeout(timer);
      clearTimeout(nudge);
      model.off("change:state", answered);
    },
  };
}

/**
 * Create a labelled slider with a field for exact numbers, which can only be read if the slider is `fixed` to its steps;
 * calls `changed(text)` when either changes.
 */
export function makeSlider({ label, low, high, step, value, fixed }, changed) {
  const bar = makeHtml("input", { type: "range", min: low, max: high, step, value, "aria-label": label });
  const field = makeHtml("input", {
    type: "text", inputmode: "decimal", size: 7, value: minus(value), readonly: fixed,
    "aria-label": say("{label}, as a number", { label }),
  });
  let last = String(value);
  bar.addEventListener("input", () => {
    last = bar.value;
    field.value = minus(last);
    changed(last);
  });
  const enter = () => {
    const text = field.value.replaceAll("−", "-");
    if (text === last) return;
    last = text;
    if (text.trim() && Number.isFinite(Number(text))) bar.value = text;
    changed(text);
  };
  field.addEventListener("change", enter);
  field.addEventListener("keydown", (event) => event.key === "Enter" && enter());
  const name = makeHtml("span", { class: "nnx-slider-name" }, label);
  const element = makeHtml("div", { class: "nnx-slider" }, name, bar, field);
  return {
    element,
    set(text) {
      last = String(text);
      bar.value = text;
      field.value = minus(text);
    },
  };
}

function minus(value) {
  return String(value).replaceAll("-", "−");
}

/** Create a button with a visible name and a longer one for screen readers. */
export function makeButton(name, title, pressed) {
  return makeHtml("button", { type: "button", class: "nnx-button", title, click: pressed }, name);
}

/** Create the root element of an explorer. */
export function makeRoot(el, label) {
  const section = makeHtml("section", { class: "nnx-explorer", lang: language.code, "aria-label": label });
  el.append(section);
  return section;
}

/** A box that scrolls sideways where its content is too wide, and then says so. */
export class Scroller {
  constructor(content) {
    this.box = makeHtml("div", { class: "nnx-sheet" }, content);
    this.cue = makeHtml("p", { class: "nnx-cue", "aria-hidden": "true" }, say("More columns → scroll, or go on with the arrow keys"));
    this.element = makeHtml("div", { class: "nnx-scroller" }, this.box, this.cue);
    this.sizes = new ResizeObserver(() => (this.cue.hidden = this.box.scrollWidth <= this.box.clientWidth));
    this.sizes.observe(this.box);
  }

  close() {
    this.sizes.disconnect();
  }
}

/* JupyterLab's shortcuts are suppressed inside an explorer, except those with Ctrl or ⌘ (save, undo). */
window.addEventListener(
  "keydown",
  (event) => {
    if (event.target.closest?.(".nnx-explorer"))
      event.target.toggleAttribute("data-lm-suppress-shortcuts", !(event.ctrlKey || event.metaKey));
  },
  true,
);

export function reducedMotion() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
