// The runs of the grid, to be unticked one by one. Only the lines in sight are in the page.
import { h, say } from "../base/island.js";
import { number, t } from "../base/words.js";

const LINE_PX = 30;
const SPARE = 8;

export class Runs {
  /** `turned(labels)` is called with the labels of all unticked runs. */
  constructor(turned) {
    Object.assign(this, { turned, runs: [], left: new Set() });
    this.space = h("div.space", {});
    this.lines = h("ol.lines", {});
    this.scroll = h("div.runs", { tabindex: "0", role: "group", "aria-label": t("train.runs.title"), onscroll: () => this.draw() }, this.space, this.lines);
    this.note = h("p.hint", {});
    const every = (on) => h("button.quiet", { type: "button", onclick: () => this.tickAll(on) }, on ? t("train.runs.all") : t("train.runs.none"));
    this.buttons = h("div.line.start", {}, every(true), every(false), this.note);
    this.element = h("div", {}, this.buttons, this.scroll);
  }

  show(plan) {
    this.runs = plan.planned;
    const whole = plan.planned.length === plan.total;
    this.left = new Set(plan.planned.filter((run) => run.left_out).map((run) => run.label));
    for (const button of this.buttons.querySelectorAll("button")) button.hidden = !whole;
    this.scroll.hidden = !whole;
    say(this.note, whole ? t("train.runs.hint") : t("train.runs.too_many", { n: plan.total }));
    this.space.style.height = `${this.runs.length * LINE_PX}px`;
    this.drawn = "";
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.scroll.scrollTop / LINE_PX) - SPARE);
    const last = Math.min(this.runs.length, Math.ceil((this.scroll.scrollTop + (this.scroll.clientHeight || 300)) / LINE_PX) + SPARE);
    if (`${first} ${last}` === this.drawn) return;
    this.drawn = `${first} ${last}`;
    const focused = this.lines.getRootNode().activeElement?.closest?.("li")?.dataset.at;
    this.lines.style.transform = `translateY(${first * LINE_PX}px)`;
    this.lines.replaceChildren(...this.runs.slice(first, last).map((run, at) => this.line(run, first + at)));
    if (focused !== undefined) this.lines.querySelector(`[data-at="${focused}"] input`)?.focus({ preventScroll: true });
  }

  line(run, at) {
    const tick = h("input", { type: "checkbox", checked: !this.left.has(run.label), disabled: run.done, onchange: () => this.turn(run.label, tick.checked) });
    const facts = [t("train.runs.steps", { n: run.steps }), t("train.runs.checkpoints", { n: run.checkpoints }), run.done && t("train.runs.done")];
    return h("li", { "data-at": at }, h("label", { title: run.label }, tick, h("span.nr", {}, number(at + 1)), h("span.what", {}, run.label), h("small", {}, facts.filter(Boolean).join(" · "))));
  }

  turn(label, on) {
    if (on) this.left.delete(label);
    else this.left.add(label);
    this.turned([...this.left]);
  }

  tickAll(on) {
    this.left = new Set(on ? [] : this.runs.filter((run) => !run.done).map((run) => run.label));
    this.drawn = "";
    this.draw();
    this.turned([...this.left]);
  }
}
