// The colours of runs by a key or a metric: a ramp for numbers, of which the best is strongest; a few colours for names.

import { colorName, resolved } from "./colors.js";
import { ramp } from "./canvas.js";

const STEPS = 17;  // of a ramp
const MOST_NAMES = 7;  // each with a colour of its own; the rest share one

/**
 * @param {object} axis - as charts/axes.js makes them; not turned around
 * @param {boolean} lower - the lowest is the best
 * @returns {{of: Int16Array, names: string[]|null, others: number, low, high, none: string, lower: boolean, strength: Float64Array}}
 *   `of`: the tone of each run, -1 where it has none, which is called `none`; `strength`: by which runs are drawn, the strongest last.
 */
export function tonesOf(axis, lower) {
  if (axis.isNumeric) {
    const strength = axis.shares.map((share) => (share < 0 ? -1 : lower ? 1 - share : share));
    return { of: Int16Array.from(strength, (share) => (share < 0 ? -1 : Math.round(share * (STEPS - 1)))), names: null, others: 0,
      low: axis.least, high: axis.most, none: axis.lane, lower, strength };
  }
  const many = new Map();
  for (const name of axis.values) if (name !== null) many.set(name, (many.get(name) ?? 0) + 1);
  const names = axis.names.length <= MOST_NAMES ? axis.names : [...many].sort((one, other) => other[1] - one[1]).slice(0, MOST_NAMES).map(([name]) => name);
  const place = new Map(names.map((name, at) => [name, at]));
  return { of: Int16Array.from(axis.values, (name) => (name === null ? -1 : place.get(name) ?? MOST_NAMES)), names, others: axis.names.length - names.length,
    none: axis.lane, lower, strength: Float64Array.from(axis.values, (name) => (name === null ? -1 : 0)) };
}

export const FAINT = -2;  // the tone of what brushes leave out

/** A function from a tone to its colour, in the theme that is shown. */
export function paintOf(tones) {
  const colors = resolved(["--ramp-low", "--ramp-high", "--faint", "--none", "--dim", ...Array.from({ length: MOST_NAMES }, (_, at) => colorName(at))]);
  if (tones.names) return (tone) => (tone < 0 ? colors[tone === FAINT ? "--faint" : "--none"] : tone < MOST_NAMES ? colors[colorName(tone)] : colors["--dim"]);
  const of = ramp(colors["--ramp-low"], colors["--ramp-high"]);
  return (tone) => (tone < 0 ? colors[tone === FAINT ? "--faint" : "--none"] : of(tone / (STEPS - 1)));
}

/** Rows in the order in which they are drawn. */
export function drawnOrder(tones) {
  const { strength } = tones;
  return Int32Array.from(strength, (_, row) => row).sort((one, other) => strength[one] - strength[other] || one - other);
}
