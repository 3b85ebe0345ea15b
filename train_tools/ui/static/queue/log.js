// The log of a job: its end, followed while it grows, searched, taken away as a file.
import { ask } from "../base/api.js";
import { h, say } from "../base/island.js";
import { t } from "../base/words.js";

const SHORT = 40;
const LONG = 2000;
const AGAIN_MS = 1000;

/** A fold that reads when it is opened. A failed job's tells why it failed, through `tell`. */
export class Log {
  constructor(id, failed, tell) {
    Object.assign(this, { id, failed, tell, lines: SHORT, attempt: null, text: "", readAt: 0 });
    this.view = h("pre", { tabindex: "0", role: "region", "aria-label": t("queue.log") });
    this.search = h("input", { type: "search", placeholder: t("queue.search"), "aria-label": t("queue.search"), oninput: () => this.draw() });
    this.follow = h("input", { type: "checkbox", checked: true });
    this.all = h("button.quiet", { type: "button", onclick: () => this.showAll() }, t("queue.whole_log"));
    this.take = h("a", { download: `job-${id}.log`, href: "#", onclick: (event) => this.download(event) }, t("queue.download"));
    this.tools = h("div.tools", {}, this.search, h("label", {}, this.follow, t("queue.follow")), this.all, this.take);
    this.element = h("details", { ontoggle: () => this.element.open && this.read() }, h("summary", {}, t("queue.log")), this.tools, this.view);
  }

  show(attempt, moving) {
    this.element.hidden = attempt === 0;
    const stale = moving ? Date.now() - this.readAt >= AGAIN_MS : this.attempt !== attempt;
    this.attempt = attempt;
    if (this.element.open && stale) this.read();
  }

  showAll() {
    this.lines = this.lines === SHORT ? LONG : SHORT;
    say(this.all, this.lines === SHORT ? t("queue.whole_log") : t("queue.end_of_log"));
    this.read();
  }

  async read() {
    this.readAt = Date.now();
    try {
      const failure = this.failed() ? await ask(`jobs/${this.id}/failure`) : null;
      if (failure) this.tell(failure);
      this.text = failure && this.lines === SHORT ? failure.tail : (await ask(`jobs/${this.id}/log?lines=${this.lines}`)).text;
    } catch (error) {
      this.text = error.message;
    }
    this.draw();
  }

  draw() {
    const wanted = this.search.value.toLowerCase();
    const lines = this.text.split("\n").filter((line) => line.toLowerCase().includes(wanted));
    say(this.view, lines.join("\n").trim() || (wanted ? t("queue.nothing_found") : t("queue.empty_log")));
    if (this.follow.checked && !wanted) this.view.scrollTop = this.view.scrollHeight;
  }

  async download(event) {
    event.preventDefault();
    const { text } = await ask(`jobs/${this.id}/log?lines=${LONG}`);
    const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    Object.assign(document.createElement("a"), { href: address, download: this.take.download }).click();
    URL.revokeObjectURL(address);
  }
}
