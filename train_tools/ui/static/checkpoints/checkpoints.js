// The Checkpoints screen: the matrix of pictures with all that is done with it, and the question which one to take.
import { ask, Feed, MANY_FILES_MS } from "../base/api.js";
import { chartLook } from "../base/chart.js";
import { chosen } from "../base/choice.js";
import { h, Island, link, say, sheet } from "../base/island.js";
import { Notices } from "../base/notices.js";
import { places } from "../base/place.js";
import { t } from "../base/words.js";
import { brief } from "../base/scales.js";
import { fateWords } from "./cell.js";
import { Controls } from "./controls.js";
import { Details } from "./details.js";
import { Keeping } from "./keeping.js";
import { Keys } from "./keys.js";
import { called, Look } from "./look.js";
import { Making } from "./making.js";
import { Matrix } from "./matrix.js";
import { Pages } from "./pages.js";
import { Picked } from "./picked.js";
import { Prompts } from "./prompts.js";
import { Which } from "./which.js";
import { Compare, Zoom } from "./zoom.js";

const look = await sheet("checkpoints.css", import.meta.url);
const MOST_COMPARED = 6;
const PROMPT_SHOWN = 120;

class Checkpoints extends Island {
  static sheets = [look, chartLook];

  begin() {
    this.marks = [];
    this.look = new Look(this);
    this.note = h("p.note", { role: "status" });
    this.notices = new Notices();
    this.home = h("div.home", {});
    const fail = (error) => say(this.note, error.message);
    this.pages = new Pages(this, this.look, fail);
    this.making = new Making(this.look, () => this.refresh(), (error) => this.notices.refuse(error));
    this.details = new Details(this.look, () => this.refresh());
    this.prompts = new Prompts(this.look, () => this.refresh());
    this.picked = new Picked(this.look, this.home, this.notices, this.details, () => this.refresh());
    this.keeping = new Keeping(this.look, (parting) => this.picked.gone(parting));
    this.keys = new Keys();
    this.matrix = new Matrix(this.pages, this.acts(), { isPicked: (seen) => seen !== null && this.look.picks.has(called(seen)), markOf: (key) => this.marks.findIndex((mark) => mark.key === key) + 1 });
    this.controls = new Controls(this.look, (size) => this.matrix.resize(size));
    this.zoom = new Zoom(this.acts(), (right, down) => this.step(right, down));
    this.compare = new Compare(this.acts());
    this.which = new Which(this, this.look, this.notices, { pick: (one) => this.look.pick(called(one), true), see: (one) => this.see(one) });
    this.lay();
    this.follow(fail);
    this.matrix.resize(Number(chosen("size of checkpoint cells", "160")));
  }

  lay() {
    const view = (name) => h("button.tab", { type: "button", "aria-pressed": "false", "data-view": name, onclick: () => this.look.note({ view: name === "pictures" ? null : name }) }, t(`checkpoints.views.${name}`));
    const act = (words, run) => h("button", { type: "button", onclick: run }, words);
    this.views = [view("pictures"), view("which")];
    this.sheet = h("a.button", { target: "_blank", hidden: true }, t("checkpoints.sheet"));
    this.head = h("div.line", {}, h("span.tabs", { role: "group", "aria-label": t("checkpoints.show") }, this.views), h("span.acts", {}, act(t("checkpoints.prompts.open"), () => this.prompts.open()), act(t("checkpoints.keep_best"), () => this.keeping.open()), this.sheet, h("button", { type: "button", "aria-label": t("checkpoints.keys"), title: t("checkpoints.keys"), onclick: () => this.keys.open() }, "?")));
    this.same = h("p.same", {});
    this.marked = h("div.marked", { hidden: true });
    this.none = h("p.note", { role: "status" });
    this.pictures = h("div.pictures", {}, this.controls.element, this.making.element, this.same, this.none, this.matrix.element, this.legend());
    this.empty = h("div.empty", { hidden: true }, h("p", {}, t("checkpoints.empty")), h("p", {}, h("small", {}, t("checkpoints.empty_more"))), h("p.acts", {}, link({ screen: "queue" }, "a.button", {}, t("checkpoints.to_queue")), link({ screen: "train" }, "a.button", {}, t("checkpoints.to_train"))));
    this.whole = h("div.whole", { hidden: true }, this.head, this.pictures, this.which.element);
    const dialogs = [this.zoom.dialog, this.compare.dialog, this.details.sheet.dialog, this.prompts.sheet.dialog, this.keeping.sheet.dialog, this.keys.dialog];
    this.root.append(this.note, this.empty, this.whole, h("div.foot", {}, this.marked, this.picked.element), this.home, ...dialogs, this.notices.element);
  }

  legend() {
    this.told = h("div.told-once", {});
    return h("details.legend", {}, h("summary", {}, t("checkpoints.settings_told")), this.told);
  }

  follow(fail) {
    const of = (...rest) => (this.look.inSight && this.look.complete ? this.look.of(...rest) : null);
    this.grids = new Feed(this, () => of("grids"), (answer) => this.showGrids(answer.grids), fail, MANY_FILES_MS);
    this.runs = new Feed(this, () => (this.look.grid === null ? null : of("grids", this.look.grid, "runs")), (answer) => this.showRuns(answer.runs), fail, MANY_FILES_MS);
    this.on(places, "moved", () => this.move());
    this.look.addEventListener("changed", () => this.show());
    this.look.addEventListener("turned", () => this.runs.now());
    this.pages.addEventListener("turned", () => this.show());
    this.pages.addEventListener("changed", () => this.show());
    this.matrix.element.addEventListener("keydown", (event) => this.key(event));
    if (!this.look.complete) say(this.note, t("bar.no_place"));
  }

  /** Another version. */
  move() {
    this.marks = [];
    this.look.grids = [];
    this.grids.known = null;
    this.pages.forget();
    [this.whole.hidden, this.empty.hidden] = [true, true];
    say(this.note, this.look.complete ? "" : t("bar.no_place"));
    this.grids.now();
  }

  showGrids(names) {
    say(this.note, "");
    this.empty.hidden = names.length > 0;
    this.whole.hidden = names.length === 0;
    this.look.known(names);
  }

  showRuns(runs) {
    this.controls.runs = runs;
    this.controls.show();
    this.making.offer(runs);
  }

  refresh() {
    this.pages.refresh();
    this.runs.now();
  }

  show() {
    const which = this.look.view === "which";
    for (const button of this.views) button.setAttribute("aria-pressed", String(button.dataset.view === this.look.view));
    this.pictures.hidden = which;
    this.which.element.hidden = !which;
    if (which) this.which.turn();
    const { head } = this.pages;
    if (!head) return;
    this.controls.axes.show(head);
    this.making.show(head, head.missing);
    this.showSame(head);
    this.showMarked();
    this.sheet.hidden = head.sheet === null;
    if (head.sheet) this.sheet.href = head.sheet.full;
    this.told.replaceChildren(...[...head.told_once, ...head.notes].map((line) => h("p", {}, line)));
    say(this.none, this.nothing(head));
    if (!which) this.matrix.lay();
  }

  nothing(head) {
    if (head.shown) return "";
    return this.look.filtered ? t("checkpoints.nothing_fits") : t("checkpoints.not_yet");
  }

  /** What can be compared with what. */
  showSame(head) {
    const side = (axis) => (head.row_axes.some((each) => each.name === axis) ? t("checkpoints.each_row") : t("checkpoints.each_column"));
    const prompt = head.prompts.length < 2 ? t("checkpoints.same_prompt", { prompt: short(head.prompts[0] ?? "–") }) : t("checkpoints.several_prompts", { n: head.prompts.length, side: side("prompt") });
    const seed = head.seeds.length < 2 ? t("checkpoints.same_seed", { seed: head.seeds[0] ?? "–" }) : t("checkpoints.several_seeds", { n: head.seeds.length, side: side("seed") });
    const rows = t("checkpoints.rows_shown", { n: head.shown });
    say(this.same, `${prompt} ${seed} ${rows}`);
  }

  showMarked() {
    this.marked.hidden = this.marks.length === 0;
    const mark = (each, at) => h("li", {}, h("button.quiet", { type: "button", title: each.caption, "aria-label": t("checkpoints.unmark", { name: each.caption }), onclick: () => this.mark(each) }, h("b", {}, String(at + 1)), h("img", { src: each.picture.thumb, alt: "" })));
    this.marked.replaceChildren(h("ul", {}, this.marks.map(mark)), h("button.primary", { type: "button", disabled: this.marks.length < 2, onclick: () => this.openCompare() }, t("checkpoints.compare_n", { n: this.marks.length })), h("button.quiet", { type: "button", onclick: () => this.unmarkAll() }, t("checkpoints.unmark_all")));
  }

  // What is done with a place of the matrix

  acts() {
    return {
      corner: () => t("checkpoints.corner"),
      open: (place) => this.open(place),
      mark: (place) => this.markCurrent(place),
      pick: (seen, on) => this.back(() => this.look.pick(called(seen), on)),
      pickCurrent: () => this.pickCurrent(),
      rate: (seen, rating) => this.back(() => this.patch(seen, { rating })),
      pin: (seen) => this.back(() => this.patch(seen, { pinned: !seen.pinned })),
      details: (seen) => this.details.open(called(seen)),
      detailsOfCurrent: () => this.withCurrent((seen) => this.details.open(called(seen))),
      unmarkAll: () => this.unmarkAll(),
      focus: () => this.matrix.element.focus(),
      current: () => this.shown(),
      told: (shown) => this.factsOf(shown),
      key: (event) => this.act(event),
    };
  }

  /** What zoom and marks show of the current place. */
  shown(place = this.place ?? 0) {
    const at = this.matrix.cellAt();
    if (!at) return null;
    const cell = at.cells[place] ?? at.cells[0] ?? null;
    return { key: cell?.key ?? null, picture: cell?.picture ?? null, caption: at.words, seen: cell?.seen ?? at.row.seen, cell };
  }

  factsOf(shown) {
    if (!shown?.seen) return "";
    const { seen } = shown;
    const parts = [seen.rating ? "★".repeat(seen.rating) : null, seen.step ? t("checkpoints.step", { n: seen.step }) : null, seen.loss === null ? null : t("checkpoints.loss", { loss: brief(seen.loss) }), this.look.picks.has(called(seen)) ? t("checkpoints.is_picked") : null, this.marks.some((mark) => mark.key === shown.key) ? t("checkpoints.is_marked") : null];
    return parts.filter(Boolean).join(" · ");
  }

  open(place = 0) {
    this.place = place;
    const shown = this.shown();
    if (!shown?.cell) return;
    if (shown.picture) this.zoom.open(shown);
    else if (shown.cell.fate === "missing" || shown.cell.fate === "failed") this.making.some([shown.cell.key]);
    else this.notices.tell(fateWords(shown.cell));
  }

  async step(right, down) {
    const { row, column } = this.matrix.at;
    this.matrix.go(row + down, column + right);
    if (this.matrix.at.row >= 0) await this.pages.arrived(this.matrix.at.row);
    this.matrix.draw();
    return this.shown();
  }

  /** What a click on a row's heading does; keys go on where they were. */
  back(act) {
    act();
    this.matrix.element.focus({ preventScroll: true });
  }

  withCurrent(act) {
    const seen = this.shown()?.seen;
    if (seen?.own) act(seen);
  }

  pickCurrent() {
    this.withCurrent((seen) => this.look.pick(called(seen)));
  }

  markCurrent(place) {
    const shown = this.shown(place);
    if (shown?.picture) this.mark(shown);
  }

  mark(shown) {
    const there = this.marks.some((mark) => mark.key === shown.key);
    if (!there && this.marks.length === MOST_COMPARED) return this.notices.tell(t("checkpoints.most_compared", { n: MOST_COMPARED }));
    this.marks = there ? this.marks.filter((mark) => mark.key !== shown.key) : [...this.marks, shown];
    this.show();
  }

  unmarkAll() {
    this.marks = [];
    this.show();
  }

  openCompare() {
    if (this.marks.length < 2) return this.notices.tell(t("checkpoints.mark_two"));
    if (this.zoom.dialog.open) this.zoom.dialog.close();
    this.compare.open(this.marks);
  }

  async patch(seen, change) {
    try {
      await ask(this.look.of("checkpoints", seen.run, seen.name), { method: "PATCH", body: change });
      this.refresh();
    } catch (error) {
      this.notices.refuse(error);
    }
  }

  /** Leads to a checkpoint's pictures. */
  see(one) {
    this.look.note({ view: null, run: one.run, text: one.name, sort: null, descending: null, rated: null, loss_below: null, steps_from: null, steps_to: null });
  }

  // Keys

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.matrix.element) return;
    if (this.wander(event.key) || this.act(event)) event.preventDefault();
  }

  wander(key) {
    const { row, column } = this.matrix.at;
    const far = this.matrix.screenful;
    const to = { ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1], PageUp: [row - far, column], PageDown: [row + far, column], Home: [0, column], End: [this.pages.length - 1, column] }[key];
    if (to) this.matrix.go(...to);
    return Boolean(to);
  }

  /** What a key does, in the matrix and in the zoom alike. Whether it does something. */
  act(event) {
    const key = event.key.toLowerCase();
    const done = {
      " ": () => this.open(),
      enter: () => this.pickCurrent(),
      c: () => this.markCurrent(),
      x: () => this.openCompare(),
      m: () => this.makeCurrent(),
      p: () => this.withCurrent((seen) => this.patch(seen, { pinned: !seen.pinned })),
      i: () => this.withCurrent((seen) => this.details.open(called(seen))),
      "+": () => this.controls.sized(this.matrix.size + 16),
      "=": () => this.controls.sized(this.matrix.size + 16),
      "-": () => this.controls.sized(this.matrix.size - 16),
      "?": () => this.keys.open(),
    }[key];
    if (done) done();
    else if (/^[0-5]$/.test(key)) this.withCurrent((seen) => this.patch(seen, { rating: Number(key) }));
    else return false;
    event.preventDefault();
    return true;
  }

  makeCurrent() {
    const keys = (this.matrix.cellAt()?.cells ?? []).filter((cell) => cell.fate === "missing" || cell.fate === "failed").map((cell) => cell.key);
    if (keys.length) this.making.some(keys);
  }
}

/** As much of a prompt as a line of words can hold. */
const short = (prompt) => (prompt.length > PROMPT_SHOWN ? `${prompt.slice(0, PROMPT_SHOWN)}…` : prompt);

customElements.define("tt-checkpoints", Checkpoints);
