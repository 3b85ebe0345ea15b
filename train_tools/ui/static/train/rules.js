// What makes a grid less, or more, than every combination: axes that go together, conditions, runs by chance, seeds.
import { h, say } from "../base/island.js";
import { t } from "../base/words.js";
import { NO_RULES } from "./draft.js";

const KINDS = ["zipped", "only_when", "exclude"];

export class Rules {
  constructor(draft) {
    this.draft = draft;
    this.rows = h("div.rows", {});
    this.error = h("small.error", { role: "alert" });
    this.count = h("small", {});
    const number = (name, least) => h("input", { type: "number", min: least, step: 1, oninput: () => this.edited(), "aria-label": t(`train.rules.${name}`) });
    this.sample = number("sample", 0);
    this.sample_seed = number("sample_seed", null);
    this.seeds = number("seeds", 1);
    this.other_seed = h("input", { type: "checkbox", onchange: () => this.edited() });
    const labelled = (name) => h("label.rule", {}, h("span", {}, t(`train.rules.${name}`)), this[name]);
    const adding = KINDS.map((kind) => h("button.quiet", { type: "button", onclick: () => this.add(kind).querySelector("input").focus() }, t(`train.rules.add_${kind}`)));
    const chance = h("div.chance", {}, labelled("seeds"), labelled("sample"), labelled("sample_seed"), h("label.rule.tick", {}, this.other_seed, h("span", {}, t("train.rules.other_seed"))));
    const intro = h("p.hint", {}, t("train.rules.hint"));
    this.element = h("details.group.rules", {}, h("summary", {}, h("span", {}, t("train.rules.title")), this.count), intro, this.rows, h("div.line.start", {}, adding), chance, this.error);
  }

  /** Shows what the draft says, but never under the hands of somebody who types. */
  draw() {
    const rules = this.draft.rules;
    say(this.count, this.say(rules));
    const written = JSON.stringify({ ...rules, left_out: [] });
    if (written === this.written || this.element.contains(this.element.getRootNode().activeElement)) return;
    this.written = written;
    this.rows.replaceChildren();
    for (const group of rules.zipped) this.add("zipped", group.join(", "));
    for (const [name, condition] of Object.entries(rules.only_when)) this.add("only_when", name, condition);
    for (const condition of rules.exclude) this.add("exclude", condition);
    this.sample.value = rules.sample || "";
    this.sample_seed.value = rules.sample_seed || "";
    this.seeds.value = rules.seeds;
    this.other_seed.checked = rules.other_seed;
  }

  say(rules) {
    const several = rules.zipped.length + Object.keys(rules.only_when).length + rules.exclude.length;
    const n = several + (rules.sample > 0) + (rules.seeds > 1) + rules.other_seed;
    return n ? t("train.set_here", { n }) : "";
  }

  add(kind, ...texts) {
    const input = (at, example) => h("input", { type: "text", spellcheck: "false", autocomplete: "off", placeholder: example, "aria-label": t(`train.rules.${kind}`), value: texts[at] ?? "", oninput: () => this.edited() });
    const inputs = kind === "only_when" ? [input(0, "lr_scheduler_power"), h("span", {}, t("train.rules.if")), input(1, "lr_scheduler=polynomial")] : [input(0, kind === "zipped" ? "network_dim, network_alpha" : "network_dim>=64 and unet_lr=1e-3")];
    const remove = () => {
      row.remove();
      this.edited();
    };
    const row = h("div.row", { "data-kind": kind }, h("span.kind", {}, t(`train.rules.${kind}`)), ...inputs, h("button.quiet", { type: "button", "aria-label": t("train.rules.remove"), onclick: remove }, "×"));
    this.rows.append(row);
    return row;
  }

  edited() {
    const rules = { ...this.read(), left_out: this.draft.rules.left_out };
    this.written = JSON.stringify({ ...NO_RULES, ...rules, left_out: [] });
    this.draft.setOther("rules", rules);
  }

  /** Rows that are not whole yet say nothing. */
  read() {
    const rules = { zipped: [], only_when: {}, exclude: [] };
    for (const row of this.rows.children) {
      const [first, second] = [...row.querySelectorAll("input")].map((input) => input.value.trim());
      if (row.dataset.kind === "zipped") rules.zipped.push(first.split(",").map((name) => name.trim()).filter(Boolean));
      if (row.dataset.kind === "only_when" && first && second) rules.only_when[first] = second;
      if (row.dataset.kind === "exclude" && first) rules.exclude.push(first);
    }
    const whole = (input, otherwise) => (Number.isInteger(input.valueAsNumber) ? input.valueAsNumber : otherwise);
    const zipped = rules.zipped.filter((group) => group.length > 1);
    return { ...rules, zipped, sample: Math.max(0, whole(this.sample, 0)), sample_seed: whole(this.sample_seed, 0), seeds: Math.max(1, whole(this.seeds, 1)), other_seed: this.other_seed.checked };
  }

  /** Whether there are any that a message without an option can be about. */
  get some() {
    return this.rows.children.length > 0 || this.other_seed.checked || this.seeds.valueAsNumber > 1;
  }

  blame(message) {
    say(this.error, message);
  }

  reveal() {
    this.element.open = true;
    this.element.scrollIntoView({ block: "center" });
    (this.rows.querySelector("input") ?? this.seeds).focus();
  }
}
