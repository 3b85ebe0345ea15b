// A project in the list: its versions, how much is in it, and what may be done with it.
import { ask } from "../base/api.js";
import { h, link, say } from "../base/island.js";
import { places } from "../base/place.js";
import { moment, number, t } from "../base/words.js";

export class ProjectRow {
  constructor(name, island) {
    Object.assign(this, { name, island, told: "" });
    this.title = h("th", { scope: "row" });
    this.versions = h("td", {});
    this.counts = ["images", "runs", "checkpoints", "changed"].map(() => h("td.number", {}));
    const button = (word, act) => h("button.quiet", { type: "button", "aria-label": t(`projects.${word}_of`, { name }), onclick: act }, t(`projects.${word}`));
    this.acts = h("td.acts", {}, button("new_version", () => this.ask("new_version", (typed) => this.create(typed))), button("rename", () => this.ask("rename", (typed) => this.change({ name: typed }), name)), button("note", () => this.ask("note", (typed) => this.change({ notes: typed }), this.notes)), button("remove", () => island.putAway(this.path())));
    this.element = h("tr", {}, this.title, this.versions, this.counts, this.acts);
  }

  path(...rest) {
    return ["projects", this.name, ...rest].map(encodeURIComponent).join("/");
  }

  show(project, contents) {
    this.notes = project.notes;
    const told = JSON.stringify([project, contents]);
    if (told === this.told) return;
    this.told = told;
    const [newest] = project.versions;
    const note = project.problem || project.notes;
    this.title.replaceChildren(link({ project: this.name, version: newest ?? null, screen: contents?.checkpoints ? "checkpoints" : "dataset" }, "a", {}, this.name), note ? h(project.problem ? "small.error" : "small", {}, note) : "");
    this.versions.replaceChildren(...project.versions.map((version) => this.version(version)));
    const said = contents ? [number(contents.images), number(contents.runs), number(contents.checkpoints), moment(contents.changed)] : ["…", "…", "…", moment(project.created)];
    this.counts.forEach((cell, at) => say(cell, said[at]));
  }

  version(name) {
    const of = { name, project: this.name };
    const copy = h("button.quiet", { type: "button", title: t("projects.copy_version"), "aria-label": t("projects.copy_of", of), onclick: () => this.ask("copy_version", (typed) => this.copy(name, typed), `${name}-2`) }, t("projects.copy"));
    const away = h("button.quiet", { type: "button", title: t("projects.remove_version"), "aria-label": t("projects.remove_version_of", of), onclick: () => this.island.putAway(this.path("versions", name)) }, "×");
    return h("span.version", {}, link({ project: this.name, version: name, screen: "dataset" }, "a", {}, name), copy, away);
  }

  create(name) {
    return this.island.change(async () => {
      await ask(this.path("versions"), { method: "POST", body: { name } });
      places.go({ project: this.name, version: name, screen: "dataset" });
    });
  }

  copy(version, name) {
    return this.island.change(() => ask(this.path("versions", version, "duplicate"), { method: "POST", body: { name } }));
  }

  change(body) {
    return this.island.change(() => ask(this.path(), { method: "PATCH", body }));
  }

  /** A field in the place of the buttons; Escape leaves everything as it was. */
  ask(what, act, typed = "") {
    const field = h("input", { type: "text", value: typed, "aria-label": t(`projects.${what}_of`, { name: this.name, project: this.name }), autocomplete: "off" });
    const back = () => this.element.replaceChild(this.acts, cell);
    const done = async (event) => {
      event.preventDefault();
      if (await act(field.value)) back();
    };
    const cell = h("td.acts", {}, h("form.line", { onsubmit: done }, field, h("button.quiet", {}, t("projects.ok")), h("button.quiet", { type: "button", onclick: back }, t("picker.cancel"))));
    field.addEventListener("keydown", (event) => event.key === "Escape" && back());
    this.element.replaceChild(cell, this.acts);
    field.focus();
    field.select();
  }
}
