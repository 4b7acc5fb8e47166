// Numbers on axes: ranges that hold curves, and round ticks with as many digits as tell them apart.

import { number } from "../lib/text.js";

/** The lowest and the highest finite of some arrays; of positive ones alone for a logarithm. */
export function span(arrays, isLog = false) {
  let low = Infinity;
  let high = -Infinity;
  for (const array of arrays) {
    for (let at = 0; at < array.length; at++) {
      const value = array[at];
      if (value === Infinity || value === -Infinity || (isLog && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : null;
}

/** A little more than a span, so that no curve lies on the border; something where it is a point. */
export function padded(found, isLog = false) {
  if (!found) return isLog ? [0.1, 1] : [0, 1];
  const [low, high] = found;
  if (isLog) return low === high ? [low / 2, high * 2] : [low * (low / high) ** 0.04, high * (high / low) ** 0.04];
  if (low === high) return [low - (Math.abs(low) / 2 || 1), high + (Math.abs(high) / 2 || 1)];
  const more = (high - low) * 0.04;
  return [low - more, high + more];
}

/** Round numbers between two. */
export function ticks(low, high, many = 5, isLog = false) {
  if (!(high > low)) return [low];
  if (isLog) {
    const first = Math.ceil(Math.log10(low) - 1e-9);
    const last = Math.floor(Math.log10(high) + 1e-9);
    if (last - first >= 1) {
      const every = Math.max(1, Math.ceil((last - first) / many));
      return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, at) => 10 ** (first + at * every));
    }
  }
  const rough = (high - low) / many;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * (1 - 1e-9));
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9 && found.length < 50; at++) found.push(at * step || 0);
  return found;
}

/** Labels of ticks, all with the same digits; those of a logarithm each with its own. */
export function tickLabels(values, isLog = false) {
  if (isLog) return values.map((value) => number(Number(value.toPrecision(3))));
  const large = Math.max(...values.map(Math.abs));
  const step = values.length > 1 ? Math.abs(values[1] - values[0]) : large || 1;
  return values.map((value) => tickLabel(value, large, step));
}

function tickLabel(value, large, step) {
  if (value === 0) return "0";
  if (large >= 1e9 && large < 1e13 && step >= 1e4) return `${Number((value / 1e9).toPrecision(6))}G`;
  if (large >= 1e9 || (large < 1e-3 && large > 0)) return number(Number(value.toPrecision(4)));
  if (large >= 1e4 && step >= 100) {
    return large >= 1e6 ? `${Number((value / 1e6).toPrecision(6))}M` : `${Number((value / 1e3).toPrecision(6))}k`;
  }
  const first = Math.max(0, Math.min(8, -Math.floor(Math.log10(step) + 1e-9)));
  const isWhole = Math.abs(step * 10 ** first - Math.round(step * 10 ** first)) < 1e-3;
  const digits = isWhole ? first : Math.min(8, first + 1);  // 0.0025 has one more than its size says
  return Math.abs(value) < step / 2 ? "0" : value.toFixed(digits);
}
