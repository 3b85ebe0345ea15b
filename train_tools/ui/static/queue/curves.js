// The losses of trainings that run, over those of the same versions that ended last, as they come.
import { ask } from "../base/api.js";
import { LineChart } from "../base/chart.js";
import { h } from "../base/island.js";
import { t } from "../base/words.js";

const MOST = 6;
const AGAIN_MS = 3000;

/**
 * A chart that follows the jobs of the queue: all that run, and the ones that ended last, together at most six. Losses
 * of other datasets say nothing about these.
 */
export class Curves {
  constructor(island) {
    Object.assign(this, { island, drawn: "", known: new Map(), askedAt: 0 });
    this.chart = new LineChart({ label: t("queue.losses"), x: t("queue.images_seen"), y: t("queue.loss_axis"), file: "losses" });
    this.element = h("details.curves", { hidden: true, open: true, ontoggle: () => this.chart.draw() }, h("summary", {}, t("queue.losses")), this.chart.element);
  }

  async follow(jobs) {
    const trainings = jobs.filter((job) => job.kind === "train" && job.step > 0);
    const running = trainings.filter((job) => job.finished_at === null);
    const ended = trainings.filter((job) => job.finished_at !== null);
    const newest = running.length ? running : ended.slice(0, 1);
    const versions = new Set(newest.map(versionOf));
    const shown = [...running, ...ended.filter((job) => versions.has(versionOf(job)))].slice(0, MOST);
    this.element.hidden = shown.length === 0;
    if (!this.element.open || this.element.hidden || Date.now() - this.askedAt < AGAIN_MS) return;
    this.askedAt = Date.now();
    const series = (await Promise.all(shown.map((job) => this.curve(job)))).filter((each) => each?.points.length);
    const drawn = JSON.stringify(series);
    if (drawn !== this.drawn && this.island.isConnected) this.chart.show(series);
    this.drawn = drawn;
  }

  /** What has ended does not change any more. */
  async curve(job) {
    const key = `${job.id} ${job.attempt}`;
    if (this.known.has(key)) return this.known.get(key);
    try {
      const { points } = await ask(`jobs/${job.id}/losses`);
      const series = { name: job.title, points };
      if (job.finished_at !== null) this.known.set(key, series);
      return series;
    } catch {
      return null; // a run whose folder is gone has no line
    }
  }
}

/** "projects/cat/versions/v1/trains/..." -> "projects/cat/versions/v1" */
const versionOf = (job) => job.folder.split("/").slice(0, 4).join("/");
