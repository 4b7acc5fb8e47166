// An axis over the values of a column: numbers on a scale, anything else in a row of names.

import { padded, span, tickLabels, ticks } from "./scales.js";
import { shown } from "../lib/text.js";

const MOST_NAMES = 24;
const MOST_TICKS = 8;  // distinct numbers that are all labelled

/**
 * Where values lie on an axis, from 0 to 1; -1 where a run has none.
 * @param {import("../lib/columns.js").Column} column
 * @param {Int32Array} rows
 * @param {{isLog?: boolean, isFlipped?: boolean}} how
 */
export function axisOf(column, rows, { isLog = false, isFlipped = false } = {}) {
  const numeric = column.isNumeric;
  const made = numeric ? ofNumbers(column, rows, isLog) : ofNames(column, rows);
  const turn = (share) => (share < 0 || !isFlipped ? share : 1 - share);
  return { ...made, numeric, isLog: made.isLog ?? false, isFlipped,
    shares: isFlipped ? made.shares.map(turn) : made.shares,
    ticks: made.ticks.map(([share, label]) => [turn(share), label]),
    // What a range of shares means, as values.
    range: ([low, high]) => made.range(isFlipped ? [1 - high, 1 - low] : [low, high]) };
}

function ofNumbers(column, rows, wanted) {
  const values = Float64Array.from(rows, (row) => {
    const value = column.get(row);
    return value === null || value === undefined ? NaN : Number(value);
  });
  const found = span([values]);
  const isLog = wanted && found !== null && found[0] > 0;
  const [low, high] = found === null ? [0, 1] : found[0] === found[1] ? padded(found, isLog) : found;
  const of = isLog ? Math.log10 : (value) => value;
  const share = (value) => (of(value) - of(low)) / (of(high) - of(low));
  const distinct = [...new Set(values)].filter(Number.isFinite).sort((one, other) => one - other);
  const few = distinct.length <= MOST_TICKS;
  const at = few ? distinct : ticks(low, high, 5, isLog);
  const back = (one) => {
    const value = of(low) + one * (of(high) - of(low));
    return isLog ? 10 ** value : value;
  };
  return { isLog, shares: Float64Array.from(values, (value) => (Number.isFinite(value) ? share(value) : -1)),
    isDiscrete: few,
    ticks: (few ? at.map(shown) : tickLabels(at, isLog)).map((label, nth) => [share(at[nth]), label]), range: ([from, to]) => [back(from), back(to)] };
}

function ofNames(column, rows) {
  const names = [...new Set(Array.from(rows, (row) => column.get(row)).filter((value) => value !== null).map(shown))]
    .sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  const place = new Map(names.map((name, at) => [name, names.length > 1 ? (at + 0.5) / names.length : 0.5]));
  const every = Math.ceil(names.length / MOST_NAMES);
  return { isDiscrete: true, shares: Float64Array.from(rows, (row) => (column.get(row) === null ? -1 : place.get(shown(column.get(row))))),
    ticks: names.filter((_, at) => at % every === 0).map((name) => [place.get(name), name.slice(0, 24)]),
    range: ([from, to]) => names.filter((name) => place.get(name) >= from && place.get(name) <= to) };
}
