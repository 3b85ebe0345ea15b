// LoRA files after the training: merged, resized, extracted, converted as jobs, looked at in place. The address holds
// which tool it is, and what is typed into it.
import { chartLook } from "../base/chart.js";
import { h, Island, link, sheet } from "../base/island.js";
import { Notices } from "../base/notices.js";
import { places } from "../base/place.js";
import { t } from "../base/words.js";
import { ToolForm } from "./form.js";
import { ChoiceInput, FileInput, LORAS, MODELS, NumberInput, OLD_LORAS } from "./inputs.js";
import { Inspect } from "./inspect.js";
import { Loras, Outcome } from "./loras.js";
import { Recent } from "./recent.js";

/** What each tool is told. */
const INPUTS = {
  merge: () => [new Loras(), new Outcome(), new NumberInput("rank", { when: ({ outcome }) => outcome === "at_rank" }), new NumberInput("conv_rank", { when: ({ outcome }) => outcome === "at_rank" }), new FileInput("into", MODELS, { when: ({ outcome }) => outcome === "into_model" })],
  resize: () => [new FileInput("model", LORAS), new NumberInput("rank", { usual: 8 }), new NumberInput("conv_rank"), new ChoiceInput("method", ["", "sv_ratio", "sv_cumulative", "sv_fro"]), new NumberInput("parameter", { step: "any", when: ({ method }) => method !== null, help: t("tools.parameter_help") })],
  extract: () => [new FileInput("tuned", MODELS), new FileInput("original", MODELS), new NumberInput("rank", { usual: 32 }), new NumberInput("conv_rank")],
  convert: () => [new FileInput("model", OLD_LORAS), new ChoiceInput("scheme", ["kohya", "kohya-diffusers", "peft"])],
};
const TOOLS = [...Object.keys(INPUTS), "inspect"];
const look = await sheet("tools.css", import.meta.url);

class Tools extends Island {
  static sheets = [chartLook, look];

  begin() {
    this.shown = null;
    this.notices = new Notices();
    this.ways = h("nav.ways", { "aria-label": t("screens.tools") });
    this.recent = new Recent(this, (file) => this.inspect(file));
    const kept = (wish) => this.shown && places.current.screen === "tools" && places.note({ tool: this.shown, wish: wish === null ? null : JSON.stringify(wish) });
    this.told = { notices: this.notices, kept, ordered: () => this.recent.feed.now() };
    this.forms = new Map();
    this.main = h("div.main", {});
    this.root.append(this.ways, this.main, this.recent.element, this.notices.element);
    this.on(places, "arrived", () => this.arrive());
    this.arrive();
  }

  /** Shows the tool that the address names; its form is filled from there when it comes into sight. */
  arrive() {
    if (places.current.screen !== "tools") return;
    const { tool, wish } = places.current.query;
    const named = TOOLS.includes(tool) ? tool : TOOLS[0];
    if (named === this.shown) return;
    this.shown = named;
    this.ways.replaceChildren(...TOOLS.map((each) => link({ screen: "tools", query: { tool: each } }, "a", { "aria-current": each === named ? "page" : false }, t(`tools.names.${each}`))));
    const form = this.form(named);
    this.main.replaceChildren(form.element);
    if (wish) form.fill(read(wish));
    else form.keep();
  }

  /** Made when it is first wanted; what was typed into it stays while the page is open. */
  form(name) {
    if (!this.forms.has(name)) this.forms.set(name, name === "inspect" ? new Inspect(this.told) : new ToolForm(name, INPUTS[name](), this.told));
    return this.forms.get(name);
  }

  inspect(file) {
    this.shown = null;
    places.go({ screen: "tools", query: { tool: "inspect", wish: JSON.stringify({ file }) } });
    this.arrive();
  }
}

/** What an address says; nothing of one that somebody has spoilt. */
function read(wish) {
  try {
    return JSON.parse(wish) ?? {};
  } catch {
    return {};
  }
}

customElements.define("tt-tools", Tools);
