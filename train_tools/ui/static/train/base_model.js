// The base model: a field as any other, a list of the models on this machine, and what is known of the chosen one.
import { ask } from "../base/api.js";
import { h, link, say } from "../base/island.js";
import { pickPath } from "../base/picker.js";
import { size, t } from "../base/words.js";
import { Field } from "./field.js";

export const BASE_MODEL = "pretrained_model_name_or_path";
const FILES = [".safetensors", ".ckpt"];

export class BaseModelField extends Field {
  beside() {
    this.facts = h("small.facts", { "aria-live": "polite" });
    this.picker = new Picker((models, suits) => this.take(models, suits));
    const choose = h("button", { type: "button", onclick: () => this.choose() }, t("train.model.choose"));
    return [choose, this.facts];
  }

  get wide() {
    return true;
  }

  choose() {
    this.element.getRootNode().append(this.picker.dialog);
    this.picker.open(this.values.length ? this.values : [this.draft.text(this.name)]);
  }

  blame(message) {
    super.blame(message && !this.draft.text(this.name) ? t("train.model.missing") : message);
  }

  draw(how) {
    super.draw(how);
    if (this.draft.ready) this.describe();
  }

  /** Says what the service knows of the models in the field; nothing of a path that it does not list. */
  async describe() {
    const text = this.draft.text(this.name);
    if (text === this.described) return;
    this.described = text;
    const models = text ? await this.picker.models().catch(() => []) : [];
    if (text !== this.described) return;
    say(this.facts, models.filter((model) => text.includes(model.typed)).map(told).join(" · "));
  }

  take(models, suits) {
    this.input.value = models.map((model) => model.typed).join(", ");
    this.typed(this.input.value);
    this.describe();
    for (const [option, text] of suits) this.draft.set(option, text);
    this.input.focus();
  }
}

/** A list of models to choose one or several of. */
class Picker {
  constructor(taken) {
    this.taken = taken;
    this.search = h("input", { type: "search", placeholder: t("train.model.search"), "aria-label": t("train.model.search"), oninput: () => this.draw() });
    this.list = h("ul.models", {});
    this.suits = h("input", { type: "checkbox", checked: true });
    this.note = h("p.hint", { role: "status" });
    const browse = h("button.quiet", { type: "button", onclick: () => this.browse() }, t("train.model.browse"));
    const again = h("button.quiet", { type: "button", onclick: () => this.read(true) }, t("train.model.anew"));
    const cancel = h("button", { type: "button", onclick: () => this.dialog.close() }, t("train.cancel"));
    this.use = h("button.primary", { type: "button", onclick: () => this.finish() }, t("train.model.use"));
    const suits = h("label.tick", {}, this.suits, h("span", {}, t("train.model.suits")));
    this.dialog = h("dialog.sheet", { "aria-label": t("train.model.title") }, h("h2", {}, t("train.model.title")), h("div.line", {}, this.search, browse, again), this.list, this.note, suits, h("div.line.end", {}, cancel, this.use));
    this.chosen = new Set();
  }

  models() {
    this.asked ??= ask("models").then((answer) => (this.known = answer).models);
    return this.asked;
  }

  async open(texts) {
    this.chosen = new Set(texts.filter(Boolean));
    this.dialog.showModal();
    this.search.focus();
    await this.read(false);
  }

  async read(anew) {
    try {
      if (anew) this.asked = ask("models?anew=true").then((answer) => (this.known = answer).models);
      await this.models();
      this.draw();
    } catch (error) {
      this.asked = null;
      say(this.note, error.message);
    }
  }

  draw() {
    const wanted = this.search.value.toLowerCase();
    const models = this.known.models.filter((model) => `${model.path} ${model.family}`.toLowerCase().includes(wanted));
    this.list.replaceChildren(...models.map((model) => this.line(model)));
    this.note.replaceChildren(...(models.length ? [] : this.nothing()));
    this.use.disabled = !this.wanted.length;
  }

  /** Why the list is empty, and what to do about it. */
  nothing() {
    const folders = this.known.folders.filter((each) => !each.problem).map((each) => each.folder).join(", ");
    if (folders) return [t("train.model.none", { folders })];
    return [t("train.model.no_folders"), " ", link({ screen: "settings", query: { part: "models" } }, "a", {}, t("train.model.to_folders"))];
  }

  line(model) {
    const tick = h("input", { type: "checkbox", checked: this.chosen.has(model.typed), disabled: Boolean(model.problem), onchange: () => this.turn(model, tick.checked) });
    return h("li", {}, h("label", { title: model.path }, tick, h("span.name", {}, model.name), h("small", {}, model.problem || told(model, false)), h("small.place", {}, model.path)));
  }

  turn(model, on) {
    if (on) this.chosen.add(model.typed);
    else this.chosen.delete(model.typed);
    this.use.disabled = !this.wanted.length;
  }

  get wanted() {
    return this.known.models.filter((model) => this.chosen.has(model.typed));
  }

  /** What suits one model is taken with it; what suits several may differ, and is left to the user. */
  finish() {
    const models = this.wanted;
    if (models.length === 1) return this.takeOne(models[0].path);
    this.dialog.close();
    this.taken(models, []);
  }

  async takeOne(path) {
    try {
      const { model, options } = await ask(`models/suggestions?path=${encodeURIComponent(path)}`);
      this.dialog.close();
      this.taken([model], this.suits.checked ? options.map((each) => [each.option, each.typed]) : []);
    } catch (error) {
      say(this.note, error.message);
    }
  }

  async browse() {
    const path = await pickPath(this.dialog.getRootNode(), { suffixes: FILES });
    if (path) await this.takeOne(path);
  }
}

function told(model, named = true) {
  const style = model.style && (model.style === "tags" ? t("train.model.tags") : t("train.model.prose"));
  const parts = [named && model.name, model.family.toUpperCase(), model.prediction === "v_prediction" && "v-prediction", model.resolution_px && `${model.resolution_px} px`, style, size(model.size_bytes)];
  return parts.filter(Boolean).join(", ");
}
