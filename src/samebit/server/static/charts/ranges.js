// How far the axes of a chart go: the zoom, what was chosen, else all that is drawn.

import { padded, span } from "./scales.js";

const OUTSIDE = 0.02;  // of all values at either end that are outliers, where these are to be ignored
const FEW = 30;  // whole numbers, among which a tick between two would mean nothing

/**
 * @param {{curves: import("./paint.js").Drawn[], zoom: number[]|null, isXLog: boolean, isYLog: boolean,
 *   yRange: "inner"|number[]|null}} what - `inner` leaves outliers outside, two numbers are the ends.
 * @returns {{x: number[], y: number[], isWhole: boolean}} `isWhole`: x is few whole numbers.
 */
export function ranges({ curves, zoom, isXLog, isYLog, yRange = null }) {
  const found = span(curves.map((curve) => curve.x), isXLog);
  const x = zoom ?? (found && found[0] !== found[1] ? found : aroundOne(found, isXLog));
  const isWhole = !isXLog && x[1] - x[0] <= FEW && curves.every((curve) => curve.x.every(Number.isInteger));
  return { x, y: heights(curves, zoom, isYLog, yRange), isWhole };
}

/** A single x with room at both sides; of a whole number, the whole numbers beside it. */
function aroundOne(found, isLog) {
  return found && !isLog && Number.isInteger(found[0]) ? [found[0] - 1, found[0] + 1] : padded(found, isLog);
}

function heights(curves, zoom, isLog, yRange) {
  if (Array.isArray(yRange) && (!isLog || yRange[0] > 0)) return yRange;
  const parts = curves.flatMap((curve) => {
    const [from, to] = zoom ? inside(curve.x, zoom) : [0, curve.x.length];
    const drawn = yRange === "inner" ? [curve.y] : [curve.y, curve.low, curve.high].filter(Boolean);
    return drawn.map((values) => values.subarray(from, to));
  });
  if (yRange === "inner") {
    const isDrawn = (value) => Number.isFinite(value) && (!isLog || value > 0);
    const values = Float64Array.from(parts.flatMap((part) => Array.from(part.filter(isDrawn)))).sort();
    const at = (share) => values[Math.round(share * (values.length - 1))];
    if (values.length > 0) return padded([at(OUTSIDE), at(1 - OUTSIDE)], isLog);
  }
  return padded(span(parts, isLog), isLog);
}

/** The places of a sorted array that lie within a range, and one more at each side. */
function inside(x, [low, high]) {
  const from = x.findIndex((value) => value >= low);
  if (from < 0) return [Math.max(0, x.length - 1), x.length];
  const behind = x.findLastIndex((value) => value <= high) + 1;
  return [Math.max(0, from - 1), Math.min(x.length, Math.max(from, behind) + 1)];
}
