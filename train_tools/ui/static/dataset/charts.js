// Charts of the training images as they are now: how many in which bucket, how often which tag. Also as data.
import { addressOf, ask, versionPath } from "../base/api.js";
import { barChart } from "../base/chart.js";
import { h } from "../base/island.js";
import { places } from "../base/place.js";
import { takeAway } from "../base/table_file.js";
import { t } from "../base/words.js";

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
      const tags = await ask(`${path("captions", "tags")}?limit=1000`);
      const isEmpty = !buckets.buckets.length;
      this.buckets.replaceChildren(...(isEmpty ? [] : bucketChart(buckets, path("dataset", "buckets"))));
      this.tags.replaceChildren(...(tags.shown.length ? tagChart(tags) : []));
    });
  }
}

function bucketChart({ buckets, resolution }, path) {
  const bars = buckets.map((each) => ({ name: each.size.join(" × "), value: each.images, told: t("dataset.charts.bucket", { n: each.images, batches: each.batches, cut: Math.round(each.cut * 100) }) }));
  const rows = () => buckets.map(({ size, images, draws, batches, cut }) => ({ width: size[0], height: size[1], images, draws, batches, cut }));
  const words = t("dataset.charts.buckets", { size: resolution.join(" × ") });
  const drawn = h("a", { href: addressOf(`${path}/sheet.png`), target: "_blank" }, t("dataset.charts.sheet"));
  return [h("figcaption", {}, words, " ", drawn, h("span.take", {}, takeAway("buckets", rows))), barChart({ label: words, bars })];
}

function tagChart({ shown, images }) {
  const bars = shown.slice(0, TAGS).map((each) => ({ name: each.tag, value: each.captions, told: t("dataset.charts.tag", { n: each.captions, all: images }) }));
  const rows = () => shown.map(({ tag, captions, with_trigger }) => ({ tag, captions, with_trigger }));
  const words = t("dataset.charts.tags");
  return [h("figcaption", {}, words, h("span.take", {}, takeAway("tags", rows))), barChart({ label: words, bars })];
}
