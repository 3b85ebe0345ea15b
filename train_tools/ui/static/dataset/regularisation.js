// Regularisation images: pictures of the class alone, planned from the captions, rendered as a job or taken from a set.
import { ask, versionPath } from "../base/api.js";
import { h } from "../base/island.js";
import { places } from "../base/place.js";
import { t } from "../base/words.js";

const SHOWN = 8;

export class Regularisation {
  constructor(screen) {
    Object.assign(this, { screen, notices: screen.notices });
    this.there = h("ul", {});
    this.plan = h("div.report", { role: "status" });
    this.sets = h("div", {});
    this.start = h("button.primary", { type: "button", disabled: true, onclick: () => this.notices.trying(() => this.make()) }, t("dataset.regularisation.make"));
    const form = h("form.settings", { onsubmit: (event) => (event.preventDefault(), this.notices.trying(() => this.reckon())) }, this.fields(), h("div.line.start", {}, h("button", {}, t("dataset.regularisation.plan")), this.start));
    this.element = h("section.panel", { hidden: true }, h("p.hint", {}, t("dataset.regularisation.hint")), this.there, form, this.plan, this.sets);
  }

  fields() {
    const changed = () => (this.start.disabled = true);
    const field = (name, attributes) => ((this[name] = h("input", { autocomplete: "off", spellcheck: "false", oninput: changed, ...attributes })), h("label.field", {}, h("span", {}, t(`dataset.regularisation.${name}`)), this[name]));
    return h("div.fields", {}, field("class_name", { type: "text" }), field("without", { type: "text", placeholder: "zorb" }), field("word", { type: "text", placeholder: "woman" }), field("images", { type: "number", min: 0, placeholder: "0" }), field("repeats", { type: "number", min: 1, value: 1 }), field("seed", { type: "number", min: 0, value: 1 }));
  }

  wish() {
    const without = this.without.value.split(",").map((each) => each.trim()).filter(Boolean);
    return { class_name: this.class_name.value.trim(), without, word: this.word.value.trim(), images: Number(this.images.value), repeats: Number(this.repeats.value) || 1, seed: Number(this.seed.value) };
  }

  path(...rest) {
    return versionPath(places.current, "dataset", "regularisation", ...rest);
  }

  move() {
    this.plan.replaceChildren();
    this.start.disabled = true;
  }

  enter() {
    this.notices.trying(async () => {
      const { regularisation } = await ask(`${versionPath(places.current, "dataset")}?limit=0`);
      const { sets } = await ask("regularisation-sets");
      const line = (each) => h("li", {}, t("dataset.gallery.folder", { name: each.class_name, n: each.images, repeats: each.repeats }), " ", h("code", {}, each.path));
      this.there.replaceChildren(...(regularisation.length ? regularisation.map(line) : [h("li.hint", {}, t("dataset.regularisation.none"))]));
      this.sets.replaceChildren(...this.shelf(sets));
    });
  }

  ended() {
    this.enter();
  }

  async reckon() {
    const plan = await ask(this.path("plan"), { method: "POST", body: this.wish() });
    this.start.disabled = false;
    const prompts = [...new Set(plan.prompts)].slice(0, SHOWN).map((prompt) => h("li", {}, prompt));
    this.plan.replaceChildren(h("p", {}, t("dataset.regularisation.planned", { n: plan.images, missing: plan.missing, folder: plan.folder })), h("ul.prompts", {}, prompts));
  }

  async make() {
    await ask(this.path(), { method: "POST", body: this.wish() });
    this.start.disabled = true;
    this.screen.jobs.feed.now();
  }

  shelf(sets) {
    if (!sets.length) return [];
    const use = (each) => h("li.line", {}, h("span", {}, each.name, " ", h("small", {}, t("dataset.regularisation.of_set", { n: each.images }))), h("button.quiet", { type: "button", onclick: () => this.notices.trying(() => this.use(each)) }, t("dataset.regularisation.use")));
    return [h("h2.minor", {}, t("dataset.regularisation.sets")), h("ul", {}, sets.map(use))];
  }

  async use({ name }) {
    const { class_name, images, repeats } = this.wish();
    const taken = await ask(this.path("use"), { method: "POST", body: { name, class_name, images, repeats } });
    this.notices.tell(t("dataset.regularisation.taken", { n: taken.new, folder: taken.folder }));
    this.enter();
  }
}
