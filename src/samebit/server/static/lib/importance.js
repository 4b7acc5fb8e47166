// How much of a result's variance goes with a hyper-parameter alone, by a method that is named.

import { shown } from "./text.js";

export const METHOD = "share of the metric's variance between the values of one key alone (epsilon squared: " +
  "eta squared less what chance gives); numbers of more than 8 values in 8 groups of equal size; beside it " +
  "Spearman's rank correlation. Keys that act together are not told apart.";

const MOST_VALUES = 8;
const FEWEST = 5;  // runs; with less nothing is said

/**
 * @param {Array} values - of the key, a run each; null where it has none
 * @param {Float64Array} results - NaN where a run has none
 * @returns {{share: number, rank: number|null, n: number, groups: number}|null}
 */
export function importance(values, results) {
  const rows = [];
  for (let at = 0; at < values.length; at++) {
    if (Number.isFinite(results[at]) && values[at] !== null && values[at] !== undefined) rows.push(at);
  }
  if (rows.length < FEWEST) return null;
  const numeric = rows.every((row) => typeof values[row] === "number");
  const groups = numeric && new Set(rows.map((row) => values[row])).size > MOST_VALUES
    ? binned(rows, values) : byValue(rows, values);
  if (groups.length < 2) return null;
  return { share: epsilonSquared(groups, results), rank: numeric ? spearman(rows, values, results) : null, n: rows.length, groups: groups.length };
}

function byValue(rows, values) {
  const found = new Map();
  for (const row of rows) {
    const key = `${typeof values[row]} ${shown(values[row])}`;
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(row);
  }
  return [...found.values()];
}

function binned(rows, values) {
  const order = [...rows].sort((one, other) => values[one] - values[other]);
  const found = [];
  let from = 0;
  for (let bin = 1; bin <= MOST_VALUES && from < order.length; bin++) {
    let to = Math.max(from + 1, Math.round((order.length * bin) / MOST_VALUES));
    while (to < order.length && values[order[to]] === values[order[to - 1]]) to += 1;  // equal values stay together
    found.push(order.slice(from, to));
    from = to;
  }
  return found;
}

function epsilonSquared(groups, results) {
  const all = groups.flat();
  const mean = all.reduce((sum, row) => sum + results[row], 0) / all.length;
  let total = 0;
  let between = 0;
  for (const group of groups) {
    const own = group.reduce((sum, row) => sum + results[row], 0) / group.length;
    between += group.length * (own - mean) ** 2;
    for (const row of group) total += (results[row] - mean) ** 2;
  }
  const free = all.length - groups.length;
  if (total === 0 || free <= 0) return 0;
  const noise = (total - between) / free;
  return Math.max(0, (between - (groups.length - 1) * noise) / total);
}

/** Rank correlation, ties with their mean rank. */
function spearman(rows, values, results) {
  const first = ranks(rows, values);
  const second = ranks(rows, results);
  const middle = (rows.length + 1) / 2;
  let [together, one, other] = [0, 0, 0];
  for (let at = 0; at < rows.length; at++) {
    together += (first[at] - middle) * (second[at] - middle);
    one += (first[at] - middle) ** 2;
    other += (second[at] - middle) ** 2;
  }
  return one && other ? together / Math.sqrt(one * other) : null;
}

function ranks(rows, values) {
  const order = rows.map((row, at) => [values[row], at]).sort((one, other) => one[0] - other[0]);
  const found = new Float64Array(rows.length);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && order[to][0] === order[from][0]) to += 1;
    for (let at = from; at < to; at++) found[order[at][1]] = (from + to + 1) / 2;
    from = to;
  }
  return found;
}
