// The form of a grid: one value or several for each option, and at once what that would do and cost.
import { ask, versionPath } from "../base/api.js";
import { h, Island, say } from "../base/island.js";
import { places } from "../base/place.js";
import { count, duration, number, size, t } from "../base/words.js";

const FIELDS = [
  { name: "pretrained_model_name_or_path", label: "Base model", example: "path of a .safetensors file", wide: true },
  { name: "network_dim", label: "Rank", example: "8, 16" },
  { name: "network_alpha", label: "Alpha", example: "8" },
  { name: "learning_rate", label: "Learning rate", example: "1e-4, 5e-5" },
  { name: "max_train_epochs", label: "Epochs", example: "10" },
  { name: "train_batch_size", label: "Batch size", example: "1, 2" },
  { name: "optimizer_type", label: "Optimizer", example: "AdamW" },
];
const THINKING_MS = 250;
const MANY_RUNS = 50;

class Form extends Island {
  begin() {
    this.stored = {};
    this.fields = FIELDS.map((each) => new Field(each, () => this.edited()));
    this.others = h("textarea", { rows: 3, spellcheck: "false", "aria-describedby": "others-hint", oninput: () => this.edited() });
    this.line = h("p.plan", { role: "status", "aria-live": "polite" });
    this.warnings = h("ul.warnings", {});
    this.runs = h("ol.runs", {});
    this.list = h("details", { hidden: true }, h("summary", {}, "Which runs"), this.runs);
    this.add = h("button.primary", { type: "submit", disabled: true }, "Add to the queue");
    this.outcome = h("p.note", { role: "status" });
    this.root.append(this.form());
    this.on(places, "moved", () => this.move());
    this.move();
  }

  form() {
    const hint = h("small", { id: "others-hint" }, "One name=values a line, named as in sd-scripts, for example  seed=1, 2, 3  or  noise_offset=0, 0.05");
    const others = h("label.field.wide", {}, h("span", {}, "Other options"), this.others, hint);
    const intro = h("p.hint", {}, "Write several values with commas to try them all: every combination becomes a run.");
    const footer = h("footer.sticky", {}, h("div.line", {}, this.line, this.add), this.warnings, this.list, this.outcome);
    this.entry = h("fieldset.fields", { disabled: true }, this.fields.map((field) => field.element), others);
    return h("form", { onsubmit: (event) => this.submit(event) }, intro, this.entry, footer);
  }

  async move() {
    const place = places.current;
    this.add.disabled = true;
    this.entry.disabled = true; // what is typed before the stored values come would be mixed with them
    say(this.outcome, "");
    if (!places.complete) return this.showError(new Error(t("bar.no_place")));
    try {
      const { assignments } = await ask(versionPath(place, "settings"));
      if (place === places.current) this.fill(assignments, readDraft(place));
    } catch (error) {
      this.showError(error);
    }
  }

  fill(stored, draft) {
    this.stored = stored;
    this.restore(draft);
    this.entry.disabled = false;
    this.think(0);
  }

  restore(draft) {
    for (const field of this.fields) field.value = draft?.[field.name] ?? this.stored[field.name] ?? "";
    this.others.value = draft?.others ?? "";
  }

  edited() {
    if (!places.complete) return;
    const typed = Object.fromEntries(this.fields.map((field) => [field.name, field.value]));
    keepDraft(places.current, { ...typed, others: this.others.value });
    say(this.outcome, "");
    this.think(THINKING_MS);
  }

  /** Only what was typed and differs from what is stored; the server knows the rest. */
  assignments() {
    const typed = this.fields.filter((field) => field.value && field.value !== this.stored[field.name]);
    const others = this.others.value.split("\n").filter((line) => line.trim());
    return Object.fromEntries([...typed.map((field) => [field.name, field.value]), ...others.map(nameAndValues)]);
  }

  think(delay) {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.timer = setTimeout(() => this.plan(signal), delay);
  }

  async plan(signal) {
    this.sure = false;
    try {
      const plan = await ask(versionPath(places.current, "plan"), { method: "POST", body: { assignments: this.assignments() }, signal });
      if (!signal.aborted) this.showPlan(plan);
    } catch (error) {
      if (!signal.aborted) this.showError(error);
    }
  }

  showPlan(plan) {
    this.planned = plan;
    this.fields.forEach((field) => field.blame(""));
    this.line.classList.remove("wrong");
    say(this.line, planWords(plan));
    this.warnings.replaceChildren(...plan.warnings.map((words) => h("li", {}, words)));
    this.runs.replaceChildren(...plan.planned.map(runLine));
    this.list.hidden = plan.planned.length < 2;
    this.add.disabled = plan.runs === 0;
    say(this.add, plan.runs ? `Add ${count(plan.runs, "run")} to the queue` : "All runs are done");
  }

  showError(error) {
    const guilty = this.fields.filter((field) => error.message.startsWith(`${field.name} =`));
    this.fields.forEach((field) => field.blame(guilty.includes(field) ? error.message : ""));
    this.line.classList.add("wrong");
    say(this.line, guilty.length ? `${guilty[0].label} can't be used as it is.` : error.message);
    this.warnings.replaceChildren();
    this.list.hidden = true;
    this.add.disabled = true;
    say(this.add, "Add to the queue");
  }

  async submit(event) {
    event.preventDefault();
    if (this.add.disabled) return;
    if (this.planned.runs > MANY_RUNS && !this.sure) return this.askAgain();
    this.add.disabled = true;
    try {
      const done = await ask(versionPath(places.current, "runs"), { method: "POST", body: { assignments: this.assignments() } });
      dropDraft(places.current);
      await this.move();
      say(this.outcome, outcomeWords(done));
    } catch (error) {
      this.showError(error);
    }
  }

  askAgain() {
    this.sure = true;
    const time = this.planned.seconds === null ? "" : `, about ${duration(this.planned.seconds)}`;
    say(this.add, `Really add ${count(this.planned.runs, "run")}${time}?`);
  }
}

/** A text field whose error stands below it. */
class Field {
  constructor({ name, label, example, wide }, edited) {
    Object.assign(this, { name, label });
    this.input = h("input", { type: "text", name, placeholder: example, spellcheck: "false", autocomplete: "off", "aria-describedby": `${name}-error`, oninput: edited });
    this.error = h("small.error", { id: `${name}-error`, role: "alert" });
    this.element = h(wide ? "label.field.wide" : "label.field", {}, h("span", {}, label, " ", h("code", {}, name)), this.input, this.error);
  }

  get value() {
    return this.input.value.trim();
  }

  set value(text) {
    this.input.value = text;
  }

  blame(words) {
    say(this.error, words);
    this.input.setAttribute("aria-invalid", words ? "true" : "false");
  }
}

function nameAndValues(line) {
  const at = line.indexOf("=");
  return at < 0 ? [line.trim(), ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}

function planWords(plan) {
  const done = plan.done ? `, ${plan.done} more ${plan.done === 1 ? "is" : "are"} done` : "";
  const time = plan.seconds === null ? "time unknown" : `about ${duration(plan.seconds)}, ${plan.seconds_from}`;
  const parts = [`${count(plan.runs, "run")}${done}`, `${number(plan.steps)} steps`, time, `${size(plan.disk_bytes)} of disk (${size(plan.free_bytes)} free)`];
  return plan.runs ? parts.join(" · ") : `Nothing to train: ${count(plan.done, "run")} done already.`;
}

function runLine(run) {
  return h("li", {}, run.label, h("small", {}, ` ${count(run.steps, "step")}, ${count(run.checkpoints, "checkpoint")}${run.done ? ", done" : ""}`));
}

function outcomeWords(done) {
  const queued = done.jobs.length ? `${count(done.jobs.length, "run")} added to the queue as ${done.grid}` : "Nothing was added";
  const ahead = done.jobs.length && done.ahead ? `, behind ${count(done.ahead, "other")}` : "";
  const already = done.already.length ? `. ${count(done.already.length, "run")} done or queued already` : "";
  return `${queued}${ahead}${already}.`;
}

const draftKey = (place) => `train-tools draft ${JSON.stringify([place.project, place.version])}`;

/** What was typed and not submitted yet; the browser keeps it, the server has no use for it. */
function readDraft(place) {
  try {
    return JSON.parse(localStorage.getItem(draftKey(place)));
  } catch {
    return null;
  }
}

function keepDraft(place, draft) {
  try {
    localStorage.setItem(draftKey(place), JSON.stringify(draft));
  } catch {
    // A full or forbidden storage costs the draft only.
  }
}

function dropDraft(place) {
  try {
    localStorage.removeItem(draftKey(place));
  } catch {
    // As above.
  }
}

customElements.define("tt-train", Form);
