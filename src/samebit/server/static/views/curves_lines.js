// What each curve is called and how it looks: by its run, by the value of a key, or by its group.

import { compareValues } from "../lib/columns.js";
import { label, value } from "../lib/runs.js";
import { shown } from "../lib/text.js";

/**
 * @typedef {object} Entry
 * @property {string} id - of a run, or the name of a group
 * @property {string} label
 * @property {number} number - by which it has its colour and its dashes
 */

/**
 * Curves of runs, in sections where their colour is that of a key's value.
 * @returns {{lines: Map<string, Entry>, sections: Array<{title: string|null, number: number, entries: Entry[]}>}}
 */
export function linesOfRuns(runs, ids, colorKey) {
  if (!colorKey) {
    const entries = ids.map((id, number) => ({ id, label: label(runs, id), number }));
    return { lines: byId(entries), sections: [{ title: null, number: 0, entries }] };
  }
  const found = new Map();
  for (const id of ids) {
    const one = value(runs, id, colorKey);
    const name = groupName([one]);
    if (!found.has(name)) found.set(name, { value: one, ids: [] });
    found.get(name).ids.push(id);
  }
  const ordered = [...found.values()].sort((one, other) => compareValues(one.value, other.value));
  const sections = ordered.map((group, number) => ({ title: said(group.value), number,
    entries: group.ids.map((id) => ({ id, label: label(runs, id), number })) }));
  return { lines: byId(sections.flatMap(({ entries }) => entries)), sections };
}

/** Means of groups; each has one colour in all charts, also where another group lacks a metric. */
export function linesOfGroups(runs, ids, by) {
  const found = new Map();
  for (const id of ids) {
    const values = by.map((key) => value(runs, id, key));
    const name = groupName(values);
    if (!found.has(name)) found.set(name, { values, n: 0 });
    found.get(name).n += 1;
  }
  const ordered = [...found].sort(([, { values: one }], [, { values: other }]) => {
    const at = one.findIndex((each, place) => compareValues(each, other[place]) !== 0);
    return at < 0 ? 0 : compareValues(one[at], other[at]);
  });
  const entries = ordered.map(([id, { values, n }], number) => ({ id, label: values.map(said).join(", "), number, n }));
  return { lines: byId(entries), sections: [{ title: null, number: 0, entries }] };
}

/** What a group is known by: its values, as they come from columns and from the server. */
export const groupName = (values) => JSON.stringify(values.map((one) =>
  (typeof one === "bigint" || (typeof one === "number" && !Number.isFinite(one)) ? String(one) : one ?? null)));

export const said = (one) => shown(one) || "—";
const byId = (entries) => new Map(entries.map((entry) => [entry.id, entry]));
