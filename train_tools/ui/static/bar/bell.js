// What has ended since somebody last looked: a bell with a number, a list with links, and an alarm where one is wanted.
import { Feed } from "../base/api.js";
import { alarm } from "../base/alarm.js";
import { choose, chosen } from "../base/choice.js";
import { h, link, say } from "../base/island.js";
import { places } from "../base/place.js";
import { moment, number, t } from "../base/words.js";

const ASKED = "jobs?state=done&state=failed&state=lost&limit=50";
const ASKED_MS = 3000;
const SHOWN = 12;
const SIGNS = { done: "✔", failed: "✖", lost: "?" };
const NS = "http://www.w3.org/2000/svg";
const BELL = "M12 3a6 6 0 0 0-6 6v4l-2 4h16l-2-4V9a6 6 0 0 0-6-6zM10 20a2 2 0 0 0 4 0";

export class Bell {
  constructor(island) {
    this.jobs = [];
    this.count = h("span.count", {});
    this.list = h("ul.ended", { "aria-label": t("bell.title") });
    const head = h("div.line", {}, h("b", {}, t("bell.title")), link({ screen: "settings", query: { part: "browser" } }, "a", {}, t("bell.settings")));
    this.news = h("div.news", { popover: "auto" }, head, this.list);
    this.button = h("button.bell", { type: "button" }, drawn(), this.count);
    this.button.popoverTargetElement = this.news;
    this.news.addEventListener("toggle", (event) => (event.newState === "open" ? this.open() : this.close()));
    this.news.addEventListener("click", (event) => event.target.closest("a") && this.news.hidePopover());
    this.element = h("span", {}, this.button, this.news);
    island.on(window, "storage", () => this.draw());
    new Feed(island, () => ASKED, ({ jobs }) => this.show(jobs), () => {}, ASKED_MS);
    this.draw();
  }

  /** Until when this browser's user has seen what ended; other tabs share it. */
  get seen() {
    return Number(chosen("news seen", "0"));
  }

  get unseen() {
    return this.jobs.filter((job) => job.finished_at > this.seen);
  }

  show(jobs) {
    this.jobs = jobs;
    const newest = Math.max(0, ...jobs.map((job) => job.finished_at));
    if (chosen("news seen") === null) choose("news seen", String(Math.max(newest, Date.now() / 1000)));
    const before = Number(chosen("news told", String(newest)));
    choose("news told", String(Math.max(before, newest)));
    this.tell(jobs.filter((job) => job.finished_at > Math.max(before, this.seen)));
    this.draw();
  }

  /** Of all tabs the first that hears of it raises the alarm: it has written down until when it told. */
  tell(ended) {
    if (!ended.length) return;
    const one = ended.length === 1;
    const title = one ? `${t(`bell.states.${ended[0].state}`)}: ${ended[0].title}` : t("bell.ended", { n: ended.length });
    const words = one ? ended[0].message : ended.slice(0, 3).map((job) => `${SIGNS[job.state]} ${job.title}`).join("\n");
    alarm(title, words, () => places.go({ screen: "queue" }));
  }

  draw() {
    const unseen = this.unseen.length;
    say(this.count, unseen ? number(unseen) : "");
    this.button.classList.toggle("unseen", unseen > 0);
    this.button.setAttribute("aria-label", unseen ? t("bell.unseen", { n: unseen }) : t("bell.title"));
    this.button.title = this.button.getAttribute("aria-label");
  }

  /** What is new; with nothing new, what ended last. */
  open() {
    const [unseen, since] = [this.unseen, this.seen];
    const rows = (unseen.length ? unseen : this.jobs).slice(0, SHOWN).map((job) => line(job, job.finished_at > since));
    this.list.replaceChildren(...(rows.length ? rows : [h("li.hint", {}, t("bell.nothing"))]));
    choose("news seen", String(Math.max(since, ...this.jobs.map((job) => job.finished_at))));
    this.draw();
  }

  close() {
    this.list.replaceChildren();
  }
}

function line(job, isNew) {
  const [, project, , version] = job.folder.split("/");
  const shown = job.state === "done" && version && ["train", "preview"].includes(job.kind);
  const place = shown ? { screen: "checkpoints", project, version } : { screen: "queue" };
  const sign = h("span.sign", { role: "img", "aria-label": t(`bell.states.${job.state}`) }, SIGNS[job.state]);
  const words = link(place, "a", {}, job.title);
  return h(isNew ? "li.new" : "li", { "data-state": job.state }, sign, h("span", {}, words, h("small", {}, [moment(job.finished_at), job.message].filter(Boolean).join(" · "))));
}

function drawn() {
  const svg = document.createElementNS(NS, "svg");
  const path = document.createElementNS(NS, "path");
  for (const [name, value] of Object.entries({ viewBox: "0 0 24 24", width: 18, height: 18, "aria-hidden": "true", fill: "none", stroke: "currentColor", "stroke-width": 1.8, "stroke-linejoin": "round" })) svg.setAttribute(name, value);
  path.setAttribute("d", BELL);
  svg.append(path);
  return svg;
}
