// An axis over the values of a column: numbers on a scale, anything else in a row of names.

import { padded, span, tickLabels, ticks } from "./scales.js";
import { OF_VALUES, shortNames } from "../lib/names.js";
import { number, shown } from "../lib/text.js";

const MOST_NAMES = 24;
const LETTERS = 15;  // of a name at an axis
const MOST_TICKS = 8;  // distinct numbers that are all labelled
const MOST_DIGITS = 17;  // by which every float differs from the next
const DIGITS = 6;  // of the end of a brush
const NEAREST = 0.035;  // labels so near to each other would be one
const DECADES = 100;  // from the least to the most, where values lie more evenly by their logarithm

/**
 * Where values lie on an axis, from 0 to 1; -1 where a run has none.
 * @param {import("../lib/columns.js").Column} column
 * @param {Int32Array} rows
 * @param {{isLog?: boolean|null, isFlipped?: boolean}} how - `isLog`: null for what the values look like.
 * @returns {object} `shares`, `ticks`, whether it `isLog`, may be (`canLog`), `isDiscrete`; what its `lane`
 *   of runs without a place is called; and of brushes what they hold, where they lie, how they are said.
 */
export function axisOf(column, rows, { isLog = null, isFlipped = false } = {}) {
  const values = Array.from(rows, (row) => column.get(row));
  const isNumeric = column.isNumeric || (values.some(isNumber) && values.every((value) => value === null || isNumber(value)));
  const made = isNumeric ? ofNumbers(values, isLog) : ofNames(values);
  const turn = (share) => (share < 0 || !isFlipped ? share : 1 - share);
  const missing = values.reduce((sum, value) => sum + (value === null), 0);
  const odd = made.shares.reduce((sum, share) => sum + (share < 0), 0) - missing;
  return {
    ...made, isNumeric, isFlipped, missing, hasOdd: odd > 0, count: values.length,
    shares: isFlipped ? made.shares.map(turn) : made.shares,
    ticks: spaced(made.ticks).map(([share, ...labels]) => [turn(share), ...labels]),
    lane: [missing > 0 && "none", odd > 0 && "not finite"].filter(Boolean).join(", "),
    /** The brush of a range of the axis; null where it holds nothing. */
    brushAt: ([low, high]) => made.brushAt(isFlipped ? [1 - high, 1 - low] : [low, high]),
    /** Where a brush lies; null where it is of the runs that have nothing. */
    rangeOf: (brush) => {
      const found = brush.none ? null : made.rangeOf(brush).map(turn);
      return found && [Math.max(0, Math.min(...found)), Math.min(1, Math.max(...found))];
    },
    fits: (brush) => Boolean(brush.none || (isNumeric ? !brush.names : brush.names)),
    holds: (brush) => (brush.none ? (at) => made.shares[at] < 0 : made.holds(brush)),
    said: (brush) => said(brush),
  };
}

const isNumber = (value) => typeof value === "number" || typeof value === "bigint";

function said(brush) {
  if (brush.none) return "none";
  return brush.names ? brush.names.join(", ") : `${number(brush.low)} to ${number(brush.high)}`;
}

function ofNumbers(given, wanted) {
  const values = Float64Array.from(given, (value) => (value === null ? NaN : Number(value)));
  const found = span([values]);
  const canLog = found !== null && found[0] > 0;
  const isLog = canLog && (wanted ?? looksLog(values, found));
  const [low, high] = found === null ? [0, 1] : found[0] === found[1] ? padded(found, isLog) : found;
  const of = isLog ? Math.log10 : (value) => value;
  const share = (value) => (of(value) - of(low)) / (of(high) - of(low));
  const distinct = [...new Set(values)].filter(Number.isFinite).sort((one, other) => one - other);
  const isFew = distinct.length <= MOST_TICKS;
  const at = found === null ? [] : isFew ? distinct : ticks(low, high, 5, isLog);
  const back = (one) => {
    if (one <= 0 || one >= 1) return one <= 0 ? low : high;  // an end is exact: it holds the last one there
    const value = of(low) + one * (of(high) - of(low));
    return Number((isLog ? 10 ** value : value).toPrecision(DIGITS));
  };
  return { isLog, canLog, least: found?.[0] ?? NaN, most: found?.[1] ?? NaN, isDiscrete: isFew, step: 0.05, names: null, values, distinct,
    shares: Float64Array.from(values, (value) => (Number.isFinite(value) ? share(value) : -1)),
    ticks: (isFew ? apart(at) : tickLabels(at, isLog)).map((label, nth) => [share(at[nth]), label]),
    brushAt: ([from, to]) => ({ low: back(from), high: back(to) }),
    rangeOf: (brush) => [brush.low, brush.high].map((value) => (isLog && value <= 0 ? 0 : share(value))),
    holds: (brush) => (row) => values[row] >= brush.low && values[row] <= brush.high };
}

/** Numbers with as many digits as tell them apart, at least four. */
function apart(values) {
  let digits = 4;
  while (digits < MOST_DIGITS && new Set(values.map((value) => number(value, digits))).size < values.length) digits += 1;
  return values.map((value) => number(value, digits));
}

/** Positive numbers of more than two decades most of which lie at the low end. */
function looksLog(values, [low, high]) {
  if (!(high / low > DECADES)) return false;
  const sorted = values.filter(Number.isFinite).sort();
  return (sorted[sorted.length >> 1] - low) / (high - low) < 0.2;
}

function ofNames(values) {
  const said_ = values.map((value) => (value === null ? null : shown(value)));
  const raw = new Map();
  values.forEach((value, at) => { if (value !== null) raw.set(said_[at], (raw.get(said_[at]) ?? new Set()).add(value)); });
  const names = [...raw.keys()].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  const place = new Map(names.map((name, at) => [name, names.length > 1 ? (at + 0.5) / names.length : 0.5]));
  const every = Math.ceil(names.length / MOST_NAMES);
  const labelled = names.filter((_, at) => at % every === 0);
  const short = shortNames(labelled, LETTERS, OF_VALUES);
  const half = 0.5 / Math.max(1, names.length);
  return { isDiscrete: true, isLog: false, canLog: false, step: 2 * half, names, values: said_, distinct: names,
    shares: Float64Array.from(said_, (name) => (name === null ? -1 : place.get(name))),
    ticks: labelled.map((name) => [place.get(name), short.get(name), name]),
    brushAt: ([from, to]) => {
      const held = names.filter((name) => place.get(name) >= from && place.get(name) <= to);
      return held.length > 0 ? { names: held } : null;
    },
    rangeOf: (brush) => {
      const places = brush.names.map((name) => place.get(name)).filter((one) => one !== undefined);
      return places.length > 0 ? [Math.min(...places) - half, Math.max(...places) + half] : [0, 0];
    },
    holds: (brush) => {
      const held = new Set(brush.names);
      return (row) => held.has(said_[row]);
    },
    literal: (name) => {
      const said_of = [...(raw.get(name) ?? [name])].map(literal);
      return said_of.includes(null) ? null : said_of.join(", ");
    } };
}

/** A value in the command line's filter language; null where it has no word for it. */
function literal(value) {
  if (typeof value === "string") return `'${value.replace(/[\\']/g, "\\$&")}'`;
  return typeof value === "object" ? null : String(value);
}

/** Those labels that do not lie on one before them. */
function spaced(all) {
  let last = -Infinity;
  return [...all].sort(([one], [other]) => one - other).filter(([share]) => {
    if (share - last < NEAREST) return false;
    last = share;
    return true;
  });
}
