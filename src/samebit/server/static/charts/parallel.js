// Parallel coordinates: an axis for each key, a line for each run, a brush on each axis.

import { classes, html, useMemo, useRef } from "../lib/html.js";
import { Canvas, ramp } from "./canvas.js";
import { resolved } from "./colors.js";

const TOP = 40;
const BOTTOM = 40;  // below the axes lie those runs that have no value there
const SIDE = 90;
const SPREAD = 9;
const EDGE = 0.02;  // so near to an end of an axis its end is meant
const MOST_FAINT = 2000;  // lines of those that brushes leave out: a background
const ROOM = 120;  // pixels to an axis at least

/**
 * @param {{axes: Array<{key, title, axis, menu}>, brushes: Map<string, number[]>, onBrush: function,
 *   kept: Uint8Array, tones: Float64Array, bright: number, label: string}} props -
 *   `kept`: of each run whether all brushes hold it; `tones`: of each run 0 to 1, -1 for none.
 */
export function Parallel({ axes, brushes, onBrush, kept, tones, bright, label }) {
  const box = useRef(null);
  const draw = useMemo(() => (canvas, width, height) => {
    const colors = resolved(["--ramp-low", "--ramp-high", "--rule", "--ink"]);
    const tone = ramp(colors["--ramp-low"], colors["--ramp-high"]);
    const count = kept.length;
    const x = axes.map((_, at) => place(at, axes.length, width));
    const y = (share) => (share < 0 ? height - BOTTOM / 2 : height - BOTTOM - share * (height - TOP - BOTTOM));
    const line = (row) => {
      canvas.beginPath();
      axes.forEach(({ axis }, at) => canvas[at ? "lineTo" : "moveTo"](x[at], y(axis.shares[row]) + (axis.isDiscrete ? apart(row, at) : 0)));
      canvas.stroke();
    };
    const order = Array.from({ length: count }, (_, row) => row).sort((one, other) => tones[one] - tones[other]);
    canvas.lineWidth = 1 / (window.devicePixelRatio || 1);  // one pixel of the screen is by far the fastest
    if (brushes.size > 0) {
      canvas.globalAlpha = Math.max(0.15, Math.min(0.6, 150 / count));
      canvas.strokeStyle = colors["--rule"];
      const every = Math.ceil(count / MOST_FAINT);
      for (let at = 0; at < count; at += every) if (!kept[order[at]]) line(order[at]);
    }
    const many = kept.reduce((sum, one) => sum + one, 0);
    canvas.globalAlpha = Math.max(0.035, Math.min(0.85, 250 / many));
    for (const row of order) {
      if (!kept[row]) continue;
      canvas.strokeStyle = tones[row] < 0 ? colors["--rule"] : tone(tones[row]);
      line(row);
    }
    if (bright >= 0) {
      canvas.globalAlpha = 1;
      canvas.lineWidth = 2.5;
      canvas.strokeStyle = colors["--ink"];
      line(bright);
    }
    canvas.globalAlpha = 1;
  }, [axes, brushes, kept, tones, bright]);
  return html`<div class="parallel" tabindex="0" role="region" aria-label=${label}>
    <div class="axes" ref=${box} style=${{ minWidth: `${SIDE * 2 + ROOM * (axes.length - 1)}px` }}>
    <${Canvas} draw=${draw} label=${label} kind="fill" />
    ${axes.map((one, at) => html`<${Axis} key=${one.key} ...${one} at=${at} of=${axes.length} brush=${brushes.get(one.key)}
      onBrush=${onBrush} />`)}
  </div></div>`;
}

/** A few pixels up or down, always the same: equal values would be one line, however many runs have them. */
const apart = (row, at) => (((row * 2654435761 + at * 40503) >>> 8) % 1000) / 1000 * SPREAD - SPREAD / 2;

const place = (at, of, width) => (of === 1 ? width / 2 : SIDE + (at * (width - 2 * SIDE)) / (of - 1));

function Axis({ title, axis, menu, at, of, brush, onBrush, isResult, key: _, name }) {
  const left = of === 1 ? "50%" : `calc(${SIDE}px + (100% - ${2 * SIDE}px) * ${at / (of - 1)})`;
  const hasNone = axis.shares.some((share) => share < 0);
  const begin = (event) => {
    event.preventDefault();
    const target = event.currentTarget;
    const rect = target.getBoundingClientRect();
    const share = (move) => {
      const found = 1 - (move.clientY - rect.top) / rect.height;
      return found > 1 - EDGE ? 1 : found < EDGE ? 0 : found;
    };
    const from = share(event);
    target.setPointerCapture(event.pointerId);
    target.onpointermove = (move) => onBrush(name, [Math.min(from, share(move)), Math.max(from, share(move))]);
    target.onpointerup = (move) => {
      target.onpointermove = target.onpointerup = null;
      if (Math.abs(share(move) - from) < 0.01) onBrush(name, null);
    };
  };
  const onKeyDown = (event) => {
    const step = { ArrowUp: 0.05, ArrowDown: -0.05 }[event.key];
    if (event.key === "Escape") onBrush(name, null);
    if (!step) return;
    event.preventDefault();
    const [low, high] = brush ?? [0, 1];
    const moved = event.shiftKey ? [low, Math.max(low, Math.min(1, high + step))] : [Math.max(0, Math.min(high, low + step)), high];
    onBrush(name, moved);
  };
  const style = { top: `${TOP}px`, bottom: `${BOTTOM}px` };
  return html`<div class=${classes("axis", isResult && "result")} style=${{ left }}>
    <div class="axis-head">${menu}</div>
    <div class="axis-line" style=${style} onPointerDown=${begin}
      onKeyDown=${onKeyDown} tabindex="0" role="slider" aria-orientation="vertical"
      aria-label=${`range of ${title}`} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(100 * (brush?.[0] ?? 0))}
      aria-valuetext=${brush ? axis.range(brush).map(String).join(axis.numeric ? " to " : ", ") : "all"}>
      ${brush && html`<div class="brush" style=${{ bottom: `${100 * brush[0]}%`, top: `${100 - 100 * brush[1]}%` }}></div>`}</div>
    ${axis.ticks.map(([share, text]) => html`<span key=${text} class="axis-tick" style=${{ top: `calc(${TOP}px + (100% - ${TOP + BOTTOM}px) * ${1 - share})` }}>${text}</span>`)}
    ${hasNone && html`<span class="axis-tick" style=${{ top: `calc(100% - ${BOTTOM / 2}px)` }}>none</span>`}
  </div>`;
}
