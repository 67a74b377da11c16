// A film: pictures one after the other, with the buttons and keys of the explorers and a slider.

import { makeHtml, makeRoot, say, speak } from "./shared.js";
import { StepPlayer } from "./player.js";

/** The part of a widget's model that a player uses, in the page alone. */
class PageModel {
  constructor(changed) {
    Object.assign(this, { changed, values: { step: 0 } });
  }

  get(name) {
    return this.values[name];
  }

  set(name, value) {
    this.values[name] = value;
  }

  save_changes() {
    this.changed();
  }
}

class Film {
  constructor(el, { frames, description, pause }) {
    this.frames = frames;
    this.player = new StepPlayer(new PageModel(() => this.show()), () => frames.length - 1, { pause });
    this.image = makeHtml("img", { class: "nnk-picture", alt: description });
    this.bar = makeHtml("input", {
      type: "range", min: 0, max: frames.length - 1, value: 0, "aria-label": say("Frame"),
      input: () => this.player.go(Number(this.bar.value)),
    });
    const root = makeRoot(el, say("Film"));
    root.append(makeHtml("div", { class: "nnx-bar" }, ...this.player.parts), this.bar, this.image);
    root.classList.add("nnx-film");
    root.addEventListener("keydown", (event) => this.player.key(event));
    this.show();
  }

  show() {
    const { at } = this.player;
    this.image.src = this.frames[at];
    this.bar.value = at;
    this.player.show();
  }
}

/** Put a film into the element with this id. A notebook may insert the element into the page after the script has run. */
export function showFilm(id, film) {
  const el = document.getElementById(id);
  if (!el) {
    setTimeout(() => showFilm(id, film), 200);
    return;
  }
  speak(film.language);
  el.replaceChildren();
  new Film(el, film);
}
