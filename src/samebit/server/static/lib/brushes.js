// What brushes leave: a range of numbers, some names, or the runs that have nothing, of several keys.

import { packed, unpacked } from "./address.js";

/**
 * @typedef {{low: number, high: number} | {names: string[]} | {none: true}} Brush
 */

/** `config.lr:0.001~0.1,config.opt:=adam|sgd,config.momentum:none`: values, so that a log axis keeps them. */
export function parseBrushes(text) {
  const found = new Map();
  for (const one of unpacked(text)) {
    const at = one.lastIndexOf(":");
    const brush = at > 0 ? parsed(one.slice(at + 1)) : null;
    if (brush) found.set(one.slice(0, at), brush);
  }
  return found;
}

function parsed(text) {
  if (text === "none") return { none: true };
  if (text.startsWith("=")) return { names: text.slice(1).split("|").map(readable) };
  const ends = text.split("~").map(Number);
  return ends.length === 2 && ends.every(Number.isFinite) && ends[0] <= ends[1] ? { low: ends[0], high: ends[1] } : null;
}

function readable(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const formatBrushes = (brushes) => packed([...brushes].map(([key, brush]) => `${key}:${formatted(brush)}`));

function formatted(brush) {
  if (brush.none) return "none";
  return brush.names ? `=${brush.names.map(encodeURIComponent).join("|")}` : `${brush.low}~${brush.high}`;
}

/**
 * Of each row whether all brushes hold it.
 * @param {Map<string, Brush>} brushes
 * @param {function(string): object|null} axisFor - as charts/axes.js makes them
 */
export function keptBy(brushes, axisFor, length) {
  const kept = new Uint8Array(length).fill(1);
  for (const [key, brush] of brushes) {
    const axis = axisFor(key);
    if (!axis?.fits(brush)) continue;
    const holds = axis.holds(brush);
    for (let row = 0; row < length; row++) if (!holds(row)) kept[row] = 0;
  }
  return kept;
}

/** The brushes in the command line's filter language; null where it cannot say what they hold. */
export function filterText(brushes, axisFor) {
  const parts = [];
  for (const [key, brush] of brushes) {
    const axis = axisFor(key);
    if (!axis?.fits(brush)) continue;
    const name = /^[\w./-]+$/.test(key) ? key : `\`${key.replace(/[\\`]/g, "\\$&")}\``;
    if (brush.none) parts.push(axis.hasOdd ? `not (${name} >= -${LARGEST} and ${name} <= ${LARGEST})` : `(not has(${name}) or ${name} == null)`);
    else if (!brush.names) parts.push(`${name} >= ${brush.low} and ${name} <= ${brush.high}`);
    else {
      const said = brush.names.map(axis.literal);
      if (said.includes(null)) return null;
      parts.push(`${name} in [${said.join(", ")}]`);
    }
  }
  return parts.join(" and ");
}

const LARGEST = String(Number.MAX_VALUE);
