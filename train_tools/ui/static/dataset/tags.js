// The tags of the chosen pictures, and changing many captions at once: what would change is told before, and undone after.
import { ask, versionPath } from "../base/api.js";
import { h, say } from "../base/island.js";
import { places } from "../base/place.js";
import { takeAway } from "../base/table_file.js";
import { number, t } from "../base/words.js";

const SHOWN = 200;
const QUIET_MS = 200;
const FIELDS = { add: ["put", "front"], remove: ["put"], replace: ["find", "put"], pattern: ["find", "put", "any_case"], sort: ["commonest_first"], dedupe: [], spaces: [], underscores: [], trigger: [], write: ["put"] };
const CHECKS = ["front", "any_case", "commonest_first"];

export class TagPanel {
  /** `filterBy` adds a tag to the gallery's filter. */
  constructor(screen, listing, selection, filterBy) {
    Object.assign(this, { notices: screen.notices, listing, selection, filterBy, timer: 0, rows: [] });
    this.title = h("h2.minor", {});
    this.undoing = h("button.quiet", { type: "button", disabled: true, onclick: () => this.undo() }, t("dataset.tags.undo"));
    this.redoing = h("button.quiet", { type: "button", disabled: true, onclick: () => this.undo(true) }, t("dataset.tags.redo"));
    this.list = h("ul.tags", { "aria-label": t("dataset.tags.list") });
    this.rest = h("p.hint", {});
    this.element = h("section.tagging", {}, this.form(), h("div.line", {}, this.title, h("span.choices", {}, this.undoing, this.redoing, takeAway("tags", () => this.rows))), this.list, this.rest, this.trigger());
  }

  form() {
    this.kind = h("select", { "aria-label": t("dataset.tags.what"), onchange: () => this.choose(this.kind.value) }, Object.keys(FIELDS).map((each) => h("option", { value: each }, t(`dataset.tags.kinds.${each}`))));
    const text = (name) => h("input", { type: "text", spellcheck: "false", autocomplete: "off", oninput: () => this.preview() });
    const check = () => h("input", { type: "checkbox", onchange: () => this.preview() });
    this.values = { find: text(), put: text(), front: check(), any_case: check(), commonest_first: check() };
    this.labels = Object.fromEntries(Object.entries(this.values).map(([name, field]) => [name, h(CHECKS.includes(name) ? "label.check" : "label.field", {}, ...(CHECKS.includes(name) ? [field, t(`dataset.tags.fields.${name}`)] : [h("span", {}, t(`dataset.tags.fields.${name}`)), field]))]));
    this.effect = h("p.hint", { role: "status" });
    this.apply = h("button.primary", { disabled: true }, t("dataset.tags.apply"));
    const form = h("form.bulk", { onsubmit: (event) => (event.preventDefault(), this.notices.trying(() => this.submit())) }, h("h2.minor", {}, t("dataset.tags.edit")), this.kind, Object.values(this.labels), this.effect, this.apply);
    this.choose("add");
    return form;
  }

  /** Which fields a kind of edit needs. */
  choose(kind, values = {}) {
    this.kind.value = kind;
    for (const [name, label] of Object.entries(this.labels)) label.hidden = !FIELDS[kind].includes(name);
    for (const [name, value] of Object.entries(values)) this.values[name].value = value;
    this.preview();
  }

  enter() {
    this.notices.trying(() => this.lookAtTrigger());
  }

  /** What the edit is about: the chosen pictures, else all that the filter finds. */
  scope() {
    const { chosen } = this.selection;
    return chosen.size ? { where: "", images: [...chosen] } : { where: this.listing.query.where ?? "", images: null };
  }

  refresh() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => places.complete && this.look(), QUIET_MS);
  }

  async look() {
    const path = (...rest) => versionPath(places.current, "captions", ...rest);
    try {
      const table = await ask(path("tags"), { method: "POST", body: { ...this.scope(), limit: SHOWN } });
      const { edits } = await ask(path("edits"));
      this.show(table);
      this.showEdits(edits);
      await this.reckon();
    } catch {
      this.list.replaceChildren(); // the gallery says what is wrong: a filter that can't be read, say
    }
  }

  show(table) {
    this.rows = table.shown.map(({ tag, captions, with_trigger }) => ({ tag, captions, with_trigger }));
    say(this.title, this.selection.size ? t("dataset.tags.of_chosen", { n: table.images }) : t("dataset.tags.of_all", { n: table.images }));
    this.list.replaceChildren(...table.shown.map((each) => this.row(each, table.images)));
    say(this.rest, table.tags > SHOWN ? t("dataset.tags.more", { n: table.tags - SHOWN }) : table.tags ? "" : t("dataset.tags.none"));
  }

  row({ tag, captions }, images) {
    const act = (sign, words, does) => h("button.quiet", { type: "button", title: words, "aria-label": words, onclick: does }, sign);
    return h(
      "li",
      { style: `--share: ${images ? captions / images : 0}` },
      h("button.tag", { type: "button", title: t("dataset.tags.filter", { tag }), onclick: () => this.filterBy(tag) }, tag),
      h("span.facts", {}, number(captions)),
      act("→", t("dataset.tags.replace", { tag }), () => (this.choose("replace", { find: tag, put: "" }), this.values.put.focus())),
      act("×", t("dataset.tags.remove", { tag }), () => this.choose("remove", { put: tag })),
    );
  }

  wanted() {
    const asked = { kind: this.kind.value };
    for (const name of FIELDS[asked.kind]) asked[name] = CHECKS.includes(name) ? this.values[name].checked : this.values[name].value;
    return { ...asked, ...this.scope() };
  }

  preview() {
    clearTimeout(this.reckoning);
    this.reckoning = setTimeout(() => this.reckon(), QUIET_MS);
  }

  /** How many captions the edit would change, and the first as it would be. */
  async reckon() {
    if (!places.complete || !this.element.isConnected) return;
    const wanted = this.wanted();
    const needs = FIELDS[wanted.kind].filter((name) => !CHECKS.includes(name))[0];
    if (needs && !wanted[needs]) return this.tell("", 0);
    try {
      const { changed, preview } = await ask(versionPath(places.current, "captions", "edits"), { method: "POST", body: { ...wanted, preview: true } });
      const first = preview[0] ? [h("del", {}, preview[0].before), h("ins", {}, preview[0].after || "∅")] : [];
      this.tell(changed ? t("dataset.tags.changes", { n: changed }) : t("dataset.tags.changes_nothing"), changed, first);
    } catch (error) {
      this.tell(error.message, 0);
    }
  }

  tell(words, changed, example = []) {
    this.effect.replaceChildren(words, ...example);
    this.apply.disabled = !changed;
  }

  async submit() {
    const outcome = await ask(versionPath(places.current, "captions", "edits"), { method: "POST", body: this.wanted() });
    const left = outcome.left.length ? ` ${t("dataset.tags.left", { n: outcome.left.length })}` : "";
    this.notices.tell(t("dataset.tags.changed", { n: outcome.changed }) + left, () => this.reverse("undo", outcome.edit.number));
    this.listing.feed.now();
    this.refresh();
  }

  showEdits(edits) {
    const last = edits.find((each) => each.state === "done");
    const first = [...edits].reverse().find((each) => each.state === "undone");
    this.undoing.disabled = !last;
    this.redoing.disabled = !first;
    this.undoing.title = last ? `${last.what} (${number(last.count)})` : "";
    this.redoing.title = first ? `${first.what} (${number(first.count)})` : "";
  }

  undo(again = false) {
    return this.notices.trying(() => this.reverse(again ? "redo" : "undo"));
  }

  /** Back, or forth again. What others have changed since is left alone, after asking. */
  async reverse(way, number_ = null, leave_changed = false) {
    try {
      const path = versionPath(places.current, "captions", "edits", way);
      const outcome = await ask(path, { method: "POST", body: { number: number_, leave_changed } });
      this.notices.tell(t(`dataset.tags.${way === "undo" ? "undone" : "redone"}`, { n: outcome.changed }));
    } catch (error) {
      if (error.kind !== "ChangedMeanwhileError" || leave_changed) throw error;
      this.notices.refuse(error);
      this.notices.tell(t("dataset.tags.others"), () => this.reverse(way, number_, true));
    }
    this.listing.feed.now();
    this.refresh();
  }

  trigger() {
    const policies = ["none", "prefix", "class_only"];
    this.policy = h("select", { onchange: () => this.keepTrigger() }, policies.map((each) => h("option", { value: each }, t(`dataset.trigger.policies.${each}`))));
    this.words = h("input", { type: "text", spellcheck: "false", autocomplete: "off", placeholder: "zorb, {class}", onchange: () => this.keepTrigger() });
    const apply = h("button", { type: "button", onclick: () => this.choose("trigger") }, t("dataset.trigger.apply"));
    const field = (words, content) => h("label.field", {}, h("span", {}, words), content);
    return h("details.trigger", {}, h("summary", {}, t("dataset.trigger.title")), field(t("dataset.trigger.words"), this.words), field(t("dataset.trigger.policy"), this.policy), h("p.hint", {}, t("dataset.trigger.hint")), apply);
  }

  async lookAtTrigger() {
    const found = await ask(versionPath(places.current, "captions", "trigger"));
    this.classes = found.classes;
    this.policy.value = found.policy;
    this.words.value = found.words;
  }

  keepTrigger() {
    const body = { policy: this.policy.value, words: this.words.value, classes: this.classes ?? {} };
    if (body.policy !== "none" && !body.words.trim()) return undefined;
    return this.notices.trying(async () => {
      await ask(versionPath(places.current, "captions", "trigger"), { method: "PUT", body });
      this.preview();
    });
  }
}
