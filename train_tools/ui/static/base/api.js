// Talking to the API: questions, and feeds that are asked again and again: every second in sight, every ten seconds
// while another window or tab is in front, not at all on a screen that is not open.
// What is read from many files is asked less often.

const API = new URL("../../api/v1/", import.meta.url);
const SEEN_MS = 1000;
export const MANY_FILES_MS = 3000;
const HIDDEN_MS = 10000;

/** What the API refused, in its own words; `kind` is the error's type, `told` the whole answer. */
export class Refusal extends Error {
  constructor(message, kind, status, told = {}) {
    super(message);
    this.kind = kind;
    this.status = status;
    this.told = told;
  }
}

/** Where a resource lies, for links and for what is not JSON. */
export const addressOf = (path) => new URL(path, API).href;

/** The path of a version's resource; the parts may hold any letter. */
export function versionPath(place, ...rest) {
  const parts = ["projects", place.project, "versions", place.version, ...rest];
  return parts.map(encodeURIComponent).join("/");
}

/** The JSON answer, null when there is none. Throws Refusal, also when nobody answers. `keepalive`: even when the
 * page is left meanwhile. */
export async function ask(path, { method = "GET", body, signal, keepalive = false } = {}) {
  const answer = await answerTo(path, { method, body, signal, keepalive });
  return answer.status === 204 ? null : answer.json();
}

async function answerTo(path, { method, body, signal, keepalive }) {
  const isFile = body === undefined || body instanceof Blob;
  const headers = isFile ? {} : { "content-type": "application/json" };
  const sent = isFile ? body : JSON.stringify(body);
  let answer;
  try {
    answer = await fetch(new URL(path, API), { method, headers, body: sent, signal, keepalive });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refusal("Train Tools does not answer. It may have been stopped; this page keeps trying.", "Away", 0);
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Refusal(told.error?.message ?? `The answer was ${answer.status}.`, told.error?.type, answer.status, told);
}

/**
 * Asks one address again and again while `island` is on the page, and calls `show` with each answer that is new and
 * `fail` with each refusal. The next question waits for the last answer. `path()` null = nothing to ask now.
 */
export class Feed {
  constructor(island, path, show, fail, seen_ms = SEEN_MS) {
    Object.assign(this, { island, path, show, fail, seen_ms, known: null, timer: 0, asking: null, away: false });
    island.on(document, "visibilitychange", () => this.now());
    island.leaving.signal.addEventListener("abort", () => this.stop());
    this.sight = new IntersectionObserver((told) => this.look(told.at(-1).isIntersecting));
    this.sight.observe(island);
    this.now();
  }

  /** Asks at once, whatever was being asked. */
  now() {
    clearTimeout(this.timer);
    this.asking?.abort();
    if (this.island.isConnected) this.turn();
  }

  /** Coming into sight again, it asks at once. */
  look(seen) {
    if (seen && this.away) this.now();
    this.away = !seen;
  }

  stop() {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.sight.disconnect();
  }

  async turn() {
    if (!this.island.checkVisibility()) return this.later();
    const asking = (this.asking = new AbortController());
    const path = this.path();
    try {
      if (path !== null) await this.question(path, asking.signal);
    } catch (error) {
      if (asking.signal.aborted) return;
      this.known = null;
      this.fail(error);
    }
    if (this.asking === asking) this.later();
  }

  later() {
    this.timer = setTimeout(() => this.turn(), this.island.inSight ? this.seen_ms : HIDDEN_MS);
  }

  async question(path, signal) {
    const answer = await answerTo(path, { method: "GET", signal });
    const edition = `${path} ${answer.headers.get("etag")}`;
    const content = await answer.json();
    if (edition === this.known || signal.aborted) return;
    this.known = edition;
    this.show(content);
  }
}
