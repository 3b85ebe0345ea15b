// Where to begin: the demo to look at, or a project of one's own.
import { ask } from "../base/api.js";
import { h, say } from "../base/island.js";
import { places } from "../base/place.js";
import { t } from "../base/words.js";

export class Beginning {
  constructor(island) {
    this.island = island;
    this.name = h("input", { type: "text", "aria-label": t("projects.new_project"), placeholder: t("projects.new_project"), autocomplete: "off", required: true });
    this.demo = h("button", { type: "button", onclick: () => this.openDemo() }, t("projects.open_demo"));
    const make = h("form.line.make", { onsubmit: (event) => this.create(event) }, this.name, h("button.primary", {}, t("projects.create")));
    this.refused = h("p.error", { role: "alert" });
    const own = h("div.way", {}, h("h3", {}, t("projects.own")), h("p", {}, t("projects.own_words")), make, this.refused);
    const look = h("div.way", {}, h("h3", {}, t("projects.demo")), h("p", {}, t("projects.demo_words")), this.demo);
    this.element = h("section.beginning", {}, h("h2", {}, t("projects.start")), h("div.ways", {}, look, own));
  }

  /** Without projects the demo is the first thing to do. */
  emphasise(empty) {
    this.demo.classList.toggle("primary", empty);
  }

  async openDemo() {
    this.demo.disabled = true;
    say(this.demo, t("projects.opening_demo"));
    await this.island.change(async () => {
      const { project, version } = await ask("projects/demo", { method: "POST" });
      places.go({ project, version, screen: "checkpoints" });
    });
    this.demo.disabled = false;
    say(this.demo, t("projects.open_demo"));
  }

  async create(event) {
    event.preventDefault();
    try {
      const { name } = await ask("projects", { method: "POST", body: { name: this.name.value } });
      await ask(`projects/${encodeURIComponent(name)}/versions`, { method: "POST", body: { name: "v1" } });
      this.name.value = "";
      say(this.refused, "");
      places.go({ project: name, version: "v1", screen: "dataset" });
    } catch (error) {
      say(this.refused, error.message);
    }
  }
}
