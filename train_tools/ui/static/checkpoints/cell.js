// One place of the matrix, and the heading of a row.
import { h } from "../base/island.js";
import { brief } from "../base/scales.js";
import { number, t } from "../base/words.js";

const SIGNS = { missing: "—", queued: "…", running: "◔", failed: "✖" };
const STARS = [1, 2, 3, 4, 5];
const LARGE_PX = 300;
const SVG = "http://www.w3.org/2000/svg";

/** What a row says of itself, for people. */
export function rowWords(row) {
  return saidBy(row).join(", ");
}

const saidBy = (row) => row.values.filter((value) => value.text).map(valueWords);

/** The same of a column, without what all columns share. */
export function columnWords(column, columns) {
  const telling = column.values.filter((value, at) => columns.length === 1 || columns.some((each) => each.values[at].text !== value.text));
  return telling.map(valueWords).join(", ");
}

/** "seed 1"; a prompt speaks for itself. */
export const valueWords = (value) => [value.axis === "prompt" ? "" : value.words, value.text].filter(Boolean).join(" ");

export class Cell {
  constructor({ id, row, head, columns, at, left, apart, state }) {
    Object.assign(this, { cells: row?.cells.get(head.key) ?? [], images: [] });
    const words = row ? `${rowWords(row)}, ${columnWords(head, columns)}` : t("checkpoints.loading");
    const told = row && this.cells.length ? [...new Set(this.cells.map((cell) => fateWords(cell)))].filter(Boolean).join(", ") : "";
    this.element = h("div.cell", { role: "gridcell", id, "aria-colindex": at + 2, "data-column": at, "aria-label": told ? `${words}: ${told}` : words, style: `left:${left}px` });
    if (apart) this.element.classList.add("parted");
    if (!row) this.element.classList.add("coming");
    else if (!this.cells.length) this.element.classList.add("nothing");
    if (this.cells.length > 1) this.element.style.setProperty("--across", Math.ceil(Math.sqrt(this.cells.length)));
    this.element.append(...this.cells.map((cell, place) => this.part(cell, place, state)));
  }

  part(cell, place, state) {
    const mark = state.markOf(cell.key);
    const badge = mark ? h("span.badge", {}, String(mark)) : null;
    const part = h("span.part", { "data-place": place, "data-fate": cell.fate, title: fateWords(cell) || null }, cell.picture ? this.image(cell.picture) : sign(cell), badge);
    if (mark) {
      part.classList.add("compared");
      this.element.setAttribute("aria-selected", "true");
    }
    return part;
  }

  /** An image without its address: it is fetched when scrolling has ended. */
  image(picture) {
    const image = h("img", { alt: "", decoding: "async" });
    this.images.push([image, picture]);
    return image;
  }

  paint(width) {
    const large = width / Math.ceil(Math.sqrt(this.cells.length)) > LARGE_PX;
    for (const [image, picture] of this.images.splice(0)) image.src = large ? picture.full : picture.thumb;
  }

  remove() {
    for (const image of this.element.querySelectorAll("img")) if (!image.complete) image.removeAttribute("src");
    this.element.remove();
  }
}

function sign(cell) {
  if (cell.sampled) return h("span.sign", { "aria-hidden": "true" }, "·");
  return h("span.sign", { "aria-hidden": "true" }, SIGNS[cell.fate] ?? "", h("small", {}, fateWords(cell)));
}

/** What becomes of a picture that is not there; empty for one that is. */
export function fateWords(cell) {
  if (cell.sampled && cell.picture) return t("checkpoints.sampled");
  return cell.fate ? t(`checkpoints.fates.${cell.fate}`) : "";
}

export function warning(differs) {
  const words = t("checkpoints.differs", { what: differs.join(", ") });
  return h("span.warning", { role: "img", "aria-label": words, title: words }, "⚠");
}

/** The heading of a row: which checkpoint, what is known and thought of it. */
export class RowHead {
  constructor(row, matrix) {
    this.element = h("div.rowhead", { role: "rowheader", "aria-colindex": "1" });
    if (!row) return;
    const [first, ...rest] = saidBy(row);
    const name = h("span.name", { title: rowWords(row) }, h("b", {}, first ?? ""), h("span", {}, rest.join(", ")));
    const warned = row.differs.length ? warning(row.differs) : null;
    if (row.seen?.own) this.element.append(this.box(row, matrix), name, warned ?? "", this.facts(row.seen), this.marks(row.seen, matrix));
    else this.element.append(h("span.nobox", {}), name, warned ?? "");
  }

  box(row, { state, acts }) {
    const box = h("input", { type: "checkbox", tabindex: "-1", checked: state.isPicked(row.seen), "aria-label": t("checkpoints.pick_one", { name: rowWords(row) }), onchange: () => acts.pick(row.seen, box.checked) });
    return box;
  }

  facts(seen) {
    const told = [seen.step ? t("checkpoints.step", { n: seen.step }) : null, seen.loss === null ? null : t("checkpoints.loss", { loss: brief(seen.loss) })];
    return h("span.facts", {}, told.filter(Boolean).join(" · "));
  }

  marks(seen, { acts }) {
    const star = (value) => h("button", { type: "button", tabindex: "-1", class: value <= seen.rating ? "on" : null, "aria-label": t("checkpoints.stars", { n: value }), "aria-pressed": String(value === seen.rating), onclick: () => acts.rate(seen, value === seen.rating ? 0 : value) }, value <= seen.rating ? "★" : "☆");
    const pin = h("button.pin", { type: "button", tabindex: "-1", "aria-pressed": String(seen.pinned), "aria-label": t("checkpoints.pin"), title: t("checkpoints.pin"), onclick: () => acts.pin(seen) }, icon(PIN));
    const note = h("button.noted", { type: "button", tabindex: "-1", class: seen.notes ? "on" : null, "aria-label": t("checkpoints.details"), title: seen.notes || t("checkpoints.details"), onclick: () => acts.details(seen) }, icon(seen.notes ? NOTE : INFO));
    return h("span.marks", { role: "group", "aria-label": t("checkpoints.rating", { n: number(seen.rating) }) }, STARS.map(star), pin, note);
  }
}

const PIN = "M9 2h6l-1 6 3 3v2H7v-2l3-3-1-6zM12 13v8";
const NOTE = "M5 3h10l4 4v14H5zM9 10h6M9 14h6";
const INFO = "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5M12 7.5v.5";

/** A small drawing of one line, in the colour of the text. */
function icon(path) {
  const drawing = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "path");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  line.setAttribute("d", path);
  drawing.append(line);
  return drawing;
}
