// What just happened, at the edge of the screen: what was done with a way back, and what was refused.
import { h } from "./island.js";
import { t } from "./words.js";

const SHOWN_MS = 12000;
const MOST = 4;

export class Notices {
  constructor() {
    this.element = h("div.notices", { role: "status", "aria-live": "polite" });
  }

  /** Tells what was done; `undo`, if there is a way back, is called once. */
  tell(words, undo = null) {
    const notice = h("div.notice", {}, h("span", {}, words));
    const away = () => notice.remove();
    if (undo) notice.append(h("button.quiet", { type: "button", onclick: () => (away(), this.trying(undo)) }, t("bar.undo")));
    this.put(notice, away);
    setTimeout(() => notice.matches(":hover, :focus-within") || away(), SHOWN_MS);
  }

  refuse(error) {
    if (error.name === "AbortError") return;
    const notice = h("div.notice.refusal", { role: "alert" }, h("span", {}, error.message));
    this.put(notice, () => notice.remove());
  }

  /** Does something, and tells why when it is refused. */
  async trying(act) {
    try {
      return await act();
    } catch (error) {
      this.refuse(error);
      return undefined;
    }
  }

  /** Into a dialog while it is open: it lies above all else. */
  lift(dialog) {
    const home = this.element.parentNode;
    dialog.append(this.element);
    dialog.addEventListener("close", () => home.append(this.element), { once: true });
  }

  put(notice, away) {
    notice.append(h("button.quiet", { type: "button", "aria-label": t("bar.close"), onclick: away }, "×"));
    const above = this.element.getRootNode().querySelector?.("dialog[open]");
    if (above && !above.contains(this.element)) this.lift(above);
    this.element.append(notice);
    while (this.element.children.length > MOST) this.element.firstChild.remove();
  }
}
