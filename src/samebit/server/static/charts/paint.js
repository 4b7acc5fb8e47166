// Curves on a canvas: a band from the lowest to the highest of each column, and a line.

import { colorName, dashes } from "./colors.js";

export const MOST_BANDS = 12;  // more of them on each other are one area

/**
 * @typedef {object} Drawn
 * @property {string} id
 * @property {string} label
 * @property {number} number - by which it has its colour and its dashes
 * @property {ArrayLike<number>} x
 * @property {ArrayLike<number>} y - of the line; NaN where it is broken
 * @property {ArrayLike<number>} [low]
 * @property {ArrayLike<number>} [high]
 * @property {ArrayLike<number>} [raw] - behind a smoothed line
 */

/**
 * Paint curves.
 * @param {CanvasRenderingContext2D} canvas
 * @param {Drawn[]} curves
 * @param {{x: function(number): number, y: function(number): number, colors: object, scale: number,
 *   bright: string|null}} how - places in pixels; `bright` is the id of the one that stands out.
 */
export function paint(canvas, curves, how) {
  const last = curves.find(({ id }) => id === how.bright);
  const rest = curves.filter((curve) => curve !== last);
  const withBands = curves.length <= MOST_BANDS;
  // Lines of one pixel are drawn forty times as fast as those of a little more, and round joins
  // take twice as long: of a hundred noisy curves nobody sees either.
  canvas.lineJoin = "bevel";
  canvas.lineCap = "butt";
  const width = withBands ? 1.4 : 1 / how.scale;
  for (const curve of rest) if (withBands) band(canvas, curve, how, last ? 0.05 : 0.14);
  for (const curve of rest) lines(canvas, curve, how, last ? 0.25 : 1, width);
  if (last) {
    band(canvas, last, how, 0.18);
    lines(canvas, last, how, 1, 2.4);
  }
  canvas.globalAlpha = 1;
  canvas.setLineDash([]);
}

function band(canvas, { x, low, high, number }, how, alpha) {
  if (!low) return;
  canvas.globalAlpha = alpha;
  canvas.fillStyle = how.colors[colorName(number)];
  for (const [from, to] of unbroken(low)) {
    canvas.beginPath();
    for (let at = from; at < to; at++) canvas.lineTo(how.x(x[at]), how.y(high[at]));
    for (let at = to - 1; at >= from; at--) canvas.lineTo(how.x(x[at]), how.y(low[at]));
    canvas.fill();
  }
}

function lines(canvas, curve, how, alpha, width) {
  canvas.strokeStyle = how.colors[colorName(curve.number)];
  if (curve.raw) {
    canvas.globalAlpha = alpha * 0.28;
    canvas.lineWidth = how.scale;
    canvas.setLineDash([]);
    line(canvas, curve.x, curve.raw, how);
  }
  canvas.globalAlpha = alpha;
  canvas.lineWidth = width * how.scale;
  canvas.setLineDash(dashes(curve.number).map((length) => length * how.scale));
  line(canvas, curve.x, curve.y, how);
}

function line(canvas, x, y, how) {
  canvas.beginPath();
  let pen = false;
  for (let at = 0; at < x.length; at++) {
    const value = y[at];
    if (value !== value || value === Infinity || value === -Infinity) {
      pen = false;
      continue;
    }
    const [px, py] = [how.x(x[at]), how.y(value)];
    if (pen) canvas.lineTo(px, py);
    else {
      canvas.moveTo(px, py);
      // A single point is a dot.
      if (!(at + 1 < x.length) || !Number.isFinite(y[at + 1])) canvas.lineTo(px + 0.01, py);
    }
    pen = true;
  }
  canvas.stroke();
}

/** From where to where an array has numbers. */
export function* unbroken(values) {
  let from = -1;
  for (let at = 0; at <= values.length; at++) {
    const has = at < values.length && Number.isFinite(values[at]);
    if (has && from < 0) from = at;
    else if (!has && from >= 0) {
      yield [from, at];
      from = -1;
    }
  }
}

/** The place in a sorted array that is nearest to a value. */
export function nearest(values, wanted) {
  let low = 0;
  let high = values.length - 1;
  if (high < 0) return -1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low > 0 && Math.abs(values[low - 1] - wanted) <= Math.abs(values[low] - wanted) ? low - 1 : low;
}
