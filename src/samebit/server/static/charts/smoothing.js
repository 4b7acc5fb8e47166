// Smoothing that is stated: an exponential mean over x, with a half-life in the unit of x.

/**
 * The exponential mean of a curve.
 *
 * A point's weight halves with each half-life of x behind the newest one, so the line does not
 * depend on how many columns were drawn. Where points are missing it goes on after them.
 */
export function smoothed(x, y, halfLife) {
  const out = new Float64Array(y.length);
  let sum = 0;
  let weight = 0;
  let before = NaN;
  for (let at = 0; at < y.length; at++) {
    const value = y[at];
    if (!Number.isFinite(value)) {
      out[at] = NaN;
      continue;
    }
    const kept = Number.isNaN(before) ? 0 : 0.5 ** (Math.max(0, x[at] - before) / halfLife);
    sum = sum * kept + value;
    weight = weight * kept + 1;
    before = x[at];
    out[at] = sum / weight;
  }
  return out;
}

/** How much of the curve before a zoom has to be known for its first point: the rest weighs less than 1 %. */
export const LEAD = 7;

/** Half-lives that a slider offers, as shares of the range of x; the first is none. */
export const SHARES = [0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
