// Which trainers there are. Adding one runs its code, so that is left to the command line.
import { ask } from "../base/api.js";
import { h } from "../base/island.js";
import { t } from "../base/words.js";
import { card } from "./group.js";

export class Trainers {
  constructor() {
    this.list = h("ul.findings", {});
    this.element = card("trainers", t("settings.trainers.title"), this.list, h("p.hint", {}, t("settings.trainers.hint"), " ", h("code", {}, "train-tools engine add")));
  }

  async look() {
    try {
      this.list.replaceChildren(...(await ask("engines")).map(line));
    } catch (error) {
      this.list.replaceChildren(h("li.error", {}, error.message));
    }
  }
}

function line({ name, commit, scripts, problem }) {
  const sign = h("span.sign", { role: "img", "aria-label": t(`projects.levels.${problem ? "stop" : "ok"}`) }, problem ? "✖" : "✔");
  const facts = [commit ? commit.slice(0, 10) : "", scripts.join(", ")].filter(Boolean).join(" · ");
  return h(`li.${problem ? "stop" : "ok"}`, {}, sign, h("span", {}, h("b", {}, name), " ", h("small", {}, problem || facts)));
}
