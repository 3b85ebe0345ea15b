// The LoRAs that a merge is made of: each with its file, its strength and, where wanted, weights by block.
import { h } from "../base/island.js";
import { PathField } from "../base/path_field.js";
import { number, t } from "../base/words.js";
import { ChoiceInput, LORAS } from "./inputs.js";

export class Loras {
  key = "models";

  when() {
    return true;
  }

  drawn(changed) {
    this.changed = changed;
    this.rows = [];
    this.list = h("ol.loras", { "aria-label": t("tools.inputs.models") });
    const add = h("button.quiet", { type: "button", onclick: () => this.add().path.input.focus() }, t("tools.loras.add"));
    this.element = h("div.field.wide", {}, h("span", {}, t("tools.inputs.models")), this.list, h("div.line.start", {}, add), h("small", {}, t("tools.loras.blocks_help")));
    this.fill({});
    return this.element;
  }

  add({ file = "", ratio = 1, blocks = "" } = {}) {
    const at = number(this.rows.length + 1);
    const row = { path: new PathField({ label: t("tools.loras.file", { n: at }), suffixes: LORAS, changed: this.changed }) };
    row.ratio = h("input.ratio", { type: "number", step: "0.05", value: ratio, "aria-label": t("tools.loras.ratio", { n: at }), title: t("tools.loras.strength"), oninput: this.changed });
    row.blocks = h("input.blocks", { type: "text", value: blocks, placeholder: t("tools.loras.blocks"), "aria-label": t("tools.loras.blocks_of", { n: at }), spellcheck: "false", oninput: this.changed });
    const away = h("button.quiet", { type: "button", "aria-label": t("tools.loras.remove", { n: at }), onclick: () => this.remove(row) }, "×");
    row.element = h("li", {}, row.path.element, row.ratio, row.blocks, away);
    row.path.value = file;
    this.rows.push(row);
    this.list.append(row.element);
    return row;
  }

  remove(row) {
    this.rows.splice(this.rows.indexOf(row), 1);
    row.element.remove();
    if (!this.rows.length) this.add();
    this.changed();
  }

  get named() {
    return this.rows.filter((row) => row.path.value);
  }

  /** The first file, which the new one is called after. */
  get value() {
    return this.named[0]?.path.value ?? null;
  }

  get told() {
    const rows = this.named;
    if (!rows.length) return {};
    const blocks = rows.map((row) => row.blocks.value.trim());
    return { models: rows.map((row) => row.path.value), ratios: rows.map((row) => Number(row.ratio.value)), ...(blocks.some(Boolean) ? { blocks: blocks.map((each) => each || "BASE=1") } : {}) };
  }

  fill({ models = ["", ""], ratios = [], blocks = [] }) {
    this.rows = [];
    this.list.replaceChildren();
    models.forEach((file, at) => this.add({ file, ratio: ratios[at] ?? 1, blocks: blocks[at] ?? "" }));
  }
}

/** What is to come of them. It decides which other inputs there are; the API is told by those. */
export class Outcome extends ChoiceInput {
  constructor() {
    super("outcome", ["exact", "at_rank", "into_model"]);
  }

  get told() {
    return {};
  }

  fill({ into, rank }) {
    this.value = into ? "into_model" : rank ? "at_rank" : "exact";
  }
}
