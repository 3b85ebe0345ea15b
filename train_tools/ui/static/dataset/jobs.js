// What works on the version's pictures now: how far it is, and stopping it. Tells others when something has ended.
import { ask, Feed, versionPath } from "../base/api.js";
import { h } from "../base/island.js";
import { places } from "../base/place.js";
import { duration, number, t } from "../base/words.js";

const ENDED = ["done", "failed", "cancelled", "lost"];

/** Dispatches "ended" with the job as `detail`, and "listed" whenever what is known has changed. */
export class Jobs extends EventTarget {
  constructor(island, notices) {
    super();
    Object.assign(this, { notices, jobs: [], working: new Set() });
    this.element = h("div.working", {});
    this.feed = new Feed(island, () => (places.complete ? versionPath(places.current, "dataset", "jobs") : null), (answer) => this.show(answer.jobs), () => {});
  }

  /** Forgets what it knew of another version. */
  move() {
    this.working.clear();
    this.show([]);
    this.feed.known = null;
    this.feed.now();
  }

  /** The job of that kind that waits or runs. */
  current(kind) {
    return this.jobs.find((job) => job.kind === kind && !ENDED.includes(job.state));
  }

  /** How the last of that kind ended. */
  last(kind) {
    return this.jobs.find((job) => job.kind === kind && ENDED.includes(job.state));
  }

  show(jobs) {
    this.jobs = jobs;
    const open = jobs.filter((job) => !ENDED.includes(job.state));
    this.element.replaceChildren(...open.map((job) => this.line(job)));
    const ended = jobs.filter((job) => ENDED.includes(job.state) && this.working.has(job.id));
    this.working = new Set(open.map((job) => job.id));
    for (const job of ended) this.end(job);
    this.dispatchEvent(new Event("listed"));
  }

  end(job) {
    const words = t(`dataset.jobs.${job.state === "done" ? "done" : "not_done"}`, { what: kindWords(job.kind), message: job.message });
    if (job.state === "failed" || job.state === "lost") this.notices.refuse(new Error(words));
    else this.notices.tell(words);
    this.dispatchEvent(new CustomEvent("ended", { detail: job }));
  }

  line(job) {
    const what = kindWords(job.kind);
    const bar = h("progress", { max: 1, "aria-label": what });
    if (job.state === "running") bar.value = job.progress;
    else bar.value = 0;
    const stop = h("button.quiet", { type: "button", disabled: job.stopping, onclick: () => this.notices.trying(() => this.stop(job)) }, t("dataset.jobs.stop"));
    return h("div.task", {}, h("b", {}, what), h("span.facts", {}, this.facts(job)), bar, stop);
  }

  facts(job) {
    if (job.stopping) return t("dataset.jobs.stopping");
    if (job.state === "queued") return t("dataset.jobs.waits");
    const far = job.total_steps ? t("dataset.jobs.far", { done: number(job.step), total: number(job.total_steps) }) : "…";
    return job.seconds_left ? `${far} · ${duration(job.seconds_left)}` : far;
  }

  async stop(job) {
    await ask(`jobs/${job.id}/cancel`, { method: "POST", body: {} });
    this.feed.now();
  }
}

const KINDS = ["import", "prepare", "check", "caption", "regularisation"];
const kindWords = (kind) => (KINDS.includes(kind) ? t(`dataset.jobs.kinds.${kind}`) : kind);
