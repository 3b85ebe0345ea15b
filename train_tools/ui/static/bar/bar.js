// The head of every screen: where one is, the way to the other screens, what the engine does, language and colours.
import { ask, Feed } from "../base/api.js";
import { choose, chosen } from "../base/choice.js";
import { h, Island, link, say, sheet } from "../base/island.js";
import { places, SCREENS } from "../base/place.js";
import { duration, language, LANGUAGES, t } from "../base/words.js";
import { Bell } from "./bell.js";

const THEMES = ["follow", "light", "dark"];
const LISTED_MS = 5000;
const look = await sheet("bar.css", import.meta.url);

class Bar extends Island {
  static sheets = [look];

  begin() {
    this.project = h("select", { id: "project", "aria-label": t("bar.project"), onchange: () => this.choose(this.project.value, null) });
    this.version = h("select", { id: "version", "aria-label": t("bar.version"), onchange: () => this.choose(places.current.project, this.version.value) });
    this.heading = h("h1.heard", {});
    this.ways = h("nav.ways", { "aria-label": t("bar.screens") });
    this.lamp = h("span.lamp", { "aria-hidden": "true" });
    this.words = h("span", { role: "status" }, "…");
    this.root.append(this.heading, h("header.bar", {}, this.name(), this.place(), link({ screen: "queue" }, "a.status", {}, this.lamp, this.words), this.menu()), this.ways);
    new Feed(this, () => "projects", (answer) => this.showPlaces(answer), () => this.away(), LISTED_MS);
    new Feed(this, () => "jobs", (answer) => this.showJobs(answer.jobs), (error) => this.away(error));
    this.on(places, "arrived", () => this.draw());
    this.draw();
  }

  name() {
    return link({ screen: "projects" }, "a.name", {}, "Train Tools");
  }

  place() {
    return h("span.place", {}, this.project, h("span", { "aria-hidden": "true" }, "›"), this.version);
  }

  menu() {
    const option = (value, words, current) => h("option", { value, selected: value === current }, words);
    const theme = h("select", { "aria-label": t("bar.theme"), onchange: () => paint(theme.value) }, THEMES.map((each) => option(each, t(`bar.themes.${each}`), chosen("theme", "follow"))));
    const tongue = h("select", { "aria-label": t("bar.language"), onchange: () => speak(tongue.value) }, Object.entries(LANGUAGES).map(([tag, words]) => option(tag, words, language)));
    return h("span.menu", {}, new Bell(this).element, theme, tongue);
  }

  draw() {
    const { screen, project, version } = places.current;
    const way = (each) => link({ screen: each }, "a", { "aria-current": each === screen ? "page" : false }, t(`screens.${each}`));
    this.ways.replaceChildren(...SCREENS.map(way));
    this.showCurrent();
    say(this.heading, t(`screens.${screen}`));
    if (this.projects) this.fill(project, version);
    document.title = this.titled();
  }

  /** On a narrow screen the row of ways is scrolled; the page itself stays where it is. */
  showCurrent() {
    const current = this.ways.querySelector("[aria-current=page]");
    this.ways.scrollLeft = current.offsetLeft + current.offsetWidth / 2 - this.ways.offsetLeft - this.ways.clientWidth / 2;
  }

  showPlaces({ projects, chosen }) {
    this.projects = projects;
    const { project, version } = places.current;
    if (project === null) return chosen.project === null ? this.draw() : this.enter(chosen.project, chosen.version);
    if (version === null) return this.enter(project, null);
    this.draw();
  }

  /** A place that the address does not name whole: the version chosen last, else the newest. */
  enter(project, version) {
    const known = this.projects.find((each) => each.name === project);
    places.go({ project, version: version ?? known?.versions[0] ?? null, query: places.current.query }, { replace: true });
    this.draw();
  }

  fill(project, version) {
    const known = this.projects.find((each) => each.name === project);
    options(this.project, this.projects.map((each) => each.name), project, t("bar.no_project"));
    options(this.version, known?.versions ?? [], version, t("bar.no_version"));
  }

  choose(project, version) {
    const known = this.projects.find((each) => each.name === project);
    const entered = version ?? known?.versions[0] ?? null;
    ask("choice", { method: "PUT", body: { project, version: entered } }).catch(() => {});
    places.go({ project, version: entered });
  }

  showJobs(jobs) {
    const running = jobs.filter((job) => job.state === "running" || job.state === "starting");
    const waiting = jobs.filter((job) => job.state === "queued").length;
    const left = Math.max(...running.map((job) => job.seconds_left ?? 0), 0);
    this.lamp.className = running.length ? "lamp on" : "lamp";
    const parts = [running.length ? t("bar.running", { n: running.length }) : t("bar.idle"), waiting ? t("bar.waiting", { n: waiting }) : null, left ? t("bar.left", { time: duration(left) }) : null];
    say(this.words, parts.filter(Boolean).join(" · "));
    this.share = running.length ? `${Math.floor(running[0].progress * 100)}% · ` : "";
    document.title = this.titled();
  }

  titled() {
    return `${this.share ?? ""}Train Tools`;
  }

  away(error) {
    this.lamp.className = "lamp off";
    say(this.words, error?.status === 401 ? t("bar.no_token") : t("bar.away"));
  }
}

/** Keeps a choice that is not there (any more) visible instead of showing another one's name. */
function options(select, names, current, none) {
  const listed = current === null || names.includes(current) ? names : [current, ...names];
  const wanted = current === null ? ["", ...listed] : listed;
  const shown = [...select.options].map((each) => each.value);
  if (JSON.stringify(shown) !== JSON.stringify(wanted)) select.replaceChildren(...wanted.map((name) => h("option", { value: name }, name || none)));
  select.value = current ?? "";
}

function paint(theme) {
  choose("theme", theme);
  dispatchEvent(new Event("train-tools-theme"));
}

function speak(tag) {
  choose("language", tag);
  location.reload();
}

customElements.define("tt-bar", Bar);
