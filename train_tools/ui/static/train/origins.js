// Where settings come from and go to: presets, files of other programs, LoRA files; the trainer that they are for.
import { ask } from "../base/api.js";
import { h, say } from "../base/island.js";
import { number, t } from "../base/words.js";

const LONGEST_HEADER = 10_000_000;
const FATES = ["not supported", "not usable", "refused", "unknown"];

export class Origins {
  /** `notice` tells what was done; `arrived()` is called when the whole form may look different. */
  constructor(draft, notice, arrived) {
    Object.assign(this, { draft, notice, arrived, presets: [], engines: [] });
    this.preset = h("select", { "aria-label": t("train.presets.label"), onchange: () => this.drawPreset() });
    this.take = h("button", { type: "button", onclick: () => this.doing(() => this.takePreset()) }, t("train.presets.take"));
    this.why = h("small.why", {});
    this.remove = h("button.quiet", { type: "button", hidden: true, onclick: () => this.doing(() => this.deletePreset()) }, t("train.presets.delete"));
    this.file = h("input", { type: "file", hidden: true, accept: ".toml,.json,.safetensors", onchange: () => this.doing(() => this.importFile()) });
    const open = h("button", { type: "button", onclick: () => this.file.click() }, t("train.files.import"));
    const write = h("button", { type: "button", onclick: () => this.doing(() => this.exportFiles()) }, t("train.files.export"));
    const save = h("button", { type: "button", onclick: () => this.saving.showModal() }, t("train.presets.save"));
    this.engine = h("select", { onchange: () => this.draft.setOther("engine", this.engine.value === this.draft.stored.engine ? null : this.engine.value) });
    this.trainer = h("label.trainer", { hidden: true }, h("span", {}, t("train.trainer")), this.engine);
    this.saving = this.saveDialog();
    this.element = h("div.origins", {}, h("div.line.start", {}, h("label.preset", {}, h("span", {}, t("train.presets.label")), this.preset), this.take, save, open, write, this.remove, this.trainer), this.why, this.file);
  }

  async doing(what) {
    try {
      await what();
    } catch (error) {
      this.notice.fail(error);
    }
  }

  async read() {
    const [{ presets }, engines] = await Promise.all([ask("presets"), ask("engines")]);
    Object.assign(this, { presets, engines });
    const option = (each) => h("option", { value: each.name, disabled: Boolean(each.problem) }, each.name);
    const several = [["own", presets.filter((each) => !each.shipped)], ["shipped", presets.filter((each) => each.shipped)]];
    const groups = several.filter(([, some]) => some.length).map(([kind, some]) => h("optgroup", { label: t(`train.presets.${kind}`) }, some.map(option)));
    const chosen = this.preset.value;
    this.preset.replaceChildren(h("option", { value: "" }, t("train.presets.choose")), ...groups);
    this.preset.value = presets.some((each) => each.name === chosen) ? chosen : "";
    this.drawPreset();
    this.draw();
  }

  /** Shows which trainer the draft is for. */
  draw() {
    if (!this.draft.ready) return;
    const { engine } = this.draft;
    const names = [...new Set([...this.engines.map((each) => each.name), engine])];
    this.trainer.hidden = names.length < 2;
    if (names.join() !== this.named) {
      this.named = names.join();
      const problem = (name) => this.engines.find((each) => each.name === name)?.problem;
      this.engine.replaceChildren(...names.map((name) => h("option", { value: name, disabled: Boolean(problem(name)) }, name)));
    }
    this.engine.value = engine;
  }

  get chosen() {
    return this.presets.find((each) => each.name === this.preset.value);
  }

  drawPreset() {
    const preset = this.chosen;
    this.take.disabled = !preset;
    this.remove.hidden = !preset || preset.shipped;
    say(this.why, preset ? [preset.why, preset.family && preset.family.toUpperCase(), preset.width_px && `${preset.width_px} × ${preset.height_px} px`].filter(Boolean).join(" · ") : "");
  }

  async takePreset() {
    const { name } = this.chosen;
    const change = await this.changing(() => ask(this.draft.path("preset"), { method: "PUT", body: { preset: name } }), (done) => done);
    this.notice.show(t("train.presets.taken", { name, n: change.changed.length }), { undo: change.undo, notes: change.notes });
  }

  /** Lets `act` change what is stored; what was typed before goes with it, and comes back with `undo`. */
  async changing(act, changeOf) {
    await this.draft.save();
    const before = this.draft.snapshot;
    const done = await act();
    await this.draft.put({});
    this.arrived();
    const undo = async () => {
      await this.draft.comeBack(before);
      this.arrived();
    };
    return { ...changeOf(done), done, undo };
  }

  saveDialog() {
    const name = h("input", { type: "text", required: true, autocomplete: "off" });
    const why = h("input", { type: "text", autocomplete: "off", placeholder: t("train.presets.why_example") });
    const over = h("input", { type: "checkbox" });
    const error = h("small.error", { role: "alert" });
    const save = async (event) => {
      event.preventDefault();
      const { project, version } = this.draft.place;
      const body = { project, version, why: why.value, replace: over.checked, draft: this.draft.question };
      try {
        await ask(`presets/${encodeURIComponent(name.value.trim())}`, { method: "PUT", body });
        dialog.close();
        await this.read();
        this.preset.value = name.value.trim();
        this.drawPreset();
        this.notice.show(t("train.presets.saved", { name: name.value.trim() }));
      } catch (refusal) {
        say(error, refusal.message);
      }
    };
    const cancel = h("button", { type: "button", onclick: () => dialog.close() }, t("train.cancel"));
    const form = h("form", { onsubmit: save }, h("label.field", {}, h("span", {}, t("train.presets.name")), name), h("label.field", {}, h("span", {}, t("train.presets.why")), why), h("label.tick", {}, over, h("span", {}, t("train.presets.replace"))), error, h("div.line.end", {}, cancel, h("button.primary", {}, t("train.presets.keep"))));
    const dialog = h("dialog.sheet", { "aria-label": t("train.presets.save") }, h("h2", {}, t("train.presets.save")), form);
    return dialog;
  }

  async deletePreset() {
    const preset = this.chosen;
    await ask(`presets/${encodeURIComponent(preset.name)}`, { method: "DELETE" });
    await this.read();
    this.notice.show(t("train.presets.deleted", { name: preset.name }));
  }

  async importFile() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file) return;
    const body = { name: file.name, text: file.name.endsWith(".safetensors") ? await headerOf(file) : await file.text() };
    const change = await this.changing(() => ask(this.draft.path("config"), { method: "PUT", body }), (taken) => taken.change);
    const { config } = change.done;
    const left = config.entries.filter((each) => FATES.includes(each.fate));
    const words = t("train.files.taken", { name: file.name, program: config.format, n: Object.keys(config.assignments).length });
    this.notice.show(words, { undo: change.undo, notes: [...config.notes, ...change.notes], entries: left });
  }

  async exportFiles() {
    await this.draft.save();
    const { configs } = await ask(this.draft.path("config", "export"), { method: "POST", body: this.draft.question });
    for (const each of configs) download(`${each.name}.toml`, each.text);
    this.notice.show(t("train.files.exported", { n: configs.length }), { notes: [...new Set(configs.flatMap((each) => each.notes))] });
  }
}

/** The text at the beginning of a LoRA file: its length in eight bytes, then JSON. The weights stay where they are. */
async function headerOf(file) {
  const length = Number(new DataView(await file.slice(0, 8).arrayBuffer()).getBigUint64(0, true));
  if (length > LONGEST_HEADER) throw new Error(t("train.files.no_lora", { name: file.name, n: number(length) }));
  return file.slice(8, 8 + length).text();
}

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "application/toml" }));
  const way = h("a", { href: address, download: name });
  way.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
