// The matrix: a row for each checkpoint below the base model, columns by prompt, seed and weight.
import { ask, Feed, MANY_FILES_MS, versionPath } from "./api.js";
import { h, Island, say } from "./island.js";
import { NO_PLACE, places } from "./place.js";
import { Viewer } from "./viewer.js";
import { count } from "./words.js";

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
    this.viewer = new Viewer(() => this.shown, () => this.matrix.columns.length);
    this.sheetViewer = new Viewer(() => [{ full: this.matrix.sheet?.full, caption: `Sheet of ${this.grid}` }]);
    this.root.append(this.bar, this.note, this.table, this.legend, this.viewer.dialog, this.sheetViewer.dialog);
    this.follow();
  }

  follow() {
    const fail = (error) => this.fail(error);
    this.grids = new Feed(this, () => (places.complete ? versionPath(places.current, "grids") : null), (answer) => this.showGrids(answer.grids), fail, MANY_FILES_MS);
    this.cells = new Feed(this, () => (this.grid === null ? null : versionPath(places.current, "grids", this.grid, "matrix")), (answer) => this.show(answer), fail, MANY_FILES_MS);
    this.on(places, "moved", () => this.move());
  }

  move() {
    this.grid = null;
    this.clear();
    this.bar.hidden = true;
    say(this.note, places.complete ? "" : NO_PLACE);
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
    const cells = new Map(matrix.cells.map((cell) => [`${cell.row} ${cell.column}`, cell]));
    const columns = matrix.columns.map((column, at) => ({ ...column, at, words: columnWords(matrix, column), apart: isApart(matrix, at) }));
    const body = matrix.rows.slice(0, this.rows).map((row, at) => this.row(row, at, columns, cells));
    this.table.replaceChildren(h("table", {}, h("thead", {}, headings(matrix, columns)), h("tbody", {}, body)));
    this.more(matrix);
    this.legend.replaceChildren(...legend(matrix));
    this.render.hidden = matrix.missing === 0 || matrix.rows.length < 2;
    say(this.render, `Render ${count(matrix.missing, "missing picture")}`);
    this.sheet.hidden = matrix.sheet === null;
    say(this.note, matrix.rows.length < 2 ? "No checkpoint has been saved yet." : "");
  }

  more(matrix) {
    const left = matrix.rows.length - this.rows;
    if (left > 0) this.table.append(h("button", { type: "button", onclick: () => this.showMore(matrix) }, `Show ${Math.min(left, ROWS_STEP)} more rows`));
  }

  showMore(matrix) {
    this.rows += ROWS_STEP;
    this.show(matrix);
  }

  row(row, at, columns, cells) {
    const head = h("th", { scope: "row" }, h("span", {}, row.run), h("small", {}, row.label));
    const groups = row.base ? groupsOf(columns) : columns.map((column) => [column]);
    const data = groups.map((group) => this.cell(row, cells.get(`${at} ${group[0].at}`), group));
    return h(row.base ? "tr.base" : "tr", {}, head, data);
  }

  cell(row, cell, group) {
    const words = row.base ? `base model, seed ${group[0].seed}` : `${row.run}, ${row.label}, ${group[0].words}`;
    const at = this.shown.push(cell?.picture ? { ...cell.picture, caption: words } : null) - 1;
    const content = cell?.picture ? this.picture(cell.picture, words, at) : h("span.missing", { role: "img", "aria-label": `${words}: not rendered` }, "not rendered");
    group.slice(1).forEach(() => this.shown.push(null));
    return h(group[0].apart ? "td.apart" : "td", { colspan: group.length > 1 ? group.length : null }, content);
  }

  picture(picture, words, at) {
    const image = h("img", { src: picture.thumb, alt: "", loading: "lazy", decoding: "async" });
    return h("button.thumb", { type: "button", "aria-label": words, title: words, onclick: () => this.viewer.open(at) }, image);
  }
}

/** Columns that share prompt and seed stand together; the base model has one picture for each such group. */
function groupsOf(columns) {
  const groups = new Map();
  for (const column of columns) {
    const key = JSON.stringify([column.prompt, column.seed]);
    groups.set(key, [...(groups.get(key) ?? []), column]);
  }
  return [...groups.values()];
}

/** Whether another prompt or seed begins here, as the sheet shows by a wider gap. */
function isApart({ columns }, at) {
  return at > 0 && (columns[at].prompt !== columns[at - 1].prompt || columns[at].seed !== columns[at - 1].seed);
}

const promptsOf = (matrix) => [...new Set(matrix.columns.map((column) => column.prompt))];

function columnWords(matrix, column) {
  const prompts = promptsOf(matrix);
  const prompt = prompts.length > 1 ? `prompt ${prompts.indexOf(column.prompt) + 1}, ` : "";
  return `${prompt}seed ${column.seed}, weight ${column.weight}`;
}

function headings(matrix, columns) {
  const prompts = promptsOf(matrix);
  const groups = groupsOf(columns);
  const corner = (words) => h("th.corner", { scope: "col" }, words);
  const th = (column) => (column.apart ? "th.apart" : "th");
  const byPrompt = prompts.map((prompt, at) => h(at ? "th.apart" : "th", { scope: "colgroup", colspan: columns.filter((column) => column.prompt === prompt).length }, `${at + 1}: ${prompt}`));
  const bySeed = groups.map((group) => h(th(group[0]), { scope: "colgroup", colspan: group.length }, `seed ${group[0].seed}`));
  const byWeight = columns.map((column) => h(th(column), { scope: "col" }, `weight ${column.weight}`));
  return [
    prompts.length > 1 ? h("tr", {}, corner(""), byPrompt) : null,
    h("tr", {}, corner(""), bySeed),
    h("tr", {}, corner("checkpoint"), byWeight),
  ];
}

function legend(matrix) {
  const prompts = promptsOf(matrix).map((prompt, at, all) => `prompt${all.length > 1 ? ` ${at + 1}` : ""}: ${prompt || "(empty)"}`);
  const how = `${matrix.sampler}, ${matrix.steps} steps, CFG ${matrix.guidance}, ${matrix.width_px}x${matrix.height_px}`;
  return [...prompts, `negative prompt: ${matrix.negative_prompt || "(empty)"}`, how].map((line) => h("span", {}, line));
}

customElements.define("tt-previews", Previews);
