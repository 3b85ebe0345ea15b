// What this browser does when something ends: a message, a sound. No other browser is told.
import { allowed, alarm, askLeave, canShow, chime, want, wants } from "../base/alarm.js";
import { h, say } from "../base/island.js";
import { t } from "../base/words.js";
import { card } from "./group.js";

export class ThisBrowser {
  constructor() {
    this.shown = h("input", { type: "checkbox", onchange: () => this.show() });
    this.heard = h("input", { type: "checkbox", onchange: () => this.hear() });
    this.state = h("small", { role: "status" });
    const check = (box, words) => h("label.check", {}, box, h("span", {}, words));
    const attempt = h("button", { type: "button", onclick: () => this.attempt() }, t("settings.browser.try"));
    this.element = card("browser", t("settings.browser.title"), h("p.hint", {}, t("settings.browser.hint")), h("div.settings", {}, h("div.setting.switch", {}, check(this.shown, t("settings.browser.shown")), this.state), h("div.setting.switch", {}, check(this.heard, t("settings.browser.heard")))), h("div.line.start", {}, attempt));
    this.draw();
  }

  /** The browser asks whether it may only when this is clicked. */
  async show() {
    want("shown", this.shown.checked);
    if (this.shown.checked && allowed() === "default") await askLeave();
    this.draw();
  }

  hear() {
    want("heard", this.heard.checked);
    if (this.heard.checked) chime();
  }

  attempt() {
    alarm("Train Tools", t("settings.browser.test"));
    if (!wants("shown") && !wants("heard")) say(this.state, t("settings.browser.nothing_on"));
  }

  draw() {
    this.shown.checked = wants("shown") && allowed() !== "denied";
    this.shown.disabled = allowed() === "denied";
    this.heard.checked = wants("heard");
    say(this.state, !canShow ? t("settings.browser.cannot") : allowed() === "denied" ? t("settings.browser.denied") : "");
  }
}
