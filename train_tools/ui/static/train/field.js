// One option as a field: its text, what is usual, the values that were understood, what is wrong with it.
import { h, say } from "../base/island.js";
import { number, t } from "../base/words.js";
import { Suggestions } from "./suggestions.js";

const BOTH = "false, true";
const MOST_CHIPS = 24;
const OTHERWISE = {
  resolution: ({ preparation }) => t("train.field.as_prepared", { size: `${preparation.width_px},${preparation.height_px}` }),
  dataset: () => t("train.field.this_version"),
};

/** `draft` holds the text. A field draws what the draft says, but never under the hands of somebody who types. */
export class Field {
  constructor(option, draft) {
    Object.assign(this, { option, draft, name: option.name, label: labelOf(option), values: [] });
    this.input = option.type === "bool" ? this.choice() : this.line();
    this.input.id = `option-${this.name}`;
    this.input.setAttribute("aria-describedby", `error-${this.name} chips-${this.name}`);
    this.back = h("button.back", { type: "button", hidden: true, title: t("train.field.back"), "aria-label": t("train.field.back_of", { name: this.label }), onclick: () => this.reset() }, "↺");
    this.more = h("button.ask", { type: "button", "aria-expanded": "false", "aria-label": t("train.field.about", { name: this.label }), onclick: () => this.explain() }, "?");
    this.help = h("p.help", { hidden: true });
    const usual = option.type === "bool" || option.refusal ? [] : option.suggestions;
    this.suggestions = new Suggestions(this.input, this.name, usual, { toggle: (value) => this.toggle(value), said: () => this.said });
    this.chips = h("div.chips", { id: `chips-${this.name}` });
    this.error = h("small.error", { id: `error-${this.name}`, role: "alert" });
    const label = h("div.label", {}, h("label", { for: this.input.id, title: this.label }, this.label), h("code", { title: this.name }, this.name), this.back, this.more);
    const entry = h("div.enter", {}, this.input, ...this.beside());
    this.element = h(`div.field${this.wide ? ".wide" : ""}`, { "data-option": this.name }, label, entry, this.suggestions.element, this.chips, this.error, this.help);
    this.input.addEventListener("blur", () => this.draw());
    this.draw();
  }

  /** What stands beside the input; for fields that have more to offer. */
  beside() {
    return [];
  }

  get wide() {
    return false;
  }

  line() {
    const { refusal } = this.option;
    return h("input", { type: "text", spellcheck: "false", autocomplete: "off", autocapitalize: "off", enterkeyhint: "next", disabled: Boolean(refusal), placeholder: this.usually, oninput: () => this.typed(this.input.value) });
  }

  choice() {
    const words = [["", this.usually], ["true", t("train.field.on")], ["false", t("train.field.off")], [BOTH, t("train.field.both")]];
    return h("select", { disabled: Boolean(this.option.refusal), onchange: () => this.typed(this.input.value) }, words.map(([value, name]) => h("option", { value }, name)));
  }

  /** The trainer's default, in words. */
  get usually() {
    const { default: value, type } = this.option;
    const otherwise = OTHERWISE[this.name]?.(this.draft.stored);
    if (otherwise) return otherwise;
    if (type === "bool") return value ? t("train.field.default_on") : t("train.field.default_off");
    if (value === null || value === "" || (Array.isArray(value) && !value.length)) return t("train.field.unset");
    return t("train.field.default", { value: Array.isArray(value) ? value.join(" ") : String(value) });
  }

  get focused() {
    return this.element.getRootNode().activeElement === this.input;
  }

  typed(text) {
    this.draft.set(this.name, text.trim());
  }

  reset() {
    this.draft.set(this.name, this.draft.stored.assignments[this.name] ?? "");
    this.draw({ anyway: true });
    this.input.focus();
  }

  /** Shows what the draft says. */
  draw({ anyway = false } = {}) {
    if (!this.draft.ready) return;
    const text = this.draft.text(this.name);
    this.back.hidden = !this.draft.isTyped(this.name);
    this.element.classList.toggle("typed", !this.back.hidden);
    if (this.input.value.trim() === text || (this.focused && !anyway && this.option.type !== "bool")) return;
    if (this.option.type === "bool") this.admit(text);
    this.input.value = text;
  }

  /** A choice that says something else than on or off, such as a formula, is kept as it is. */
  admit(text) {
    if (![...this.input.options].some((each) => each.value === text)) this.input.append(h("option", { value: text }, text));
  }

  /** The values that were understood; null = it takes one. */
  understood(axis) {
    const told = axis ? `${axis.total}|${axis.values.join("|")}` : "";
    if (told === this.told) return;
    this.told = told;
    this.values = axis?.values ?? [];
    this.suggestions.mark();
    if (!axis) return this.chips.replaceChildren();
    const shown = this.values.slice(0, MOST_CHIPS).map((value) => h("span.chip", {}, value));
    const rest = axis.total - shown.length;
    this.chips.replaceChildren(h("b.times", {}, `×${number(axis.total)}`), ...shown, rest > 0 ? h("small", {}, t("train.field.more", { n: rest })) : "");
  }

  blame(message) {
    say(this.error, message);
    this.input.setAttribute("aria-invalid", message ? "true" : "false");
  }

  /** The values that the field says, as far as they are known. */
  get said() {
    return this.values.length ? this.values : [this.input.value.trim()].filter(Boolean);
  }

  toggle(value) {
    const known = this.said;
    const wanted = known.includes(value) ? known.filter((each) => each !== value) : [...known, value];
    this.input.value = wanted.join(", ");
    this.values = wanted;
    this.suggestions.mark();
    this.typed(this.input.value);
  }

  explain() {
    const { help, unit, danger, refusal } = this.option;
    const facts = [help && `${help}.`, unit && t("train.field.unit", { unit }), this.usually, danger && t(`train.danger.${danger}`), refusal && t("train.field.refused", { why: refusal })];
    this.help.hidden = !this.help.hidden;
    this.more.setAttribute("aria-expanded", String(!this.help.hidden));
    this.help.replaceChildren(...facts.filter(Boolean).map((fact) => h("span", {}, fact)));
  }
}

/** Those that most people set have a name in the reader's language, all others the service's. */
export function labelOf(option) {
  const key = `train.labels.${option.name}`;
  const label = t(`train.labels.${option.name}`);
  return label === key ? option.label : label;
}
