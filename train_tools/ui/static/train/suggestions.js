// What is usual for an option, offered below its field while it has the focus: by a click, or by arrow keys and Enter.
import { h } from "../base/island.js";
import { t } from "../base/words.js";

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

/**
 * `element` is a list box that belongs to `input`, which keeps the focus; `toggle(value)` puts a value in or takes it
 * out, `said()` are those that the field says. Made when the field is first come to: a form has hundreds.
 */
export class Suggestions {
  constructor(input, name, values, { toggle, said }) {
    Object.assign(this, { input, values, toggle, said, at: null, options: [] });
    this.element = h("div.suggestions", { id: `suggestions-${name}`, hidden: true });
    if (!values.length) return;
    const attributes = { role: "combobox", "aria-autocomplete": "none", "aria-haspopup": "listbox", "aria-expanded": "false", "aria-controls": this.element.id };
    for (const [attribute, value] of Object.entries(attributes)) input.setAttribute(attribute, value);
    input.addEventListener("focus", () => this.open());
    input.addEventListener("blur", () => this.close());
    input.addEventListener("input", () => this.point(null));
    input.addEventListener("keydown", (event) => this.key(event));
  }

  open() {
    if (!this.options.length) this.build();
    this.mark();
    this.element.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
  }

  close() {
    this.point(null);
    this.element.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
  }

  build() {
    this.element.role = "listbox";
    this.element.ariaLabel = t("train.field.usual");
    this.element.ariaMultiSelectable = "true";
    const stay = (event) => event.preventDefault();
    this.options = this.values.map((value, at) => h("span.suggestion", { role: "option", id: `${this.element.id}-${at}`, title: t("train.field.take"), onmousedown: stay, onclick: () => this.toggle(value) }, value));
    this.element.append(...this.options);
  }

  mark() {
    const said = this.said();
    this.options.forEach((option, at) => option.setAttribute("aria-selected", String(said.includes(this.values[at]))));
  }

  key(event) {
    if (event.key in STEPS) this.step(STEPS[event.key]);
    else if (event.key === "Enter" && this.at !== null) this.toggle(this.values[this.at]);
    else if (event.key === "Escape" && !this.element.hidden) this.close();
    else return;
    event.preventDefault();
  }

  /** Round and round; the first step opens what Esc has closed. */
  step(by) {
    if (this.element.hidden) this.open();
    const start = by > 0 ? -1 : this.values.length;
    this.point(((this.at ?? start) + by + this.values.length) % this.values.length);
  }

  point(at) {
    this.options[this.at]?.classList.remove("pointed");
    this.at = at;
    this.options[at]?.classList.add("pointed");
    if (at === null) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", this.options[at].id);
  }
}
