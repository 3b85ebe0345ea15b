// A field for a path on the machine that Train Tools runs on: typed, or picked in a dialog.
import { choose, chosen } from "./choice.js";
import { h } from "./island.js";
import { pickPath } from "./picker.js";
import { t } from "./words.js";

/**
 * `element` is a line with the field and its button; `changed()` is told of each change, `picked()` of a path that was
 * picked whole. `suffixes` are the files that may be picked, none = a folder is. Picking begins where it ended last.
 */
export class PathField {
  constructor({ label, suffixes = [], placeholder = "", changed = () => {}, picked = changed }) {
    Object.assign(this, { suffixes, picked });
    this.input = h("input", { type: "text", "aria-label": label, placeholder, spellcheck: "false", autocomplete: "off", oninput: () => changed() });
    const pick = h("button", { type: "button", "aria-label": t("picker.pick_of", { what: label }), onclick: () => this.pick() }, t("picker.pick"));
    this.element = h("span.path", {}, this.input, pick);
  }

  get value() {
    return this.input.value.trim();
  }

  /** Its end tells most, where it is too long to be seen whole. */
  set value(path) {
    this.input.value = path ?? "";
    this.input.title = this.input.value;
    requestAnimationFrame(() => (this.input.scrollLeft = this.input.scrollWidth));
  }

  async pick() {
    const last = `picked ${this.suffixes.join("")}`;
    const path = await pickPath(this.element.getRootNode(), { suffixes: this.suffixes, from: this.value || chosen(last, "") });
    if (path === null) return;
    choose(last, path);
    this.value = path;
    this.input.focus();
    this.picked();
  }
}
