// All training images with their captions: filtered, ordered, chosen by mouse and keyboard, taken out of the dataset.
import { ask, versionPath } from "../base/api.js";
import { choose, chosen } from "../base/choice.js";
import { h, say } from "../base/island.js";
import { places } from "../base/place.js";
import { t } from "../base/words.js";
import { CaptionEditor } from "./caption.js";
import { CloseUp } from "./closeup.js";
import { Grid } from "./grid.js";
import { Listing } from "./listing.js";
import { folderOf, Selection } from "./selection.js";
import { TagPanel } from "./tags.js";

const ORDERS = ["folder", "name", "caption", "length", "pixels", "shape"];
const WORDS_FROM_PX = 132;
const WORDS_PX = 40;
const TYPED_MS = 350;
const MARK_PX = 34;

export class Gallery {
  constructor(screen) {
    this.screen = screen;
    this.notices = screen.notices;
    this.element = h("section.gallery", { hidden: true });
    this.listing = new Listing(screen, () => !this.element.hidden);
    this.selection = new Selection(() => this.listing.images);
    this.grid = new Grid(screen, { label: t("dataset.gallery.label"), draw: (at) => this.cell(at), fill: (cell, at) => this.fill(cell, at) });
    this.grid.settled = () => this.listing.look(...this.grid.seen);
    this.editor = new CaptionEditor(screen, this.listing, () => this.grid.element.focus({ preventScroll: true }));
    this.tags = new TagPanel(screen, this.listing, this.selection, (term) => this.filterBy(term));
    this.closeup = new CloseUp(screen, this);
    const side = h("aside.side", { "aria-label": t("dataset.gallery.side") }, this.editor.element, this.tags.element);
    this.element.append(this.bar(), this.refused, h("div.halves", {}, this.grid.element, side), this.closeup.dialog);
    this.listen();
  }

  bar() {
    this.where = h("input.filter", { type: "search", spellcheck: "false", autocomplete: "off", placeholder: t("dataset.gallery.filter_hint"), "aria-label": t("dataset.gallery.filter"), title: t("dataset.gallery.filter_help"), oninput: () => this.typed(), onchange: () => this.note() });
    this.order = h("select", { "aria-label": t("dataset.gallery.order"), onchange: () => this.note() }, ORDERS.map((each) => h("option", { value: each }, t(`dataset.gallery.orders.${each}`))));
    this.backwards = h("button.quiet", { type: "button", "aria-pressed": "false", title: t("dataset.gallery.backwards"), "aria-label": t("dataset.gallery.backwards"), onclick: () => this.note(this.backwards.getAttribute("aria-pressed") !== "true") }, "⇅");
    this.size = h("input", { type: "range", min: 96, max: 384, step: 8, value: chosen("thumbnail size", "160"), "aria-label": t("dataset.gallery.size"), oninput: () => this.resize() });
    this.masks = h("input", { type: "checkbox", onchange: () => (choose("masks", this.masks.checked ? "shown" : null), this.grid.redraw()) });
    this.masks.checked = chosen("masks") === "shown";
    this.count = h("span.facts", { role: "status" });
    this.refused = h("p.error", { role: "alert" });
    const act = (words, does) => h("button.quiet", { type: "button", onclick: does }, words);
    const choices = h("span.choices", { role: "group", "aria-label": t("dataset.gallery.select") }, act(t("dataset.gallery.all"), () => this.selection.all()), act(t("dataset.gallery.no"), () => this.selection.none()), act(t("dataset.gallery.invert"), () => this.selection.invert()), act(t("dataset.gallery.same_folder"), () => this.selection.sameFolder()));
    this.remove = h("button.quiet", { type: "button", onclick: () => this.putAside() }, t("dataset.gallery.remove"));
    return h("div.bar", {}, this.where, this.order, this.backwards, h("label.size", {}, this.size), h("label.check", {}, this.masks, t("dataset.gallery.masks")), choices, this.remove, this.count);
  }

  listen() {
    const on = (source, name, then) => source.addEventListener(name, then);
    on(this.listing, "listed", () => this.relist());
    on(this.listing, "arrived", () => this.arrived());
    on(this.listing, "failed", ({ detail }) => say(this.refused, detail.message));
    on(this.selection, "changed", () => this.chosen());
    on(this.grid.element, "keydown", (event) => this.key(event));
    on(this.grid.element, "click", (event) => this.click(event));
    on(this.grid.element, "dblclick", (event) => this.atOf(event) !== null && this.closeup.open(this.atOf(event)));
    this.screen.on(places, "arrived", () => this.element.hidden || this.arrive());
    this.resize();
  }

  move() {
    this.listing.images = [];
    this.listing.details.clear();
    this.selection.none();
    this.relist();
    this.asked = undefined;
  }

  /** It has come into sight. */
  enter() {
    this.asked = undefined;
    this.arrive();
    this.tags.enter();
    this.grid.lay();
  }

  ended() {
    this.listing.feed.now();
  }

  /** What the address asks for. */
  arrive() {
    if (places.current.screen !== "dataset") return;
    const { where = "", order = "folder", back } = places.current.query;
    const asked = JSON.stringify([where, order, back]);
    if (asked === this.asked) return;
    this.asked = asked;
    if (this.where.getRootNode().activeElement !== this.where) this.where.value = where;
    this.order.value = ORDERS.includes(order) ? order : "folder";
    this.backwards.setAttribute("aria-pressed", String(back === "1"));
    this.listing.ask({ where, order: this.order.value, backwards: back === "1" });
    this.grid.element.scrollTop = 0;
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.note(), TYPED_MS);
  }

  note(backwards = this.backwards.getAttribute("aria-pressed") === "true") {
    clearTimeout(this.timer);
    places.note({ where: this.where.value.trim() || null, order: this.order.value === "folder" ? null : this.order.value, back: backwards ? "1" : null });
  }

  /** Another term in the filter; clicked again, it goes. */
  filterBy(term) {
    const written = /[()"]|\b(AND|OR|NOT)\b|^(text|name|class|is):/.test(term) ? `"${term}"` : term;
    const terms = this.where.value.split(" AND ").map((each) => each.trim()).filter(Boolean);
    const rest = terms.filter((each) => each !== written);
    this.where.value = (rest.length < terms.length ? rest : [...terms, written]).join(" AND ");
    this.note();
  }

  resize() {
    choose("thumbnail size", this.size.value);
    const px = Number(this.size.value);
    this.grid.resize(px, px >= WORDS_FROM_PX ? WORDS_PX : 0);
  }

  relist() {
    say(this.refused, "");
    const { images, query } = this.listing;
    const byFolder = (query.order ?? "folder") === "folder";
    this.selection.relist(this.looked);
    this.grid.set(images.length, byFolder ? foldersIn(images) : []);
    this.chosen();
  }

  arrived() {
    this.grid.settle();
    this.editor.show(this.listing.details.get(this.selection.current));
    this.tags.refresh();
    this.closeup.refresh();
  }

  chosen() {
    this.looked = this.selection.current;
    const { size } = this.selection;
    const all = this.listing.images.length;
    say(this.count, size ? t("dataset.gallery.chosen", { n: size, all }) : t("dataset.gallery.found", { n: all }));
    this.remove.disabled = !size;
    for (const [at, cell] of this.grid.cells) this.mark(cell, at);
    this.editor.show(this.listing.details.get(this.selection.current));
    this.tags.refresh();
  }

  cell(at) {
    const cell = h("div.cell", { role: "option", id: `cell-${at}`, "data-at": at, "aria-setsize": this.listing.images.length, "aria-posinset": at + 1 }, h("div.frame", {}));
    this.mark(cell, at);
    if (this.listing.of(at)) this.describe(cell, at);
    return cell;
  }

  mark(cell, at) {
    const isCurrent = at === this.selection.at;
    cell.setAttribute("aria-selected", String(this.selection.has(this.listing.images[at])));
    cell.classList.toggle("current", isCurrent);
    if (isCurrent) this.grid.element.setAttribute("aria-activedescendant", cell.id);
  }

  /** Words that need no picture: while one scrolls, these are all. */
  describe(cell, at) {
    const image = this.listing.of(at);
    const state = `${image.edition} ${image.thumb} ${this.masks.checked} ${image.mask?.thumb}`;
    if (cell.dataset.state === state) return false;
    cell.dataset.state = state;
    cell.setAttribute("aria-label", `${image.name}: ${image.caption ?? t("dataset.gallery.no_caption")}`);
    const words = image.caption === null ? h("p.none", {}, image.problem || t("dataset.gallery.no_caption")) : h("p", {}, image.caption);
    cell.replaceChildren(h("div.frame", {}), this.grid.below_px ? words : "");
    cell.title = `${image.image}\n${image.width_px} × ${image.height_px}`;
    return true;
  }

  fill(cell, at) {
    const image = this.listing.of(at);
    if (!image || (!this.describe(cell, at) && cell.querySelector("img"))) return;
    const frame = cell.querySelector(".frame");
    frame.replaceChildren(h("img", { src: image.thumb, alt: "", decoding: "async", draggable: "false" }));
    if (image.mask && this.masks.checked) frame.append(h("img.mask", { src: image.mask.thumb, alt: "", decoding: "async" }));
    if (image.mask) frame.append(h("span.badge", { title: t("dataset.gallery.has_mask") }, "◐"));
  }

  atOf(event) {
    const cell = event.target.closest(".cell");
    return cell ? Number(cell.dataset.at) : null;
  }

  click(event) {
    const at = this.atOf(event);
    if (at === null) return;
    if (event.shiftKey) this.selection.range(at, event.ctrlKey || event.metaKey);
    else if (event.ctrlKey || event.metaKey || isOnMark(event)) this.selection.toggle(at);
    else this.selection.only(at);
  }

  key(event) {
    const ctrl = event.ctrlKey || event.metaKey;
    const { at } = this.selection;
    const last = this.listing.images.length - 1;
    const page = this.grid.columns * Math.max(1, Math.floor(this.grid.element.clientHeight / this.grid.high));
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - this.grid.columns, ArrowDown: at + this.grid.columns, PageUp: at - page, PageDown: at + page, Home: 0, End: last }[event.key];
    if (to !== undefined) this.go(Math.max(0, Math.min(last, to)), event.shiftKey, ctrl);
    else if (ctrl && event.key === "a") this.selection.all();
    else if (ctrl && event.key === "i") this.selection.invert();
    else if (ctrl && event.key === "z") this.tags.undo(event.shiftKey);
    else if (ctrl && event.key === "y") this.tags.undo(true);
    else if (event.key === "Enter") this.editor.edit();
    else if (event.key === " ") ctrl ? this.selection.toggle(at) : this.closeup.open(at);
    else if (event.key === "Delete") this.putAside();
    else if (event.key === "Escape") this.selection.none();
    else return;
    event.preventDefault();
  }

  go(at, extends_, keeps) {
    if (extends_) this.selection.range(at);
    else if (keeps) this.selection.moved(at, at);
    else this.selection.only(at);
    this.grid.reveal(at);
  }

  /** Out of the dataset, with captions and masks; they are kept beside it, and can be put back. */
  async putAside(images = [...this.selection.chosen]) {
    if (!images.length) return;
    const at = versionPath(places.current, "dataset", "checks", "cures");
    await this.notices.trying(async () => {
      const cure = await ask(at, { method: "POST", body: { kind: "put_aside", arguments: { images } } });
      this.listing.feed.now();
      this.notices.tell(t("dataset.gallery.removed", { n: images.length }), async () => {
        await ask(`${at}/${cure.number}/undo`, { method: "POST" });
        this.listing.feed.now();
      });
    });
  }
}

/** Whether a click met the corner that marks a picture as chosen: what Ctrl is for those without a keyboard. */
function isOnMark(event) {
  const { left, top } = event.target.closest(".cell").getBoundingClientRect();
  return event.clientX - left < MARK_PX && event.clientY - top < MARK_PX;
}

/** The folders of images that are listed by folder, each with its first place. */
function foldersIn(images) {
  const groups = [];
  images.forEach((name, at) => {
    if (groups.at(-1)?.folder !== folderOf(name)) groups.push({ folder: folderOf(name), from: at });
  });
  return groups.map(({ folder, from }, number) => ({ from, label: heading(folder, (groups[number + 1]?.from ?? images.length) - from) }));
}

function heading(folder, images) {
  const [repeats, ...words] = folder.split("_");
  return t("dataset.gallery.folder", { name: words.join("_"), n: images, repeats: Number(repeats) });
}
