// What was done to the whole form at once, with the way back, and what of a file was not understood.
import { h } from "../base/island.js";
import { t } from "../base/words.js";

export class Notice {
  constructor() {
    this.element = h("section.notice", { hidden: true, role: "status" });
  }

  /** `undo()` goes back; null = there is nothing to go back to. `entries` are a file's keys with their fates. */
  show(words, { undo = null, notes = [], entries = [] } = {}) {
    const close = h("button.quiet", { type: "button", "aria-label": t("train.notice.close"), onclick: () => this.clear() }, "×");
    const back = undo && h("button.quiet", { type: "button", onclick: () => this.goBack(undo) }, t("train.notice.undo"));
    const said = notes.length ? h("ul.warnings", {}, notes.map((note) => h("li", {}, note))) : null;
    this.element.replaceChildren(...[h("div.line", {}, h("p", {}, words), h("span.line", {}, back, close)), said, this.left(entries)].filter(Boolean));
    this.element.hidden = false;
  }

  fail(error) {
    this.show(error.message);
    this.element.firstChild.classList.add("error");
  }

  clear() {
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  async goBack(undo) {
    try {
      await undo();
      this.clear();
    } catch (error) {
      this.fail(error);
    }
  }

  left(entries) {
    if (!entries.length) return null;
    const row = (each) => h("tr", {}, h("td", {}, h("code", {}, each.key)), h("td", {}, each.value), h("td", {}, t(`train.fates.${each.fate.replaceAll(" ", "_")}`)), h("td", {}, each.reason));
    const table = h("table", {}, h("tbody", {}, entries.map(row)));
    return h("details", { open: entries.length <= 8 }, h("summary", {}, t("train.notice.not_understood", { n: entries.length })), h("div.scroll", {}, table));
  }
}
