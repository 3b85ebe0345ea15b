// A look at a LoRA: what it is, how much each block changes, what is wrong with it, what it says of itself.
import { ask } from "../base/api.js";
import { barChart } from "../base/chart.js";
import { h, say } from "../base/island.js";
import { PathField } from "../base/path_field.js";
import { brief } from "../base/scales.js";
import { takeAway } from "../base/table_file.js";
import { number, size, t } from "../base/words.js";
import { LORAS } from "./inputs.js";

export class Inspect {
  constructor({ kept }) {
    this.kept = kept;
    this.path = new PathField({ label: t("tools.inputs.file"), suffixes: LORAS, changed: () => {}, picked: () => this.look() });
    this.refused = h("p.error", { role: "alert" });
    this.found = h("div.found", { "aria-live": "polite" });
    const look = h("button.primary", {}, t("tools.inspect"));
    this.path.element.append(look);
    this.element = h("form", { "aria-label": t("tools.names.inspect"), onsubmit: (event) => (event.preventDefault(), this.look()) }, h("p.hint", {}, t("tools.hints.inspect")), h("div.field.wide", {}, h("span", {}, t("tools.inputs.file")), this.path.element), this.refused, this.found);
  }

  fill({ file = "" }) {
    this.path.value = file;
    if (file) this.look();
  }

  keep() {
    this.kept(this.path.value ? { file: this.path.value } : null);
  }

  async look() {
    const file = this.path.value;
    if (!file) return;
    this.keep();
    try {
      this.show(await ask("loras/inspect", { method: "POST", body: { file } }));
      say(this.refused, "");
    } catch (error) {
      this.found.replaceChildren();
      say(this.refused, error.message);
    }
  }

  show(lora) {
    const notes = lora.notes.length ? h("ul.warnings", {}, lora.notes.map((note) => h("li", {}, note))) : null;
    this.found.replaceChildren(...[facts(lora), notes, chart(lora), strongest(lora), metadata(lora)].filter(Boolean));
  }
}

function facts({ family, kind, layers, ranks, alphas, formats, norm, size_bytes }) {
  const told = { family: family ?? t("tools.facts.unknown"), kind, layers: number(layers), rank: tally(ranks), alpha: tally(alphas), format: formats.join(", "), norm: brief(norm), size: size(size_bytes) };
  return h("dl.facts", {}, Object.entries(told).map(([name, words]) => h("div", {}, h("dt", {}, t(`tools.facts.${name}`)), h("dd", {}, words))));
}

/** One value for all layers alone; of several, how many layers have each. */
function tally(counted) {
  const values = Object.entries(counted).map(([value, layers]) => [brief(Number(value)), layers]);
  return values.length === 1 ? values[0][0] : values.map(([value, layers]) => `${value} (${number(layers)})`).join(", ") || "–";
}

function chart({ blocks, norm, file }) {
  if (!blocks.length) return null;
  const bars = blocks.map((each) => ({ name: each.block, value: each.norm, told: t("tools.block", { norm: brief(each.norm), n: each.layers }) }));
  const stem = file.split(/[\\/]/).at(-1).replace(/\.\w+$/, "");
  const words = t("tools.by_block", { norm: brief(norm) });
  return h("figure.chart", {}, h("figcaption", {}, words, h("span.take", {}, takeAway(`${stem}-blocks`, () => blocks))), barChart({ label: words, bars }));
}

function strongest({ strongest: layers, silent, spoilt }) {
  const list = (words, names) => (names.length ? h("details", {}, h("summary", {}, words), h("ul.names", {}, names.map((name) => h("li", {}, h("code", {}, name))))) : null);
  return h("div", {}, list(t("tools.strongest"), layers.map(([name, norm]) => `${name}: ${brief(norm)}`)), list(t("tools.silent", { n: silent.length }), silent), list(t("tools.spoilt", { n: spoilt.length }), spoilt));
}

function metadata({ metadata: told, file }) {
  const rows = Object.entries(told).map(([key, value]) => ({ key, value }));
  if (!rows.length) return h("p.hint", {}, t("tools.no_metadata"));
  const stem = file.split(/[\\/]/).at(-1).replace(/\.\w+$/, "");
  const lines = rows.map(({ key, value }) => h("div", {}, h("dt", {}, key), h("dd", {}, value)));
  return h("details", {}, h("summary", {}, t("tools.metadata", { n: rows.length })), h("div.line.start", {}, takeAway(`${stem}-metadata`, () => rows)), h("dl.metadata", {}, lines));
}
