// The grid of pictures: only what is in sight is in the page, whatever the number of rows and columns.
import { h } from "../base/island.js";
import { t } from "../base/words.js";
import { Cell, columnWords, RowHead, rowWords, valueWords, warning } from "./cell.js";

export const SMALLEST = 56;
export const LARGEST = 512;
const GAP = 4;
const MOST_CELLS = 150;
const IMAGES_AFTER_MS = 90;
const LEVEL_PX = 20;
/** Browsers place nothing much further down. */
const BIGGEST_PX = 15_000_000;

export class Matrix {
  /** `pages` give rows; `acts` say what a click or a key means: {open, pick, rate, make, ...}; `state` has marks and picks. */
  constructor(pages, acts, state) {
    Object.assign(this, { pages, acts, state, size: 160, at: { row: 0, column: 0 }, rows: new Map(), pinned: [], frame: 0, images: 0 });
    this.extent = h("div.extent", { "aria-hidden": "true" });
    this.heads = h("div.heads", { role: "rowgroup" });
    this.base = h("div.base", { role: "rowgroup" });
    this.body = h("div.body", { role: "rowgroup" });
    this.element = h("div.grid", { role: "grid", tabindex: "0", "aria-label": t("checkpoints.matrix"), "aria-multiselectable": "true" }, this.extent, this.heads, this.base, this.body);
    this.element.addEventListener("scroll", () => this.plan(), { passive: true });
    this.element.addEventListener("click", (event) => this.click(event));
    new ResizeObserver(() => this.lay()).observe(this.element);
    pages.addEventListener("turned", () => this.turn());
    pages.addEventListener("changed", () => this.lay());
  }

  turn() {
    this.element.scrollTo(0, 0);
    this.at = { row: this.pages.base.length && this.pages.length === 0 ? -1 : 0, column: 0 };
    this.lay();
  }

  resize(size) {
    this.size = Math.round(Math.min(LARGEST, Math.max(SMALLEST, size)));
    this.lay();
  }

  // Measures

  get headHeight() {
    return Math.max(1, this.levels?.length ?? 1) * LEVEL_PX + 8;
  }

  get width() {
    return this.cell + GAP;
  }

  get top() {
    return this.headHeight + this.pages.base.length * this.width;
  }

  /** How large cells are: as chosen, or larger where a wide screen would hold more than is good. */
  measured() {
    const { clientWidth, clientHeight } = this.element;
    for (let cell = this.size; ; cell += 4) {
      const across = Math.min(this.pages.columns.length, Math.ceil((clientWidth - this.headWidth) / (cell + GAP)) + 1);
      const down = Math.ceil((clientHeight - this.headHeight) / (cell + GAP)) + 1;
      if (across * down <= MOST_CELLS || cell >= LARGEST) return cell;
    }
  }

  // Drawing

  /** Draws everything anew: sizes, columns or contents have changed. */
  lay() {
    this.headWidth = this.element.clientWidth < 560 ? 112 : 208;
    this.levels = shownLevels(this.pages.columns);
    this.cell = this.measured();
    this.apart = groupStarts(this.pages.columns);
    const width = this.headWidth + this.pages.columns.length * this.width;
    const height = Math.min(BIGGEST_PX, this.top + this.pages.length * this.width);
    this.element.style.setProperty("--cell", `${this.cell}px`);
    this.element.style.setProperty("--head", `${this.headWidth}px`);
    this.element.style.setProperty("--heads", `${this.headHeight}px`);
    this.element.classList.toggle("small", this.cell < 110);
    this.element.classList.toggle("tiny", this.cell < 76);
    Object.assign(this.extent.style, { width: `${width}px`, height: `${height}px` });
    for (const part of [this.heads, this.base, this.body]) part.style.width = `${width}px`;
    this.element.setAttribute("aria-rowcount", this.pages.base.length + this.pages.length + 1);
    this.element.setAttribute("aria-colcount", this.pages.columns.length + 1);
    this.geometry = JSON.stringify([this.cell, this.headWidth, this.top, this.pages.columns.map((column) => column.key)]);
    this.pin();
    this.draw(true);
  }

  /** The base model's rows, above all others. */
  pin() {
    const kept = this.pinned;
    this.pinned = this.pages.base.map((content, at) => {
      const number = at - this.pages.base.length;
      return kept[at]?.shows(content, number) ? kept[at] : new Row(this, content, number);
    });
    for (const row of kept) if (!this.pinned.includes(row)) row.remove();
    this.pinned.forEach((row, at) => this.base.children[at] !== row.element && this.base.insertBefore(row.element, this.base.children[at] ?? null));
    this.base.hidden = this.pinned.length === 0;
  }

  plan() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
    clearTimeout(this.images);
    this.images = setTimeout(() => this.paint(), IMAGES_AFTER_MS);
  }

  get inSight() {
    const { scrollTop, scrollLeft, clientWidth, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / this.width));
    const last = Math.min(this.pages.length - 1, Math.floor((scrollTop + clientHeight - this.top - 1) / this.width));
    const from = Math.max(0, Math.floor(scrollLeft / this.width));
    const to = Math.min(this.pages.columns.length - 1, Math.floor((scrollLeft + clientWidth - this.headWidth - 1) / this.width));
    return { first, last, from, to };
  }

  draw(anew = false) {
    this.frame = 0;
    const { first, last, from, to } = this.inSight;
    if (last >= first) this.pages.want(first, last);
    for (const [number, row] of this.rows) if (number < first || number > last) this.drop(number, row);
    for (let number = first; number <= last; number++) this.put(number).draw(from, to);
    for (const row of this.pinned) row.draw(from, to);
    if (anew || from !== this.drawnFrom || to !== this.drawnTo) this.drawHeads(from, to);
    Object.assign(this, { drawnFrom: from, drawnTo: to });
    this.point();
    if (anew) this.paint();
  }

  drop(number, row) {
    row.remove();
    this.rows.delete(number);
  }

  put(number) {
    const content = this.pages.row(number);
    let row = this.rows.get(number);
    if (row && !row.shows(content, number)) {
      this.drop(number, row);
      row = null;
    }
    if (!row) {
      row = new Row(this, content, number);
      this.rows.set(number, row);
      const next = [...this.body.children].find((each) => Number(each.dataset.row) > number);
      this.body.insertBefore(row.element, next ?? null);
    }
    return row;
  }

  /** What costs requests waits until scrolling has ended: pages that are not here, and pictures. */
  paint() {
    this.pages.fetch();
    for (const row of [...this.pinned, ...this.rows.values()]) row.paint();
  }

  /** Headings: one over all columns that agree so far. */
  drawHeads(from, to) {
    const row = h("div.heading", { role: "row", "aria-rowindex": "1" }, h("div.corner", { role: "columnheader", "aria-colindex": "1" }, this.acts.corner()));
    for (const [at, level] of this.levels.entries()) {
      const last = at === this.levels.length - 1;
      for (const span of level.filter((each) => each.to >= from && each.from <= to)) {
        const style = `left:${this.headWidth + span.from * this.width}px;width:${(span.to - span.from + 1) * this.width - GAP}px;top:${at * LEVEL_PX + 4}px`;
        const warns = last && this.pages.columns[span.from].differs;
        row.append(h("div.columnhead", { role: "columnheader", "aria-colindex": span.from + 2, "aria-colspan": span.to > span.from ? span.to - span.from + 1 : null, style, title: span.text }, h("span", {}, warns?.length ? warning(warns) : null, span.text)));
      }
    }
    this.heads.replaceChildren(row);
  }

  // The cell that keys act on

  rowAt(number) {
    return number < 0 ? this.pages.base[this.pages.base.length + number] : this.pages.row(number);
  }

  /** The row, the column and the pictures of a place. */
  cellAt({ row, column } = this.at) {
    const content = this.rowAt(row);
    const head = this.pages.columns[column];
    if (!content || !head) return null;
    return { row: content, column: head, cells: content.cells.get(head.key) ?? [], words: `${rowWords(content)}, ${columnWords(head, this.pages.columns)}` };
  }

  point() {
    const shown = this.at.row < 0 ? this.pinned[this.pages.base.length + this.at.row] : this.rows.get(this.at.row);
    const cell = shown?.cells.get(this.at.column);
    for (const each of this.element.querySelectorAll(".current")) if (each !== cell?.element) each.classList.remove("current");
    cell?.element.classList.add("current");
    if (cell) this.element.setAttribute("aria-activedescendant", cell.element.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  go(row, column) {
    const least = -this.pages.base.length;
    this.at = { row: Math.min(this.pages.length - 1, Math.max(least, row)), column: Math.min(this.pages.columns.length - 1, Math.max(0, column)) };
    this.reveal();
    this.draw();
  }

  reveal() {
    const grid = this.element;
    const left = this.at.column * this.width;
    if (left < grid.scrollLeft) grid.scrollLeft = left;
    const right = left + this.headWidth + this.width - grid.clientWidth;
    if (right > grid.scrollLeft) grid.scrollLeft = right;
    if (this.at.row < 0) return;
    const top = this.at.row * this.width;
    if (top < grid.scrollTop) grid.scrollTop = top;
    const bottom = top + this.top + this.width - grid.clientHeight;
    if (bottom > grid.scrollTop) grid.scrollTop = bottom;
  }

  click(event) {
    const element = event.composedPath().find((each) => each.dataset?.column !== undefined);
    if (!element) return;
    this.at = { row: Number(element.closest("[data-row]").dataset.row), column: Number(element.dataset.column) };
    this.point();
    const place = Number(event.composedPath().find((each) => each.dataset?.place !== undefined)?.dataset.place ?? 0);
    if (event.ctrlKey || event.metaKey || event.shiftKey) this.acts.mark(place);
    else this.acts.open(place);
  }

  /** Rows one screen holds. */
  get screenful() {
    return Math.max(1, Math.floor((this.element.clientHeight - this.top) / this.width));
  }
}

/** One row in the page: its heading, and the cells of the columns in sight. */
class Row {
  constructor(matrix, content, number) {
    Object.assign(this, { matrix, content, number, cells: new Map() });
    const pinned = number < 0;
    this.drawnAs = this.as(content);
    this.head = new RowHead(content, matrix);
    const top = pinned ? 0 : matrix.top + number * matrix.width;
    const index = number + matrix.pages.base.length + 2;
    this.element = h("div.row", { role: "row", "aria-rowindex": index, "data-row": number, style: pinned ? null : `transform:translateY(${top}px)` }, this.head.element);
    if (content && !pinned) this.element.classList.toggle("chosen", matrix.state.isPicked(content.seen));
  }

  /** Whatever decides how it looks. */
  as(content) {
    const { geometry, state } = this.matrix;
    const marks = content ? [...content.cells.values()].flat().map((cell) => state.markOf(cell.key) || "").join("") : "";
    return `${content?.signature} ${content && state.isPicked(content.seen)} ${marks} ${geometry}`;
  }

  /** Whether it is what would be drawn now, so that it can stay. */
  shows(content, number) {
    return number === this.number && this.as(content) === this.drawnAs;
  }

  draw(from, to) {
    for (const [column, cell] of this.cells) {
      if (column >= from && column <= to) continue;
      cell.remove();
      this.cells.delete(column);
    }
    for (let column = from; column <= to; column++) if (!this.cells.has(column)) this.put(column);
  }

  put(column) {
    const { pages, headWidth, width, state, apart } = this.matrix;
    const head = pages.columns[column];
    const cell = new Cell({ id: `c${this.number}-${column}`, row: this.content, head, columns: pages.columns, at: column, left: headWidth + column * width, apart: apart.has(column), state });
    this.cells.set(column, cell);
    const after = [...this.cells.keys()].filter((each) => each > column).sort((a, b) => a - b)[0];
    this.element.insertBefore(cell.element, after === undefined ? null : this.cells.get(after).element);
  }

  paint() {
    for (const cell of this.cells.values()) cell.paint(this.matrix.cell);
  }

  remove() {
    for (const cell of this.cells.values()) cell.remove();
    this.element.remove();
  }
}

/** Headings by level: the axes' values, each over as many columns as share it. A level that says nothing is left out. */
function shownLevels(columns) {
  const axes = columns[0]?.values.length ?? 0;
  const levels = Array.from({ length: axes }, (_, at) => spansOf(columns, at));
  const telling = levels.filter((level) => level.some((span) => span.text) && (columns.length === 1 || new Set(level.map((span) => span.text)).size > 1));
  return telling.length ? telling : levels.slice(-1);
}

function spansOf(columns, level) {
  const spans = [];
  columns.forEach((column, at) => {
    const key = JSON.stringify(column.values.slice(0, level + 1).map((value) => value.text));
    const value = column.values[level];
    if (spans.at(-1)?.key === key) spans.at(-1).to = at;
    else spans.push({ key, from: at, to: at, text: valueWords(value) });
  });
  return spans;
}

/** The columns before which a gap is drawn: another group of the outermost axis that tells several. */
function groupStarts(columns) {
  const levels = shownLevels(columns);
  return new Set(levels.length > 1 ? levels.at(-2).slice(1).map((span) => span.from) : []);
}
