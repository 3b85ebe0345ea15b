// The name, and what the engine does, at the head of every screen; also in the window's title.
import { Feed } from "./api.js";
import { h, Island, say } from "./island.js";

class Status extends Island {
  begin() {
    this.lamp = h("span.lamp", { "aria-hidden": "true" });
    this.words = h("span", { role: "status" }, "…");
    this.root.append(h("div.status", {}, h("strong.name", {}, "Train Tools"), h("small", {}, this.lamp, this.words)));
    new Feed(this, () => "jobs", (answer) => this.show(answer.jobs), (error) => this.fail(error));
  }

  show(jobs) {
    const running = jobs.filter((job) => job.state === "running" || job.state === "starting");
    const waiting = jobs.filter((job) => job.state === "queued").length;
    this.lamp.className = running.length ? "lamp on" : "lamp";
    say(this.words, [running.length ? `${running.length} running` : "idle", waiting ? `${waiting} waiting` : null].filter(Boolean).join(", "));
    document.title = running.length ? `${Math.floor(running[0].progress * 100)}% · Train Tools` : "Train Tools";
  }

  fail(error) {
    this.lamp.className = "lamp off";
    say(this.words, error.status === 401 ? "the token is missing" : "not connected");
  }
}


customElements.define("tt-status", Status);
