// Fetching base models: an address is looked at, its size agreed to, then it comes in the background.
import { ask, Feed } from "../base/api.js";
import { h, say } from "../base/island.js";
import { size, t } from "../base/words.js";

export class Downloads {
  constructor(island) {
    this.address = h("input", { type: "url", required: true, "aria-label": t("settings.downloads.address"), placeholder: "https://…", autocomplete: "off", spellcheck: "false", oninput: () => this.offer(null) });
    this.folder = h("select", { "aria-label": t("settings.downloads.folder"), onchange: () => this.offer(null) });
    this.look = h("button", {}, t("settings.downloads.look"));
    this.refused = h("p.error", { role: "alert" });
    this.offered = h("div.offer", { hidden: true, role: "status" });
    this.list = h("ul.jobs", { "aria-label": t("settings.downloads.title") });
    const form = h("form.fetch", { onsubmit: (event) => this.ask(event) }, h("span.path", {}, this.address, this.look), h("label.check", {}, t("settings.downloads.folder"), this.folder));
    this.element = h("div.downloads", {}, h("h3", {}, t("settings.downloads.title")), h("p.hint", {}, t("settings.downloads.hint")), form, this.refused, this.offered, this.list);
    this.feed = new Feed(island, () => "models/downloads", ({ downloads }) => this.show(downloads), () => {});
  }

  /** Where it may be put: the outputs folder's own, or one of those that base models are looked for in. */
  folders(all) {
    const chosen = this.folder.value;
    this.folder.replaceChildren(h("option", { value: "" }, t("settings.downloads.own")), ...all.map((each) => h("option", { value: each }, each)));
    this.folder.value = all.includes(chosen) ? chosen : "";
  }

  async ask(event) {
    event.preventDefault();
    this.look.disabled = true;
    this.offer(null);
    try {
      this.offer(await ask("models/downloads/look", { method: "POST", body: { address: this.address.value.trim(), folder: this.folder.value || null } }));
    } catch (error) {
      say(this.refused, error.message);
    }
    this.look.disabled = false;
  }

  /** What was looked at, to be agreed to; null takes it away. */
  offer(offered) {
    say(this.refused, "");
    this.offered.hidden = offered === null;
    if (offered === null) return this.offered.replaceChildren();
    const sender = offered.sent_by && offered.sent_by !== offered.host ? t("settings.downloads.sent_by", { host: offered.host, sender: offered.sent_by }) : offered.host;
    const rest = offered.size_bytes - offered.here_bytes;
    const agree = h("button.primary", { type: "button", disabled: rest > offered.free_bytes, onclick: () => this.start(offered) }, t("settings.downloads.fetch", { size: size(rest) }));
    const facts = t("settings.downloads.offer", { sender, folder: offered.folder, free: size(offered.free_bytes) });
    const here = offered.here_bytes ? h("p", {}, t("settings.downloads.here", { size: size(offered.here_bytes), all: size(offered.size_bytes) })) : null;
    const full = rest > offered.free_bytes ? h("p.error", {}, t("settings.downloads.full")) : null;
    return this.offered.replaceChildren(...[h("p", {}, h("b", {}, offered.name), " ", facts), here, full, h("div.line.start", {}, agree, h("button", { type: "button", onclick: () => this.offer(null) }, t("picker.cancel")))].filter(Boolean));
  }

  async start({ folder, name, size_bytes, sent_by }) {
    try {
      await ask("models/downloads", { method: "POST", body: { address: this.address.value.trim(), folder, name, size_bytes, sent_by } });
      this.offer(null);
      this.feed.now();
    } catch (error) {
      say(this.refused, error.message);
    }
  }

  show(downloads) {
    this.list.replaceChildren(...downloads.map((each) => this.line(each)));
  }

  line({ id, name, state, size_bytes, done_bytes, message, path }) {
    const stop = h("button.quiet", { type: "button", "aria-label": t("settings.downloads.stop_of", { name }), onclick: () => this.stop(id) }, t("queue.stop"));
    const far = t("settings.downloads.far", { done: size(done_bytes), all: size(size_bytes) });
    const words = { running: far, done: t("settings.downloads.done", { path }), stopped: t("settings.downloads.stopped", { far }), failed: message }[state];
    return h("li", { "data-state": state }, h("div.head", {}, h("span.title", {}, name), state === "running" ? stop : null), state === "running" ? h("progress", { max: size_bytes, value: done_bytes, "aria-label": name }) : null, h("p.facts", {}, words));
  }

  async stop(id) {
    await ask(`models/downloads/${id}`, { method: "DELETE" }).catch((error) => say(this.refused, error.message));
    this.feed.now();
  }
}
