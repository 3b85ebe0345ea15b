// Captions by captioners: which there are, what they lack, in which words they write; as a job, and undone.
import { ask, Refusal, versionPath } from "../base/api.js";
import { h, say } from "../base/island.js";
import { places } from "../base/place.js";
import { size, t } from "../base/words.js";

const EXISTING = ["ignore", "copy", "prepend", "append"];
const DETAILS = ["brief", "detailed", "more_detailed"];

export class Captioners {
  constructor(screen) {
    Object.assign(this, { screen, notices: screen.notices, chosen: null });
    this.list = h("div.captioners", { role: "group", "aria-label": t("dataset.captioners.title") });
    this.suggestion = h("p.hint", {});
    this.confirming = h("div", {});
    this.dialog = this.confirmation();
    this.button = h("button.primary", { disabled: true }, t("dataset.captioners.start"));
    const undo = h("button", { type: "button", onclick: () => this.notices.trying(() => this.undo()) }, t("dataset.captioners.undo"));
    const form = h("form", { onsubmit: (event) => (event.preventDefault(), this.notices.trying(() => this.start(false))) }, this.suggestion, this.list, this.settings(), h("div.line.start", {}, this.button, undo));
    this.element = h("section.panel", { hidden: true }, h("p.hint", {}, t("dataset.captioners.hint")), form, this.dialog);
    screen.jobs.addEventListener("listed", () => this.allow());
  }

  settings() {
    const field = (name, input) => ((this[name] = input), h("label.field", {}, h("span", {}, t(`dataset.captioners.${name}`)), input));
    const check = (name) => ((this[name] = h("input", { type: "checkbox" })), h("label.check", {}, this[name], t(`dataset.captioners.${name}`)));
    const number = (name) => field(name, h("input", { type: "number", min: 0, max: 1, step: "any", placeholder: t("dataset.captioners.usual") }));
    const text = (name) => field(name, h("input", { type: "text", spellcheck: "false", autocomplete: "off" }));
    const choice = (name, values) => field(name, h("select", {}, values.map((value) => h("option", { value }, t(`dataset.captioners.choices.${value}`)))));
    this.words = h("fieldset", {}, h("legend", {}, t("dataset.captioners.for_tags")), h("div.fields", {}, number("threshold"), number("character_threshold"), text("undesired"), text("always_first"), check("spaces"), check("escape_brackets")));
    this.prose = h("fieldset", {}, h("legend", {}, t("dataset.captioners.for_prose")), h("div.fields", {}, choice("detail", DETAILS), text("prompt")));
    this.all = h("fieldset", {}, h("legend", {}, t("dataset.captioners.for_all")), h("div.fields", {}, choice("existing", EXISTING), text("join"), check("again")));
    this.spaces.checked = true;
    this.join.value = " ";
    return h("div.settings", {}, this.all, this.words, this.prose);
  }

  confirmation() {
    const cancel = h("button", { type: "button", autofocus: true, onclick: () => this.dialog.close() }, t("dataset.mask.cancel"));
    const fetchThem = h("button", { type: "button", onclick: () => (this.dialog.close(), this.notices.trying(() => this.start(true))) }, t("dataset.captioners.fetch"));
    return h("dialog.question", { "aria-label": t("dataset.captioners.fetch") }, this.confirming, h("div.line.start", {}, cancel, fetchThem));
  }

  move() {
    this.chosen = null;
  }

  enter() {
    this.notices.trying(async () => {
      const { captioners } = await ask("captioners");
      const suggested = await ask(versionPath(places.current, "dataset", "captioning", "suggested"));
      this.chosen ??= new Set([suggested.name]);
      say(this.suggestion, t("dataset.captioners.suggested", { name: suggested.name, reason: suggested.reason }));
      this.list.replaceChildren(...captioners.map((each) => this.line(each)));
      this.known = captioners;
      this.allow();
    });
  }

  ended(job) {
    if (job.kind === "caption") this.enter();
  }

  line(captioner) {
    const box = h("input", { type: "checkbox", disabled: Boolean(captioner.problem), onchange: () => this.toggle(captioner.name, box.checked) });
    box.checked = this.chosen.has(captioner.name) && !captioner.problem;
    return h("label.captioner", {}, box, h("span", {}, h("b", {}, captioner.title), " ", h("code", {}, captioner.name), h("br"), h("small", {}, stateOf(captioner))));
  }

  toggle(name, wanted) {
    if (wanted) this.chosen.add(name);
    else this.chosen.delete(name);
    this.allow();
  }

  allow() {
    const chosen = (this.known ?? []).filter((each) => this.chosen?.has(each.name) && !each.problem);
    this.button.disabled = !chosen.length || Boolean(this.screen.jobs.current("caption"));
    this.words.hidden = chosen.length > 0 && chosen.every((each) => each.style === "prose" || each.style === null);
    this.prose.hidden = chosen.length > 0 && chosen.every((each) => each.style === "tags");
  }

  wish(download) {
    const number = (input) => (input.value === "" ? null : Number(input.value));
    const list = (input) => input.value.split(",").map((each) => each.trim()).filter(Boolean);
    const tags = { threshold: number(this.threshold), character_threshold: number(this.character_threshold), spaces: this.spaces.checked, escape_brackets: this.escape_brackets.checked, undesired: list(this.undesired), always_first: list(this.always_first) };
    const captioners = this.known.filter((each) => this.chosen.has(each.name) && !each.problem).map(({ name }) => ({ name }));
    const prompt = this.prompt.value.trim();
    return { captioners, tags, existing: this.existing.value, join: this.join.value, detail: this.detail.value, ...(prompt ? { prompt } : {}), again: this.again.checked, download };
  }

  async start(download) {
    try {
      await ask(versionPath(places.current, "dataset", "captioning"), { method: "POST", body: this.wish(download) });
      this.screen.jobs.feed.now();
    } catch (error) {
      if (!(error instanceof Refusal) || error.kind !== "ConfirmationWantedError") throw error;
      this.confirming.replaceChildren(...this.question());
      this.dialog.showModal();
    }
  }

  /** What would be fetched from where, with its size. */
  question() {
    const missing = this.known.filter((each) => this.chosen.has(each.name) && each.models.length && !each.models.some((model) => model.place));
    const line = ({ title, models }) => h("li", {}, t("dataset.captioners.fetches", { title, size: size(models[0].about_bytes), repository: models[0].repository }));
    return [t("dataset.captioners.ask"), h("ul", {}, missing.map(line))];
  }

  async undo() {
    const { restored, left } = await ask(versionPath(places.current, "dataset", "captioning", "undo"), { method: "POST" });
    this.notices.tell(`${t("dataset.captioners.undone", { n: restored })}${left.length ? ` ${t("dataset.tags.left", { n: left.length })}` : ""}`);
  }
}

/** What a captioner lacks, in words. */
function stateOf({ problem, models, ready }) {
  if (problem) return problem;
  if (!models.length) return t("dataset.captioners.needs_nothing");
  const there = models.find((each) => each.place);
  if (ready && there) return t("dataset.captioners.there", { place: there.place });
  return t("dataset.captioners.missing", { size: size(models[0].about_bytes), folder: models[0].folder });
}
