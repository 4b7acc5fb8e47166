// Which columns the table of runs has, in which order, as an address holds it.

import { isMetric } from "./columns.js";
import { packed, unpacked } from "./address.js";

const FIRST = ["name", "state", "verdict", "started"];
const LAST = ["seconds", "steps", "missing", "tags", "note", "seed", "group", "host", "user"];
// Told by another column, or by the filter of the table.
const UNSHOWN = new Set(["id", "kind", "of", "archived", "deterministic", "parent", "commit", "damage", "cause", "job", "ranks", "executions"]);

/** A layout: keys in order, and which of them are pinned. */
export function parseLayout(text) {
  const names = unpacked(text);
  const keys = names.map((name) => name.replace(/!$/, ""));
  return { keys, pinned: new Set(keys.filter((_, at) => names[at].endsWith("!"))) };
}

export function formatLayout({ keys, pinned }) {
  return packed(keys.map((key) => (pinned.has(key) ? `${key}!` : key)));
}

/** What is shown where nobody chose: who and how, then what varies, metrics, and the rest. */
export function defaultLayout(runs) {
  const here = [...runs.columns.keys()];
  const rank = (key) => {
    if (FIRST.includes(key)) return FIRST.indexOf(key);
    const varies = runs.columns.get(key).varies;
    if (key.startsWith("config.")) return varies ? 10 : 50;
    if (isMetric(key)) return varies ? 11 : 51;
    if (LAST.includes(key)) return (varies ? 20 : 60) + LAST.indexOf(key);
    return varies ? 40 : 80;
  };
  const keys = here.filter((key) => !UNSHOWN.has(key) && !isEmpty(runs.columns.get(key)));
  const ranks = new Map(keys.map((key) => [key, rank(key)]));
  keys.sort((one, other) => ranks.get(one) - ranks.get(other));
  if (!keys.includes("name")) keys.unshift("name");
  return { keys, pinned: new Set(["name"]) };
}

function isEmpty(column) {
  return column.values.every((value) => value === null || value === undefined);
}

export function hidden(layout, key) {
  return { keys: layout.keys.filter((one) => one !== key), pinned: layout.pinned };
}

export function withShown(layout, key) {
  return layout.keys.includes(key) ? layout : { keys: [...layout.keys, key], pinned: layout.pinned };
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
