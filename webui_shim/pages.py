"""What the tab shows while there is no service: a page that sets it up and starts it, and sentences."""

from __future__ import annotations

import html

from .service import PREFIX

STYLE = """
:root{color-scheme:light dark}
body{font:1rem/1.6 system-ui,sans-serif;max-width:46rem;margin:8vh auto;padding:0 1.5rem}
button{font:inherit;padding:.4rem 1rem;margin-right:.5rem;cursor:pointer}
progress{width:100%;height:1rem}
pre{font:.8rem/1.5 ui-monospace,monospace;max-height:22rem;overflow:auto;border:1px solid #8886;padding:.75rem;
white-space:pre-wrap;overflow-wrap:anywhere}
[hidden]{display:none}
"""

WORDS = """
<h1>Train Tools</h1>
<p id="said" role="status">Looking ...</p>
<progress id="progress" hidden></progress>
<p><button id="start" hidden>Set up</button><button id="cancel" hidden>Cancel</button></p>
<details id="more" hidden><summary>What it prints</summary><pre id="log"></pre></details>
"""

SCRIPT = """
const own = "PREFIX_HERE/-/";
const el = id => document.getElementById(id);
const base = location.pathname.slice(0, location.pathname.indexOf("PREFIX_HERE"));
let restarted = false;
const words = {
  new: "Train Tools runs beside the WebUI with libraries of its own, PyTorch among them: some gigabytes are "
    + "downloaded into the extension's folder, once. Nothing of the WebUI is changed.",
  starting: "Train Tools is starting ...",
  stopped: "Train Tools has stopped.",
  failed: "Train Tools could not be started. The end of what it printed says why; another try goes on from there.",
};
async function ask(what, method) {
  const answer = await fetch(base + own + what, {method});
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error.message);
  return said;
}
function show(now) {
  const setting_up = now.phase === "starting" && now.steps > 0;
  el("said").textContent = setting_up
    ? `Setting up: step ${now.step} of ${now.steps}, ${now.title}` : words[now.phase];
  el("progress").hidden = now.phase !== "starting";
  if (setting_up) { el("progress").max = now.steps; el("progress").value = now.step - 0.5; }
  else el("progress").removeAttribute("value");
  el("start").hidden = now.phase === "starting";
  el("start").textContent = {new: "Set up", failed: "Try again"}[now.phase] || "Start";
  el("cancel").hidden = now.phase !== "starting";
  el("more").hidden = !now.log;
  if (now.phase === "failed") el("more").open = true;
  const log = el("log"), low = log.scrollTop + log.clientHeight >= log.scrollHeight - 30;
  if (log.textContent !== now.log) { log.textContent = now.log; if (low) log.scrollTop = log.scrollHeight; }
}
async function look() {
  try {
    const now = await ask("status", "GET");
    if (now.phase === "ready") return location.reload();
    show(now);
    if (now.phase === "stopped" && !restarted) { restarted = true; await ask("start", "POST"); }
  } catch (problem) {
    el("said").textContent = problem.message;
  }
  setTimeout(look, 1000);
}
for (const what of ["start", "cancel"])
  el(what).onclick = () => {
    restarted = true;
    ask(what, "POST").catch(problem => { el("said").textContent = problem.message; });
  };
look();
"""


def start_page() -> str:
    return page(WORDS + f"<script>{SCRIPT.replace('PREFIX_HERE', PREFIX)}</script>")


def words_page(sentence: str) -> str:
    return page(f"<h1>Train Tools</h1><p>{html.escape(sentence)}</p>")


def page(body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Train Tools</title><style>{STYLE}</style>{body}</html>"
    )
