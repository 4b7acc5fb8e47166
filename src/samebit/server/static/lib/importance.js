// How much of a result's variance goes with a hyper-parameter, alone or with another, by a method that is named.

export const METHOD = "share of the metric's variance between the values of one key alone (epsilon squared: " +
  "eta squared less what chance gives); numbers of more than 8 values in 8 groups of equal size, of a key with one value " +
  "whether a run has it; beside it Spearman's rank correlation. Pairs: what the combinations of two keys (numbers in 4 groups) " +
  "have beyond the two alone. In a search that was not random a key can stand for another.";

const MOST_VALUES = 8;
const MOST_OF_PAIR = 4;
const FEWEST = 5;  // runs; with less nothing is said

/**
 * @param {Array} values - of the key, a run each; null where it has none
 * @param {Float64Array} results - NaN where a run has none
 * @returns {{share: number, rank: number|null, n: number, groups: number}|null}
 */
export function importance(values, results) {
  const there = withResult(values, results);
  // Of a switch that only some runs have, what counts is who has it.
  if (new Set(there.map((row) => same(values[row]))).size === 1) {
    const isLacking = values.some((value) => (value ?? null) === null);
    return isLacking ? importance(values.map((value) => (value ?? null) !== null), results) : null;
  }
  if (there.length < FEWEST) return null;
  const numeric = there.every((row) => typeof values[row] === "number");
  const groups = grouped(there, values, numeric, MOST_VALUES);
  if (groups.length < 2) return null;
  return { share: epsilonSquared(groups, results), rank: numeric ? spearman(there, values, results) : null, n: there.length, groups: groups.length };
}

/**
 * What the combinations of two keys tell of the results beyond what each of them does; 0 for nothing.
 * @returns {{share: number, n: number}|null} of the variance
 */
export function together(first, second, results) {
  const there = withResult(first, results).filter((row) => (second[row] ?? null) !== null);
  if (there.length < FEWEST) return null;
  const parts = [first, second].map((values) => grouped(there, values, there.every((row) => typeof values[row] === "number"), MOST_OF_PAIR));
  const place = new Map();
  parts[1].forEach((group, at) => { for (const row of group) place.set(row, at); });
  const cells = parts[0].flatMap((group) => {
    const found = parts[1].map(() => []);
    for (const row of group) found[place.get(row)].push(row);
    return found.filter((cell) => cell.length > 0);
  });
  // With one run in each cell nothing is left over to judge by.
  if (parts.some((groups) => groups.length < 2) || cells.length > there.length / 2) return null;
  return { share: Math.max(0, epsilonSquared(cells, results) - epsilonSquared(parts[0], results) - epsilonSquared(parts[1], results)), n: there.length };
}

function withResult(values, results) {
  const rows = [];
  for (let at = 0; at < values.length; at++) {
    if (Number.isFinite(results[at]) && (values[at] ?? null) !== null && !Number.isNaN(values[at])) rows.push(at);
  }
  return rows;
}

function grouped(rows, values, numeric, most) {
  return numeric && new Set(rows.map((row) => values[row])).size > most ? binned(rows, values, most) : byValue(rows, values);
}

/** A text that only equal values have: `true` is not "true". */
const same = (value) => `${typeof value} ${typeof value === "object" ? JSON.stringify(value) : value}`;

function byValue(rows, values) {
  const found = new Map();
  for (const row of rows) {
    const key = same(values[row]);
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(row);
  }
  return [...found.values()];
}

function binned(rows, values, most) {
  const order = [...rows].sort((one, other) => values[one] - values[other]);
  const found = [];
  let from = 0;
  for (let bin = 1; bin <= most && from < order.length; bin++) {
    let to = Math.max(from + 1, Math.round((order.length * bin) / most));
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
