// Numbers on axes: ranges that hold curves, and round ticks with as many digits as tell them apart.

import { exponential, number } from "../lib/text.js";

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

const OFF = 1e-3;  // of the way to the next tick, by which a label may differ from its place
const MOST_DIGITS = 15;

/** Labels of ticks, all with as many decimals as say each of them as it is; those of a logarithm each with its own. */
export function tickLabels(values, isLog = false) {
  const large = Math.max(...values.map(Math.abs));
  const sorted = [...values].sort((one, other) => one - other);
  const step = Math.min(...sorted.slice(1).map((value, at) => value - sorted[at]), large || 1);
  if (isLog) {
    const ratio = Math.min(...sorted.slice(1).map((value, at) => value / sorted[at] - 1), 1);
    return values.map((value) => (value < 1e6 ? number : exponential)(value, fewest(value, value * ratio * OFF)));
  }
  const near = step * OFF;
  const [unit, sign] = large >= 1e9 && step >= 1e4 ? [1e9, "G"] : large >= 1e6 && step >= 100 ? [1e6, "M"]
    : large >= 1e4 && step >= 100 ? [1e3, "k"] : [1, ""];
  if (large >= 1e13 || (large >= 1e9 && unit === 1) || large < 1e-3) {
    return values.map((value) => (Math.abs(value) < near ? "0" : exponential(value, fewest(value, near))));
  }
  const scaled = values.map((value) => value / unit);
  let decimals = 0;
  const isOff = (value) => Math.abs(Number(value.toFixed(decimals)) - value) > near / unit;
  while (decimals < MOST_DIGITS && scaled.some(isOff)) decimals += 1;
  return scaled.map((value) => (Math.abs(value) < near / unit ? "0" : `${sign ? Number(value.toFixed(decimals)) : value.toFixed(decimals)}${sign}`));
}

/** How few significant digits say a value as near as that. */
function fewest(value, near) {
  let digits = 1;
  while (digits < MOST_DIGITS && Math.abs(Number(value.toPrecision(digits)) - value) > near) digits += 1;
  return digits;
}
