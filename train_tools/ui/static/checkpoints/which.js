// Which one? What scores suggest and why, what options do, blind votes, loss curves side by side.
import { ask, Feed } from "../base/api.js";
import { barChart, LineChart } from "../base/chart.js";
import { h, say } from "../base/island.js";
import { brief } from "../base/scales.js";
import { takeAway } from "../base/table_file.js";
import { number, t } from "../base/words.js";
import { called } from "./look.js";
import { Votes } from "./votes.js";

const ASKED_MS = 6000;
const LISTED = 50;

export class Which {
  /** `show(checkpoint)` leads to its pictures; `notices` say what was done. */
  constructor(island, look, notices, acts) {
    Object.assign(this, { look, notices, acts });
    const fail = (error) => say(this.note, error.message);
    this.note = h("p.note", { role: "status" });
    this.suggested = h("section.suggestion", {});
    this.effects = h("section.effects", {});
    this.ranking = h("section", {});
    this.votes = new Votes(look, () => this.scores.now());
    this.chart = new LineChart({ label: t("checkpoints.which.losses"), x: t("checkpoints.which.images"), y: t("checkpoints.which.loss"), file: "losses" });
    this.curves = h("section", {}, h("h2.minor", {}, t("checkpoints.which.losses")), h("p", {}, h("small", {}, t("checkpoints.which.aligned"))), this.chart.element);
    this.element = h("div.which", { hidden: true }, this.note, h("div.two", {}, this.suggested, this.votes.element), this.curves, this.effects, this.ranking);
    this.scores = new Feed(island, () => this.path("scores"), (answer) => this.show(answer), fail, ASKED_MS);
    this.losses = new Feed(island, () => this.path("losses"), (answer) => this.showLosses(answer.curves), fail, ASKED_MS);
    look.addEventListener("turned", () => this.turn());
  }

  path(what) {
    const { look } = this;
    return look.inSight && look.complete && look.view === "which" && look.grid !== null ? look.of("grids", look.grid, what) : null;
  }

  turn() {
    if (!this.path("scores") || this.shownOf === this.look.asked) return;
    this.shownOf = this.look.asked;
    this.scores.now();
    this.losses.now();
  }

  show(table) {
    say(this.note, table.checkpoints.length ? "" : t("checkpoints.empty"));
    this.suggested.replaceChildren(...this.suggestion(table));
    this.effects.replaceChildren(...this.effect(table));
    this.ranking.replaceChildren(...this.ranked(table));
  }

  suggestion(table) {
    const found = table.suggestion;
    const one = found && table.checkpoints.find((each) => each.path === found.path);
    const measure = table.unmeasured ? h("button", { type: "button", onclick: () => this.measure() }, t("checkpoints.which.measure", { n: table.unmeasured })) : null;
    if (!one) return [h("h2.minor", {}, t("checkpoints.which.suggestion")), h("p", {}, t("checkpoints.which.none")), measure].filter(Boolean);
    const list = (words, lines) => (lines.length ? [h("h3", {}, words), h("ul.reasons", {}, lines.map((line) => h("li", {}, line)))] : []);
    const sure = h("span.sure", { "data-sure": found.sureness }, t(`checkpoints.which.sure.${found.sureness}`), ` (${number(Math.round(found.confidence * 100))} %)`);
    return [h("h2.minor", {}, t("checkpoints.which.suggestion")), h("p.one", {}, h("b", {}, nameOf(one)), sure), h("div.two", {}, h("div", {}, list(t("checkpoints.which.reasons"), found.reasons)), h("div", {}, list(t("checkpoints.which.doubts"), found.doubts))), h("p.acts", {}, h("button.primary", { type: "button", onclick: () => this.acts.pick(one) }, t("checkpoints.which.pick")), h("button", { type: "button", onclick: () => this.acts.see(one) }, t("checkpoints.which.see")), measure)];
  }

  async measure() {
    try {
      const { job } = await ask(this.look.of("grids", this.look.grid, "scores"), { method: "POST", body: {} });
      this.notices.tell(job === null ? t("checkpoints.which.measured") : t("checkpoints.which.measuring"));
    } catch (error) {
      this.notices.refuse(error);
    }
  }

  /** What each option does to each score that ranks, as bars; the best value of each. */
  effect(table) {
    if (!table.effects.length) return [];
    const rows = () => table.effects.flatMap((each) => each.means.map(([value, mean, runs], at) => ({ score: each.scorer, option: each.option, value, mean, runs, error: each.errors?.[at] ?? null, spread: each.spread, chance: each.noise })));
    return [h("div.line", {}, h("h2.minor", {}, t("checkpoints.which.effects")), h("span.take", {}, takeAway("effects", rows))), h("p", {}, h("small", {}, t("checkpoints.which.chance"))), h("div.cards", {}, table.effects.map((each) => this.card(each)))];
  }

  card(effect) {
    const values = effect.means.map(([, mean]) => mean);
    const middle = values.reduce((sum, value) => sum + value, 0) / values.length;
    const chance = effect.noise === null ? null : [middle - effect.noise / 2, middle + effect.noise / 2];
    const bars = effect.means.map(([value, mean, runs], at) => ({ name: String(value), value: mean, told: `${brief(mean)}${effect.errors?.[at] ? ` ± ${brief(effect.errors[at])}` : ""} · ${t("checkpoints.which.runs", { n: runs })}`, best: value === effect.best }));
    const best = (effect.best_checkpoints ?? []).find((each) => each.value === effect.best);
    return h("article.card", {}, h("h3", {}, effect.option, " ", h("small", {}, effect.scorer)), barChart({ label: `${effect.option}, ${effect.scorer}`, bars, chance }), h("p", {}, h("small", {}, effect.evidence)), best ? h("p", {}, h("button.quiet", { type: "button", onclick: () => this.acts.see(best) }, t("checkpoints.which.best", { name: best.name }))) : null);
  }

  ranked(table) {
    const names = [...new Set(table.checkpoints.flatMap((each) => Object.keys(each.scores)))];
    if (!names.length) return [];
    const rows = () => table.checkpoints.map((each) => ({ place: each.place, checkpoint: called(each), label: each.label, epoch: each.epoch, step: each.step, total: each.total, ...Object.fromEntries(names.map((name) => [name, each.scores[name]?.value ?? null])) }));
    const placed = [...table.checkpoints].sort((one, other) => (one.place ?? Infinity) - (other.place ?? Infinity)).slice(0, LISTED);
    const score = (found) => (found ? h("td", { title: found.evidence }, found.value === null ? "–" : brief(found.value), found.remarks.map((remark) => h("small.remark", {}, remark))) : h("td", {}, ""));
    const line = (each) => h("tr", {}, h("td", {}, each.place === null ? "–" : number(each.place)), h("th", { scope: "row" }, h("button.quiet", { type: "button", onclick: () => this.acts.see(each) }, nameOf(each))), h("td", {}, each.total === null ? "" : brief(each.total)), names.map((name) => score(each.scores[name])));
    const heads = [t("checkpoints.which.place"), t("checkpoints.checkpoint"), t("checkpoints.which.total"), ...names];
    return [h("div.line", {}, h("h2.minor", {}, t("checkpoints.which.ranking")), h("span.take", {}, takeAway("scores", rows))), h("div.wide", { tabindex: "0", role: "region", "aria-label": t("checkpoints.which.ranking") }, h("table.ranking", {}, h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, placed.map(line))))];
  }

  showLosses(curves) {
    this.curves.hidden = curves.every((curve) => curve.points.length === 0);
    const seen = curves.filter((curve) => curve.points.length);
    const kept = seen.filter((curve) => curve.validation.length).map((curve) => ({ name: t("checkpoints.which.validation", { label: curve.label }), points: curve.validation }));
    this.chart.show([...seen.map((curve) => ({ name: curve.label, points: curve.points })), ...kept]);
  }
}

const nameOf = (scored) => [scored.label, scored.epoch ? t("checkpoints.epoch", { n: scored.epoch }) : t("checkpoints.step", { n: scored.step })].join(", ");
