// Buttons that try what is set: whether messages arrive, whether the WebUI answers.
import { ask } from "../base/api.js";
import { h, say } from "../base/island.js";
import { t } from "../base/words.js";
import { finding } from "./health.js";

/** A button and what came of it; `act()` resolves to list items. */
function trial(words, act) {
  const told = h("ul.findings", { "aria-live": "polite" });
  const busy = h("progress", { hidden: true, "aria-label": words });
  const refused = h("p.error", { role: "alert" });
  const button = h("button", { type: "button", onclick: go }, words);
  return h("div.trial", {}, h("div.line.start", {}, button, busy), told, refused);

  async function go() {
    button.disabled = true;
    busy.hidden = false;
    say(refused, "");
    told.replaceChildren();
    try {
      told.replaceChildren(...(await act()));
    } catch (error) {
      say(refused, error.message);
    }
    button.disabled = false;
    busy.hidden = true;
  }
}

export function tryNews() {
  return trial(t("settings.try_news"), async () => {
    const { sentences } = await ask("settings/try-news", { method: "POST" });
    return (sentences.length ? sentences : [t("settings.no_way")]).map((each) => h("li", {}, each));
  });
}

export function checkWebui() {
  return trial(t("settings.check_webui"), async () => (await ask("health/webui")).findings.map(finding));
}
