// Everything that runs, waits or has ended, as it goes: the machine, the runs with their losses, the order.
import { ask, Feed } from "../base/api.js";
import { chartLook } from "../base/chart.js";
import { h, Island, link, say, sheet } from "../base/island.js";
import { t } from "../base/words.js";
import { Afterwards } from "./afterwards.js";
import { Curves } from "./curves.js";
import { Meters } from "./meters.js";
import { Order } from "./order.js";
import { Pausing } from "./pausing.js";
import { Row } from "./row.js";

const GROUPS = [
  ["running", ["starting", "running"]],
  ["waiting", ["queued", "paused"]],
  ["ended", ["done", "failed", "cancelled", "lost"]],
];
const SHOWN = 40;
const MORE = 60;
const look = await sheet("queue.css", import.meta.url);

class Queue extends Island {
  static sheets = [chartLook, look];

  begin() {
    this.rows = new Map();
    this.openedFailure = null;
    this.note = h("p.note", { role: "status" });
    this.empty = h("p.empty", { hidden: true }, t("queue.empty"), " ", link({ screen: "train" }, "a", {}, t("queue.to_train")));
    this.pausing = new Pausing(this);
    this.afterwards = new Afterwards(this);
    this.meters = new Meters(this);
    this.curves = new Curves(this);
    this.groups = GROUPS.map(([name]) => new Group(name, () => this.show(this.jobs)));
    this.order = new Order(this.groups[1].list, (id, place) => this.act(`jobs/${id}/move`, { place }));
    const head = h("section.head-of-queue", {}, h("div", {}, this.pausing.element, this.afterwards.element), this.meters.element);
    this.root.append(this.note, head, this.empty, this.groups[0].element, this.curves.element, this.groups[1].element, this.groups[2].element);
    this.feed = new Feed(this, () => `jobs?limit=${this.limit}`, (answer) => this.show(answer.jobs), (error) => say(this.note, error.message));
  }

  /** As many as may be shown, and one more, which says that there are more. */
  get limit() {
    return Math.min(1000, Math.max(200, ...(this.groups ?? []).map((group) => group.most + 1)));
  }

  show(jobs) {
    this.jobs = jobs;
    say(this.note, "");
    this.empty.hidden = jobs.length > 0;
    const left = new Set(this.rows.keys());
    for (const [at, [, states]] of GROUPS.entries()) {
      const members = jobs.filter((job) => states.includes(job.state));
      const shown = members.slice(0, this.groups[at].most);
      this.groups[at].fill(shown.map((job) => this.row(job).element), members.length);
      shown.forEach((job) => left.delete(job.id));
    }
    for (const id of left) this.rows.delete(id);
    this.afterwards.offered = jobs.some((job) => job.finished_at === null);
    this.curves.follow(jobs);
    this.openNewestFailure(jobs.find((job) => job.state === "failed"));
  }

  /** Why it failed is shown without being asked for, once. */
  openNewestFailure(job) {
    const failure = job && `${job.id} ${job.attempt}`;
    if (!failure || failure === this.openedFailure) return;
    this.openedFailure = failure;
    this.rows.get(job.id)?.openLog();
  }

  row(job) {
    if (!this.rows.has(job.id)) this.rows.set(job.id, new Row(job, this));
    const row = this.rows.get(job.id);
    row.show(job);
    return row;
  }

  /** Asks for something and shows what came of it; says what was refused. */
  async act(path, body, method = "POST") {
    try {
      await ask(path, { method, body });
      say(this.note, "");
    } catch (error) {
      say(this.note, error.message);
    }
    this.feed.now();
    this.pausing.feed.now();
  }
}

/** Jobs of one kind of state, the first of them. */
class Group {
  constructor(name, redraw) {
    this.name = name;
    this.most = SHOWN;
    const showMore = () => ((this.most += MORE), redraw());
    this.heading = h("h2.minor", {});
    this.list = h("ul.jobs", { "aria-label": t(`queue.groups.${name}`) });
    this.more = h("button.quiet", { type: "button", hidden: true, onclick: showMore }, t("queue.more"));
    this.element = h("section", { hidden: true }, this.heading, this.list, this.more);
  }

  /** Moves rows only where the order differs, so that the focus stays where it is. */
  fill(rows, all) {
    this.element.hidden = rows.length === 0;
    this.more.hidden = all <= rows.length;
    say(this.heading, `${t(`queue.groups.${this.name}`)} ${all}`);
    rows.forEach((row, at) => this.list.children[at] !== row && this.list.insertBefore(row, this.list.children[at] ?? null));
    while (this.list.children.length > rows.length) this.list.lastElementChild.remove();
  }
}

customElements.define("tt-queue", Queue);
