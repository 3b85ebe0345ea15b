// One setting as a form shows it, by its kind: its words, its control, its default.
import { h, say } from "../base/island.js";
import { PathField } from "../base/path_field.js";
import { t } from "../base/words.js";
import { Folders } from "./folders.js";

export class Field {
  constructor(setting, changed) {
    Object.assign(this, { key: setting.key, default: setting.default, changed, saved: null });
    this.label = worded(setting.key, "name", setting.key);
    this.control = (CONTROLS[setting.kind] ?? CONTROLS.text)(this.label, setting, () => this.touch());
    this.back = h("button.quiet", { type: "button", hidden: true, onclick: () => this.takeDefault() });
    const help = h("small", {}, worded(setting.key, "help", setting.help));
    this.element = this.control.isSwitch
      ? h("div.setting.switch", {}, h("label.check", {}, this.control.element, h("span", {}, this.label)), help, this.back)
      : h("div.setting", {}, h("b", {}, this.label), this.control.element, help, this.back);
  }

  get value() {
    return this.control.value;
  }

  get isChanged() {
    return JSON.stringify(this.value) !== this.saved;
  }

  /** Shows what the service knows, unless something else is being typed. */
  show(value) {
    const before = this.saved;
    const typing = before !== null && this.isChanged;
    this.saved = JSON.stringify(value);
    if (!typing && this.saved !== before) this.control.value = value;
    this.draw();
  }

  restore() {
    this.control.value = JSON.parse(this.saved);
    this.touch();
  }

  takeDefault() {
    this.control.value = this.default;
    this.touch();
  }

  touch() {
    this.draw();
    this.changed();
  }

  draw() {
    this.back.hidden = JSON.stringify(this.value) === JSON.stringify(this.default);
    say(this.back, t("settings.default", { value: shown(this.default, this.key) }));
  }
}

/** The page's own words for a setting; of one that it does not know yet, the service's. */
export function worded(key, what, otherwise) {
  const asked = `settings.of.${key}.${what}`;
  const words = t(asked);
  return words === asked ? otherwise : words;
}

function shown(value, key) {
  if (Array.isArray(value)) return value.length ? value.map((each) => worded(key, each, each)).join(", ") : t("settings.none");
  if (typeof value === "boolean") return value ? t("settings.on") : t("settings.off");
  return value === "" ? t("settings.empty") : worded(key, value, String(value));
}

const text = (label, setting, changed) => h("input", { type: "text", "aria-label": label, spellcheck: "false", autocomplete: "off", oninput: changed });

const CONTROLS = {
  text: (...of) => simple(text(...of)),
  number(label, setting, changed) {
    const input = h("input.number", { type: "number", step: "1", "aria-label": label, oninput: changed });
    return { element: input, get value() { return input.value === "" ? "" : Number(input.value); }, set value(value) { input.value = value; } };
  },
  switch(label, setting, changed) {
    const input = h("input", { type: "checkbox", onchange: changed });
    return { isSwitch: true, element: input, get value() { return input.checked; }, set value(value) { input.checked = value; } };
  },
  choice(label, { key, choices }, changed) {
    return simple(h("select", { "aria-label": label, onchange: changed }, choices.map((each) => h("option", { value: each }, worded(key, each, each)))));
  },
  choices(label, { key, choices }, changed) {
    const boxes = choices.map((value) => h("input", { type: "checkbox", value, onchange: changed }));
    const element = h("div.several", { role: "group", "aria-label": label }, boxes.map((box) => h("label.check", {}, box, worded(key, box.value, box.value))));
    return { element, get value() { return boxes.filter((box) => box.checked).map((box) => box.value); }, set value(values) { for (const box of boxes) box.checked = values.includes(box.value); } };
  },
  texts(label, setting, changed) {
    const input = text(label, setting, changed);
    return { element: input, get value() { return input.value.split(",").map((each) => each.trim()).filter(Boolean); }, set value(values) { input.value = values.join(", "); } };
  },
  folder: (label, setting, changed) => new PathField({ label, changed }),
  folders: (label, setting, changed) => new Folders(label, changed),
};

const simple = (element) => ({ element, get value() { return element.value; }, set value(value) { element.value = value; } });
