// One job: how far it is, what may be done with it, why it failed, its log.
import { h, link, say } from "../base/island.js";
import { duration, moment, t } from "../base/words.js";
import { Log } from "./log.js";

const STOPS = ["step", "epoch", "now"];
const SIGNS = { done: "✔", failed: "✖", cancelled: "◼", lost: "?", queued: "…", paused: "‖", starting: "▷", running: "▶" };
const NEXT = ["less-memory", "clone", "suggest"];
const ON_PICTURES = ["preview", "preview-now", "import", "prepare", "check", "caption", "regularisation"];

export class Row {
  constructor(job, queue) {
    Object.assign(this, { id: job.id, queue, attempt: null });
    this.sign = h("span.sign", { "aria-hidden": "true" });
    this.title = h("span.title", {}, job.title);
    this.state = h("span.state", {});
    this.bar = h("progress", { max: 1, "aria-label": t("queue.progress_of", { title: job.title }) });
    this.facts = h("span.facts", {});
    this.message = h("p.message", {});
    this.why = h("p.message.why", {});
    this.buttons(job);
    this.log = new Log(this.id, () => this.failed, (failure) => this.tell(failure));
    const head = h("div.head", {}, this.grip, this.sign, this.title, this.state, this.acts);
    this.element = h("li.job", { "data-job": job.id }, head, this.bar, this.message, this.why, h("div.foot", {}, this.facts, this.results, this.log.element));
  }

  buttons({ id, title }) {
    const button = (word, act, name) => h("button.quiet", { type: "button", "aria-label": name, onclick: act }, word);
    const to = (what, body) => this.queue.act(`jobs/${id}/${what}`, body?.());
    const when = () => ({ stop: this.when.value });
    this.grip = h("button.grip", { type: "button", "aria-label": t("queue.grip", { title }), title: t("queue.grip_hint") }, "≡");
    this.when = h("select", { "aria-label": t("queue.when_to_stop", { title }) }, STOPS.map((each) => h("option", { value: each }, t(`queue.stops.${each}`))));
    this.up = button("↑", () => to("move", () => ({ place: Math.max(1, this.place - 1) })), t("queue.move_up", { title }));
    this.down = button("↓", () => to("move", () => ({ place: this.place + 1 })), t("queue.move_down", { title }));
    this.pause = button(t("queue.pause"), () => to("pause", when), t("queue.pause_of", { title }));
    this.resume = button(t("queue.resume"), () => to("resume"), t("queue.resume_of", { title }));
    this.stop = button(t("queue.stop"), () => to("cancel", when), t("queue.stop_of", { title }));
    this.retry = button(t("queue.retry"), () => to("retry"), t("queue.retry_of", { title }));
    this.remove = button(t("queue.remove"), () => this.queue.act(`jobs/${id}`, undefined, "DELETE"), t("queue.remove_of", { title }));
    this.less = button(t("queue.next.less-memory"), () => this.queue.act("runs/less-memory", { run: String(id) }), t("queue.less_of", { title }));
    this.less.hidden = true;
    this.results = h("span.results", {});
    this.acts = h("span.acts", {}, this.up, this.down, this.pause, this.resume, this.when, this.stop, this.less, this.retry, this.remove);
  }

  show(job) {
    const moving = job.state === "running" || job.state === "starting";
    this.element.dataset.state = job.state;
    this.element.dataset.place = job.place ?? "";
    this.place = job.place;
    say(this.sign, SIGNS[job.state] ?? "");
    say(this.state, job.stopping ? t(`queue.endings.${job.stop}`) : job.place ? `#${job.place}` : moving && job.phase ? job.phase : t(`queue.states.${job.state}`));
    for (const [part, shown] of [["grip", job.place], ["up", job.place > 1], ["down", job.place], ["pause", job.can_pause], ["resume", job.can_resume], ["when", moving && job.can_cancel], ["stop", job.can_cancel], ["retry", job.can_retry], ["remove", job.can_delete]]) this[part].hidden = !shown;
    this.bar.hidden = !moving && !(job.step && job.state !== "done");
    this.bar.value = job.progress;
    say(this.facts, facts(job, moving));
    say(this.message, job.message);
    this.failed = job.state === "failed";
    if (!this.failed) say(this.why, "");
    if (!this.failed) this.less.hidden = true;
    this.offer(job);
    this.log.show(job.attempt, moving);
  }

  /** Where what came of it can be seen. */
  offer(job) {
    const [, project, , version] = job.folder.split("/");
    if (job.state !== "done" || !version || this.results.childElementCount) return;
    if (["train", "preview"].includes(job.kind)) this.results.append(link({ screen: "checkpoints", project, version }, "a", {}, t("queue.to_checkpoints")));
  }

  openLog() {
    this.log.element.open = true;
  }

  tell(failure) {
    const code = failure.exit_code === null ? "" : `${t("queue.exit_code", { code: String(failure.exit_code) })} `;
    const happened = failure.happened === failure.message ? "" : `${failure.happened} `;
    say(this.why, `${code}${happened}${failure.advice}`);
    const steps = failure.next_steps.map((step) => step.action).filter((step) => NEXT.includes(step));
    this.less.hidden = !steps.includes("less-memory");
  }
}

function facts(job, moving) {
  const steps = job.total_steps ? t(`queue.${ON_PICTURES.includes(job.kind) ? "pictures" : "steps"}`, { step: job.step, n: job.total_steps }) : null;
  const speed = moving && job.steps_per_s ? t("queue.speed", { n: Number(job.steps_per_s.toPrecision(2)) }) : null;
  const left = job.seconds_left === null ? null : t("queue.left", { time: duration(job.seconds_left) });
  const loss = job.loss === null ? null : t("queue.loss", { loss: job.loss.toPrecision(3) });
  const took = !moving && job.started_at && job.finished_at ? t("queue.took", { time: duration(job.finished_at - job.started_at) }) : null;
  const again = job.attempt > 1 ? t("queue.attempt", { n: job.attempt }) : null;
  const waits = job.place !== null && job.not_before ? t("queue.not_before", { moment: moment(job.not_before) }) : null;
  const priority = job.priority && !job.finished_at ? t("queue.priority", { n: job.priority }) : null;
  return [moving || job.step ? steps : null, speed, left, loss, took, again, waits, priority].filter(Boolean).join(" · ");
}
