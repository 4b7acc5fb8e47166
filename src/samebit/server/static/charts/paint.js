// Curves on a canvas: a band from the lowest to the highest of each column, and a line.

import { colorName, dashes } from "./colors.js";

export const MOST_BANDS = 12;  // more of them on each other are one area
const APART = 12;  // pixels from which on points are seen one by one
const BESIDE = 9;  // pixels between intervals that have one place
const MARK = 4;  // pixels from the middle of a mark to its corners
export const DOT = 2.5;  // pixels from the middle of a point to its border

/**
 * @typedef {object} Drawn
 * @property {string} id
 * @property {string} label
 * @property {number} number - by which it has its colour and its dashes
 * @property {Float64Array} x
 * @property {Float64Array} y - of the line; NaN where it is broken
 * @property {Float64Array} [low]
 * @property {Float64Array} [high]
 * @property {Float64Array} [raw] - behind a smoothed line
 * @property {Float64Array} [last] - what was logged, infinite or no number where it was
 * @property {number} [odd] - how many of its points were
 * @property {boolean} [isStair] - its corners are no points
 */

/**
 * Paint curves.
 * @param {CanvasRenderingContext2D} canvas
 * @param {Drawn[]} curves
 * @param {{x: function(number): number, y: function(number): number, colors: object, scale: number,
 *   bright: Set<string>|null}} how - places in pixels; `bright` has the ids of those that stand out.
 */
export function paint(canvas, curves, how) {
  const apart = besideEachOther(curves);
  const last = how.bright ? curves.filter(({ id }) => how.bright.has(id)) : [];
  const rest = last.length > 0 ? curves.filter(({ id }) => !how.bright.has(id)) : curves;
  const withBands = curves.length <= MOST_BANDS;
  // Lines of one pixel are drawn forty times as fast as those of a little more, and round joins
  // take twice as long: of a hundred noisy curves nobody sees either.
  canvas.lineJoin = "bevel";
  canvas.lineCap = "butt";
  const width = withBands ? 1.4 : 1 / how.scale;
  const isOne = last.length === 1;
  for (const curve of rest) if (withBands) band(canvas, curve, apart(curve, how), last.length ? 0.05 : 0.14);
  for (const curve of rest) lines(canvas, curve, apart(curve, how), last.length ? 0.2 : 1, width);
  for (const curve of last) if (isOne || withBands) band(canvas, curve, apart(curve, how), 0.18);
  for (const curve of last) lines(canvas, curve, apart(curve, how), 1, isOne ? 2.4 : withBands ? 2 : width);
  canvas.globalAlpha = 1;
  canvas.setLineDash([]);
}

/** Intervals at one place would lie on each other: each is moved a little, and nothing else is. */
export function besideEachOther(curves) {
  const isNeeded = curves.length > 1 && curves.length <= MOST_BANDS && curves.every(({ x, low, high }) => x.length === 1 && low && high[0] > low[0]);
  if (!isNeeded) return (_, how) => how;
  return (curve, how) => {
    const by = (curves.indexOf(curve) - (curves.length - 1) / 2) * BESIDE * (how.scale ?? 1);
    return { ...how, x: (value) => how.x(value) + by };
  };
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
    if (to - from === 1 && high[from] > low[from]) bar(canvas, how.x(x[from]), how.y(low[from]), how.y(high[from]), how, number);
  }
}

/** An interval at one place has no width of its own. */
function bar(canvas, x, low, high, how, number) {
  canvas.globalAlpha = Math.min(1, canvas.globalAlpha * 4);
  canvas.strokeStyle = how.colors[colorName(number)];
  canvas.lineWidth = 1.5 * how.scale;
  canvas.setLineDash([]);
  canvas.beginPath();
  canvas.moveTo(x, low);
  canvas.lineTo(x, high);
  canvas.stroke();
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
  canvas.fillStyle = canvas.strokeStyle;
  canvas.beginPath();
  const size = (width > 2 ? DOT + 1 : width < 1.4 && !isAlone(curve) ? DOT - 0.7 : DOT) * how.scale;
  for (const at of dots(curve, how.x, how.scale)) {
    const [x, y] = [how.x(curve.x[at]), how.y(curve.y[at])];
    canvas.moveTo(x + size, y);
    canvas.arc(x, y, size, 0, 7);
  }
  canvas.fill();
  for (const { at, value } of breaks(curve)) mark(canvas, how.x(curve.x[at]), how.y(curve.y[at]), value, how.scale);
}

/** A cross where a curve goes on as no number, a triangle where it goes on infinite. */
function mark(canvas, x, y, value, scale) {
  canvas.setLineDash([]);
  canvas.lineWidth = 1.8 * scale;
  canvas.beginPath();
  for (const stroke of markOf(value)) stroke.forEach(([right, down], at) => canvas[at === 0 ? "moveTo" : "lineTo"](x + right * scale, y + down * scale));
  canvas.stroke();
}

/** The strokes of a mark, in pixels from its place. */
export function markOf(value) {
  if (value !== value) return [[[-MARK, -MARK], [MARK, MARK]], [[MARK, -MARK], [-MARK, MARK]]];
  const tip = value > 0 ? -MARK : MARK;
  return [[[-MARK, -tip], [0, tip], [MARK, -tip], [-MARK, -tip]]];
}

/** The last places with a number before what is not finite: before the first of it, and before an end that is. */
export function breaks({ odd, last, y }) {
  if (!odd) return [];
  const found = [];
  for (let at = 1; at < y.length; at++) {
    if (Number.isFinite(y[at]) || !Number.isFinite(y[at - 1])) continue;
    if (found.length > 1) found.pop();
    found.push({ at: at - 1, value: last[at] });
  }
  return found.length > 1 && Number.isFinite(y.at(-1)) ? found.slice(0, 1) : found;
}

const isAlone = ({ x }) => x.length === 1;

/** The places of points that are drawn as dots: what has no neighbour a line could lead to, or all where they are far apart. */
export function* dots({ x, y, isStair }, place, scale = 1) {
  if (isStair) return;
  const has = (at) => at >= 0 && at < x.length && Number.isFinite(y[at]);
  const isSparse = x.length > 1 && (place(x[x.length - 1]) - place(x[0])) / (x.length - 1) > APART * scale;
  for (let at = 0; at < x.length; at++) {
    if (has(at) && (isSparse || (!has(at - 1) && !has(at + 1)))) yield at;
  }
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
    if (pen) canvas.lineTo(how.x(x[at]), how.y(value));
    else canvas.moveTo(how.x(x[at]), how.y(value));
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
