// Whether the queue goes on: how much is left, what it waits for, and the button that pauses it and lets it go on.
import { ask, Feed } from "../base/api.js";
import { h, say } from "../base/island.js";
import { duration, t } from "../base/words.js";

/** A line in an island. */
export class Pausing {
  constructor(island) {
    this.words = h("span", { role: "status" });
    this.button = h("button.quiet", { type: "button", hidden: true, onclick: () => this.change() });
    this.element = h("p.line", {}, this.words, this.button);
    this.feed = new Feed(island, () => "queue", (answer) => this.show(answer), (error) => say(this.words, error.message));
  }

  show(queue) {
    this.paused = queue.paused;
    say(this.words, words(queue));
    say(this.button, queue.paused ? t("queue.resume_all") : t("queue.pause_all"));
    this.button.hidden = !queue.paused && !queue.waiting;
  }

  async change() {
    try {
      await ask(this.paused ? "queue/resume" : "queue/pause", { method: "POST", body: this.paused ? undefined : {} });
      this.feed.now();
    } catch (error) {
      say(this.words, error.message);
    }
  }
}

function words({ paused, reason, waiting, active, seconds_left }) {
  if (!waiting && !active && !paused) return "";
  const left = seconds_left === null ? null : t("queue.left", { time: duration(seconds_left) });
  const counts = [t("queue.running", { n: active }), t("queue.waiting", { n: waiting }), left].filter(Boolean).join(" · ");
  const why = paused ? (reason ? t("queue.paused_because", { reason }) : t("queue.paused_all")) : reason;
  return why ? `${why} ${counts}` : counts;
}
