// What was put away: brought back, or deleted for good after a question that names its size.
import { ask, Feed, MANY_FILES_MS } from "../base/api.js";
import { confirm } from "../base/dialogs.js";
import { h, say } from "../base/island.js";
import { moment, size, t } from "../base/words.js";

export class Trash {
  constructor(island) {
    this.island = island;
    this.title = h("summary", {});
    this.list = h("ul", {});
    this.element = h("details.trash", { hidden: true }, this.title, this.list);
    this.feed = new Feed(island, () => "trash", (answer) => this.show(answer.trashed), () => {}, MANY_FILES_MS);
  }

  show(trashed) {
    const whole = trashed.reduce((sum, each) => sum + each.size_bytes, 0);
    this.element.hidden = trashed.length === 0;
    say(this.title, t("projects.trash", { n: trashed.length, size: size(whole) }));
    this.list.replaceChildren(...trashed.map((each) => this.line(each)));
  }

  line({ token, what, trashed, size_bytes }) {
    const back = h("button.quiet", { type: "button", "aria-label": t("projects.bring_back_of", { what }), onclick: () => this.island.bringBack(token) }, t("projects.bring_back"));
    const gone = h("button.quiet", { type: "button", "aria-label": t("projects.delete_of", { what }), onclick: () => this.ask(token, what, size_bytes) }, t("projects.delete"));
    return h("li.line", {}, h("span", {}, what, h("small", {}, ` ${size(size_bytes)} · ${moment(trashed)}`)), h("span.line", {}, back, gone));
  }

  ask(token, what, bytes) {
    const act = () => this.island.change(() => ask(`trash/${token}`, { method: "DELETE" }));
    confirm(this.island.root, { title: t("projects.delete"), text: t("projects.delete_sure", { what, size: size(bytes) }), yes: t("projects.delete"), act });
  }
}
