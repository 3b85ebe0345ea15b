// A secret: it goes in and never comes out; what may be shown of it is whether there is one.
import { ask } from "../base/api.js";
import { h, say } from "../base/island.js";
import { t } from "../base/words.js";
import { worded } from "./field.js";

/** Where each is put, and what it is called there. */
const PLACES = { webhook_address: ["settings/webhook", "address"], caption_key: ["settings/caption-key", "key"], webui_password: ["settings/webui-password", "password"] };
/** The settings it stands beside. */
export const BESIDE = { webhook_address: "news", caption_key: "captions", webui_password: "webui" };

export class Secret {
  constructor(setting, changed) {
    Object.assign(this, { key: setting.key, changed });
    const label = worded(setting.key, "name", setting.key);
    this.input = h("input", { type: "password", "aria-label": label, autocomplete: "off", spellcheck: "false", oninput: () => this.draw() });
    this.keep = h("button", { disabled: true, "aria-label": t("settings.secret.keep_of", { what: label }) }, t("settings.secret.keep"));
    this.forget = h("button.quiet", { type: "button", hidden: true, "aria-label": t("settings.secret.forget_of", { what: label }), onclick: () => this.put("") }, t("settings.secret.forget"));
    this.state = h("small", { role: "status" });
    this.refused = h("p.error", { role: "alert" });
    const help = h("small", {}, worded(setting.key, "help", setting.help));
    this.element = h("form.setting", { onsubmit: (event) => (event.preventDefault(), this.put(this.input.value)) }, h("b", {}, label), h("span.path", {}, this.input, this.keep), h("span", {}, this.state, " ", this.forget), help, this.refused);
  }

  show(value) {
    say(this.state, value ? t("settings.secret.there", { value }) : t("settings.secret.none"));
    this.forget.hidden = !value;
  }

  draw() {
    this.keep.disabled = !this.input.value;
    say(this.refused, "");
  }

  async put(secret) {
    const [path, name] = PLACES[this.key];
    try {
      const answer = await ask(path, { method: "PUT", body: { [name]: secret } });
      this.input.value = "";
      this.draw();
      this.changed(answer);
    } catch (error) {
      say(this.refused, error.message);
    }
  }
}
