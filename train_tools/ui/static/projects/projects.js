// The first screen: where to begin, whether this machine is ready, and the projects there are.
import { ask, Feed, MANY_FILES_MS } from "../base/api.js";
import { h, Island, say, sheet } from "../base/island.js";
import { Notices } from "../base/notices.js";
import { places } from "../base/place.js";
import { t } from "../base/words.js";
import { Beginning } from "./beginning.js";
import { Readiness } from "./readiness.js";
import { ProjectRow } from "./row.js";
import { Trash } from "./trash.js";

const look = await sheet("projects.css", import.meta.url);

class Projects extends Island {
  static sheets = [look];

  begin() {
    Object.assign(this, { projects: [], contents: new Map(), rows: new Map() });
    this.notices = new Notices();
    this.beginning = new Beginning(this);
    this.search = h("input", { type: "search", "aria-label": t("projects.search"), placeholder: t("projects.search"), oninput: () => this.draw() });
    this.body = h("tbody", {});
    this.table = h("table.projects", {}, h("thead", {}, h("tr", {}, ["name", "versions", "images", "runs", "checkpoints", "changed", "actions"].map((each) => h("th", { scope: "col" }, t(`projects.columns.${each}`))))), this.body);
    this.none = h("p.hint", { hidden: true });
    this.list = h("section.list", {}, h("div.line", {}, h("h2", {}, t("projects.title")), this.search), h("div.scroll", { tabindex: "0", role: "region", "aria-label": t("projects.title") }, this.table), this.none);
    this.trash = new Trash(this);
    this.root.append(h("div.first", {}, this.beginning.element, new Readiness(this).element), this.list, this.trash.element, this.notices.element);
    this.feed = new Feed(this, () => "projects", (answer) => this.show(answer.projects), (error) => this.notices.refuse(error));
    this.counts = new Feed(this, () => "projects/contents", (answer) => this.count(answer.contents), () => {}, MANY_FILES_MS);
  }

  show(projects) {
    this.projects = projects;
    this.beginning.emphasise(projects.length === 0);
    this.draw();
  }

  count(contents) {
    this.contents = new Map(contents.map((each) => [each.project, each]));
    this.draw();
  }

  draw() {
    const wanted = this.search.value.toLowerCase();
    const shown = this.projects.filter((each) => [each.name, each.notes, ...each.versions].join("\n").toLowerCase().includes(wanted));
    const rows = shown.map((each) => this.row(each));
    if (rows.some((row, at) => this.body.children[at] !== row) || this.body.children.length !== rows.length) this.body.replaceChildren(...rows);
    this.search.hidden = this.projects.length < 8;
    this.table.hidden = shown.length === 0;
    this.none.hidden = shown.length > 0;
    say(this.none, this.projects.length ? t("projects.none_found") : t("projects.none"));
  }

  row(project) {
    if (!this.rows.has(project.name)) this.rows.set(project.name, new ProjectRow(project.name, this));
    const row = this.rows.get(project.name);
    row.show(project, this.contents.get(project.name));
    return row.element;
  }

  /** Does something to projects, shows what came of it, and tells why when it is refused. */
  change(act) {
    return this.notices.trying(async () => {
      const done = await act();
      for (const feed of [this.feed, this.counts, this.trash.feed]) feed.now();
      return done ?? true;
    });
  }

  /** Puts away what lies at a path; the notice brings it back. */
  putAway(path) {
    return this.change(async () => {
      const { token, what } = await ask(path, { method: "DELETE" });
      this.notices.tell(t("projects.put_away", { what }), () => this.bringBack(token));
      if (!path.includes("/versions/") || places.current.project) places.go({ project: null, version: null, screen: "projects" }, { replace: true });
    });
  }

  bringBack(token) {
    return this.change(() => ask(`trash/${token}/restore`, { method: "POST" }));
  }
}

customElements.define("tt-projects", Projects);
