// Whether the queue goes on: how much is left, what it waits for, and the button that pauses it and lets it go on.
import { ask, Feed } from "../base/api.js";
import { h, say } from "../base/island.js";
import { count, duration, number } from "../base/words.js";

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
    say(this.button, queue.paused ? "Resume the queue" : "Pause the queue");
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
  const left = seconds_left === null ? "" : `, about ${duration(seconds_left)} left`;
  const counts = `${number(active)} running, ${count(waiting, "job")} waiting${left}.`;
  if (paused) return `The queue is paused${reason ? ` (${reason})` : ""}. ${counts}`;
  return reason ? `${reason} ${counts}` : counts;
}
