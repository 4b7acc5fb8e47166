// Groups of seeds: what makes runs one group, what a group is called, which two seeds are crossed.

import { packed, unpacked } from "./address.js";
import { shown, title } from "./text.js";

const SEARCHED = 8;  // so many values of a key at most where half of the runs are others: a search

/** Whether a key is a seed, by its name; as `report/results.py` has it, and what the recorder saw. */
export function isSeed(key) {
  if (/^seeds\.(?!hash)/.test(key)) return true;
  if (key === "trial.seeds") return false;  // names of roles
  const last = key.split(".").at(-1).toLowerCase();
  return /^(seeds?|random_?state|rng|prng|rngseed|randomseed)$/.test(last) || last.split(/[-_]/).includes("seed");
}

/** The settings that runs of one group share, where nobody chose: all but seeds, and but what was searched. */
export function settings(keys, many) {
  return keys.filter(({ key, distinct, missing }) => key.startsWith("config.") && !isSeed(key) &&
    (distinct > 1 || (distinct === 1 && missing > 0)) && distinct <= Math.max(SEARCHED, many / 2)).map(({ key }) => key);
}

/** A group in an address: its values, texts told from numbers. */
export const nameOf = (values) => packed(values.map(word));

const word = (value) => (typeof value === "string" || (typeof value === "object" && value !== null) ? JSON.stringify(value) : String(value));

/** Names of groups in one parameter. */
export const groupsIn = (text) => unpacked(text);

/** Of each group the settings in which it differs from another: `[[key, value], …]`. */
export function described(groups, by) {
  const differ = by.map((_, at) => new Set(groups.map(({ values }) => word(values[at]))).size > 1);
  const some = differ.includes(true) ? differ : by.map(() => true);
  return new Map(groups.map(({ values }) => [nameOf(values),
    by.map((key, at) => [key === "group" && by.length === 1 ? "" : title(key), shown(values[at]) || "—"]).filter((_, at) => some[at])]));
}

/** `plain, lr 0.01`, or what all runs are called where nothing parts them. */
export function inWords(parts) {
  if (parts.length === 0) return "all runs";
  return parts.map(([key, value]) => `${key} ${value}`.trim()).join(", ");
}

/**
 * The kinds of seeds that are crossed; null where none vary apart from each other. As `crossed_kinds`
 * of `report/studied.py`: the two of which most combinations were run, and those that vary apart from both.
 * @param {Array<[string, function(string): any]>} seeds - a key, and its value of a run
 * @param {string[]} ids
 */
export function crossedSeeds(seeds, ids) {
  const columns = new Map(seeds.map(([key, of]) => [key, ids.map((id) => word(of(id)))]));
  const cells = (keys) => new Set(ids.map((_, at) => keys.map((key) => columns.get(key)[at]).join(" "))).size;
  const areApart = (keys) => keys.every((key) => cells(keys) > cells(keys.filter((other) => other !== key)));
  const keys = [...columns.keys()];
  let best = null;
  for (const [at, one] of keys.entries()) {
    for (const other of keys.slice(at + 1)) {
      const share = cells([one, other]) / (cells([one]) * cells([other]));
      if (areApart([one, other]) && share > (best?.share ?? 0)) best = { kinds: [one, other], share };
    }
  }
  if (best === null) return null;
  const kinds = keys.reduce((found, key) => (!found.includes(key) && areApart([...found, key]) ? [...found, key] : found), best.kinds);
  return { down: kinds[0], across: kinds[1], kinds };
}
