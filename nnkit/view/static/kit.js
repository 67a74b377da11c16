// What all explorers share: making elements, asking the kernel, keys, a live region.

// Jupyter's server keeps its second small packet back until the browser has acknowledged the first, which a browser that
// has nothing to say does 40 ms late. Any word from the page after so many milliseconds brings the answer at once.
const NUDGE = 10;

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes (functions are listeners) and children. */
export function make(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function draw(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Set text only where it changes, so that a live region speaks only then. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

/** A number as the kernel writes it: four digits and a true minus. */
export function show(x) {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  let text = Number(x).toPrecision(4);
  if (!text.includes("e") && text.includes(".")) text = text.replace(/\.?0+$/, "");
  return text.replace(/\.?0+e/, "e").replaceAll("-", "−");
}

/**
 * A question for the kernel. Sliders ask faster than a kernel answers: only the last question waits.
 * `waiting(words)` is told when the kernel takes long, and "" when it has answered.
 */
export function asker(model, waiting) {
  let number = 0;
  let timer = 0;
  let nudge = 0;
  const answered = () => {
    if ((model.get("film").number || 0) >= number) {
      clearTimeout(timer);
      clearTimeout(nudge);
      waiting("");
    }
  };
  model.on("change:film", answered);
  return {
    ask(question) {
      number = Math.max(number, model.get("ask").number || 0) + 1;
      model.set("ask", { ...question, number });
      model.save_changes();
      clearTimeout(timer);
      clearTimeout(nudge);
      nudge = setTimeout(() => model.send({ nudge: number }), NUDGE);
      timer = setTimeout(() => {
        waiting("Waiting for the kernel: it is busy with another cell, or it has gone. If it has, run this cell again.");
      }, 1500);
    },
    close() {
      clearTimeout(timer);
      clearTimeout(nudge);
      model.off("change:film", answered);
    },
  };
}

/** A labelled slider with a field beside it for exact numbers; `changed(text)` hears of both. */
export function slider({ label, low, high, step, value }, changed) {
  const bar = make("input", { type: "range", min: low, max: high, step, value, "aria-label": label });
  const field = make("input", {
    type: "text", inputmode: "decimal", size: 7, value: minus(value), "aria-label": `${label}, as a number`,
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
  const name = make("span", { class: "nnx-slider-name" }, label);
  const element = make("div", { class: "nnx-slider" }, name, bar, field);
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

/** A button with a visible name and, for readers, a longer one. */
export function button(name, title, pressed) {
  return make("button", { type: "button", class: "nnx-button", title, click: pressed }, name);
}

/** The root of an explorer. */
export function root(el, label) {
  const whole = make("section", { class: "nnx-explorer", "aria-label": label });
  el.append(whole);
  return whole;
}

/* JupyterLab's shortcuts look at the focused element, and keep quiet where it says so. Those with Ctrl or ⌘ are for the
   whole notebook (save, undo), and go through. */
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
