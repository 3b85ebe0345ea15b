// What is looked at, chosen: grid, run, order, filter, size of the cells; and the axes of rows and columns.
import { h } from "../base/island.js";
import { choose, chosen } from "../base/choice.js";
import { t } from "../base/words.js";
import { LARGEST, SMALLEST } from "./matrix.js";

const SORTS = ["", "name", "step", "loss", "rating"];
const TYPED_MS = 300;
const SIZE = "size of checkpoint cells";

export class Controls {
  constructor(look, resized) {
    Object.assign(this, { look, resized, runs: [] });
    const note = (name) => (event) => look.note({ [name]: event.target.value });
    this.grid = h("select", { onchange: () => look.note({ grid: this.grid.value, run: null, picked: null }) });
    this.run = h("select", { onchange: note("run") });
    this.sort = h("select", { onchange: note("sort") }, SORTS.map((each) => h("option", { value: each }, t(`checkpoints.sorts.${each || "training"}`))));
    this.down = h("button.quiet.turn", { type: "button", "aria-label": t("checkpoints.descending"), title: t("checkpoints.descending"), onclick: () => look.note({ descending: look.query.descending ? null : "true" }) });
    this.text = typed("search", look, "text", { placeholder: t("checkpoints.search"), "aria-label": t("checkpoints.search") });
    this.rated = h("select", { onchange: note("rated") }, [0, 1, 2, 3, 4, 5].map((stars) => h("option", { value: stars || "" }, stars ? t("checkpoints.from_stars", { n: stars }) : t("checkpoints.any_rating"))));
    this.loss = typed("number", look, "loss_below", { step: "any", min: "0" });
    this.from = typed("number", look, "steps_from", { min: "0" });
    this.to = typed("number", look, "steps_to", { min: "0" });
    this.clear = h("button.quiet", { type: "button", onclick: () => look.clear() }, t("checkpoints.clear_filter"));
    this.size = h("input", { type: "range", min: SMALLEST, max: LARGEST, step: "8", value: chosen(SIZE, "160"), oninput: () => this.sized() });
    this.axes = new Axes(look);
    this.element = h("div.choices", {}, this.what(), h("div.line.tight.unfolding", {}, this.filter(), this.axes.element));
    look.addEventListener("changed", () => this.show());
  }

  what() {
    return h("div.line.tight", {}, labelled(t("checkpoints.grid"), this.grid), labelled(t("checkpoints.run"), this.run), h("span.joined", {}, labelled(t("checkpoints.order"), this.sort), this.down), labelled(t("checkpoints.size"), this.size), this.text);
  }

  filter() {
    const limits = h("div.line.tight", {}, labelled(t("checkpoints.rated"), this.rated), labelled(t("checkpoints.loss_below"), this.loss), labelled(t("checkpoints.steps_from"), this.from), labelled(t("checkpoints.steps_to"), this.to), this.clear);
    this.more = h("details.more", { open: this.look.filtered }, h("summary", {}, t("checkpoints.filter")), limits);
    return this.more;
  }

  sized(size = Number(this.size.value)) {
    this.size.value = size;
    choose(SIZE, String(size));
    this.resized(size);
  }

  show() {
    const { query, grids, grid } = this.look;
    fill(this.grid, grids.map((name) => [name, name]), grid ?? "");
    fill(this.run, [["", t("checkpoints.all_runs")], ...this.runs.map((run) => [run.name, run.label])], query.run ?? "");
    this.sort.value = query.sort ?? "";
    this.down.textContent = query.descending ? "↓" : "↑";
    this.down.setAttribute("aria-pressed", String(Boolean(query.descending)));
    this.rated.value = query.rated ?? "";
    for (const [field, name] of [[this.text, "text"], [this.loss, "loss_below"], [this.from, "steps_from"], [this.to, "steps_to"]]) if (!field.matches(":focus")) field.value = query[name] ?? "";
    this.clear.hidden = !this.look.filtered;
    if (this.look.filtered && !query.text) this.more.open = true;
  }
}

/** A field that the address follows a moment after the last key. */
function typed(type, look, name, attributes) {
  let timer = 0;
  const field = h("input", { type, ...attributes, oninput: () => wait(), onchange: () => tell() });
  const tell = () => {
    clearTimeout(timer);
    look.note({ [name]: field.value.trim() });
  };
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(tell, TYPED_MS);
  };
  return field;
}

const labelled = (words, field) => h("label", {}, h("span", {}, words), field);

function fill(select, options, value) {
  const wanted = options.some(([each]) => each === value) ? options : [...options, [value, value]];
  if (JSON.stringify(wanted) !== select.dataset.options) {
    select.dataset.options = JSON.stringify(wanted);
    select.replaceChildren(...wanted.map(([each, words]) => h("option", { value: each }, words)));
  }
  select.value = value;
}

/** Rows and columns by axes: each is a chip that can be dragged, or moved by its keys. */
class Axes {
  constructor(look) {
    this.look = look;
    this.sides = { rows: h("span.chips", { "data-side": "rows" }), columns: h("span.chips", { "data-side": "columns" }) };
    this.offered = h("span.chips", {});
    this.reset = h("button.quiet", { type: "button", onclick: () => look.note({ rows: null, columns: null }) }, t("checkpoints.axes_reset"));
    const side = (name) => h("span.side", { role: "group", "aria-label": t(`checkpoints.${name}`), ondragover: (event) => event.preventDefault(), ondrop: (event) => this.drop(event, name) }, h("span", {}, t(`checkpoints.${name}`)), this.sides[name]);
    this.hint = h("small", {}, t("checkpoints.axes_hint"));
    this.element = h("details.axes", { open: Boolean(look.query.rows || look.query.columns) }, h("summary", {}, t("checkpoints.axes")), h("div.line.tight", {}, side("rows"), side("columns"), this.offered, this.reset), this.hint);
  }

  show(head) {
    const names = (axes) => axes.filter((axis) => axis.name !== "source").map((axis) => axis.name);
    this.now = { rows: names(head.row_axes), columns: names(head.column_axes) };
    this.words = new Map([...head.axes, ...head.row_axes, ...head.column_axes].map((axis) => [axis.name, axisWords(axis)]));
    const key = JSON.stringify([this.now, [...this.words.keys()]]);
    if (key === this.shown) return;
    this.shown = key;
    for (const side of ["rows", "columns"]) this.sides[side].replaceChildren(...this.now[side].map((name, at) => this.chip(name, side, at)));
    const out = [...this.words.keys()].filter((name) => name !== "source" && !this.now.rows.includes(name) && !this.now.columns.includes(name));
    this.offered.replaceChildren(...out.map((name) => h("button.quiet.chip.out", { type: "button", onclick: () => this.add(name) }, `+ ${this.words.get(name)}`)));
    this.reset.hidden = !this.look.query.rows && !this.look.query.columns;
    if (this.moved) this.element.querySelector(`[data-axis="${CSS.escape(this.moved)}"]`)?.focus();
    this.moved = null;
  }

  /** An option that tells runs apart takes the place of the run's own name. */
  add(name) {
    this.put(name, "rows", OWN_WORDS[name] ? Infinity : 0, OWN_WORDS[name] ? null : "run");
  }

  chip(name, side, at) {
    return h("button.quiet.chip", { type: "button", draggable: "true", "data-axis": name, "aria-label": t("checkpoints.axis", { name: this.words.get(name), side: t(`checkpoints.${side}`) }), title: t("checkpoints.axes_hint"), ondragstart: (event) => event.dataTransfer.setData("text/plain", name), onclick: () => this.put(name, side === "rows" ? "columns" : "rows"), onkeydown: (event) => this.key(event, name, side, at) }, this.words.get(name));
  }

  key(event, name, side, at) {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (way === undefined || !event.altKey) return;
    event.preventDefault();
    this.put(name, side, at + way);
  }

  drop(event, side) {
    event.preventDefault();
    const name = event.dataTransfer.getData("text/plain");
    if (!this.words.has(name)) return;
    const chips = [...this.sides[side].children];
    const before = chips.findIndex((chip) => event.clientX < chip.getBoundingClientRect().left + chip.offsetWidth / 2);
    this.put(name, side, before < 0 ? chips.length : before);
  }

  /** What the address asks for, else what is shown. */
  get wanted() {
    const { rows, columns } = this.look.query;
    return rows || columns ? { rows: (rows ?? "").split(",").filter(Boolean), columns: (columns ?? "").split(",").filter(Boolean) } : this.now;
  }

  put(name, side, at = Infinity, instead = null) {
    const without = (axes) => axes.filter((each) => each !== name && each !== instead);
    const next = { rows: without(this.wanted.rows), columns: without(this.wanted.columns) };
    next[side].splice(Math.max(0, at), 0, name);
    this.moved = name;
    this.look.note({ rows: next.rows.join(","), columns: next.columns.join(",") });
  }
}

const OWN_WORDS = { run: "checkpoints.run", checkpoint: "checkpoints.checkpoint" };
const axisWords = (axis) => (OWN_WORDS[axis.name] ? t(OWN_WORDS[axis.name]) : axis.words || axis.name);
