// What the tools have made lately, and what they are making.
import { Feed, MANY_FILES_MS } from "../base/api.js";
import { h, link } from "../base/island.js";
import { t } from "../base/words.js";

const KIND = "lora tool";
const SHOWN = 8;

export class Recent {
  /** `inspect(file)` looks at a file that was made. */
  constructor(island, inspect) {
    this.inspect = inspect;
    this.list = h("ul.jobs", { "aria-label": t("tools.recent") });
    this.element = h("section", { hidden: true }, h("h2.minor", {}, t("tools.recent")), this.list);
    this.feed = new Feed(island, () => "jobs", ({ jobs }) => this.show(jobs.filter((job) => job.kind === KIND)), () => {}, MANY_FILES_MS);
  }

  show(jobs) {
    this.element.hidden = jobs.length === 0;
    this.list.replaceChildren(...jobs.slice(0, SHOWN).map((job) => this.line(job)));
  }

  line({ title, state, progress, message }) {
    const moving = state === "running" || state === "starting";
    const file = state === "done" ? message.match(/^Written: (.+)$/)?.[1] : null;
    const look = file ? h("button.quiet", { type: "button", "aria-label": t("tools.inspect_of", { name: title }), onclick: () => this.inspect(file) }, t("tools.inspect")) : null;
    const head = h("div.head", {}, h("span.title", {}, title), h("span.state", {}, t(`queue.states.${state}`)), look);
    return h("li.job", { "data-state": state }, head, moving ? h("progress", { max: 1, value: progress, "aria-label": title }) : null, state === "failed" ? h("p.error", {}, message, " ", link({ screen: "queue" }, "a", {}, t("tools.to_queue"))) : null);
  }
}
