// Lines on a canvas, with a legend that tells the values under the pointer, smoothing and logarithmic axes.
//
//   const chart = new LineChart({ label: "Loss", x: "images seen", y: "loss", file: "losses" });
//   chart.show([{ name: "rank 16", points: [[0, 0.2], [40, 0.1]] }]);   // shadow root: static sheets = [chartLook]
import { h, say, sheet } from "./island.js";
import { brief, Scale, smoothed } from "./scales.js";
import { takeAway } from "./table_file.js";
import { t } from "./words.js";

export const chartLook = await sheet("chart.css", import.meta.url);
const COLOURS = 8;
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
const EDGE = { left: 52, right: 10, top: 8, bottom: 30 };
const NS = "http://www.w3.org/2000/svg";

export class LineChart {
  /** `label` names the chart, `x` and `y` its axes; `file` is what its data are called when they are taken away. */
  constructor({ label, x, y, file, smoothing = 0.6, controls = true }) {
    Object.assign(this, { label, x, y, file, series: [], hidden: new Set(), under: null });
    this.canvas = h("canvas", { tabindex: "0", role: "img", "aria-label": label });
    this.keys = h("div.keys", { role: "group", "aria-label": t("chart.lines") });
    this.where = h("div.where", {});
    this.smoothing = h("input", { type: "range", min: "0", max: "0.98", step: "0.02", value: smoothing, oninput: () => this.draw() });
    this.logX = h("input", { type: "checkbox", onchange: () => this.draw() });
    this.logY = h("input", { type: "checkbox", onchange: () => this.draw() });
    this.element = h("div.chart", {}, controls ? this.controls() : null, h("div.plot", {}, this.canvas), this.where, this.keys);
    this.listen();
  }

  controls() {
    const take = takeAway(this.file, () => this.rows());
    return h("div.controls", {}, h("label", {}, t("chart.smoothing"), this.smoothing), h("label", {}, this.logX, t("chart.log_x")), h("label", {}, this.logY, t("chart.log_y")), h("span.take", {}, take));
  }

  listen() {
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    new MutationObserver(() => this.draw()).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
    this.canvas.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("blur", () => this.point(null));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  /** `series`: [{name, points: [[x, y], ...]}], each in the order of x. */
  show(series) {
    this.series = series;
    this.keys.replaceChildren(...series.map((each, at) => this.legend(each, at)));
    this.draw();
  }

  /** What is drawn, as a table. */
  rows() {
    return this.series.flatMap(({ name, points }) => points.map(([x, y]) => ({ line: name, [this.x]: x, [this.y]: y })));
  }

  legend(each, at) {
    const button = h("button", { type: "button", "aria-pressed": String(!this.hidden.has(each.name)), title: each.name, onclick: () => this.toggle(each.name, button) }, swatch(at), h("span", {}, each.name), h("output", {}));
    return button;
  }

  toggle(name, button) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    button.setAttribute("aria-pressed", String(!this.hidden.has(name)));
    this.draw();
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const width = this.canvas.clientWidth - EDGE.left - EDGE.right;
    const from = this.under ?? (step > 0 ? EDGE.left : EDGE.left + width);
    this.point(Math.min(EDGE.left + width, Math.max(EDGE.left, from + (step * width) / 50)));
  }

  point(left) {
    this.under = left;
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    const pen = this.canvas.getContext("2d");
    const density = devicePixelRatio;
    Object.assign(this.canvas, { width: width * density, height: height * density });
    pen.scale(density, density);
    const seen = this.series.map((each, at) => ({ ...each, at })).filter((each) => !this.hidden.has(each.name));
    const points = seen.flatMap((each) => each.points);
    const plot = new Plot(pen, width, height, new Scale(points.map(([x]) => x), { log: this.logX.checked }), new Scale(points.map(([, y]) => y), { log: this.logY.checked }));
    plot.axes(this.x, this.y);
    const weight = Number(this.smoothing.value);
    for (const each of seen) {
      if (weight) plot.line(each.points, each.at, 0.22);
      plot.line(smoothed(each.points, weight), each.at, 1);
    }
    this.tell(plot, seen, weight);
  }

  /** The values under the pointer, in the legend. */
  tell(plot, seen, weight) {
    const x = this.under === null ? null : plot.valueAt(this.under);
    if (x !== null) plot.cross(this.under);
    say(this.where, x === null ? "" : `${this.x}: ${brief(x)}`);
    for (const [at, button] of [...this.keys.children].entries()) {
      const each = x === null ? null : seen.find((one) => one.at === at);
      const near = each ? nearest(smoothed(each.points, weight), x) : null;
      if (near) plot.dot(near, at);
      say(button.lastChild, near ? brief(near[1]) : "");
    }
  }
}

/** The ground that lines are drawn on. */
class Plot {
  constructor(pen, width, height, x, y) {
    Object.assign(this, { pen, x, y, style: getComputedStyle(pen.canvas) });
    this.box = { left: EDGE.left, top: EDGE.top, right: width - EDGE.right, bottom: height - EDGE.bottom };
  }

  colour(name) {
    return this.style.getPropertyValue(`--tt-${name}`).trim();
  }

  left(value) {
    return this.box.left + this.x.at(value) * (this.box.right - this.box.left);
  }

  top(value) {
    return this.box.bottom - this.y.at(value) * (this.box.bottom - this.box.top);
  }

  valueAt(left) {
    return this.x.value(Math.min(1, Math.max(0, (left - this.box.left) / (this.box.right - this.box.left))));
  }

  axes(x, y) {
    const { pen, box } = this;
    pen.font = `11px ${this.style.fontFamily}`;
    pen.fillStyle = this.colour("quiet");
    pen.strokeStyle = this.colour("line");
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const value of this.y.ticks((box.bottom - box.top) / 45)) {
      this.stroke([box.left, this.top(value)], [box.right, this.top(value)]);
      pen.fillText(brief(value), box.left - 6, this.top(value));
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const value of this.x.ticks((box.right - box.left) / 90)) pen.fillText(brief(value), this.left(value), box.bottom + 4);
    pen.textAlign = "right";
    pen.fillText(x, box.right, box.bottom + 17);
    this.upright(y);
  }

  upright(words) {
    const { pen, box } = this;
    pen.save();
    pen.translate(2, box.top);
    pen.rotate(-Math.PI / 2);
    pen.fillText(words, 0, 0);
    pen.restore();
  }

  stroke(...points) {
    this.pen.beginPath();
    for (const [left, top] of points) this.pen.lineTo(left, top);
    this.pen.stroke();
  }

  line(points, at, opacity) {
    const { pen } = this;
    const shown = points.filter(([x, y]) => this.x.holds(x) && this.y.holds(y)).map(([x, y]) => [this.left(x), this.top(y)]);
    pen.save();
    pen.beginPath();
    pen.rect(this.box.left, this.box.top - 2, this.box.right - this.box.left, this.box.bottom - this.box.top + 4);
    pen.clip();
    Object.assign(pen, { globalAlpha: opacity, strokeStyle: this.colour(`series-${(at % COLOURS) + 1}`), lineWidth: opacity < 1 ? 1 : 1.75, lineJoin: "round" });
    pen.setLineDash(dash(at));
    this.stroke(...shown);
    pen.restore();
    if (shown.length === 1) this.dot(points[0], at);
  }

  cross(left) {
    this.pen.strokeStyle = this.colour("line-strong");
    this.stroke([left, this.box.top], [left, this.box.bottom]);
  }

  dot([x, y], at) {
    if (!this.x.holds(x) || !this.y.holds(y)) return;
    this.pen.fillStyle = this.colour(`series-${(at % COLOURS) + 1}`);
    this.pen.beginPath();
    this.pen.arc(this.left(x), this.top(y), 3.5, 0, 2 * Math.PI);
    this.pen.fill();
  }
}

/** Lines are told apart by colour and, from the ninth on, by their dashes as well. */
const dash = (at) => DASHES[Math.floor(at / COLOURS) % DASHES.length];

function nearest(points, x) {
  return points.reduce((best, point) => (best === null || Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best), null);
}

function swatch(at) {
  const drawn = document.createElementNS(NS, "svg");
  const line = document.createElementNS(NS, "line");
  for (const [name, value] of Object.entries({ width: 18, height: 8, "aria-hidden": "true" })) drawn.setAttribute(name, value);
  for (const [name, value] of Object.entries({ x1: 0, x2: 18, y1: 4, y2: 4, "stroke-width": 2.5, "stroke-dasharray": dash(at).join(" "), stroke: `var(--tt-series-${(at % COLOURS) + 1})` })) line.setAttribute(name, value);
  drawn.append(line);
  return drawn;
}

/**
 * Bars beside their names: `bars` [{name, value, told, best}]; `chance` [low, high] is the band within which
 * differences say nothing. Bars begin at zero.
 */
export function barChart({ label, bars, chance = null }) {
  const values = [0, ...bars.map((bar) => bar.value), ...(chance ?? [])].filter(Number.isFinite);
  const scale = new Scale(values);
  const span = (from, to) => `left:${scale.at(Math.min(from, to)) * 100}%;width:${Math.max(0.4, Math.abs(scale.at(to) - scale.at(from)) * 100)}%`;
  const row = (bar) => h(bar.best ? "div.row.best" : "div.row", { role: "listitem" }, h("b", {}, bar.name), h("span.track", { "aria-hidden": "true" }, h("span.bar", { style: span(0, bar.value) }), chance ? h("span.chance", { style: span(...chance) }) : null), h("span.told", {}, bar.told));
  return h("div.bars", { role: "list", "aria-label": label }, bars.map(row));
}
