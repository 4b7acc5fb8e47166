// Which metric looks like a result, and a filter that could be asked of these runs.

import { bestOf } from "./columns.js";
import { number } from "./text.js";

// The likeliest first; what was tested on is nothing to choose settings by.
const RESULTS = [/(val|eval|dev).*(acc|f1|auc|score)/i, /test.*(acc|f1|auc|score)/i, /acc|score|reward/i, /loss/i];
const BARE = /^[^\s'"`()[\],=<>!~]+$/;  // a name that needs no quotes in a filter

/** The metric that looks most like a result; of several, the one that most runs have. */
export function preferred(runs, metrics) {
  const missing = new Map(runs.keys.map(({ key, missing: without }) => [key, without]));
  const found = RESULTS.map((pattern) => metrics.filter((key) => pattern.test(key))).find((some) => some.length > 0)
    ?? metrics.filter((key) => runs.columns.get(key)?.varies);
  return found.sort((one, other) => missing.get(one) - missing.get(other))[0] ?? metrics[0];
}

/** A filter as an example, of names and values that there are: the better half by a result, the lower half by a setting. */
export function exampleFilter(runs) {
  const numeric = (prefix) => [...runs.columns.keys()].filter((key) => key.startsWith(prefix) && BARE.test(key) && runs.columns.get(key).isNumeric && runs.columns.get(key).varies);
  const results = numeric("metric.");
  const result = results.length > 0 ? preferred(runs, results) : null;
  const setting = numeric("config.")[0];
  const half = (key, sign) => `${key.replace(/^metric\./, "")} ${sign} ${number(median(runs.columns.get(key).values), 2)}`;
  return [result && half(result, bestOf(result) === "min" ? "<" : ">"), setting && half(setting, "<")].filter(Boolean).join(" and ") || "state == finished";
}

function median(values) {
  const found = values.filter((one) => (one ?? null) !== null).map(Number).filter(Number.isFinite).sort((one, other) => one - other);
  return found[Math.floor(found.length / 2)];
}
