// Whether this machine is ready: base model, card, disk, captioner, trainer; each with what to do about it.
import { ask } from "../base/api.js";
import { h, link } from "../base/island.js";
import { t } from "../base/words.js";

const SIGNS = { ok: "✔", warning: "⚠", stop: "✖" };

export class Readiness {
  constructor(island) {
    this.list = h("ul.findings", {}, h("li", {}, t("projects.looking")));
    const again = h("button.quiet", { type: "button", onclick: () => this.look() }, t("projects.look_again"));
    const more = link({ screen: "settings", query: { part: "health" } }, "a", {}, t("projects.doctor"));
    this.element = h("section.readiness", {}, h("h2", {}, t("projects.machine")), this.list, h("div.line", {}, again, more));
    island.on(document, "visibilitychange", () => document.hidden || this.look());
    this.look();
  }

  async look() {
    try {
      const { findings } = await ask("health/brief");
      this.list.replaceChildren(...findings.map(line));
    } catch (error) {
      this.list.replaceChildren(h("li.stop", {}, error.message));
    }
  }
}

function line({ check, level, message, cure }) {
  const sign = h("span.sign", { role: "img", "aria-label": t(`projects.levels.${level}`) }, SIGNS[level]);
  const way = check === "base model" && level !== "ok" ? [" ", link({ screen: "settings", query: { part: "models" } }, "a", {}, t("projects.to_models"))] : [];
  return h(`li.${level}`, {}, sign, h("span", {}, h("b", {}, t(`projects.checks.${check.replace(" ", "_")}`)), " ", message, cure && !way.length ? h("small", {}, ` ${cure}`) : null, way));
}
