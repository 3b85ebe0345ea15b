// The bar that stays in sight: how many runs, what they cost, what stands against them, and the button that queues them.
import { ask } from "../base/api.js";
import { h, link, say } from "../base/island.js";
import { duration, number, size, t } from "../base/words.js";
import { Findings } from "./findings.js";
import { Runs } from "./runs.js";

const COUNT_MS = 30;
const PLAN_MS = 400;
const PREFLIGHT_MS = 500;
const MANY_RUNS = 50;

export class Outlook {
  /** `form` takes what was understood (`tell(axes, faults)`) and shows where something is wrong (`reveal(fault)`). */
  constructor(draft, form) {
    Object.assign(this, { draft, form, faults: [], plan: null, count: null, asking: null });
    this.number = h("output.count", { "aria-live": "polite" }, "…");
    this.costs = h("ul.costs", {});
    this.effect = h("p.effect", {});
    this.wrong = h("p.error", { role: "alert" });
    this.notes = h("ul.warnings", {});
    this.runs = new Runs((labels) => draft.setOther("rules", { ...draft.rules, left_out: labels }));
    this.findings = new Findings(() => this.drawButton());
    this.runsPart = part("runs", this.runs.element);
    this.findingsPart = part("findings", this.findings.element);
    this.previews = h("input", { type: "checkbox", onchange: () => draft.setOther("previews", this.previews.checked) });
    this.button = h("button.primary", { type: "submit", disabled: true }, t("train.add_none"));
    this.outcome = h("p.outcome", { role: "status" });
    this.sure = new Sure();
    const head = h("div.line", {}, h("div.now", {}, this.number, this.costs), this.button);
    const more = h("div.parts", {}, this.runsPart.toggle, this.findingsPart.toggle, h("label.tick", {}, this.previews, h("span", {}, t("train.previews"))));
    this.element = h("footer.outlook", {}, this.outcome, this.runsPart.body, this.findingsPart.body, this.wrong, head, this.effect, this.notes, more, this.sure.dialog);
  }

  /** Nothing is known of another version's runs. */
  clear() {
    this.stop();
    Object.assign(this, { faults: [], plan: null, count: null, asked: null });
    say(this.outcome, "");
    this.notes.replaceChildren();
    this.quieten();
    say(this.number, "…");
    this.drawButton();
  }

  stop() {
    clearTimeout(this.timer);
    this.asking?.abort();
  }

  /** Thinks again about what is in the form, unless that is what was thought about last. */
  think() {
    this.previews.checked = this.draft.previews;
    const asked = `${this.draft.path()} ${JSON.stringify(this.draft.question)} ${JSON.stringify(this.draft.stored)}`;
    if (asked === this.asked) return;
    this.asked = asked;
    this.stop();
    this.plan = null;
    this.findings.clear(); // they may not hold for what is typed now
    this.costs.classList.add("stale");
    this.asking = new AbortController();
    const { signal } = this.asking;
    const body = this.draft.question;
    this.timer = setTimeout(() => this.follow(signal, body), COUNT_MS);
    this.drawButton();
  }

  /** The quick count first; the plan and the pre-flight when nobody has typed for a while. */
  async follow(signal, body) {
    const question = (path) => ask(this.draft.path(path), { method: "POST", body, signal });
    try {
      this.showCount(await question("plan/count"));
      if (this.faults.length) return;
      await pause(PLAN_MS, signal);
      this.showPlan(await question("plan"));
      await pause(PREFLIGHT_MS, signal);
      this.showFindings(await question("preflight"));
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    }
  }

  fail(error) {
    this.asked = null; // the next change asks again, and so does the next sign of life
    const option = this.form.blamed(error);
    this.faults = option ? [{ option, message: error.message }] : [];
    this.count = null;
    this.form.tell(null, this.faults);
    this.quieten();
    if (!option) this.wrong.replaceChildren(error.message, ...(error.kind === "DatasetNotUsableError" ? [" ", link({ screen: "dataset" }, "a", {}, t("train.to_dataset"))] : []));
    this.drawButton();
  }

  showCount({ runs, exact, axes, faults, notes }) {
    Object.assign(this, { faults, count: runs });
    this.form.tell(axes, faults);
    const loose = faults.filter((fault) => !this.form.has(fault.option));
    say(this.wrong, loose.map((fault) => fault.message).join(" "));
    if (runs !== null) say(this.number, exact ? t("train.runs_n", { n: runs }) : t("train.runs_at_most", { n: runs }));
    else say(this.number, t("train.faults", { n: faults.length }));
    this.number.classList.toggle("wrong", runs === null);
    this.notes.replaceChildren(...notes.map((words) => h("li", {}, words)));
    if (faults.length) this.quieten();
    this.drawButton();
  }

  /** What the last plan said does not hold for what is wrong now. */
  quieten() {
    this.costs.replaceChildren();
    say(this.effect, "");
    this.runsPart.hide();
    this.findings.clear();
    this.findingsPart.hide();
  }

  showPlan(plan) {
    this.plan = plan;
    this.count = plan.runs;
    say(this.number, plan.runs ? t("train.runs_n", { n: plan.runs }) : t("train.all_done"));
    this.costs.classList.remove("stale");
    this.costs.replaceChildren(...(plan.runs ? costs(plan) : []));
    say(this.effect, effect(plan));
    this.notes.replaceChildren(...[...plan.notes, ...plan.warnings].map((words) => h("li", {}, words)));
    this.runs.show(plan);
    const but = [plan.left_out && t("train.runs.left_out", { n: plan.left_out }), plan.done && t("train.runs.done_n", { n: plan.done })].filter(Boolean).join(", ");
    this.runsPart.show(but ? t("train.runs.which_but", { n: plan.total, but }) : t("train.runs.which", { n: plan.total }), plan.total > 1);
    this.drawButton();
  }

  showFindings(preflight) {
    this.findings.show(preflight, new Map(this.plan.planned.map((run) => [run.name, run.label])));
    this.findingsPart.show(t("train.findings.title", { found: this.findings.words }), true);
    this.findingsPart.toggle.dataset.level = preflight.level;
    this.drawButton();
  }

  drawButton() {
    const { faults, count, plan } = this;
    const { stops } = this.findings;
    if (faults.length) say(this.button, t("train.faults_show", { n: faults.length }));
    else if (stops) say(this.button, t("train.stops_show", { n: stops }));
    else say(this.button, count ? t("train.add", { n: count }) : t("train.add_none"));
    this.button.classList.toggle("bad", faults.length + stops > 0);
    this.button.disabled = !faults.length && (!count || (plan !== null && !plan.runs) || this.sending === true);
  }

  async submit() {
    if (this.button.disabled) return;
    if (this.faults.length) return this.form.reveal(this.faults[0]);
    if (this.findings.stops) return this.showStops();
    await this.draft.save();
    const { question } = this.draft;
    try {
      const many = this.count > MANY_RUNS;
      if (many) this.plan ??= await ask(this.draft.path("plan"), { method: "POST", body: question });
      if (many && !(await this.sure.ask(this.plan))) return;
      this.sending = true;
      this.drawButton();
      const order = { ...question, sure: many, anyway: this.findings.anyway.checked };
      const done = await ask(this.draft.path("runs"), { method: "POST", body: order });
      await this.draft.put({});
      this.tellOutcome(done);
    } catch (error) {
      say(this.wrong, error.message);
      if (error.kind === "PreflightError") await this.lookAgain(question);
    } finally {
      this.sending = false;
      this.drawButton();
    }
  }

  /** The service has found what this page had not waited for. */
  async lookAgain(body) {
    this.plan ??= await ask(this.draft.path("plan"), { method: "POST", body });
    this.showFindings(await ask(this.draft.path("preflight"), { method: "POST", body }));
    this.showStops();
  }

  showStops() {
    this.findingsPart.open();
    this.findings.anyway.focus();
  }

  tellOutcome(done) {
    const queued = done.jobs.length ? t("train.queued", { n: done.jobs.length, grid: done.grid }) : t("train.queued_none");
    const parts = [queued, done.ahead && t("train.queued_ahead", { n: done.ahead }), done.already.length && t("train.queued_already", { n: done.already.length })];
    this.outcome.replaceChildren(parts.filter(Boolean).join(" "), " ", link({ screen: "queue" }, "a", {}, t("train.to_queue")));
  }
}

/** A part of the bar that is folded away behind a button of its own. */
function part(name, content) {
  const body = h(`section.part.${name}`, { hidden: true, id: `part-${name}` }, content);
  const toggle = h("button.quiet", { type: "button", hidden: true, "aria-expanded": "false", "aria-controls": `part-${name}`, onclick: () => turn(body.hidden) });
  const turn = (open) => {
    body.hidden = !open;
    toggle.setAttribute("aria-expanded", String(open));
    if (open) body.querySelector(".runs")?.dispatchEvent(new Event("scroll"));
  };
  const show = (words, worth) => {
    say(toggle, words);
    toggle.hidden = !worth;
    if (!worth) turn(false);
  };
  const hide = () => show("", false);
  return { body, toggle, show, hide, open: () => turn(true) };
}

function costs(plan) {
  const { memory } = plan;
  const time = plan.seconds === null ? t("train.time_unknown") : t("train.time", { time: duration(plan.seconds) });
  const tight = memory && memory.total_bytes && memory.bytes > memory.free_bytes;
  const full = plan.disk_bytes > plan.free_bytes;
  return [
    h("li", {}, t("train.steps", { n: plan.steps })),
    h("li", { title: plan.seconds_from }, time),
    h("li", { "data-level": full ? "stop" : false }, t("train.disk", { size: size(plan.disk_bytes), free: size(plan.free_bytes) })),
    memory ? h("li", { title: memory.device, "data-level": tight ? "warning" : false }, memory.total_bytes ? t("train.memory", { size: size(memory.bytes), free: size(memory.free_bytes) }) : t("train.memory_alone", { size: size(memory.bytes) })) : "",
  ];
}

/** What the optimizer really does in a run: its moves, what each learns from, how often an image is seen. */
function effect(plan) {
  const runs = plan.planned.filter((run) => !run.left_out && run.steps);
  if (!runs.length) return "";
  const between = (values) => {
    const [least, most] = [Math.min(...values), Math.max(...values)];
    return least === most ? number(least) : `${number(least)}–${number(most)}`;
  };
  const of = (read) => between(runs.map(read));
  if (runs.every((run) => !run.views)) return t("train.effect_of_steps", { updates: of((run) => run.steps), batch: of((run) => run.images_per_step) });
  return t("train.effect", { updates: of((run) => run.steps), images: of((run) => run.images_per_step), views: of((run) => Math.round(run.views)), epochs: of((run) => run.epochs) });
}

const pause = (ms, signal) =>
  new Promise((go, stop) => {
    const timer = setTimeout(go, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      stop(signal.reason);
    });
  });

/** Asked once before very many runs are queued. */
class Sure {
  constructor() {
    this.words = h("p", {});
    this.yes = h("button.primary", { type: "button", onclick: () => this.dialog.close("yes") });
    const no = h("button", { type: "button", autofocus: true, onclick: () => this.dialog.close("") }, t("train.cancel"));
    this.dialog = h("dialog.sheet", { "aria-label": t("train.sure_title") }, h("h2", {}, t("train.sure_title")), this.words, h("div.line.end", {}, no, this.yes));
  }

  ask(plan) {
    const time = plan.seconds === null ? t("train.time_unknown") : t("train.time", { time: duration(plan.seconds) });
    say(this.words, t("train.sure", { n: plan.runs, time, disk: size(plan.disk_bytes), free: size(plan.free_bytes) }));
    say(this.yes, t("train.add", { n: plan.runs }));
    this.dialog.returnValue = "";
    this.dialog.showModal();
    return new Promise((told) => this.dialog.addEventListener("close", () => told(this.dialog.returnValue === "yes"), { once: true }));
  }
}
