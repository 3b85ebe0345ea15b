// The settings of one table: saved together, or none of them, with the refusal below.
import { ask } from "../base/api.js";
import { h, say } from "../base/island.js";
import { t } from "../base/words.js";
import { Field, worded } from "./field.js";
import { Secret } from "./secret.js";

export class Group {
  /** `changed(answer)` gets what the service knows once something was saved. `extras` stand below the fields. */
  constructor(name, settings, changed, ...extras) {
    Object.assign(this, { name, changed });
    const shown = settings.filter((each) => each.kind !== "secret");
    this.fields = shown.map((setting) => new Field(setting, () => this.draw()));
    this.secrets = settings.filter((each) => each.kind === "secret").map((setting) => new Secret(setting, changed));
    this.refused = h("p.error", { role: "alert" });
    this.save = h("button.primary", { hidden: true }, t("settings.save"));
    this.discard = h("button", { type: "button", hidden: true, onclick: () => this.fields.forEach((field) => field.restore()) }, t("settings.discard"));
    this.told = h("span.hint", { role: "status" });
    const form = h("form", { onsubmit: (event) => this.submit(event) }, h("div.settings", {}, this.fields.map((field) => field.element)), this.refused, h("div.line.start", {}, this.save, this.discard, this.told));
    this.element = card(name, worded(name, "title", name), form, ...this.secrets.map((secret) => secret.element), ...extras);
  }

  show(settings) {
    for (const part of [...this.fields, ...this.secrets]) {
      const setting = settings.find((each) => each.key === part.key);
      if (setting) part.show(setting.value);
    }
    this.draw();
  }

  get isChanged() {
    return this.fields.some((field) => field.isChanged);
  }

  draw() {
    this.save.hidden = !this.isChanged;
    this.discard.hidden = !this.isChanged;
    if (this.isChanged) say(this.told, "");
    else say(this.refused, "");
  }

  async submit(event) {
    event.preventDefault();
    const values = Object.fromEntries(this.fields.filter((field) => field.isChanged).map((field) => [field.key, field.value]));
    try {
      const answer = await ask("settings", { method: "PATCH", body: { values } });
      for (const field of this.fields) field.saved = JSON.stringify(field.value);
      this.changed(answer);
      say(this.told, t("settings.saved"));
    } catch (error) {
      say(this.refused, error.message);
    }
  }
}

/** A part of the screen that the list at the side leads to. */
export function card(name, title, ...inside) {
  return h("section.card", { "data-part": name, tabindex: "-1", "aria-label": title }, h("h2", {}, title), ...inside);
}
