// Whether anything keeps this machine from training well: the whole doctor, and a file for whoever is to help.
import { addressOf, ask } from "../base/api.js";
import { h, say } from "../base/island.js";
import { duration, t } from "../base/words.js";
import { card } from "./group.js";

const SIGNS = { ok: "✔", warning: "⚠", stop: "✖" };

export class Health {
  constructor() {
    this.button = h("button", { type: "button", onclick: () => this.look() }, t("settings.health.look"));
    this.bundle = h("a.button", { href: addressOf("health/bundle"), download: "" }, t("settings.health.bundle"));
    this.busy = h("div.line.start", { hidden: true }, h("progress", { "aria-label": t("settings.health.looking") }), (this.since = h("small", { role: "status" })));
    this.refused = h("p.error", { role: "alert" });
    this.found = h("div.found", { "aria-live": "polite" });
    this.element = card("health", t("settings.health.title"), h("p.hint", {}, t("settings.health.hint")), h("div.line.start", {}, this.button, this.bundle), h("small", {}, t("settings.health.bundle_hint")), this.busy, this.refused, this.found);
  }

  async look() {
    const begun = performance.now();
    const tell = () => say(this.since, t("settings.health.since", { time: duration((performance.now() - begun) / 1000) }));
    const clock = setInterval(tell, 1000);
    this.turn(true);
    tell();
    try {
      const { sections } = await ask("health");
      this.found.replaceChildren(...sections.map(section));
      say(this.refused, "");
    } catch (error) {
      say(this.refused, error.message);
    }
    clearInterval(clock);
    this.turn(false);
  }

  turn(busy) {
    this.button.disabled = busy;
    this.busy.hidden = !busy;
  }
}

function section({ title, findings }) {
  return h("section", {}, h("h3", {}, title), h("ul.findings", {}, findings.map(finding)));
}

export function finding({ check, level, message, cure }) {
  const sign = h("span.sign", { role: "img", "aria-label": t(`projects.levels.${level}`) }, SIGNS[level]);
  return h(`li.${level}`, {}, sign, h("span", {}, h("b", {}, check), " ", message, cure ? h("small", {}, ` ${cure}`) : null));
}
