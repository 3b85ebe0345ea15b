// Everything that runs, waits or has ended, as it goes.
import { Afterwards } from "./afterwards.js";
import { ask, Feed } from "../base/api.js";
import { h, Island, say } from "../base/island.js";
import { Pausing } from "./pausing.js";
import { count, duration, number } from "../base/words.js";

const GROUPS = [
  ["Running", ["starting", "running"]],
  ["Waiting", ["queued", "paused"]],
  ["Ended", ["done", "failed", "cancelled", "lost"]],
];
const STOPS = [["step", "after this step"], ["epoch", "after this epoch"], ["now", "at once, nothing saved"]];
const ENDINGS = { step: "ends after this step", epoch: "ends after this epoch", now: "ends now" };
const SIGNS = { done: "✔", failed: "✖", cancelled: "◼", lost: "?", queued: "…", paused: "‖", starting: "▷", running: "▶" };

class Jobs extends Island {
  begin() {
    this.rows = new Map();
    this.openedFailure = null;
    this.note = h("p.note", { role: "status" });
    this.groups = GROUPS.map(([title]) => new Group(title));
    this.afterwards = new Afterwards(this);
    this.pausing = new Pausing(this);
    this.root.append(this.note, this.pausing.element, this.afterwards.element, ...this.groups.map((group) => group.element));
    this.feed = new Feed(this, () => "jobs", (answer) => this.show(answer.jobs), (error) => say(this.note, error.message));
  }

  show(jobs) {
    say(this.note, jobs.length ? "" : "Nothing is queued. Plan some runs on the Train screen.");
    const left = new Set(this.rows.keys());
    for (const [at, [, states]] of GROUPS.entries()) {
      const members = jobs.filter((job) => states.includes(job.state));
      this.groups[at].fill(members.map((job) => this.row(job).element));
      members.forEach((job) => left.delete(job.id));
    }
    for (const id of left) this.rows.delete(id);
    this.afterwards.offered = jobs.some((job) => job.finished_at === null);
    this.openNewestFailure(jobs.find((job) => job.state === "failed"));
  }

  /** Its log is shown without being asked for, once. */
  openNewestFailure(job) {
    const failure = job && `${job.id} ${job.attempt}`;
    if (!failure || failure === this.openedFailure) return;
    this.openedFailure = failure;
    this.rows.get(job.id).details.open = true;
  }

  row(job) {
    if (!this.rows.has(job.id)) this.rows.set(job.id, new Row(job, (error) => this.acted(error)));
    const row = this.rows.get(job.id);
    row.show(job);
    return row;
  }

  acted(error) {
    say(this.note, error ? error.message : "");
    this.feed.now();
    this.pausing.feed.now();
  }
}

class Group {
  constructor(title) {
    this.title = title;
    this.heading = h("h3", {});
    this.list = h("ul.jobs", { "aria-label": title });
    this.element = h("section", { hidden: true }, this.heading, this.list);
  }

  /** Moves rows only where the order differs, so that the focus stays where it is. */
  fill(rows) {
    this.element.hidden = rows.length === 0;
    say(this.heading, `${this.title} ${rows.length}`);
    rows.forEach((row, at) => this.list.children[at] !== row && this.list.insertBefore(row, this.list.children[at] ?? null));
    while (this.list.children.length > rows.length) this.list.lastElementChild.remove();
  }
}

class Row {
  constructor(job, acted) {
    Object.assign(this, { id: job.id, acted, attempt: null });
    this.sign = h("span.sign", { "aria-hidden": "true" });
    this.title = h("span.title", {}, job.title);
    this.state = h("span.state", {});
    this.bar = h("progress", { max: 1, "aria-label": `Progress of ${job.title}` });
    this.facts = h("span.facts", {});
    this.message = h("p.message", {});
    this.why = h("p.message.why", {});
    this.when = h("select", { "aria-label": `When to stop ${job.title}` }, STOPS.map(([value, words]) => h("option", { value }, words)));
    const button = (word, act, name = `${word} ${job.title}`) => h("button.quiet", { type: "button", "aria-label": name, onclick: act }, word);
    const to = (what, body) => this.act(`jobs/${this.id}/${what}`, body?.());
    this.up = button("↑", () => to("move", () => ({ place: Math.max(1, this.place - 1) })), `Move ${job.title} up`);
    this.down = button("↓", () => to("move", () => ({ place: this.place + 1 })), `Move ${job.title} down`);
    this.pause = button("Pause", () => to("pause", () => ({ stop: this.when.value })));
    this.resume = button("Resume", () => to("resume"));
    this.stop = button("Stop", () => to("cancel", () => ({ stop: this.when.value })));
    this.retry = button("Retry", () => to("retry"));
    this.remove = button("Remove", () => this.act(`jobs/${this.id}`, undefined, "DELETE"), `Remove ${job.title} from the list`);
    const takeLess = () => this.act("runs/less-memory", { run: String(this.id) });
    this.less = h("button.quiet", { type: "button", hidden: true, "aria-label": `Retry ${job.title} with less memory`, onclick: takeLess }, "Retry with less memory");
    this.log = h("pre", { tabindex: "0" });
    this.details = h("details", { ontoggle: () => this.details.open && this.readLog() }, h("summary", {}, "Log"), this.log);
    const buttons = [this.up, this.down, this.pause, this.resume, this.when, this.stop, this.less, this.retry, this.remove];
    const head = h("div.head", {}, this.sign, this.title, this.state, ...buttons);
    const foot = h("div.foot", {}, this.facts, this.details);
    this.element = h("li.job", { "data-job": job.id }, head, this.bar, this.message, this.why, foot);
  }

  show(job) {
    this.element.dataset.state = job.state;
    say(this.sign, SIGNS[job.state] ?? "");
    this.place = job.place;
    say(this.state, job.stopping ? ENDINGS[job.stop] : job.place ? `#${job.place}` : job.phase || job.state);
    const moving = job.state === "running" || job.state === "starting";
    for (const [part, shown] of [["up", job.place > 1], ["down", job.place], ["pause", job.can_pause], ["resume", job.can_resume], ["when", moving && job.can_cancel], ["remove", job.can_delete]]) this[part].hidden = !shown;
    this.bar.hidden = !moving && !(job.step && job.state !== "done");
    this.bar.value = job.progress;
    say(this.facts, facts(job, moving));
    say(this.message, job.message);
    this.failed = job.state === "failed";
    if (!this.failed) say(this.why, "");
    if (!this.failed) this.less.hidden = true;
    this.stop.hidden = !job.can_cancel;
    this.retry.hidden = !job.can_retry;
    this.details.hidden = job.attempt === 0;
    if (this.details.open && (moving || this.attempt !== job.attempt)) this.readLog();
    this.attempt = job.attempt;
  }

  async act(path, body, method = "POST") {
    try {
      await ask(path, { method, body });
      this.acted(null);
    } catch (error) {
      this.acted(error);
    }
  }

  /** Says why it failed; answers with the end of its log. */
  async readFailure() {
    const failure = await ask(`jobs/${this.id}/failure`);
    const code = failure.exit_code === null ? "" : `Exit code ${failure.exit_code}. `;
    const happened = failure.happened === failure.message ? "" : `${failure.happened} `;
    say(this.why, `${code}${happened}${failure.advice}`);
    this.less.hidden = !failure.next_steps.some((step) => step.action === "less-memory");
    return { text: failure.tail };
  }

  async readLog() {
    try {
      const { text } = this.failed ? await this.readFailure() : await ask(`jobs/${this.id}/log?lines=40`);
      say(this.log, text.trim() || "The log is empty.");
    } catch (error) {
      say(this.log, error.message);
    }
  }
}

function facts(job, moving) {
  const steps = job.total_steps ? `${number(job.step)} of ${count(job.total_steps, job.kind === "preview" ? "picture" : "step")}` : null;
  const left = job.seconds_left === null ? null : `about ${duration(job.seconds_left)} left`;
  const loss = job.loss === null ? null : `loss ${job.loss.toPrecision(3)}`;
  const took = !moving && job.started_at && job.finished_at ? `took ${duration(job.finished_at - job.started_at)}` : null;
  const again = job.attempt > 1 ? `attempt ${job.attempt}` : null;
  const waits = job.place !== null && job.not_before ? `not before ${new Date(job.not_before * 1000).toLocaleString()}` : null;
  const priority = job.priority && !job.finished_at ? `priority ${job.priority}` : null;
  return [moving || job.step ? steps : null, left, loss, took, again, waits, priority].filter(Boolean).join(" · ");
}

customElements.define("tt-queue", Jobs);
