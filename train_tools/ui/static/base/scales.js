// Where a number lies on an axis, which numbers are written beside it, and how noisy lines are smoothed.
import { language } from "./words.js";

const FEW = new Intl.NumberFormat(language, { maximumSignificantDigits: 3 });
const COMPACT = new Intl.NumberFormat(language, { maximumSignificantDigits: 3, notation: "compact" });

/** A number as an axis or a legend has it: 0.0834, 12K, 5e-5. */
export function brief(value) {
  const size = Math.abs(value);
  if (size >= 10_000) return COMPACT.format(value);
  return size > 0 && size < 1e-3 ? value.toExponential(1).replace(".0e", "e") : FEW.format(value);
}

/** From numbers to 0..1, linear or logarithmic. A logarithmic one holds positive numbers only. */
export class Scale {
  constructor(values, { log = false } = {}) {
    const kept = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
    this.log = log;
    this.low = kept.reduce((least, value) => Math.min(least, value), Infinity);
    this.high = kept.reduce((most, value) => Math.max(most, value), -Infinity);
    if (!kept.length) [this.low, this.high] = log ? [1, 10] : [0, 1];
    if (this.low === this.high) [this.low, this.high] = log ? [this.low / 2, this.high * 2] : [this.low - (Math.abs(this.low) || 1) / 2, this.high + (Math.abs(this.high) || 1) / 2];
  }

  holds(value) {
    return Number.isFinite(value) && (!this.log || value > 0);
  }

  /** 0 at the low end, 1 at the high end. */
  at(value) {
    const place = this.log ? Math.log : Number;
    return (place(value) - place(this.low)) / (place(this.high) - place(this.low));
  }

  /** The number at a place from 0 to 1. */
  value(at) {
    if (this.log) return Math.exp(Math.log(this.low) + at * Math.log(this.high / this.low));
    return this.low + at * (this.high - this.low);
  }

  /** Round numbers to write beside the axis, about so many. */
  ticks(about) {
    return this.log ? this.logTicks(about) : this.evenTicks(about);
  }

  evenTicks(about) {
    const rough = (this.high - this.low) / Math.max(1, about);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((each) => each * power >= rough);
    const first = Math.ceil(this.low / step);
    const count = Math.floor(this.high / step) - first + 1;
    return Array.from({ length: Math.max(0, count) }, (_, at) => (first + at) * step);
  }

  logTicks(about) {
    const decades = [];
    for (let power = Math.floor(Math.log10(this.low)); power <= Math.ceil(Math.log10(this.high)); power++) decades.push(10 ** power);
    const within = (steps) => decades.flatMap((decade) => steps.map((step) => step * decade)).filter((value) => value >= this.low * 0.999 && value <= this.high * 1.001);
    const found = [[1], [1, 3], [1, 2, 5]].map(within).find((ticks) => ticks.length >= Math.min(3, about)) ?? within([1, 2, 3, 4, 6, 8]);
    return found.length > 1 ? found : [this.low, this.high];
  }
}

/**
 * An exponential moving average that begins unbiased (as TensorBoard's); `weight` 0 leaves the points as they are.
 * Points that lie apart are treated alike, however far apart they are.
 */
export function smoothed(points, weight) {
  if (!weight) return points;
  let [mean, trust] = [0, 0];
  return points.map(([x, y]) => {
    mean = mean * weight + y * (1 - weight);
    trust = trust * weight + (1 - weight);
    return [x, mean / trust];
  });
}
