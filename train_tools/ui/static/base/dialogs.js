// Dialogs, and one that asks before something is lost.
import { h, say } from "./island.js";
import { t } from "./words.js";

/** A dialog with a heading, a content and its buttons; `dialog` is to be put into the page. */
export class Sheet {
  constructor(title, ...content) {
    this.heading = h("h2", {}, title);
    this.content = h("div.content", {}, content);
    this.refused = h("p.error", { role: "alert" });
    this.buttons = h("div.buttons", {});
    this.dialog = h("dialog.sheet", { "aria-label": title }, this.heading, this.content, this.refused, this.buttons);
  }

  open() {
    say(this.refused, "");
    if (!this.dialog.open) this.dialog.showModal();
  }

  close() {
    this.dialog.close();
  }

  /** Runs what may be refused, with the button out of use meanwhile. Whether it was done. */
  async attempt(button, act) {
    say(this.refused, "");
    button.disabled = true;
    try {
      await act();
      return true;
    } catch (error) {
      say(this.refused, error.message);
      return false;
    } finally {
      button.disabled = false;
    }
  }
}

/** Asks, with the focus on Cancel; `act` is what is done when the answer is yes. */
export function confirm(home, { title, text, yes, act }) {
  const sheet = new Sheet(title, h("p", {}, text));
  const cancel = h("button", { type: "button", autofocus: true, onclick: () => sheet.close() }, t("picker.cancel"));
  const sure = h("button.danger", { type: "button", onclick: async () => (await sheet.attempt(sure, act)) && sheet.close() }, yes);
  sheet.buttons.append(cancel, sure);
  sheet.dialog.addEventListener("close", () => sheet.dialog.remove());
  home.append(sheet.dialog);
  sheet.open();
}
