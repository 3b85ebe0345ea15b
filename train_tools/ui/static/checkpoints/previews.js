// The matrix: rows and columns as the version's settings arrange them, the base model first.
import { ask, Feed, MANY_FILES_MS, versionPath } from "../base/api.js";
import { h, Island, say } from "../base/island.js";
import { places } from "../base/place.js";
import { Viewer } from "../base/viewer.js";
import { count, duration, t } from "../base/words.js";

const ROWS_STEP = 100;

class Previews extends Island {
  begin() {
    Object.assign(this, { grid: null, shown: [], matrix: null, rows: ROWS_STEP });
    this.note = h("p.note", { role: "status" });
    this.choice = h("select", { onchange: () => this.choose(this.choice.value) });
    this.render = h("button", { type: "button", hidden: true, onclick: () => this.renderMissing() });
    this.sheet = h("button", { type: "button", hidden: true, onclick: () => this.sheetViewer.open(0) }, "As one picture");
    this.bar = h("div.bar", { hidden: true }, h("label", {}, "Grid ", this.choice), this.sheet, this.render);
    this.table = h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Preview matrix" });
    this.legend = h("p.legend", {});
    this.viewer = new Viewer(() => this.shown, () => this.matrix.columns.length * this.perCell);
    this.sheetViewer = new Viewer(() => [{ full: this.matrix.sheet?.full, caption: `Sheet of ${this.grid}` }]);
    this.root.append(this.bar, this.note, this.table, this.legend, this.viewer.dialog, this.sheetViewer.dialog);
    this.follow();
  }

  follow() {
    const fail = (error) => this.fail(error);
    this.grids = new Feed(this, () => (places.complete ? versionPath(places.current, "grids") : null), (answer) => this.showGrids(answer.grids), fail, MANY_FILES_MS);
    this.cells = new Feed(this, () => (this.grid === null ? null : `${versionPath(places.current, "grids", this.grid, "matrix")}?count=${this.rows}`), (answer) => this.show(answer), fail, MANY_FILES_MS);
    this.on(places, "moved", () => this.move());
  }

  move() {
    this.grid = null;
    this.clear();
    this.bar.hidden = true;
    say(this.note, places.complete ? "" : t("bar.no_place"));
    this.grids.known = null;
    this.grids.now();
  }

  clear() {
    this.matrix = null;
    this.shown = [];
    this.table.replaceChildren();
    this.legend.replaceChildren();
  }

  fail(error) {
    say(this.note, error.message);
  }

  showGrids(names) {
    this.bar.hidden = names.length === 0;
    this.choice.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
    if (!names.length) return say(this.note, "No previews yet. They appear here as soon as a run has saved its first checkpoint and its pictures are rendered.");
    say(this.note, "");
    this.choose(names.includes(this.grid) ? this.grid : names[0]);
  }

  choose(name) {
    if (name !== this.grid) this.rows = ROWS_STEP;
    this.grid = name;
    this.choice.value = name;
    this.cells.now();
  }

  async renderMissing() {
    this.render.disabled = true;
    try {
      await ask(versionPath(places.current, "grids", this.grid, "render"), { method: "POST" });
      say(this.note, "Rendering is in the queue.");
    } catch (error) {
      this.fail(error);
    }
    this.render.disabled = false;
  }

  show(matrix) {
    this.matrix = matrix;
    this.shown = [];
    this.perCell = 1 + matrix.cells.reduce((most, cell) => Math.max(most, cell.place), 0);
    const cells = new Map();
    for (const cell of matrix.cells) cells.set(`${cell.row} ${cell.column}`, [...(cells.get(`${cell.row} ${cell.column}`) ?? []), cell]);
    const columns = matrix.columns.map((column, at) => ({ ...column, at, words: columnWords(matrix, column), apart: isApart(matrix, at) }));
    const body = matrix.rows.map((row, at) => this.row(row, at, columns, cells));
    this.table.replaceChildren(h("table", {}, h("thead", {}, headings(matrix, columns)), h("tbody", {}, body)));
    this.more(matrix);
    this.legend.replaceChildren(...legend(matrix));
    this.render.hidden = matrix.missing === 0 || matrix.rows.length < 2;
    say(this.render, `Render ${count(matrix.missing, "missing picture")}`);
    this.sheet.hidden = matrix.sheet === null;
    say(this.note, matrix.rows.length < 2 && matrix.columns.length < 2 ? "No checkpoint has been saved yet." : "");
    if (matrix.missing > 0 && matrix.rows.length > 1) this.tellCost();
  }

  /** How many are missing in all, and how long they would take here. */
  async tellCost() {
    const grid = this.grid;
    try {
      const { pictures, seconds } = await ask(versionPath(places.current, "grids", grid, "missing"));
      if (grid === this.grid && pictures) say(this.render, `Render ${count(pictures, "missing picture")}${seconds === null ? "" : `, ${duration(seconds)}`}`);
    } catch (error) {
      this.fail(error);
    }
  }

  more(matrix) {
    const left = matrix.checkpoints - this.rows;
    if (left > 0) this.table.append(h("button", { type: "button", onclick: () => this.showMore() }, `Show ${Math.min(left, ROWS_STEP)} more checkpoints`));
  }

  showMore() {
    this.rows += ROWS_STEP;
    this.cells.now();
  }

  row(row, at, columns, cells) {
    const [run, ...rest] = row.values.map((value) => value.text);
    const head = h("th", { scope: "row" }, h("span", {}, run), h("small", {}, rest.filter(Boolean).join(", ")));
    const groups = row.base ? groupsOf(columns) : columns.map((column) => [column]);
    const words = row.base ? "base model" : [run, ...rest].filter(Boolean).join(", ");
    const data = groups.map((group) => this.cell(words, cells.get(`${at} ${group[0].at}`), group, row.base));
    return h(row.base ? "tr.base" : "tr", {}, head, data);
  }

  cell(row, found, group, isBase) {
    const words = `${row}, ${isBase ? group[0].words.replace(/, weight [^,]*$/, "") : group[0].words}`;
    const content = (found ?? []).map((cell) => this.content(cell, words));
    for (let empty = content.length; empty < group.length * this.perCell; empty++) this.shown.push(null);
    return h(group[0].apart ? "td.apart" : "td", { colspan: group.length > 1 ? group.length : null }, content);
  }

  content(cell, words) {
    const at = this.shown.push(cell.picture ? { ...cell.picture, caption: words } : null) - 1;
    if (cell.picture) return this.picture(cell.picture, words, at);
    return h("span.missing", { role: "img", "aria-label": `${words}: not rendered` }, "not rendered");
  }

  picture(picture, words, at) {
    const image = h("img", { src: picture.thumb, alt: "", loading: "lazy", decoding: "async" });
    return h("button.thumb", { type: "button", "aria-label": words, title: words, onclick: () => this.viewer.open(at) }, image);
  }
}

const OF_LORA = ["run", "checkpoint", "weight"];

/** What a column says of an axis. */
const said = (column, axis) => column.values.find((value) => value.axis === axis)?.text;

/** What a column shares with those it stands close to: all that the base model has as well. */
const groupKey = (column, upTo = column.values.length) => JSON.stringify(column.values.slice(0, upTo).filter((value) => !OF_LORA.includes(value.axis)).map((value) => value.text));

/** Columns that stand together; the base model has one picture for each such group. */
function groupsOf(columns) {
  const groups = new Map();
  for (const column of columns) groups.set(groupKey(column), [...(groups.get(groupKey(column)) ?? []), column]);
  return [...groups.values()];
}

/** Whether another group begins here, as the sheet shows by a wider gap. */
function isApart({ columns }, at) {
  return at > 0 && groupKey(columns[at]) !== groupKey(columns[at - 1]);
}

const promptsOf = (matrix) => [...new Set(matrix.columns.map((column) => said(column, "prompt")))].filter((prompt) => prompt !== undefined);

function valueWords(matrix, value, short) {
  if (value.axis === "prompt") return short ? `prompt ${promptsOf(matrix).indexOf(value.text) + 1}` : `${promptsOf(matrix).indexOf(value.text) + 1}: ${value.text}`;
  return value.text && value.words ? `${value.words} ${value.text}` : value.text;
}

function columnWords(matrix, column) {
  const told = column.values.filter((value) => value.text && (value.axis !== "prompt" || promptsOf(matrix).length > 1));
  return told.map((value) => valueWords(matrix, value, true)).join(", ");
}

/** A row of headings for each axis, a heading over all columns that agree so far. Of prompts, one alone is told below. */
function headings(matrix, columns) {
  const axes = columns[0]?.values.map((value) => value.axis) ?? [];
  const shown = axes.map((axis, at) => at).filter((at) => axes[at] !== "prompt" || promptsOf(matrix).length > 1);
  return shown.map((at) => {
    const spans = [];
    for (const column of columns) {
      const key = JSON.stringify(column.values.slice(0, at + 1).map((value) => value.text));
      if (spans.at(-1)?.key === key) spans.at(-1).columns.push(column);
      else spans.push({ key, columns: [column] });
    }
    const last = at === shown.at(-1);
    const cells = spans.map(({ columns: over }) => h(over[0].apart ? "th.apart" : "th", { scope: over.length > 1 ? "colgroup" : "col", colspan: over.length }, valueWords(matrix, over[0].values[at], false)));
    return h("tr", {}, h("th.corner", { scope: "col" }, last ? (matrix.rows.at(-1)?.values.at(-1)?.axis ?? "") : ""), cells);
  });
}

const legend = (matrix) => [...matrix.told_once, ...matrix.notes].map((line) => h("span", {}, line));

customElements.define("tt-previews", Previews);
