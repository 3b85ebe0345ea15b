// What the pre-flight has found, the worst first, with the runs that each finding is about.
import { h, say } from "../base/island.js";
import { t } from "../base/words.js";

const SIGNS = { stop: "✖", warning: "!", ok: "✔" };
const MOST_RUNS = 6;

export class Findings {
  constructor(turned) {
    this.list = h("ul.findings", {});
    this.anyway = h("input", { type: "checkbox", onchange: () => turned() });
    this.wish = h("label.tick.anyway", { hidden: true }, this.anyway, h("span", {}, t("train.findings.anyway")));
    this.fine = h("button.quiet", { type: "button", "aria-expanded": "false", hidden: true, onclick: () => this.unfold() });
    this.element = h("div", {}, this.list, this.fine, this.wish);
  }

  /** `labels` has the label of each run by its name. */
  show({ level, findings }, labels) {
    const fine = findings.filter((each) => each.level === "ok");
    const bad = findings.filter((each) => each.level !== "ok");
    this.folded = fine.map((each) => line(each, labels));
    for (const each of this.folded) each.hidden = this.fine.getAttribute("aria-expanded") === "false";
    this.list.replaceChildren(...bad.map((each) => line(each, labels)), ...this.folded);
    this.fine.hidden = !fine.length;
    say(this.fine, t("train.findings.fine", { n: fine.length }));
    this.wish.hidden = level !== "stop";
    if (level !== "stop") this.anyway.checked = false;
    this.counts = { stop: bad.filter((each) => each.level === "stop").length, warning: bad.filter((each) => each.level === "warning").length };
  }

  /** What it comes to, in a few words. */
  get words() {
    const { stop, warning } = this.counts ?? { stop: 0, warning: 0 };
    const parts = [stop && t("train.findings.stops", { n: stop }), warning && t("train.findings.warnings", { n: warning })];
    return parts.filter(Boolean).join(", ") || t("train.findings.well");
  }

  /** How many stand in the way: none when they were waved through. */
  get stops() {
    return this.anyway.checked ? 0 : (this.counts?.stop ?? 0);
  }

  /** What was found holds no longer; it stays to be read until there is news. */
  clear() {
    this.counts = null;
  }

  unfold() {
    const open = this.fine.getAttribute("aria-expanded") === "false";
    this.fine.setAttribute("aria-expanded", String(open));
    for (const each of this.folded) each.hidden = !open;
  }
}

function line(finding, labels) {
  const runs = finding.runs.slice(0, MOST_RUNS).map((name) => h("span.chip", {}, labels.get(name) ?? name));
  const rest = finding.runs.length - runs.length;
  const about = finding.runs.length ? h("div.chips", {}, h("small", {}, t("train.findings.about")), ...runs, rest > 0 ? h("small", {}, t("train.field.more", { n: rest })) : "") : null;
  const sign = h("span.sign", { title: t(`train.findings.level_${finding.level}`), "aria-label": t(`train.findings.level_${finding.level}`), role: "img" }, SIGNS[finding.level]);
  return h("li", { "data-level": finding.level }, sign, h("div", {}, h("p", {}, h("b", {}, finding.check), " ", finding.message), finding.cure ? h("p.cure", {}, finding.cure) : null, about));
}
