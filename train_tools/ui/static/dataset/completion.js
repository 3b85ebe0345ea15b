// Tags of the dataset that complete what is being typed, below a text field.
import { ask, versionPath } from "../base/api.js";
import { h } from "../base/island.js";
import { places } from "../base/place.js";
import { number, t } from "../base/words.js";

const MOST = 8;
const KNOWN_MS = 20000;
let lists = 0;

export class Completion {
  constructor(field) {
    Object.assign(this, { field, found: [], at: -1, tags: [], asked: 0, id: `completion-${++lists}` });
    this.list = h("ul.completion", { role: "listbox", id: this.id, hidden: true, "aria-label": t("dataset.caption.completions") });
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-controls", this.id);
    field.addEventListener("input", () => this.look());
    field.addEventListener("blur", () => this.close());
  }

  /** Whether a key was one for the list. */
  key(event) {
    if (this.list.hidden) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") this.mark((this.at + (event.key === "ArrowDown" ? 1 : -1) + this.found.length) % this.found.length);
    else if ((event.key === "Enter" || event.key === "Tab") && this.at >= 0) this.take(this.found[this.at].tag);
    else if (event.key === "Escape") this.close();
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  async look() {
    await this.learn();
    const [from, to] = this.place();
    const typed = this.field.value.slice(from, to).trim().toLowerCase();
    const all = typed.length < 2 ? [] : this.tags.filter((each) => each.tag.toLowerCase().includes(typed) && each.tag.toLowerCase() !== typed);
    this.found = [...all.filter((each) => each.tag.toLowerCase().startsWith(typed)), ...all.filter((each) => !each.tag.toLowerCase().startsWith(typed))].slice(0, MOST);
    const item = (each, at) => h("li", { role: "option", id: `${this.id}-${at}`, onmousedown: (event) => (event.preventDefault(), this.take(each.tag)) }, each.tag, h("small", {}, ` ${number(each.captions)}`));
    this.list.replaceChildren(...this.found.map(item));
    this.list.hidden = !this.found.length;
    this.mark(-1);
  }

  async learn() {
    const place = `${places.current.project}\n${places.current.version}`;
    if (this.place_known === place && Date.now() - this.asked < KNOWN_MS) return;
    Object.assign(this, { place_known: place, asked: Date.now() });
    try {
      this.tags = (await ask(`${versionPath(places.current, "captions", "tags")}?limit=1000`)).shown;
    } catch {
      this.tags = []; // typing goes on without them
    }
  }

  /** The tag that is being typed. */
  place() {
    const { value, selectionEnd } = this.field;
    const from = Math.max(value.lastIndexOf(",", selectionEnd - 1), value.lastIndexOf("\n", selectionEnd - 1)) + 1;
    return [from, selectionEnd];
  }

  take(tag) {
    const [from, to] = this.place();
    const blank = from && this.field.value[from - 1] === "," ? " " : "";
    this.field.setRangeText(`${blank}${tag}`, from, to, "end");
    this.close();
    this.field.dispatchEvent(new Event("completed"));
  }

  mark(at) {
    this.at = at;
    [...this.list.children].forEach((each, place) => each.setAttribute("aria-selected", String(place === at)));
    if (at < 0) this.field.removeAttribute("aria-activedescendant");
    else this.field.setAttribute("aria-activedescendant", `${this.id}-${at}`);
  }

  close() {
    this.list.hidden = true;
    this.mark(-1);
  }
}
