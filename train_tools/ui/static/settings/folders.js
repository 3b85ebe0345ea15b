// A list of folders: each may be taken out, another typed or picked.
import { h } from "../base/island.js";
import { PathField } from "../base/path_field.js";
import { t } from "../base/words.js";

export class Folders {
  constructor(label, changed) {
    Object.assign(this, { changed, folders: [] });
    this.list = h("ul.folders", { "aria-label": label });
    this.next = new PathField({ label: t("settings.folders.next", { what: label }), placeholder: t("settings.folders.path"), changed: () => this.changed() });
    this.next.input.addEventListener("keydown", (event) => event.key === "Enter" && this.next.value && (event.preventDefault(), this.add()));
    const add = h("button", { type: "button", onclick: () => this.add() }, t("settings.folders.add"));
    this.next.element.append(add);
    this.element = h("div.listed", {}, this.list, this.next.element);
  }

  /** What is typed and not added yet counts, too. */
  get value() {
    return [...new Set([...this.folders, this.next.value].filter(Boolean))];
  }

  set value(folders) {
    this.folders = [...folders];
    this.next.value = "";
    this.draw();
  }

  add() {
    this.value = this.value;
    this.next.input.focus();
    this.changed();
  }

  remove(folder) {
    this.folders = this.folders.filter((each) => each !== folder);
    this.draw();
    this.next.input.focus();
    this.changed();
  }

  draw() {
    const line = (folder) => h("li.line", {}, h("span.folder", {}, folder), h("button.quiet", { type: "button", "aria-label": t("settings.folders.remove", { folder }), onclick: () => this.remove(folder) }, "×"));
    this.list.replaceChildren(...this.folders.map(line));
  }
}
