// A grid of ten thousand cells of which the page holds those in sight. Knows places and sizes, no pictures.
import { h } from "../base/island.js";

const GAP_PX = 8;
const BEYOND_ROWS = 1;
const HEADING_PX = 34;
const MOST_CELLS = 140;
const LEAST_PX = 96;
const STILL_MS = 90;

/**
 * `draw(at)` makes a cell's content; `fill(cell, at)` is called for the cells in sight once scrolling has stopped.
 * Groups are {label, from}; the cells from there on stand below the label.
 */
export class Grid {
  constructor(island, { label, draw, fill }) {
    Object.assign(this, { draw, fill, count: 0, groups: [], wanted_px: 160, below_px: 0, cells: new Map(), headings: new Map(), rows: [], at: 0, timer: 0 });
    this.space = h("div.space", { role: "presentation" });
    this.element = h("div.grid", { role: "listbox", "aria-multiselectable": "true", tabindex: "0", "aria-label": label }, this.space);
    island.on(this.element, "scroll", () => this.paint());
    this.watcher = new ResizeObserver(() => this.lay());
    this.watcher.observe(this.element);
    island.leaving.signal.addEventListener("abort", () => this.watcher.disconnect());
  }

  /** Anew, since other things are shown. */
  set(count, groups = []) {
    Object.assign(this, { count, groups });
    this.clear();
    this.lay();
  }

  /** As wide as wanted; `below_px` is for words below the picture. */
  resize(wanted_px, below_px) {
    Object.assign(this, { wanted_px, below_px });
    this.lay();
  }

  /** Draws what is in sight again. */
  redraw() {
    this.clear();
    this.paint();
  }

  get columns() {
    return this.across ?? 1;
  }

  /** The cells that can be seen, from and to (not included). */
  get seen() {
    const shown = [...this.cells.keys()];
    return shown.length ? [Math.min(...shown), Math.max(...shown) + 1] : [0, Math.min(this.count, MOST_CELLS)];
  }

  /** Scrolls so that a cell is whole in sight. */
  reveal(at) {
    const row = this.rows.find((each) => at >= each.from && at < each.to);
    if (!row) return;
    const { scrollTop, clientHeight } = this.element;
    const top = row.heading ? row.top - HEADING_PX : row.top;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (row.top + this.high > scrollTop + clientHeight) this.element.scrollTop = row.top + this.high - clientHeight;
    this.paint();
  }

  clear() {
    for (const element of [...this.cells.values(), ...this.headings.values()]) element.remove();
    this.cells.clear();
    this.headings.clear();
  }

  /** Where every row lies. Cells grow where so many would be in sight that the page became slow. */
  lay() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width) return;
    let px = Math.min(this.wanted_px, Math.max(LEAST_PX, (width - GAP_PX) / 2)); // two beside each other, also on a phone
    while (this.fitting(width, px) * (Math.ceil(height / (px + this.below_px + GAP_PX)) + 1 + 2 * BEYOND_ROWS) > MOST_CELLS) px += 8;
    this.across = this.fitting(width, px);
    this.wide = (width - GAP_PX * (this.across - 1)) / this.across;
    this.high = this.wide + this.below_px;
    this.rows = this.rowsOf();
    const last = this.rows.at(-1);
    this.space.style.height = `${last ? last.top + this.high : 0}px`;
    this.clear();
    this.paint();
  }

  fitting(width, px) {
    return Math.max(1, Math.floor((width + GAP_PX) / (px + GAP_PX)));
  }

  rowsOf() {
    const rows = [];
    const groups = this.groups.length ? this.groups : [{ label: "", from: 0 }];
    let top = 0;
    groups.forEach((group, number) => {
      const end = groups[number + 1]?.from ?? this.count;
      if (group.label) top += HEADING_PX;
      for (let from = group.from; from < end; from += this.across) {
        rows.push({ top, from, to: Math.min(end, from + this.across), heading: from === group.from ? group.label : "" });
        top += this.high + GAP_PX;
      }
    });
    return rows;
  }

  /** The first row that ends below that place. */
  rowAt(top) {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].top + this.high < top) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  paint() {
    if (!this.across) return;
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, this.rowAt(scrollTop) - BEYOND_ROWS);
    const last = Math.min(this.rows.length, this.rowAt(scrollTop + clientHeight) + 1 + BEYOND_ROWS);
    const rows = this.rows.slice(first, last);
    this.drop(rows);
    for (const row of rows) this.paintRow(row);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.settle(), STILL_MS);
  }

  drop(rows) {
    const [from, to] = rows.length ? [rows[0].from, rows.at(-1).to] : [0, 0];
    for (const [at, cell] of this.cells) if (at < from || at >= to) (cell.remove(), this.cells.delete(at));
    for (const [at, heading] of this.headings) if (at < from || at >= to) (heading.remove(), this.headings.delete(at));
  }

  paintRow(row) {
    if (row.heading && !this.headings.has(row.from)) {
      const heading = h("div.heading", { "aria-hidden": "true", style: `top: ${row.top - HEADING_PX}px` }, row.heading);
      this.headings.set(row.from, heading);
      this.space.append(heading);
    }
    for (let at = row.from; at < row.to; at++) {
      if (this.cells.has(at)) continue;
      const cell = this.draw(at);
      const left = (at - row.from) * (this.wide + GAP_PX);
      cell.style.cssText = `top: ${row.top}px; left: ${left}px; width: ${this.wide}px; height: ${this.high}px`;
      this.cells.set(at, cell);
      this.space.append(cell);
    }
  }

  settle() {
    for (const [at, cell] of this.cells) this.fill(cell, at);
    this.settled?.();
  }
}
