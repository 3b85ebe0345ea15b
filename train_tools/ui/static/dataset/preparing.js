// How originals become training images: the settings, what they make of one picture, and doing it.
import { ask, versionPath } from "../base/api.js";
import { h, link, say } from "../base/island.js";
import { places } from "../base/place.js";
import { t } from "../base/words.js";
import { Charts } from "./charts.js";
import { Trial } from "./trial.js";

/** Which settings stand together, and below which switch; the API says what each may be. */
const GROUPS = {
  size: ["width_px", "height_px", "resize", "enlarge"],
  cutting: ["focal_crop", "focal_faces", "focal_entropy", "focal_edges", "split", "split_threshold", "split_overlap", "auto_crop", "auto_crop_least_px", "auto_crop_most_px", "auto_crop_least_area", "auto_crop_most_area", "auto_crop_objective", "auto_crop_threshold", "frame_step_px", "frame_least_px", "frame_ratio", "smaller_frames"],
  background: ["background", "background_remover"],
  copies: ["mirrored_copies", "upside_down_copies", "random_copies", "random_turn_degrees", "random_scale", "random_fixed_side"],
  often: ["repeats", "multiply", "class_name"],
};
const FRAMES = ["frame_step_px", "frame_least_px", "frame_ratio", "smaller_frames"];
const COUNTS_WHEN = {
  focal_faces: (set) => set.focal_crop, focal_entropy: (set) => set.focal_crop, focal_edges: (set) => set.focal_crop,
  split_threshold: (set) => set.split, split_overlap: (set) => set.split,
  ...Object.fromEntries(GROUPS.cutting.filter((name) => name.startsWith("auto_crop_")).map((name) => [name, (set) => set.auto_crop])),
  ...Object.fromEntries(FRAMES.map((name) => [name, (set) => set.resize === "frames"])),
  ...Object.fromEntries(GROUPS.copies.filter((name) => /^random_(turn|scale|fixed)/.test(name)).map((name) => [name, (set) => set.random_copies > 0])),
};

export class Preparing {
  constructor(screen) {
    Object.assign(this, { screen, notices: screen.notices, fields: {}, changing: Promise.resolve() });
    this.form = h("form.settings", { onsubmit: (event) => event.preventDefault() });
    this.trial = new Trial(screen);
    this.charts = new Charts(screen);
    this.facts = h("p.plan", { role: "status" });
    this.bar = h("progress", { max: 1, hidden: true, "aria-label": t("dataset.prepare.far") });
    this.next = link({ query: { part: "pictures" } }, "a", { hidden: true }, t("dataset.prepare.next"));
    this.button = h("button.primary", { type: "button", onclick: () => this.notices.trying(() => this.prepare()) }, t("dataset.prepare.start"));
    const half = h("div.beside", {}, this.trial.element, this.charts.element);
    this.element = h("section.preparing", { hidden: true }, h("div.halves.even", {}, this.form, half), h("div.sticky.line", {}, this.bar, this.facts, this.next, this.button));
    screen.jobs.addEventListener("listed", () => this.showJob());
  }

  move() {
    this.form.replaceChildren();
    this.fields = {};
    this.now = null;
    this.trial.move();
  }

  enter() {
    this.notices.trying(async () => {
      const known = await ask("preparation-settings");
      const { preparation } = await ask(versionPath(places.current, "settings"));
      this.build(known, preparation);
      await Promise.all([this.trial.enter(), this.charts.look()]);
    });
    this.showJob();
  }

  ended() {
    this.trial.enter();
    this.charts.look();
  }

  build({ settings, background_removers }, now) {
    this.known = Object.fromEntries(settings.map((each) => [each.name, each]));
    const known = new Set(Object.values(GROUPS).flat());
    const others = settings.map((each) => each.name).filter((name) => !known.has(name));
    const groups = Object.entries(GROUPS).map(([group, names]) => [t(`dataset.prepare.groups.${group}`), names.filter((name) => name in this.known)]);
    this.removers = h("datalist", { id: "removers" }, background_removers.map((value) => h("option", { value })));
    this.form.replaceChildren(this.removers, ...[...groups, ["", others]].filter(([, names]) => names.length).map(([words, names]) => h("fieldset", {}, h("legend", {}, words), h("div.fields", {}, names.map((name) => this.field(this.known[name]))))));
    this.show(now);
  }

  field(setting) {
    const { name } = setting;
    const input = this.input(setting);
    const error = h("small.error", { role: "alert" });
    this.fields[name] = { input, error, label: null, changing: 0 };
    const words = t(`dataset.prepare.names.${name}`);
    const label = setting.kind === "bool" ? h("label.check", { title: name }, input, h("span", {}, words, " ", error)) : h("label.field", { title: name }, h("span", {}, words), input, error);
    this.fields[name].label = label;
    return label;
  }

  input({ name, kind, choices, least, most }) {
    const onchange = () => this.change(name);
    if (kind === "bool") return h("input", { type: "checkbox", onchange });
    if (choices.length) return h("select", { onchange }, choices.map((value) => h("option", { value }, t(`dataset.prepare.choices.${value}`))));
    if (kind === "str") return h("input", { type: name === "background" ? "color" : "text", autocomplete: "off", spellcheck: "false", list: name === "background_remover" ? "removers" : null, onchange });
    const step = kind === "int" ? (/^(width|height)_px$/.test(name) ? 64 : 1) : "any";
    return h("input", { type: "number", min: least, max: most, step: step === 64 ? 8 : step, onchange });
  }

  /** Of settings that are changed once more meanwhile, what was typed last stays in sight. */
  show(now) {
    this.now = now;
    for (const [name, { input, error, label, changing }] of Object.entries(this.fields)) {
      if (changing) continue;
      if (input.type === "checkbox") input.checked = now[name];
      else if (input.getRootNode().activeElement !== input) input.value = now[name];
      input.removeAttribute("aria-invalid");
      say(error, "");
      label.hidden = COUNTS_WHEN[name] ? !COUNTS_WHEN[name](now) : false;
    }
    this.showJob();
  }

  plan() {
    const { now } = this;
    const often = now.repeats < 0 ? t("dataset.prepare.automatic") : String(now.repeats);
    say(this.facts, t("dataset.prepare.plan", { size: `${now.width_px} × ${now.height_px}`, repeats: often, folder: now.class_name || places.current.project }));
  }

  /** Each change is kept at once, one after the other. */
  change(name) {
    const field = this.fields[name];
    const { input, error } = field;
    const value = input.type === "checkbox" ? input.checked : ["int", "float"].includes(this.known[name].kind) ? Number(input.value) : input.value;
    const { project, version } = places.current;
    field.changing += 1;
    this.changing = this.changing.then(async () => {
      try {
        const { preparation } = await ask(versionPath({ project, version }, "settings", "preparation"), { method: "PATCH", body: { [name]: value } });
        field.changing -= 1;
        this.show(preparation);
        this.trial.try();
      } catch (problem) {
        field.changing -= 1;
        input.setAttribute("aria-invalid", "true");
        say(error, problem.message);
      }
    });
  }

  async prepare() {
    await this.changing;
    await this.screen.prepare();
  }

  /** How far it is stands here too: whoever has pressed the button looks at it. */
  showJob() {
    if (this.element.hidden) return;
    const job = this.screen.jobs.current("prepare");
    this.next.href = places.address({ query: { part: "pictures" } });
    this.button.disabled = Boolean(job);
    this.bar.hidden = !job;
    this.bar.value = job?.state === "running" ? job.progress : 0;
    if (job) say(this.facts, this.screen.jobs.facts(job));
    else if (this.now) this.plan();
    this.next.hidden = Boolean(job) || !this.screen.facts?.images;
  }
}
