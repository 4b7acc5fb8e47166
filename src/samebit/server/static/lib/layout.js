// Which columns the table of runs has, in which order, as an address holds it.

import { areApart, isMetric } from "./columns.js";
import { packed, unpacked } from "./address.js";

const FIRST = ["name", "state", "verdict", "started", "group", "seed"];
const LAST = ["tags", "note", "seconds", "steps", "missing", "host", "user"];
const ALWAYS = new Set(["name", "state", "verdict", "started", "seconds", "missing", "tags", "note"]);
// Told by another column, or by the filter of the table.
const UNSHOWN = new Set(["id", "kind", "of", "archived", "deterministic", "parent", "commit", "damage", "cause", "job", "ranks", "executions"]);

/** Whether a table has a key at first: as the server chooses columns where nobody names any. */
export function isShownAtFirst({ key, distinct, missing }) {
  if (distinct === 0 || UNSHOWN.has(key)) return false;
  return FIRST.includes(key) || LAST.includes(key) || key.startsWith("metric.") || (key.startsWith("config.") && distinct + Boolean(missing) > 1);
}

/** A layout: keys in order, and which of them are pinned. */
export function parseLayout(text) {
  const names = unpacked(text);
  const keys = names.map((name) => name.replace(/!$/, ""));
  return { keys, pinned: new Set(keys.filter((_, at) => names[at].endsWith("!"))) };
}

export function formatLayout({ keys, pinned }) {
  return packed(keys.map((key) => (pinned.has(key) ? `${key}!` : key)));
}

/**
 * What is shown where nobody chose: who and how, then settings and metrics that vary, those that only some have, and the rest.
 * @param {Int32Array} rows - among which they vary: those that are shown.
 */
export function defaultLayout(runs, rows) {
  const values = new Map([...runs.columns].map(([key, column]) => [key, column.at(rows)]));
  const here = [...runs.columns.keys()];
  const rank = (key) => {
    if (FIRST.includes(key)) return FIRST.indexOf(key);
    const less = areApart(values.get(key)) ? 0 : hasGaps(values.get(key)) ? 20 : 50;
    if (key.startsWith("config.")) return 10 + less;
    if (isMetric(key)) return 20 + less;
    return 100 + less + (LAST.includes(key) ? LAST.indexOf(key) / 100 : 1);
  };
  const isShown = (key) => !UNSHOWN.has(key) && !isEmpty(values.get(key)) && !isTwin(values, key) &&
    (ALWAYS.has(key) || isMetric(key) || rows.length < 2 || differs(values.get(key)));
  const keys = here.filter(isShown);
  const ranks = new Map(keys.map((key) => [key, rank(key)]));
  keys.sort((one, other) => ranks.get(one) - ranks.get(other));
  if (!keys.includes("name")) keys.unshift("name");
  return { keys, pinned: new Set(["name"]) };
}

const hasGaps = (values) => values.some((one) => (one ?? null) === null);

/** Whether two of some runs have something else here, or one of them has nothing. */
export const differs = (values) => areApart(values) || hasGaps(values);

/** A setting that says again what the run itself says: `config.seed` of what `samebit run --seed` was given. */
function isTwin(values, key) {
  const own = values.get(key.replace(/^config\./, ""));
  return key.startsWith("config.") && own !== undefined && values.get(key).every((one, at) => (one ?? null) === null || one === own[at]);
}

function isEmpty(values) {
  return values.every((value) => value === null || value === undefined);
}

export function hidden(layout, key) {
  return { keys: layout.keys.filter((one) => one !== key), pinned: layout.pinned };
}

/** With one more column, where it is seen: behind those that stay at the left. */
export function withShown(layout, key) {
  return layout.keys.includes(key) ? layout : { keys: layout.keys.toSpliced(layout.pinned.size, 0, key), pinned: layout.pinned };
}

export function togglePinned(layout, key) {
  const pinned = new Set(layout.pinned);
  if (!pinned.delete(key)) pinned.add(key);
  return inOrder({ keys: layout.keys, pinned });
}

/** Put a key to the place of another one. */
export function moved(layout, key, to) {
  if (key === to || !layout.keys.includes(key)) return layout;
  const keys = layout.keys.filter((one) => one !== key);
  const place = layout.keys.indexOf(to);
  keys.splice(place, 0, key);
  const pinned = new Set(layout.pinned);
  if (pinned.has(to)) pinned.add(key);
  else pinned.delete(key);
  return inOrder({ keys, pinned });
}

/** One to the left (-1) or to the right (1). */
export function shifted(layout, key, by) {
  const to = layout.keys[layout.keys.indexOf(key) + by];
  return to === undefined ? layout : moved(layout, key, to);
}

export function replaced(layout, key, by) {
  if (layout.keys.includes(by)) return hidden(layout, key);
  const pinned = new Set([...layout.pinned].map((one) => (one === key ? by : one)));
  return { keys: layout.keys.map((one) => (one === key ? by : one)), pinned };
}

function inOrder({ keys, pinned }) {
  return { keys: [...keys.filter((key) => pinned.has(key)), ...keys.filter((key) => !pinned.has(key))], pinned };
}
