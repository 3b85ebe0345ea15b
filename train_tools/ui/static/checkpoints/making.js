// Pictures that are missing: what making them would cost, and how far it has come.
import { ask } from "../base/api.js";
import { h, say } from "../base/island.js";
import { duration, t } from "../base/words.js";

const MOST_RECKONED = 20_000;

export class Making {
  /** `done(words)` says what was asked for; `fail(error)` what was refused. */
  constructor(look, done, fail) {
    Object.assign(this, { look, done, fail, told: null, runs: [] });
    this.make = h("button.primary", { type: "button", hidden: true, onclick: () => this.all() });
    this.bar = h("progress", { max: "1", "aria-label": t("checkpoints.rendering") });
    this.words = h("span", { role: "status" });
    this.stop = h("button.quiet", { type: "button", onclick: () => this.end() }, t("checkpoints.stop"));
    this.working = h("span.working", { hidden: true }, this.bar, this.words, this.stop);
    this.now = h("span.acts", {});
    this.why = h("p.message.why", {});
    this.element = h("div.making", {}, this.make, this.now, this.working, this.why);
  }

  show(head, missing) {
    this.job = head.jobs.find((job) => job.state === "running") ?? head.jobs.find((job) => job.finished_at === null) ?? null;
    this.working.hidden = this.job === null;
    if (this.job) this.showJob(head.jobs.filter((job) => job.finished_at === null).length);
    const failed = head.jobs.findLast((job) => job.state === "failed");
    say(this.why, failed && missing ? t("checkpoints.failed_because", { why: failed.message }) : "");
    this.make.hidden = missing === 0 || this.job !== null;
    this.reckon(head, missing);
  }

  showJob(jobs) {
    const { state, step, total_steps: total, seconds_left: left, progress } = this.job;
    if (state === "running") this.bar.value = progress;
    else this.bar.removeAttribute("value");
    const parts = [state === "running" ? t("checkpoints.made_of", { n: step, all: total }) : t("checkpoints.waits"), left ? t("checkpoints.left", { time: duration(left) }) : null, jobs > 1 ? t("checkpoints.more_jobs", { n: jobs - 1 }) : null];
    say(this.words, parts.filter(Boolean).join(" · "));
  }

  /** What all of the missing would cost is asked only when something has changed: it takes a look at every file. */
  async reckon(head, missing) {
    const now = JSON.stringify([this.look.asked, head.pages, missing, this.job?.id ?? null]);
    if (this.reckoned === now || this.make.hidden) return;
    this.reckoned = now;
    say(this.make, t("checkpoints.make"));
    if (head.shown * head.columns.length > MOST_RECKONED) return;
    try {
      const { pictures, seconds } = await ask(this.look.of("grids", this.look.grid, "missing"));
      this.make.hidden = pictures === 0;
      say(this.make, seconds === null ? t("checkpoints.make_some", { n: pictures }) : t("checkpoints.make_in", { n: pictures, time: duration(seconds) }));
    } catch (error) {
      this.fail(error);
    }
  }

  all() {
    return this.ask({});
  }

  /** Some pictures alone, by their keys. */
  some(keys) {
    return this.ask({ pictures: keys });
  }

  async ask(body) {
    await this.tried(() => ask(this.look.of("grids", this.look.grid, "render"), { method: "POST", body }));
  }

  end() {
    return this.tried(() => ask(`jobs/${this.job.id}/cancel`, { method: "POST", body: {} }));
  }

  /** A button for each run that trains: its newest checkpoint, without waiting for the end. */
  offer(runs) {
    const training = runs.filter((run) => run.training);
    const key = JSON.stringify(training.map((run) => [run.name, run.label]));
    if (key === this.offered) return;
    this.offered = key;
    const act = (run) => this.tried(() => ask(this.look.of("previews", "now", run.name), { method: "POST" }));
    this.now.replaceChildren(...training.map((run) => h("button", { type: "button", title: run.name, onclick: () => act(run) }, t("checkpoints.render_now", { run: run.label }))));
  }

  async tried(act) {
    try {
      await act();
      this.done();
    } catch (error) {
      this.fail(error);
    }
  }
}
