// All that is known of one checkpoint: facts, notes, trigger words, tags, metadata that can be edited.
import { ask } from "../base/api.js";
import { Sheet } from "../base/dialogs.js";
import { h } from "../base/island.js";
import { moment, number, size, t } from "../base/words.js";
import { partsOf } from "./picked.js";

const TAGS = 60;

export class Details {
  /** `changed()` is told when marks or the file are other than before. */
  constructor(look, changed) {
    Object.assign(this, { look, changed });
    this.sheet = new Sheet(t("checkpoints.details"));
    this.sheet.dialog.classList.add("wide");
    this.sheet.buttons.append(h("button", { type: "button", onclick: () => this.sheet.close() }, t("checkpoints.close")));
  }

  async open(pick) {
    this.pick = pick;
    this.sheet.heading.textContent = partsOf(pick)[1];
    this.sheet.content.replaceChildren(h("p", {}, t("checkpoints.reading")));
    this.sheet.open();
    await this.read();
  }

  path(...rest) {
    return this.look.of("checkpoints", ...partsOf(this.pick), ...rest);
  }

  read() {
    return this.sheet.attempt(h("button", {}), async () => this.show(await ask(this.path())));
  }

  show(details) {
    this.sheet.content.replaceChildren(this.facts(details), this.notes(details), this.tags(details), this.metadata(details));
  }

  facts(details) {
    const rows = [
      ["checkpoints.fact.run", details.run],
      ["checkpoints.fact.trained", [details.epoch ? t("checkpoints.epoch", { n: details.epoch }) : null, details.step ? t("checkpoints.step", { n: details.step }) : null].filter(Boolean).join(", ")],
      ["checkpoints.fact.base", [details.base_model, details.family].filter(Boolean).join(", ")],
      ["checkpoints.fact.size", `${size(details.size_bytes)}, ${moment(details.modified)}`],
      ["checkpoints.fact.trigger", details.trigger.join(", ")],
      ["checkpoints.fact.hash", details.sha256],
      ["checkpoints.fact.path", details.path],
    ];
    return h("dl.facts", {}, rows.filter(([, value]) => value).flatMap(([key, value]) => [h("dt", {}, t(key)), h("dd", {}, value)]));
  }

  notes(details) {
    const text = h("textarea", { rows: "3", maxlength: "10000" });
    text.value = details.notes;
    const keep = h("button", { type: "button", onclick: () => this.mark(keep, { notes: text.value }) }, t("checkpoints.keep_notes"));
    const pinned = h("input", { type: "checkbox", checked: details.pinned, onchange: () => this.mark(pinned, { pinned: pinned.checked }) });
    return h("section", {}, h("label.field", {}, h("span", {}, t("checkpoints.notes")), text), h("div.line", {}, h("label.check", {}, pinned, t("checkpoints.pin_words")), keep));
  }

  mark(button, change) {
    return this.sheet.attempt(button, async () => {
      await ask(this.path(), { method: "PATCH", body: change });
      this.changed();
    });
  }

  tags(details) {
    if (!details.tags.length) return "";
    const most = details.tags[0].count;
    const bar = (tag) => h("li", { style: `--share:${(tag.count / most) * 100}%` }, h("span", {}, tag.tag), h("span", {}, number(tag.count)));
    return h("details", {}, h("summary", {}, t("checkpoints.tags", { n: details.tags.length })), h("ol.tags", {}, details.tags.slice(0, TAGS).map(bar)));
  }

  metadata(details) {
    const table = h("table.metadata", {}, h("tbody", {}, Object.entries(details.metadata).map(([key, value]) => this.line(key, value))));
    const key = h("input", { type: "text", placeholder: t("checkpoints.new_key"), "aria-label": t("checkpoints.new_key") });
    const add = h("button.quiet", { type: "button", onclick: () => key.value.trim() && table.tBodies[0].prepend(this.line(key.value.trim(), "", true)) }, t("checkpoints.add_key"));
    const undo = h("button.quiet", { type: "button", hidden: details.edits === 0, onclick: () => this.edit(undo, () => ask(this.path("edits", "undo"), { method: "POST" })) }, t("checkpoints.undo_edit", { n: details.edits }));
    return h("details", {}, h("summary", {}, t("checkpoints.metadata", { n: Object.keys(details.metadata).length })), h("div.line.tight", {}, key, add, undo), table);
  }

  line(key, value, anew = false) {
    const text = h("textarea", { rows: "1", "aria-label": key, readonly: !anew });
    text.value = value;
    const save = h("button.quiet", { type: "button", hidden: !anew, onclick: () => this.change(save, key, text.value) }, t("checkpoints.save"));
    const change = h("button.quiet", { type: "button", hidden: anew, "aria-label": t("checkpoints.change_key", { key }), onclick: () => this.begin(text, change, save) }, "✎");
    const remove = h("button.quiet", { type: "button", "aria-label": t("checkpoints.remove_key", { key }), onclick: () => this.change(remove, key, null) }, "✕");
    return h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, text), h("td", {}, save, change, anew ? "" : remove));
  }

  begin(text, change, save) {
    text.readOnly = false;
    text.rows = 3;
    text.focus();
    [change.hidden, save.hidden] = [true, false];
  }

  change(button, key, text) {
    return this.edit(button, () => ask(this.path("edits"), { method: "POST", body: { changes: { [key]: text } } }));
  }

  async edit(button, act) {
    const done = await this.sheet.attempt(button, async () => {
      await act();
      this.changed();
    });
    if (done) await this.read();
  }
}
