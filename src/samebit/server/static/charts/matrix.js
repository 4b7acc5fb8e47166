// A matrix of scatter plots: each of some keys and metrics with each other, and how each lies on the diagonal.

import { html, useMemo } from "../lib/html.js";
import { Name } from "../parts/name.js";
import { Canvas } from "./canvas.js";
import { resolved } from "./colors.js";
import { beginBox, nearestPoint, paintBrush, paintPoints, ring } from "./points.js";
import { drawnOrder, paintOf } from "./tones.js";

const LEAST = 96;  // pixels of a cell
const MOST = 190;
const GAP = 6;
const INSET = 6;  // between a cell's border and its points
const LANE = 10;
const NEAR = 9;
const BINS = 20;

/**
 * @param {{axes: Array<{name, title, short, axis}>, kept: Uint8Array, tones: object, brushes: Map, onBrush: function, bright: number,
 *   picked: number[], onBright: function, onPick: function, isRough: boolean, label: string, children: any}} props
 */
export function Matrix({ axes, kept, tones, brushes, onBrush, bright, picked, onBright, onPick, isRough, label, children }) {
  const order = useMemo(() => drawnOrder(tones), [tones]);
  const many = axes.length;
  const cellsOf = (width) => {
    const wide = width / many;
    const found = [];
    for (let row = 0; row < many; row++) {
      for (let column = 0; column <= row; column++) {
        found.push({ row, column, left: column * wide + GAP / 2, top: row * wide + GAP / 2, size: wide - GAP,
          box: { left: column * wide + GAP / 2 + INSET, top: row * wide + GAP / 2 + INSET, width: wide - GAP - 2 * INSET, height: wide - GAP - 2 * INSET, lane: LANE } });
      }
    }
    return found;
  };
  const named = ({ box, row, column }) => ({ ...box, x: axes[column], y: axes[row] });
  const plain = ({ box, row, column }) => ({ ...box, x: axes[column].axis, y: axes[row].axis });
  const draw = useMemo(() => (canvas, width) => {
    const colors = resolved(["--rule", "--dim", "--accent", "--faint"]);
    const paint = paintOf(tones);
    for (const cell of cellsOf(width)) {
      canvas.strokeStyle = colors["--rule"];
      canvas.lineWidth = 1;
      canvas.strokeRect(cell.left + 0.5, cell.top + 0.5, cell.size, cell.size);
      if (cell.row === cell.column) bars(canvas, cell, axes[cell.row].axis, kept, colors);
      else {
        paintPoints(canvas, plain(cell), { kept, order, tones, paint, isRough });
        paintBrush(canvas, named(cell), brushes, colors["--accent"]);
      }
    }
  }, [axes, kept, tones, brushes, isRough]);
  const mark = useMemo(() => (canvas, width) => {
    const { "--ink": ink, "--paper": paper } = resolved(["--ink", "--paper"]);
    const rows = [...picked, bright].filter((row) => row >= 0);
    for (const cell of cellsOf(width)) if (cell.row !== cell.column) ring(canvas, plain(cell), rows, 4, { ink, paper });
  }, [axes, bright, picked]);
  const cellAt = (event) => {
    const rect = event.currentTarget.getBoundingClientRect();
    const [px, py] = [event.clientX - rect.left, event.clientY - rect.top];
    const cell = cellsOf(rect.width).find(({ left, top, size, row, column }) => row !== column && px >= left && px <= left + size && py >= top && py <= top + size);
    return cell ? { cell, row: nearestPoint(plain(cell), kept, px, py, NEAR) } : null;
  };
  const begin = (event) => {
    const found = cellAt(event);
    if (!found) return;
    const keys = [axes[found.cell.column].name, axes[found.cell.row].name];
    beginBox(event, named(found.cell), onBrush, () => (found.row >= 0 ? onPick(found.row) : onBrush(keys.map((key) => [key, null]), true)));
  };
  return html`<div class="matrix" tabindex="0" role="region" aria-label=${label}><div class="matrix-body"
    style=${{ "--many": many, minWidth: `${many * LEAST + 100}px`, maxWidth: `${many * MOST + 130}px` }}>
    <div class="matrix-rows" aria-hidden="true">${axes.map(({ name, short, title }) => html`<span key=${name} title=${title}><${Name} of=${short} /></span>`)}</div>
    <div class="matrix-plot"><${Canvas} draw=${draw} label=${label} kind="fill" />
      <${Canvas} draw=${mark} kind="fill" onPointerMove=${(event) => event.buttons === 0 && onBright(cellAt(event)?.row ?? -1)} onPointerLeave=${() => onBright(-1)} onPointerDown=${begin} />
      <div class="matrix-corner">${children}</div></div>
    <div class="matrix-columns" aria-hidden="true">${axes.map(({ name, short, title }) => html`<span key=${name} title=${title}><${Name} of=${short} /></span>`)}</div>
  </div></div>`;
}

/** How many runs lie where on an axis: those that brushes hold before all. */
function bars(canvas, { box }, axis, kept, colors) {
  const bins = axis.names ? Math.min(BINS, axis.names.length) : BINS;
  const [all, held] = [new Float64Array(bins), new Float64Array(bins)];
  for (let row = 0; row < kept.length; row++) {
    if (axis.shares[row] < 0) continue;
    const bin = Math.min(bins - 1, Math.floor(axis.shares[row] * bins));
    all[bin] += 1;
    held[bin] += kept[row];
  }
  const most = Math.max(1, ...all);
  const wide = box.width / bins;
  for (const [counts, color, alpha] of [[all, colors["--faint"], 0.8], [held, colors["--dim"], 0.9]]) {
    canvas.globalAlpha = alpha;
    canvas.fillStyle = color;
    counts.forEach((one, bin) => {
      const high = (one / most) * box.height;
      canvas.fillRect(box.left + bin * wide + 0.5, box.top + box.height - high, Math.max(1, wide - 1), high);
    });
  }
  canvas.globalAlpha = 1;
}
