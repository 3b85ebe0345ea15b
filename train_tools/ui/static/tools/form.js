// A tool as a form: its inputs, the name of the file, what that would write, and the order.
import { ask } from "../base/api.js";
import { h, link, say } from "../base/island.js";
import { size, t } from "../base/words.js";
import { ChoiceInput } from "./inputs.js";

const AFTER_TYPING_MS = 300;

export class ToolForm {
  /** `inputs` are those of the tool alone; `kept(wish)` is told what is typed, `ordered()` that a job was queued. */
  constructor(name, inputs, { notices, kept, ordered }) {
    Object.assign(this, { name, inputs: [...inputs, new ChoiceInput("precision", ["", "fp16", "bf16", "float"])], notices, kept, ordered, asked: 0 });
    const change = () => this.change();
    this.file = h("input", { type: "text", "aria-label": t("tools.name"), spellcheck: "false", autocomplete: "off", oninput: change });
    this.replace = h("input", { type: "checkbox", onchange: () => this.draw() });
    this.replacing = h("label.check", { hidden: true }, this.replace, h("span", {}, t("tools.replace")));
    this.plan = h("p.plan", { role: "status" });
    this.button = h("button.primary", { disabled: true }, t("tools.start"));
    const named = h("label.field.wide", {}, h("span", {}, t("tools.name")), h("span.path", {}, this.file, h("code", {}, ".safetensors")));
    const fields = h("div.fields", {}, this.inputs.map((input) => input.drawn(change)), named);
    this.element = h("form", { "aria-label": t(`tools.names.${name}`), onsubmit: (event) => this.submit(event) }, h("p.hint", {}, t(`tools.hints.${name}`)), fields, h("div.foot", {}, this.plan, this.replacing, this.button));
    this.draw();
  }

  /** The inputs that have a meaning beside the others. */
  get meant() {
    const values = Object.fromEntries(this.inputs.map((input) => [input.key, input.value]));
    return this.inputs.filter((input) => input.when(values));
  }

  /** What is asked for. */
  get wish() {
    return Object.assign({ name: this.file.value.trim() || this.suggested }, ...this.meant.map((input) => input.told));
  }

  get isWhole() {
    return this.meant.every((input) => input.value !== null || !NEEDED.includes(input.key));
  }

  /** After the first file that is named. */
  get suggested() {
    const first = this.inputs[0].value ?? "";
    const stem = first.split(/[\\/]/).at(-1).replace(/\.\w+$/, "");
    return stem ? `${stem}-${this.name}` : "";
  }

  /** What was typed before, from the address. */
  fill(wish) {
    for (const input of this.inputs) input.fill(wish);
    const { name = "" } = wish;
    this.file.value = name === this.suggested ? "" : name;
    this.change();
  }

  change() {
    this.known = null;
    this.replace.checked = false;
    this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), AFTER_TYPING_MS);
  }

  /** Lets the address hold what is typed. */
  keep() {
    this.kept(this.inputs[0].value === null ? null : this.wish);
  }

  async ask() {
    this.keep();
    if (!this.isWhole) return;
    const asked = (this.asked += 1);
    const answer = await ask(`loras/${this.name}/plan`, { method: "POST", body: this.wish }).catch((error) => ({ refused: error.message }));
    if (asked !== this.asked) return;
    this.known = answer;
    this.draw();
  }

  draw() {
    const [known, meant] = [this.known, this.meant];
    for (const input of this.inputs) input.element.hidden = !meant.includes(input);
    this.file.placeholder = this.suggested;
    this.plan.classList.toggle("error", Boolean(known?.refused));
    say(this.plan, !known ? t(this.isWhole ? "tools.reckoning" : `tools.missing.${this.name}`) : known.refused ?? planned(known));
    this.replacing.hidden = !known?.is_there;
    this.button.disabled = !known || Boolean(known.refused) || (known.is_there && !this.replace.checked);
  }

  async submit(event) {
    event.preventDefault();
    this.button.disabled = true;
    try {
      await ask(`loras/${this.name}`, { method: "POST", body: { ...this.wish, replace: this.replace.checked } });
      this.notices.tell(h("span", {}, t("tools.queued", { name: this.wish.name }), " ", link({ screen: "queue" }, "a", {}, t("tools.to_queue"))));
      this.ordered();
    } catch (error) {
      this.notices.refuse(error);
    }
    this.change();
  }
}

/** Without these there is nothing to be asked. */
const NEEDED = ["models", "model", "into", "original", "tuned", "rank", "parameter"];

function planned({ file, about_bytes, is_there }) {
  return t(is_there ? "tools.is_there" : "tools.writes", { file, size: size(about_bytes) });
}
