// All fields of the form, in their groups: which of them are in sight, and bringing one into sight.
import { choose, chosen } from "../base/choice.js";
import { h, say } from "../base/island.js";
import { t } from "../base/words.js";
import { labelOf } from "./field.js";

export const SHOWN = ["simple", "all", "set"];
const TYPING_MS = 60;
const MODE = "mode";
/** Modes that learn from images by epochs; the first is meant where none is set. */
const ON_IMAGES = ["lora", "multi_stage"];
/** What most people set of modes that count in steps instead of epochs. */
const OF_STEPS = ["max_train_steps", "save_every_n_steps"];

/** `make(option)` is the field of an option. What is not in sight is not in the page. */
export class Fields {
  constructor(draft, make) {
    Object.assign(this, { draft, make, options: [], axes: {}, faults: new Map(), byName: new Map(), fields: new Map(), groups: new Map(), shown: SHOWN.includes(chosen("train fields")) ? chosen("train fields") : "simple" });
    this.modes = SHOWN.map((mode) => h("button", { type: "button", "aria-pressed": String(mode === this.shown), onclick: () => this.turn(mode) }, t(`train.shown.${mode}`)));
    this.search = h("input", { type: "search", placeholder: t("train.search"), "aria-label": t("train.search"), oninput: () => this.soon(), onkeydown: (event) => this.key(event) });
    this.none = h("p.hint", { hidden: true }, t("train.nothing_found"));
    this.head = h("div.sift", {}, h("div.modes", { role: "group", "aria-label": t("train.shown.label") }, this.modes), this.search);
    this.body = h("div.groups", {});
  }

  /** The options of a trainer; `takes` leaves out those that a method of training has no use for. */
  fill({ options, groups }, takes = () => true) {
    this.options = options.filter(takes);
    this.byName = new Map(this.options.map((option) => [option.name, option]));
    this.fields.clear();
    const open = new Set([...this.groups.values()].filter((group) => group.element.open).map((group) => group.name));
    this.groups = new Map(Object.entries(groups).map(([name, title]) => [name, new Group(name, title, (group) => this.drawGroup(group))]));
    for (const name of open) if (this.groups.has(name)) this.groups.get(name).element.open = true;
    this.body.replaceChildren(...[...this.groups.values()].map((group) => group.element), this.none);
    this.sift();
  }

  turn(mode) {
    this.shown = mode;
    choose("train fields", mode);
    this.modes.forEach((button, at) => button.setAttribute("aria-pressed", String(SHOWN[at] === mode)));
    this.sift();
  }

  key(event) {
    if (event.key !== "Escape" || !this.search.value) return;
    event.preventDefault();
    this.search.value = "";
    this.sift();
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.sift(), TYPING_MS);
  }

  /** Decides anew which fields are in sight. */
  sift() {
    this.sifted = this.trainingModes.join();
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const visible = this.options.filter((option) => (words.length ? matches(option, words) : this.isShown(option)));
    const some = this.shown !== "all" || words.length > 0;
    for (const group of this.groups.values()) {
      const wanted = visible.filter((option) => group.has(option));
      group.take(wanted, { open: some, keep: this.shown === "all" && !words.length });
    }
    this.none.hidden = visible.length > 0;
    this.drawSet();
  }

  isShown(option) {
    if (option.refusal) return false;
    const isSet = this.draft.text(option.name) !== "";
    if (this.shown === "set") return isSet;
    if (!this.isOfMode(option)) return false;
    return this.shown === "all" || option.simple || (!this.hasEpochs && OF_STEPS.includes(option.name));
  }

  /** The modes that the draft asks for; several when they are an axis. */
  get trainingModes() {
    const text = this.draft.ready ? this.draft.text(MODE) : "";
    return text ? text.split(",").map((mode) => mode.trim().toLowerCase()) : [ON_IMAGES[0]];
  }

  get hasEpochs() {
    return this.trainingModes.some((mode) => ON_IMAGES.includes(mode));
  }

  isOfMode(option) {
    return !option.modes.length || this.trainingModes.some((mode) => option.modes.includes(mode));
  }

  drawGroup(group) {
    group.body.replaceChildren(...group.options.map((option) => this.field(option).element));
    for (const option of group.options) this.field(option).draw();
  }

  field(option) {
    if (!this.fields.has(option.name)) {
      this.fields.set(option.name, this.make(option));
      this.tellField(this.fields.get(option.name));
    }
    return this.fields.get(option.name);
  }

  /** Shows what the draft says now. Another training mode has other fields. */
  draw() {
    const modes = this.trainingModes.join();
    if (modes !== this.sifted) this.sift();
    for (const field of this.fields.values()) if (field.element.isConnected) field.draw();
    this.drawSet();
  }

  drawSet() {
    const texts = this.draft.texts;
    for (const group of this.groups.values()) group.count(this.options.filter((option) => group.has(option) && texts.has(option.name)).length);
    say(this.modes[2], t("train.shown.set_n", { n: texts.size }));
  }

  /** The values that were understood, and what is wrong, by option; no axes = those of before. */
  tell(axes, faults) {
    Object.assign(this, { axes: axes ?? this.axes, faults });
    for (const field of this.fields.values()) this.tellField(field);
  }

  tellField(field) {
    field.understood(this.axes[field.name] ?? null);
    field.blame(this.faults.get(field.name) ?? "");
  }

  /** Brings an option's field into sight, whatever is shown, and goes there. Answers whether there is one. */
  reveal(name, fault = "") {
    const option = this.byName.get(name);
    if (!option) return false;
    const group = this.groups.get(option.group);
    if (!group.options.includes(option)) {
      this.search.value = "";
      this.turn("all");
    }
    group.open();
    const field = this.field(option);
    if (fault) field.blame(fault);
    field.element.scrollIntoView({ block: "center" });
    field.input.focus();
    return true;
  }
}

class Group {
  constructor(name, title, drawn) {
    Object.assign(this, { name, drawn, options: [] });
    const translated = t(`train.groups.${name}`);
    this.set = h("small", {});
    this.body = h("div.fields", {});
    this.element = h("details.group", { "data-group": name, hidden: true }, h("summary", {}, h("span", {}, translated === `train.groups.${name}` ? title : translated), this.set), this.body);
    this.element.addEventListener("toggle", () => this.draw());
  }

  has(option) {
    return option.group === this.name;
  }

  /** `keep` leaves the group as open as it was. */
  take(options, { open, keep }) {
    const same = options.length === this.options.length && options.every((option, at) => option === this.options[at]);
    this.options = options;
    this.element.hidden = options.length === 0;
    if (!keep) this.element.open = open && options.length > 0;
    if (!same) this.stale = true;
    this.draw();
  }

  open() {
    this.element.open = true;
    this.draw();
  }

  draw() {
    if (!this.element.open || !this.stale) return;
    this.stale = false;
    this.drawn(this);
  }

  count(set) {
    say(this.set, set ? t("train.set_here", { n: set }) : "");
  }
}

const matches = (option, words) => words.every((word) => [option.name, option.label, labelOf(option), option.help, option.name.replaceAll("_", " ")].some((text) => text.toLowerCase().includes(word)));
