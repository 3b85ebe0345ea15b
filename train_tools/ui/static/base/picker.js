// Picking a path on the machine that Train Tools runs on: a dialog over the folders that the service shows.
import { ask } from "./api.js";
import { h, say } from "./island.js";
import { moment, size, t } from "./words.js";

/**
 * Asks for a path; resolves to it, or to null. `suffixes` are the files that may be picked (none = a folder is);
 * the dialog is put into `root`, an island's own. `from` is where to begin.
 */
export function pickPath(root, { suffixes = [], from = "" } = {}) {
  return new Promise((resolve) => new Picker(root, suffixes, resolve).open(from));
}

class Picker {
  constructor(root, suffixes, resolve) {
    Object.assign(this, { suffixes, picked: null });
    const title = suffixes.length ? t("picker.file") : t("picker.folder");
    this.path = h("input", { type: "text", "aria-label": t("picker.path"), spellcheck: "false", autocomplete: "off", oninput: () => this.weigh(), onkeydown: (event) => this.key(event) });
    this.refused = h("p.error", { role: "alert" });
    this.list = h("ul.entries", { "aria-label": t("picker.entries") });
    this.take = h("button.primary", { type: "submit" }, t("picker.take"));
    const cancel = h("button", { type: "button", onclick: () => this.dialog.close() }, t("picker.cancel"));
    const go = h("button.quiet", { type: "button", onclick: () => this.show(this.path.value) }, t("picker.go"));
    const form = h("form", { onsubmit: (event) => this.submit(event) }, h("b", {}, title), h("div.line", {}, this.path, go), this.refused, this.list, h("div.line", {}, cancel, this.take));
    this.dialog = h("dialog.picker", { "aria-label": title }, form);
    this.dialog.addEventListener("close", () => (this.dialog.remove(), resolve(this.picked)));
    root.append(this.dialog);
  }

  open(from) {
    this.dialog.showModal();
    this.show(from);
  }

  async show(path) {
    const query = new URLSearchParams([["path", path], ...this.suffixes.map((each) => ["suffix", each])]);
    try {
      this.draw(await ask(`folders?${query}`));
    } catch (error) {
      say(this.refused, error.message);
      if (!this.list.childElementCount && path) this.show("");
    }
  }

  draw({ path, parent, entries, left_out }) {
    say(this.refused, left_out ? t("picker.left_out", { n: left_out }) : "");
    this.path.value = path ?? "";
    this.weigh();
    const up = path === null ? [] : [this.line(t("picker.up"), "", () => this.show(parent ?? ""))];
    this.list.replaceChildren(...up, ...entries.map((each) => this.entry(each)));
    this.list.querySelector("button")?.focus();
  }

  entry(each) {
    if (each.is_folder) return this.line(`${each.name}/`, "", () => this.show(each.path));
    const choose = () => ((this.path.value = each.path), this.weigh(), this.take.focus());
    return this.line(each.name, `${size(each.size_bytes)} · ${moment(each.changed)}`, choose);
  }

  /** Whether the path can be taken: a typed one too, which may lie where nothing is shown. */
  weigh() {
    const path = this.path.value.trim().toLowerCase();
    this.take.disabled = !path || (this.suffixes.length > 0 && !this.suffixes.some((each) => path.endsWith(each)));
  }

  /** Enter takes what can be taken, else goes there. */
  key(event) {
    if (event.key !== "Enter" || !this.take.disabled) return;
    event.preventDefault();
    this.show(this.path.value);
  }

  line(name, facts, act) {
    return h("li", {}, h("button.entry", { type: "button", onclick: act }, h("span", {}, name), h("small", {}, facts)));
  }

  submit(event) {
    event.preventDefault();
    this.picked = this.path.value.trim() || null;
    this.dialog.close();
  }
}
