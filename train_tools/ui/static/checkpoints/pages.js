// A matrix of any length: pages that are fetched when they come into sight, as one list of rows.
import { ask, Feed, MANY_FILES_MS } from "../base/api.js";

export class Pages extends EventTarget {
  /** `look.matrix(page)` is where a page is asked for; `fail` is told of refusals. */
  constructor(island, look, fail) {
    super();
    Object.assign(this, { look, fail, loading: new Map(), wanted: [0] });
    this.forget();
    this.feed = new Feed(island, () => look.matrix(this.wanted[0]), (answer) => this.followed(answer), fail, MANY_FILES_MS);
    look.addEventListener("turned", () => this.turn());
  }

  /** Another matrix. What is shown stays until its first page is here. */
  turn() {
    this.stop();
    this.wanted = [0];
    this.turned = true;
    this.feed.known = null;
    this.feed.now();
  }

  forget() {
    Object.assign(this, { sizes: [], loaded: new Map(), columns: [], base: [], head: null, turned: false });
  }

  stop() {
    for (const asking of this.loading.values()) asking.abort();
    this.loading.clear();
  }

  /** Asks again for what is in sight. */
  refresh() {
    this.feed.known = null;
    this.feed.now();
  }

  followed(answer) {
    const fresh = this.turned || this.head === null;
    if (fresh) this.forget();
    this.take(answer);
    for (const page of this.wanted) if (page !== answer.page && this.loaded.has(page)) this.load(page);
    this.dispatchEvent(new Event(fresh ? "turned" : "changed"));
  }

  take(answer) {
    if (answer.pages.join() !== this.sizes.join()) this.reckon(answer);
    this.head = answer;
    const base = answer.rows.filter((row) => row.base).length;
    const columns = answer.columns.map((column) => ({ ...column, key: keyOf(column) }));
    const page = { columns, rows: answer.rows.map((row) => ({ ...row, seen: answer.checkpoints[row.checkpoint] ?? null, cells: new Map() })) };
    for (const cell of answer.cells) {
      const cells = page.rows[cell.row].cells;
      const { key } = columns[cell.column];
      if (!cells.has(key)) cells.set(key, []);
      cells.get(key)[cell.place] = { ...cell, seen: answer.checkpoints[cell.checkpoint] ?? null };
    }
    standFor(page);
    for (const row of page.rows) row.signature = JSON.stringify([row.values, row.differs, row.seen, [...row.cells]]);
    this.base = page.rows.splice(0, base);
    this.loaded.set(answer.page, page);
    this.columns = [...this.loaded.values()].map((each) => each.columns).reduce(merged);
  }

  /** Rows were added or have gone: pages out of sight are asked for anew when they come back. */
  reckon(answer) {
    this.sizes = answer.pages;
    for (const page of [...this.loaded.keys()]) if (!this.wanted.includes(page) || page >= this.sizes.length) this.loaded.delete(page);
  }

  sizeOf(page) {
    return this.loaded.get(page)?.rows.length ?? this.sizes[page];
  }

  get length() {
    return this.sizes.reduce((rows, _, page) => rows + this.sizeOf(page), 0);
  }

  /** Which page a row lies on, and where there. */
  place(row) {
    let first = 0;
    for (let page = 0; page < this.sizes.length; page++) {
      const size = this.sizeOf(page);
      if (row < first + size) return { page, at: row - first };
      first += size;
    }
    return null;
  }

  /** A row, or null while it is on its way. */
  row(number) {
    const place = this.place(number);
    return place === null ? null : (this.loaded.get(place.page)?.rows[place.at] ?? null);
  }

  /** Says which rows are in sight. `fetch` asks for those of them that are not here. */
  want(first, last) {
    const [from, to] = [this.place(first), this.place(last)];
    if (from && to) this.wanted = Array.from({ length: to.page - from.page + 1 }, (_, at) => from.page + at);
  }

  fetch() {
    for (const [page, asking] of this.loading) if (!this.wanted.includes(page)) asking.abort();
    for (const page of this.wanted) if (!this.loaded.has(page) && page < this.sizes.length) this.load(page);
  }

  async load(page) {
    if (this.loading.has(page)) return;
    const asking = new AbortController();
    this.loading.set(page, asking);
    try {
      this.take(await ask(this.look.matrix(page), { signal: asking.signal }));
      this.dispatchEvent(new Event("changed"));
    } catch (error) {
      if (!asking.signal.aborted) this.fail(error);
    } finally {
      if (this.loading.get(page) === asking) this.loading.delete(page);
    }
  }

  /** The row when it is here. */
  async arrived(number) {
    const place = this.place(number);
    if (place && !this.loaded.has(place.page)) await this.load(place.page);
    return this.row(number);
  }
}

/** The base model has one picture for a group of lines: it is shown in each of them. */
function standFor({ rows, columns }) {
  for (const row of rows) {
    for (const column of columns) {
      const first = row.base ? row.cells.get(columns[column.group].key) : column.base ? rows[row.group].cells.get(column.key) : null;
      if (first && !row.cells.has(column.key)) row.cells.set(column.key, first);
    }
  }
}

const keyOf = (column) => JSON.stringify(column.values.map((value) => [value.axis, value.text]));

/** The columns of all pages: those that only some have stand where those have them. */
function merged(known, found) {
  const fresh = new Map(found.map((column) => [column.key, column]));
  const all = known.map((column) => fresh.get(column.key) ?? column);
  found.forEach((column, at) => {
    if (all.some((each) => each.key === column.key)) return;
    const before = at ? all.findIndex((each) => each.key === found[at - 1].key) : -1;
    all.splice(before + 1, 0, column);
  });
  return all;
}
