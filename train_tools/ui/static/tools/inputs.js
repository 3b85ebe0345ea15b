// What a tool is told: each input has a key, an element and a value; an empty one is null and is not sent.
import { h } from "../base/island.js";
import { PathField } from "../base/path_field.js";
import { t } from "../base/words.js";

export const LORAS = [".safetensors"];
export const OLD_LORAS = [".safetensors", ".pt", ".pth", ".ckpt", ".bin"];
export const MODELS = [".safetensors", ".ckpt"];

class Input {
  /** `when(wish)` says whether it has a meaning beside the other inputs; `help` stands below it. */
  constructor(key, { when = () => true, help = null, wide = false } = {}) {
    Object.assign(this, { key, when, help, wide, label: t(`tools.inputs.${key}`) });
  }

  /** `changed()` is told of each change. */
  drawn(changed) {
    this.element = h(this.wide ? "div.field.wide" : "div.field", {}, h("span", {}, this.label), this.control(changed), this.help ? h("small", {}, this.help) : null);
    return this.element;
  }

  /** What it adds to the wish. */
  get told() {
    return this.value === null ? {} : { [this.key]: this.value };
  }

  fill(wish) {
    this.value = wish[this.key] ?? null;
  }
}

export class FileInput extends Input {
  constructor(key, suffixes, more = {}) {
    super(key, { wide: true, ...more });
    this.suffixes = suffixes;
  }

  control(changed) {
    this.path = new PathField({ label: this.label, suffixes: this.suffixes, changed });
    return this.path.element;
  }

  get value() {
    return this.path.value || null;
  }

  set value(path) {
    this.path.value = path;
  }
}

export class NumberInput extends Input {
  constructor(key, { usual = null, step = "1", ...more } = {}) {
    super(key, more);
    Object.assign(this, { usual, step });
  }

  control(changed) {
    this.input = h("input", { type: "number", min: this.step === "1" ? 1 : null, step: this.step, value: this.usual, "aria-label": this.label, oninput: changed });
    return this.input;
  }

  get value() {
    return this.input.value === "" ? null : Number(this.input.value);
  }

  set value(number) {
    this.input.value = number ?? "";
  }
}

export class ChoiceInput extends Input {
  /** The first choice is the usual one; an empty one is not sent. */
  constructor(key, choices, more = {}) {
    super(key, more);
    this.choices = choices;
  }

  control(changed) {
    this.select = h("select", { "aria-label": this.label, onchange: changed }, this.choices.map((each) => h("option", { value: each }, t(`tools.choices.${each || `no_${this.key}`}`))));
    return this.select;
  }

  get value() {
    return this.select.value || null;
  }

  set value(choice) {
    this.select.value = this.choices.includes(choice) ? choice : this.choices[0];
  }
}
