// The prompt settings: what is rendered for every checkpoint. Filled in by hand, or from a picture of a WebUI.
import { ask } from "../base/api.js";
import { Sheet } from "../base/dialogs.js";
import { h } from "../base/island.js";
import { t } from "../base/words.js";

/** Settings of one value that become an axis when several are given, with commas. */
const SEVERAL = { sampler: String, scheduler: String, steps: numeric, guidance: numeric, clip_skip: numeric };

export class Prompts {
  /** `changed()` is told when other settings are kept. */
  constructor(look, changed) {
    Object.assign(this, { look, changed });
    this.sheet = new Sheet(t("checkpoints.prompts.title"));
    this.sheet.dialog.classList.add("wide");
    this.build();
    this.sheet.dialog.addEventListener("dragover", (event) => event.preventDefault());
    this.sheet.dialog.addEventListener("drop", (event) => this.drop(event));
    this.sheet.dialog.addEventListener("paste", (event) => this.paste(event));
  }

  build() {
    this.list = h("div.prompts", {});
    this.more = h("button.quiet", { type: "button", onclick: () => this.addPrompt("").focus() }, t("checkpoints.prompts.another"));
    this.samplers = h("datalist", { id: "samplers" });
    this.schedulers = h("datalist", { id: "schedulers" });
    this.fields = {
      negative_prompt: h("textarea", { rows: "2" }),
      seeds: h("input", { type: "text" }),
      weights: h("input", { type: "text" }),
      guidance: h("input", { type: "text" }),
      steps: h("input", { type: "text" }),
      sampler: h("input", { type: "text", list: "samplers" }),
      scheduler: h("input", { type: "text", list: "schedulers", placeholder: t("checkpoints.prompts.own") }),
      width_px: h("input", { type: "number", step: "8", min: "64", max: "4096" }),
      height_px: h("input", { type: "number", step: "8", min: "64", max: "4096" }),
      clip_skip: h("input", { type: "text" }),
      images_per_cell: h("input", { type: "number", min: "1", max: "100" }),
      renderer: h("select", {}),
      after_training: h("input", { type: "checkbox" }),
    };
    this.notes = h("ul.told", { role: "status" });
    this.infotext = h("textarea", { rows: "3", placeholder: t("checkpoints.prompts.infotext_hint"), "aria-label": t("checkpoints.prompts.infotext") });
    const read = h("button", { type: "button", onclick: () => this.sheet.attempt(read, () => this.readText()) }, t("checkpoints.prompts.read"));
    const file = h("input", { type: "file", accept: "image/png", hidden: true, onchange: () => file.files[0] && this.readPicture(file.files[0]) });
    const choose = h("button", { type: "button", onclick: () => file.click() }, t("checkpoints.prompts.choose"));
    const paste = h("details.drop", {}, h("summary", {}, t("checkpoints.prompts.from_picture")), this.infotext, h("div.line.tight", {}, read, choose, file));
    this.sheet.content.append(h("p", {}, h("small", {}, t("checkpoints.prompts.same_for_all"))), paste, this.notes, h("div.field", {}, h("span", {}, t("checkpoints.prompts.prompts")), this.list, this.more), this.field("negative_prompt", "wide"), this.grid(), h("label.check", {}, this.fields.after_training, t("checkpoints.prompts.after_training")), h("p", {}, h("small", {}, t("checkpoints.prompts.several"))), this.samplers, this.schedulers);
    this.keep = h("button.primary", { type: "button", onclick: () => this.save() }, t("checkpoints.prompts.keep"));
    this.sheet.buttons.append(h("button", { type: "button", onclick: () => this.sheet.close() }, t("checkpoints.cancel")), this.keep);
  }

  field(name, ...classes) {
    return h(["label", "field", ...classes].join("."), {}, h("span", {}, t(`checkpoints.prompts.${name}`)), this.fields[name]);
  }

  grid() {
    const names = ["seeds", "weights", "guidance", "steps", "sampler", "scheduler", "width_px", "height_px", "clip_skip", "images_per_cell", "renderer"];
    return h("div.fields", {}, names.map((name) => this.field(name)));
  }

  addPrompt(text) {
    const field = h("textarea", { rows: "2", "aria-label": t("checkpoints.prompts.prompt") });
    field.value = text;
    const remove = h("button.quiet", { type: "button", "aria-label": t("checkpoints.prompts.remove"), onclick: () => this.list.children.length > 1 && line.remove() }, "✕");
    const line = h("div.prompt", {}, field, remove);
    this.list.append(line);
    return field;
  }

  async open() {
    this.sheet.open();
    this.notes.replaceChildren();
    await this.sheet.attempt(this.keep, async () => {
      const [{ settings }, choices] = await Promise.all([ask(this.look.of("previews", "settings")), ask(this.look.of("previews", "choices"))]);
      this.samplers.replaceChildren(...choices.samplers.map((value) => h("option", { value })));
      this.schedulers.replaceChildren(...choices.schedulers.map((value) => h("option", { value })));
      this.fields.renderer.replaceChildren(...choices.renderers.map((value) => h("option", { value }, value === "webui" ? t("checkpoints.prompts.webui") : t("checkpoints.prompts.bundled"))));
      this.fill(settings);
    });
  }

  fill(settings) {
    this.axes = settings.axes;
    this.list.replaceChildren();
    for (const text of settings.axes.prompt ?? settings.prompts) this.addPrompt(text);
    for (const [name, field] of Object.entries(this.fields)) {
      if (field.type === "checkbox") field.checked = settings[name];
      else field.value = name in SEVERAL ? (settings.axes[name] ?? [settings[name]]).join(", ") : [settings[name]].flat().join(", ");
    }
    for (const [name, axis] of [["seeds", "seed"], ["weights", "weight"]]) if (settings.axes[axis]) this.fields[name].value = settings.axes[axis].join(", ");
  }

  /** The settings as the API takes them: several values of one setting are an axis. */
  read() {
    const changes = { axes: { ...this.axes } };
    for (const name of ["prompt", "seed", "weight", ...Object.keys(SEVERAL)]) delete changes.axes[name];
    changes.prompts = [...this.list.querySelectorAll("textarea")].map((field) => field.value);
    for (const [name, field] of Object.entries(this.fields)) {
      if (field.type === "checkbox") changes[name] = field.checked;
      else if (field.type === "number") changes[name] = Number(field.value);
      else if (name === "seeds" || name === "weights") changes[name] = listed(field.value).map(numeric);
      else if (name in SEVERAL) this.readSeveral(changes, name, listed(field.value).map(SEVERAL[name]));
      else changes[name] = field.value;
    }
    return changes;
  }

  readSeveral(changes, name, values) {
    if (values.length > 1) changes.axes[name] = values;
    else changes[name] = values[0] ?? "";
  }

  async save() {
    await this.sheet.attempt(this.keep, async () => {
      await ask(this.look.of("previews", "settings"), { method: "PATCH", body: this.read() });
      this.sheet.close();
      this.changed();
    });
  }

  async readText() {
    this.take(await ask(this.look.of("previews", "settings", "infotext"), { method: "POST", body: { text: this.infotext.value } }));
  }

  readPicture(file) {
    return this.sheet.attempt(this.keep, async () => this.take(await ask(this.look.of("previews", "settings", "picture"), { method: "POST", body: file })));
  }

  take({ settings, notes }) {
    this.fill({ ...settings, after_training: this.fields.after_training.checked });
    this.notes.replaceChildren(h("li", {}, t("checkpoints.prompts.taken")), ...notes.map((note) => h("li", {}, note)));
  }

  drop(event) {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) this.readPicture(file);
  }

  paste(event) {
    const file = [...event.clipboardData.files].find((each) => each.type === "image/png");
    if (!file) return;
    event.preventDefault();
    this.readPicture(file);
  }
}

const listed = (text) => text.split(",").map((each) => each.trim()).filter(Boolean);

/** What is no number is left as it was typed: the refusal can name it. */
function numeric(text) {
  const value = Number(text);
  return Number.isNaN(value) ? text : value;
}
