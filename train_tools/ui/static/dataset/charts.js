// Charts of the training images as they are now: how many in which bucket, how often which tag. Also as data.
import { addressOf, ask, versionPath } from "../base/api.js";
import { h } from "../base/island.js";
import { places } from "../base/place.js";
import { number, t } from "../base/words.js";

const TAGS = 25;

export class Charts {
  constructor(screen) {
    this.notices = screen.notices;
    this.buckets = h("figure.chart", {});
    this.tags = h("figure.chart", {});
    this.element = h("section.charts", {}, this.buckets, this.tags);
  }

  async look() {
    const path = (...rest) => versionPath(places.current, ...rest);
    await this.notices.trying(async () => {
      const buckets = await ask(`${path("dataset", "buckets")}?limit=0`);
      const tags = await ask(`${path("captions", "tags")}?limit=${TAGS}`);
      const isEmpty = !buckets.buckets.length;
      this.buckets.replaceChildren(...(isEmpty ? [] : bucketChart(buckets, path("dataset", "buckets"))));
      this.tags.replaceChildren(...(tags.shown.length ? tagChart(tags, path("captions", "tags")) : []));
    });
  }
}

function bucketChart({ buckets, resolution }, path) {
  const bars = buckets.map((each) => ({ words: each.size.join(" × "), value: each.images, told: t("dataset.charts.bucket", { n: each.images, batches: each.batches, cut: Math.round(each.cut * 100) }) }));
  const links = h("p.hint", {}, h("a", { href: addressOf(`${path}/sheet.png`), target: "_blank" }, t("dataset.charts.sheet")), " · ", h("a", { href: addressOf(`${path}?limit=1000`), download: "buckets.json" }, t("dataset.charts.data")));
  return [h("figcaption", {}, t("dataset.charts.buckets", { size: resolution.join(" × ") })), chart(bars), links];
}

function tagChart({ shown, images }, path) {
  const bars = shown.map((each) => ({ words: each.tag, value: each.captions, told: t("dataset.charts.tag", { n: each.captions, all: images }) }));
  return [h("figcaption", {}, t("dataset.charts.tags")), chart(bars), h("p.hint", {}, h("a", { href: addressOf(`${path}?limit=1000`), download: "tags.json" }, t("dataset.charts.data")))];
}

/** Horizontal bars with their values; a table to those who don't see it. */
function chart(bars) {
  const most = Math.max(...bars.map((each) => each.value), 1);
  const row = (each) => h("tr", { title: each.told }, h("th", { scope: "row" }, each.words), h("td", {}, h("span.extent", { style: `width: ${(100 * each.value) / most}%` })), h("td.value", {}, number(each.value)), h("td.facts", {}, each.told));
  return h("table.bars", {}, h("tbody", {}, bars.map(row)));
}
