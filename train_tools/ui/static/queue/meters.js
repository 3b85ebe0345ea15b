// How busy the machine is: cards, processors, memory, disk.
import { Feed } from "../base/api.js";
import { h, say } from "../base/island.js";
import { size, t } from "../base/words.js";

const AGAIN_MS = 3000;

export class Meters {
  constructor(island) {
    this.meters = new Map();
    this.element = h("div.meters", { role: "group", "aria-label": t("queue.machine") });
    new Feed(island, () => "machine/load", (load) => this.show(load), () => this.element.replaceChildren(), AGAIN_MS);
  }

  show({ processors, memory, disk, cards }) {
    const all = cards.flatMap((card, at) => this.card(card, cards.length > 1 ? `${at} ` : ""));
    all.push(this.meter("cpu", t("queue.processors"), processors, `${Math.round(processors * 100)} %`));
    all.push(this.share("ram", t("queue.memory"), memory), this.share("disk", t("queue.disk"), disk, t("queue.free", { size: size(disk.total_bytes - disk.used_bytes) })));
    if (this.element.childElementCount !== all.length) this.element.replaceChildren(...all);
  }

  card({ name, busy, memory, degrees_c }, number) {
    const heat = degrees_c === null ? "" : ` · ${Math.round(degrees_c)} °C`;
    const shares = [this.share(`${number}vram`, `${t("queue.card_memory")} ${number}`.trim(), memory)];
    if (busy !== null) shares.unshift(this.meter(`${number}gpu`, `${t("queue.card")} ${number}`.trim(), busy, `${Math.round(busy * 100)} %${heat}`, name));
    return shares;
  }

  share(key, name, { used_bytes, total_bytes }, words = `${size(used_bytes)} / ${size(total_bytes)}`) {
    return this.meter(key, name, total_bytes ? used_bytes / total_bytes : 0, words);
  }

  meter(key, name, share, words, hint = "") {
    if (!this.meters.has(key)) {
      const parts = { bar: h("meter", { min: 0, max: 1, high: 0.9, "aria-label": name }), words: h("small", {}) };
      parts.element = h("div.meter", { title: hint || null }, h("span", {}, name), parts.bar, parts.words);
      this.meters.set(key, parts);
    }
    const parts = this.meters.get(key);
    parts.bar.value = share;
    say(parts.words, words);
    return parts.element;
  }
}
