// Files on their way from this browser into a version: announced all at once, sent one after the other, then imported.
import { addressOf, ask, Refusal, versionPath } from "../base/api.js";

/** What is dropped or chosen, as {name, file}; folders are read to the bottom. */
export async function filesOf(items) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = [];
  for (const entry of entries) await collect(entry, found);
  return found;
}

export const filesChosen = (files) => [...files].map((file) => ({ name: file.webkitRelativePath || file.name, file }));

async function collect(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((done, fail) => entry.file(done, fail));
    found.push({ name: entry.fullPath.replace(/^\//, ""), file });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return;
    for (const each of some) await collect(each, found);
  }
}

/** One upload. Tells of itself by "progress" events; `run` ends with the import's job, or null when nothing was sent. */
export class Upload extends EventTarget {
  constructor(place, files) {
    super();
    Object.assign(this, { place, files, sent: 0, sent_bytes: 0, of_file: 0, stopped: false, left_out: [], name: "" });
    this.total_bytes = files.reduce((sum, each) => sum + each.file.size, 0);
  }

  async run() {
    const files = this.files.map((each) => ({ name: each.name, size_bytes: each.file.size }));
    const begun = await ask(this.path(), { method: "POST", body: { files } });
    this.id = begun.id;
    this.left_out = begun.left_out;
    const refused = new Set(begun.left_out.map((each) => each.source));
    this.files = this.files.filter((each) => !refused.has(each.name));
    this.total_bytes = this.files.reduce((sum, each) => sum + each.file.size, 0);
    for (const each of this.files) {
      if (this.stopped) return this.discarded();
      await this.send(each);
    }
    if (this.stopped || !this.files.length) return this.discarded();
    return ask(this.path(this.id, "import"), { method: "POST", body: {} });
  }

  cancel() {
    this.stopped = true;
    this.sending?.abort();
  }

  get share() {
    return this.total_bytes ? (this.sent_bytes + this.of_file) / this.total_bytes : 0;
  }

  path(...rest) {
    return versionPath(this.place, "dataset", "uploads", ...rest);
  }

  async discarded() {
    await ask(this.path(this.id), { method: "DELETE" });
    return null;
  }

  /** By XMLHttpRequest: fetch does not say how far a body has come. */
  send({ name, file }) {
    this.name = name;
    const request = (this.sending = new XMLHttpRequest());
    request.open("PUT", addressOf(`${this.path(this.id, "files")}/${name.split("/").map(encodeURIComponent).join("/")}`));
    request.upload.onprogress = (event) => this.tell(event.loaded);
    return new Promise((done, fail) => {
      request.onload = () => (request.status < 300 ? done(this.arrived(file)) : fail(refusalOf(request)));
      request.onerror = () => fail(new Refusal(`${name}: the connection broke off.`, "Away", 0));
      request.onabort = () => done();
      request.send(file);
    });
  }

  arrived(file) {
    this.sent += 1;
    this.sent_bytes += file.size;
    this.tell(0);
  }

  tell(of_file) {
    this.of_file = of_file;
    this.dispatchEvent(new Event("progress"));
  }
}

function refusalOf(request) {
  try {
    const { error } = JSON.parse(request.responseText);
    return new Refusal(error.message, error.type, request.status);
  } catch {
    return new Refusal(`The answer was ${request.status}.`, "HttpError", request.status);
  }
}
