// Keeping the best: what would go and what room that frees is told before anything is moved.
import { ask } from "../base/api.js";
import { Sheet } from "../base/dialogs.js";
import { h, say } from "../base/island.js";
import { size, t } from "../base/words.js";
import { called } from "./look.js";

export class Keeping {
  /** `gone(parting)` is told what was put away. */
  constructor(look, gone) {
    Object.assign(this, { look, gone, scores: {} });
    const changed = () => this.reckon();
    this.rated = h("select", { onchange: changed }, [0, 1, 2, 3, 4, 5].map((stars) => h("option", { value: stars, selected: stars === 4 }, stars ? t("checkpoints.from_stars", { n: stars }) : t("checkpoints.no_rating_keeps"))));
    this.best = h("input", { type: "number", min: "0", max: "9999", value: "0", oninput: changed });
    this.by = h("select", { onchange: changed }, h("option", { value: "rating" }, t("checkpoints.by_rating")), h("option", { value: "scores" }, t("checkpoints.by_scores")));
    this.finals = h("input", { type: "checkbox", checked: true, onchange: changed });
    this.told = h("p.reckoned", { role: "status" });
    this.list = h("details", {}, h("summary", {}, t("checkpoints.going")), h("ul.told", {}));
    this.sheet = new Sheet(t("checkpoints.keep_best"));
    const field = (words, input) => h("label.field", {}, h("span", {}, words), input);
    this.sheet.content.append(h("div.fields", {}, field(t("checkpoints.keep_rated"), this.rated), field(t("checkpoints.keep_number"), this.best), field(t("checkpoints.keep_by"), this.by)), h("label.check", {}, this.finals, t("checkpoints.keep_finals")), h("p", {}, h("small", {}, t("checkpoints.pinned_stay"))), this.told, this.list);
    this.go = h("button.danger", { type: "button", disabled: true, onclick: () => this.keep() }, t("checkpoints.trash"));
    this.sheet.buttons.append(h("button", { type: "button", autofocus: true, onclick: () => this.sheet.close() }, t("checkpoints.cancel")), this.go);
  }

  open() {
    this.sheet.open();
    this.reckon();
  }

  async wish() {
    const best = Number(this.best.value) || 0;
    const scores = best && this.by.value === "scores" ? await this.totals() : {};
    return { rated: Number(this.rated.value), best, scores, finals: this.finals.checked };
  }

  async totals() {
    const { checkpoints } = await ask(this.look.of("grids", this.look.grid, "scores"));
    return Object.fromEntries(checkpoints.filter((each) => each.total !== null).map((each) => [called(each), each.total]));
  }

  async reckon() {
    const asked = (this.asked = {});
    this.go.disabled = true;
    say(this.told, "…");
    try {
      const parting = await ask(this.look.of("checkpoints", "keep", "preview"), { method: "POST", body: await this.wish() });
      if (asked === this.asked) this.show(parting);
    } catch (error) {
      if (asked === this.asked) say(this.told, error.message);
    }
  }

  show(parting) {
    const going = parting.going.length;
    say(this.told, going ? [t("checkpoints.would_go", { n: going, size: size(parting.size_bytes), freed: size(parting.freed_bytes), stay: parting.staying.length }), ...parting.notes].join(" ") : t("checkpoints.nothing_goes"));
    this.list.hidden = going === 0;
    this.list.lastChild.replaceChildren(...parting.going.slice(0, 100).map((name) => h("li", {}, name)));
    this.go.disabled = going === 0;
  }

  async keep() {
    await this.sheet.attempt(this.go, async () => {
      const parting = await ask(this.look.of("checkpoints", "keep"), { method: "POST", body: await this.wish() });
      this.sheet.close();
      this.gone(parting);
    });
  }
}
