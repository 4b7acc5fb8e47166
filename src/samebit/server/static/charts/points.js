// Points of runs in a box between two axes: where they lie, which is under the pointer, and brushes over them.

import { FAINT } from "./tones.js";

const FEW = 2500;  // points that are round, and half as many pixels larger
const MOST_ROUGH = 1500;  // points of a box while a brush is dragged
const DRAGGED = 4;  // pixels from which on a press is a brush

/**
 * A box of a chart, in pixels, and the axes that it has.
 * @typedef {{left: number, top: number, width: number, height: number, x: object, y: object, lane: number}} Box -
 *   `lane`: pixels that are kept for runs which have nothing on an axis, where there are such runs.
 */

/** Functions from a run to its place in a box. */
export function placesIn(box) {
  const { x, y, lane } = box;
  const [before, below] = [x.lane ? lane : 0, y.lane ? lane : 0];
  const [wide, high] = [box.width - before, box.height - below];
  const [xSpread, ySpread] = [spread(x, wide), spread(y, high)];
  return {
    x: (row) => (x.shares[row] < 0 ? box.left + before / 2 : box.left + before + x.shares[row] * wide) + xSpread * apart(row, 1),
    y: (row) => (y.shares[row] < 0 ? box.top + high + below / 2 : box.top + high - y.shares[row] * high) + ySpread * apart(row, 2),
    xAt: (share) => box.left + before + share * wide,
    yAt: (share) => box.top + high - share * high,
    xShare: (px) => (px - box.left - before) / wide,
    yShare: (py) => (box.top + high - py) / high,
  };
}

/** Runs with one name, or one of a few numbers, would be one point. */
const spread = (axis, pixels) => (axis.names ? Math.min(24, (pixels / Math.max(1, axis.names.length)) * 0.55) : axis.isDiscrete ? Math.min(5, pixels / 30) : 0);

/** Always the same, from -0.5 to 0.5. */
function apart(row, salt) {
  let mixed = Math.imul(row + 1, salt === 1 ? 0x9e3779b1 : 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 32 - 0.5;
}

/**
 * Paint the runs that brushes hold over those that they leave out.
 * @param {{kept: Uint8Array, order: Int32Array, tones: object, paint: function(number): string, isRough: boolean}} how - rough while something moves: some of the points
 */
export function paintPoints(canvas, box, { kept, order, tones, paint, isRough }) {
  const at = placesIn(box);
  const isFew = kept.length <= FEW;
  const radius = isFew ? Math.min(3.2, 1.2 + box.width / 100) : 1;
  const step = isRough ? Math.ceil(order.length / MOST_ROUGH) : 1;
  const all = kept.every((one) => one);
  for (const wanted of all ? [1] : [0, 1]) {
    canvas.globalAlpha = wanted ? (isFew ? 0.8 : 0.55) : 0.6;
    let last = null;
    for (let nth = 0; nth < order.length; nth += step) {
      const row = order[nth];
      if (kept[row] !== wanted) continue;
      const tone = wanted ? tones.of[row] : FAINT;
      if (tone !== last) {
        canvas.fillStyle = paint(tone);
        last = tone;
      }
      point(canvas, at.x(row), at.y(row), wanted ? radius : radius * 0.8, isFew);
    }
  }
  canvas.globalAlpha = 1;
}

function point(canvas, x, y, radius, isRound) {
  if (!isRound) {
    canvas.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
    return;
  }
  canvas.beginPath();
  canvas.arc(x, y, radius, 0, 7);
  canvas.fill();
}

/** A ring around some runs. */
export function ring(canvas, box, rows, radius, { ink, paper }) {
  const at = placesIn(box);
  for (const row of rows) {
    for (const [wide, color] of [[4, paper], [2, ink]]) {
      canvas.lineWidth = wide;
      canvas.strokeStyle = color;
      canvas.beginPath();
      canvas.arc(at.x(row), at.y(row), radius, 0, 7);
      canvas.stroke();
    }
  }
}

/** What brushes hold of a box, as a band or a rectangle. */
export function paintBrush(canvas, box, brushes, color) {
  const ranges = [box.x, box.y].map(({ name, axis }) => {
    const brush = brushes.get(name);
    return brush && axis.fits(brush) ? axis.rangeOf(brush) : null;
  });
  if (!ranges[0] && !ranges[1]) return;
  const at = placesIn({ ...box, x: box.x.axis, y: box.y.axis });
  const [x0, x1] = (ranges[0] ?? [0, 1]).map(at.xAt);
  const [y0, y1] = (ranges[1] ?? [0, 1]).map(at.yAt);
  canvas.globalAlpha = 0.12;
  canvas.fillStyle = color;
  canvas.fillRect(x0, y1, Math.max(2, x1 - x0), Math.max(2, y0 - y1));
  canvas.globalAlpha = 0.8;
  canvas.lineWidth = 1;
  canvas.strokeStyle = color;
  canvas.strokeRect(x0 + 0.5, y1 + 0.5, Math.max(2, x1 - x0), Math.max(2, y0 - y1));
  canvas.globalAlpha = 1;
}

/** The run whose point is nearest to a place, within some pixels; -1 for none. */
export function nearestPoint(box, kept, px, py, near) {
  const at = placesIn(box);
  let found = -1;
  let least = near * near;
  for (let row = 0; row < kept.length; row++) {
    if (!kept[row]) continue;
    const [dx, dy] = [at.x(row) - px, at.y(row) - py];
    if (dx * dx + dy * dy < least) [found, least] = [row, dx * dx + dy * dy];
  }
  return found;
}

/**
 * Follow a press: a drag brushes both axes of the box, a click does something else.
 * @param {function(Array<[string, object|null]>, boolean): void} onBrush - what of which key, and whether it is done
 */
export function beginBox(event, box, onBrush, onClick) {
  if (event.button !== 0) return;
  const target = event.currentTarget;
  const rect = target.getBoundingClientRect();
  const at = placesIn({ ...box, x: box.x.axis, y: box.y.axis });
  const where = (move) => [move.clientX - rect.left, move.clientY - rect.top];
  const from = where(event);
  let isDrag = false;
  const tell = (move, isDone) => {
    const to = where(move);
    const range = (share, axis) => {
      const ends = [share(axis === 0 ? from[0] : from[1]), share(axis === 0 ? to[0] : to[1])].map((one) => Math.max(0, Math.min(1, one)));
      return [Math.min(...ends), Math.max(...ends)];
    };
    onBrush([[box.x.name, box.x.axis.brushAt(range(at.xShare, 0))], [box.y.name, box.y.axis.brushAt(range(at.yShare, 1))]], isDone);
  };
  target.setPointerCapture(event.pointerId);
  target.onpointermove = (move) => {
    const [x, y] = where(move);
    isDrag ||= Math.hypot(x - from[0], y - from[1]) > DRAGGED;
    if (isDrag) tell(move, false);
  };
  target.onpointerup = target.onpointercancel = (move) => {
    target.onpointermove = target.onpointerup = target.onpointercancel = null;
    if (isDrag) tell(move, true);
    else onClick();
  };
}
