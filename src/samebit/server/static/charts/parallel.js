// Parallel coordinates: an axis for each key, a line for each run, a brush on each axis.

import { classes, html, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import { Canvas } from "./canvas.js";
import { resolved } from "./colors.js";
import { drawnOrder, FAINT, paintOf } from "./tones.js";

const TOP = 56;
const BOTTOM = 44;  // below the axes lie those runs that have no value there
const SIDE = 96;
const SPREAD = 9;
const EDGE = 0.02;  // so near to an end of an axis its end is meant
const GRIP = 7;  // pixels around an end of a brush by which it is moved
const MOST_FAINT = 2000;  // lines of those that brushes leave out: a background
const MOST_ROUGH = 1500;  // lines while a brush is dragged
const ROOM = 128;  // pixels to an axis at least
const NEAR = 8;  // pixels from a line
const DRAGGED = 6;  // pixels from which on a head is moved, not clicked

/**
 * @param {{axes: Array<object>, brushes: Map<string, object>, onBrush: function(string, object|null, boolean): void,
 *   onMove: function(string, number): void, onAxis: function(string, string): void, kept: Uint8Array, tones: object, bright: number, picked: number[],
 *   onBright: function(number): void, onPick: function(number): void, isRough: boolean, label: string}} props -
 *   `axes`: `{name, title, short, axis, menu, isFixed}`; `kept`: of each run whether all brushes hold it.
 */
export function Parallel({ axes, brushes, onBrush, onMove, onAxis, kept, tones, bright, picked, onBright, onPick, isRough, label }) {
  const order = useMemo(() => drawnOrder(tones), [tones]);
  const places = (width) => axes.map((_, at) => place(at, axes.length, width));
  const y = (share, height) => (share < 0 ? height - BOTTOM / 2 : height - BOTTOM - share * (height - TOP - BOTTOM));
  const at = (row, nth, height) => y(axes[nth].axis.shares[row], height) + (axes[nth].axis.isDiscrete || axes[nth].axis.shares[row] < 0 ? apart(row, nth) : 0);
  const line = (canvas, x, row, height) => {
    canvas.beginPath();
    for (let nth = 0; nth < axes.length; nth++) canvas.lineTo(x[nth], at(row, nth, height));
    canvas.stroke();
  };
  const draw = useMemo(() => (canvas, width, height) => {
    const paint = paintOf(tones);
    const x = places(width);
    const count = kept.length;
    canvas.lineWidth = 1 / (window.devicePixelRatio || 1);  // one pixel of the screen is by far the fastest
    if (brushes.size > 0) {
      canvas.globalAlpha = Math.max(0.15, Math.min(0.6, 150 / count));
      canvas.strokeStyle = paint(FAINT);
      const every = Math.ceil(count / (isRough ? MOST_ROUGH / 2 : MOST_FAINT));
      for (let nth = 0; nth < count; nth += every) if (!kept[order[nth]]) line(canvas, x, order[nth], height);
    }
    const many = kept.reduce((sum, one) => sum + one, 0);
    const step = isRough ? Math.ceil(many / MOST_ROUGH) : 1;
    canvas.globalAlpha = Math.max(0.035, Math.min(0.85, (250 * step) / many));
    let nth = 0;
    for (const row of order) {
      if (!kept[row] || nth++ % step !== 0) continue;
      canvas.strokeStyle = paint(tones.of[row]);
      line(canvas, x, row, height);
    }
    canvas.globalAlpha = 1;
  }, [axes, brushes, kept, tones, isRough]);
  const mark = useMemo(() => (canvas, width, height) => {
    const { "--ink": ink, "--paper": paper } = resolved(["--ink", "--paper"]);
    for (const row of [...picked, bright].filter((one) => one >= 0)) {
      for (const [wide, color] of [[row === bright ? 5 : 4, paper], [row === bright ? 2.5 : 1.75, ink]]) {
        canvas.lineWidth = wide;
        canvas.strokeStyle = color;
        line(canvas, places(width), row, height);
      }
    }
  }, [axes, bright, picked]);
  const find = (event) => {
    const rect = event.currentTarget.getBoundingClientRect();
    const [px, py] = [event.clientX - rect.left, event.clientY - rect.top];
    const x = places(rect.width);
    let nth = 0;
    while (nth < x.length - 2 && px > x[nth + 1]) nth += 1;
    const part = axes.length > 1 ? Math.max(0, Math.min(1, (px - x[nth]) / (x[nth + 1] - x[nth]))) : 0;
    let found = -1;
    let least = NEAR;
    for (let row = 0; row < kept.length; row++) {
      if (!kept[row]) continue;
      const here = at(row, nth, rect.height);
      const away = Math.abs(here + part * ((axes.length > 1 ? at(row, nth + 1, rect.height) : here) - here) - py);
      if (away < least) [found, least] = [row, away];
    }
    return found;
  };
  return html`<div class="parallel" tabindex="0" role="region" aria-label=${label}>
    <div class="axes" style=${{ minWidth: `${SIDE * 2 + ROOM * (axes.length - 1)}px`, "--gaps": Math.max(1, axes.length - 1) }}>
    <${Canvas} draw=${draw} label=${label} kind="fill" />
    <${Canvas} draw=${mark} kind="fill" onPointerMove=${(event) => onBright(find(event))} onPointerLeave=${() => onBright(-1)}
      onClick=${(event) => {
        const row = bright >= 0 ? bright : find(event);  // a click's place is rounded: the one that is lit is meant
        if (row >= 0) onPick(row);
      }} />
    ${axes.map((one, nth) => html`<${Axis} key=${one.name} one=${one} at=${nth} of=${axes.length} brush=${brushes.get(one.name)}
      onBrush=${onBrush} onMove=${onMove} onAxis=${onAxis} />`)}
  </div></div>`;
}

/** A few pixels up or down, always the same: equal values would be one line, however many runs have them. */
const apart = (row, at) => (((row * 2654435761 + at * 40503) >>> 8) % 1000) / 1000 * SPREAD - SPREAD / 2;

const place = (at, of, width) => (of === 1 ? width / 2 : SIDE + (at * (width - 2 * SIDE)) / (of - 1));

function Axis({ one, at, of, brush, onBrush, onMove, onAxis }) {
  const { axis, name, title, short, menu, isResult, isFixed } = one;
  const root = useRef(null);
  const [shift, setShift] = useState(0);
  const range = brush && axis.fits(brush) ? axis.rangeOf(brush) : null;
  const left = of === 1 ? "50%" : `calc(${SIDE}px + (100% - ${2 * SIDE}px) * ${at / (of - 1)})`;
  const moveHead = (event) => {
    if (isFixed || event.button !== 0) return;
    const begun = event.clientX;
    const gap = (root.current.parentElement.clientWidth - 2 * SIDE) / Math.max(1, of - 1);
    let by = 0;
    const onPointerMove = (move) => {
      by = move.clientX - begun;
      if (Math.abs(by) > DRAGGED) setShift(by);
    };
    const onPointerUp = () => {
      window.removeEventListener("pointermove", onPointerMove);
      setShift(0);
      if (Math.abs(by) <= DRAGGED) return;
      // The click that follows would open the menu.
      window.addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => window.removeEventListener("click", swallow, { capture: true }), 0);
      onMove(name, Math.max(0, Math.round(at + by / gap)));
    };
    window.addEventListener("pointermove", onPointerMove);
    window.addEventListener("pointerup", onPointerUp, { once: true });
  };
  const onKeyDown = (event) => {
    const key = event.key.toLowerCase();
    const by = { arrowup: axis.step, arrowdown: -axis.step }[key];
    const does = by ? () => onBrush(name, stepped(axis, range ?? [0, 1], by, event.shiftKey), true)
      : { escape: () => onBrush(name, null, true), arrowleft: () => onMove(name, at - 1), arrowright: () => onMove(name, at + 1),
        l: () => onAxis(name, "log"), f: () => onAxis(name, "flip"), n: () => axis.lane && onBrush(name, brush?.none ? null : { none: true }, true) }[key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    does();
  };
  // The axis is the same element at another place, and keeps the focus of who moves it by keys.
  const line = useRef(null);
  const moved = useRef(at);
  useEffect(() => {
    if (moved.current !== at && document.activeElement === line.current) line.current.scrollIntoView({ block: "nearest", inline: "nearest" });
    moved.current = at;
  }, [at]);
  const style = { top: `${TOP}px`, bottom: `${BOTTOM}px` };
  return html`<div class=${classes("axis", isResult && "result", shift !== 0 && "moved")} style=${{ left, transform: shift ? `translateX(${shift}px)` : null }} ref=${root}>
    <div class=${classes("axis-head", isFixed && "fixed")} onPointerDown=${moveHead} title=${title}>${menu}</div>
    <div class="axis-line" style=${style} ref=${line} onPointerDown=${(event) => beginBrush(event, axis, range, (next, isDone) => onBrush(name, next, isDone))}
      onKeyDown=${onKeyDown} tabindex="0" role="slider" aria-orientation="vertical" title="drag to keep a range; arrows, l, f, n, Escape by keyboard"
      aria-label=${`range of ${title}`} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(100 * (range?.[0] ?? 0))}
      aria-valuetext=${brush ? axis.said(brush) : "all"}>
      ${range && html`<div class="brush" style=${{ bottom: `${100 * range[0]}%`, top: `${100 - 100 * range[1]}%` }}></div>`}</div>
    ${axis.ticks.map(([share, text, whole = text]) => html`<span key=${whole} class="axis-tick" title=${whole === text ? null : whole}
      style=${{ top: `calc(${TOP}px + (100% - ${TOP + BOTTOM}px) * ${1 - share})` }}>${text}</span>`)}
    ${axis.lane && html`<button type="button" class="lane" aria-pressed=${String(Boolean(brush?.none))} aria-label=${`${title}: ${axis.lane}`}
      onClick=${() => onBrush(name, brush?.none ? null : { none: true }, true)}>${axis.lane}</button>`}
    ${(axis.isLog || axis.isFlipped) && html`<span class="axis-how">${[axis.isLog && "log", axis.isFlipped && "flipped"].filter(Boolean).join(", ")}</span>`}
    <span class="unseen">${short === title ? "" : title}</span>
  </div>`;
}

function swallow(event) {
  event.preventDefault();
  event.stopPropagation();
}

/** One end of a range a step further. */
function stepped(axis, [low, high], by, isHigh) {
  const next = isHigh ? [low, Math.max(low + axis.step / 2, Math.min(1, high + by))] : [Math.max(0, Math.min(high - axis.step / 2, low + by)), high];
  return next[0] <= 0 && next[1] >= 1 ? null : axis.brushAt(next);
}

/** Drag beside a brush for another one, on it to move it, on an end to move that; a click takes it away. */
function beginBrush(event, axis, range, tell) {
  event.preventDefault();
  const target = event.currentTarget;
  target.focus();
  const rect = target.getBoundingClientRect();
  const shareOf = (move) => 1 - (move.clientY - rect.top) / rect.height;
  const ended = (share) => (share > 1 - EDGE ? 1 : share < EDGE ? 0 : share);
  const from = shareOf(event);
  const grip = GRIP / rect.height;
  const isLow = range && Math.abs(from - range[0]) < grip;
  const isHigh = range && Math.abs(from - range[1]) < grip;
  const isInside = range && from > range[0] && from < range[1];
  const next = (share) => {
    if (isHigh) return ordered(range[0], ended(share));
    if (isLow) return ordered(ended(share), range[1]);
    if (isInside) {
      const by = Math.max(-range[0], Math.min(1 - range[1], share - from));
      return [range[0] + by, range[1] + by];
    }
    return ordered(ended(from), ended(share));
  };
  target.setPointerCapture(event.pointerId);
  target.onpointermove = (move) => tell(axis.brushAt(next(shareOf(move))), false);
  target.onpointerup = target.onpointercancel = (move) => {
    target.onpointermove = target.onpointerup = target.onpointercancel = null;
    tell(Math.abs(shareOf(move) - from) < 0.01 ? null : axis.brushAt(next(shareOf(move))), true);
  };
}

const ordered = (one, other) => [Math.min(one, other), Math.max(one, other)];
