// The first screen: the projects there are, and making one.
import { ask, Feed } from "../base/api.js";
import { h, Island, link, say } from "../base/island.js";
import { places } from "../base/place.js";
import { moment, t } from "../base/words.js";

class Projects extends Island {
  begin() {
    this.name = h("input", { type: "text", "aria-label": t("projects.new_project"), placeholder: t("projects.new_project"), autocomplete: "off" });
    this.refused = h("p.error", { role: "alert" });
    this.list = h("ul.list", {});
    const create = h("form.line", { onsubmit: (event) => this.create(event) }, this.name, h("button.primary", {}, t("projects.create")));
    this.root.append(create, this.refused, this.list);
    this.feed = new Feed(this, () => "projects", (answer) => this.show(answer.projects), (error) => say(this.refused, error.message));
  }

  show(projects) {
    say(this.refused, "");
    const line = (each) => h("li", {}, link({ project: each.name, version: each.versions[0] ?? null, screen: "dataset" }, "a", {}, each.name), h("small", {}, ` ${t("projects.versions", { n: each.versions.length })} · ${moment(each.created)}`));
    this.list.replaceChildren(...(projects.length ? projects.map(line) : [h("li", {}, t("projects.none"))]));
  }

  async create(event) {
    event.preventDefault();
    try {
      const { name } = await ask("projects", { method: "POST", body: { name: this.name.value } });
      await ask(`projects/${encodeURIComponent(name)}/versions`, { method: "POST", body: { name: "v1" } });
      this.name.value = "";
      places.go({ project: name, version: "v1", screen: "dataset" });
    } catch (error) {
      say(this.refused, error.message);
    }
  }
}

customElements.define("tt-projects", Projects);
