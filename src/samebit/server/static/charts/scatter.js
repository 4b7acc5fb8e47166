// One point for each run between two axes, and a brush over both.

import { html, useMemo } from "../lib/html.js";
import { Canvas } from "./canvas.js";
import { resolved } from "./colors.js";
import { beginBox, nearestPoint, paintBrush, paintPoints, placesIn, ring } from "./points.js";
import { drawnOrder, paintOf } from "./tones.js";

const NEAR = 12;
const FONT = '11px system-ui, "Liberation Sans", sans-serif';
const LANE = 26;

/**
 * @param {{x: {name, axis}, y: {name, axis}, kept: Uint8Array, tones: object, brushes: Map, onBrush: function, bright: number,
 *   picked: number[], onBright: function, onPick: function, isRough: boolean, label: string}} props - axes as charts/axes.js makes them.
 */
export function Scatter({ x, y, kept, tones, brushes, onBrush, bright, picked, onBright, onPick, isRough, label }) {
  const order = useMemo(() => drawnOrder(tones), [tones]);
  const boxOf = (width, height) => {
    const longest = Math.max(y.axis.lane.length, ...y.axis.ticks.map(([, text]) => text.length));
    const left = Math.min(width * 0.35, 20 + Math.min(18, longest) * 6.4);
    return { left, top: 10, width: width - left - 16, height: height - 38, lane: LANE };
  };
  const draw = useMemo(() => (canvas, width, height) => {
    const box = boxOf(width, height);
    const colors = resolved(["--grid", "--dim", "--rule", "--accent"]);
    const at = placesIn({ ...box, x: x.axis, y: y.axis });
    canvas.font = FONT;
    canvas.textBaseline = "middle";
    canvas.strokeStyle = colors["--grid"];
    canvas.fillStyle = colors["--dim"];
    canvas.lineWidth = 1;
    canvas.textAlign = "right";
    for (const [share, text] of y.axis.ticks) {
      line(canvas, box.left, at.yAt(share), box.left + box.width, at.yAt(share));
      canvas.fillText(text, box.left - 8, at.yAt(share), box.left - 10);
    }
    if (y.axis.lane) canvas.fillText(y.axis.lane, box.left - 8, box.top + box.height - LANE / 2, box.left - 10);
    canvas.textAlign = "center";
    const room = (box.width / Math.max(1, x.axis.ticks.length)) * 0.95;
    for (const [share, text] of x.axis.ticks) canvas.fillText(text, at.xAt(share), height - 12, Math.max(24, room));
    if (x.axis.lane) canvas.fillText(x.axis.lane, box.left + LANE / 2, height - 12, LANE + 20);
    canvas.strokeStyle = colors["--rule"];
    line(canvas, box.left, box.top + box.height, box.left + box.width, box.top + box.height);
    paintPoints(canvas, { ...box, x: x.axis, y: y.axis }, { kept, order, tones, paint: paintOf(tones), isRough });
    paintBrush(canvas, { ...box, x, y }, brushes, colors["--accent"]);
  }, [x.axis, y.axis, kept, tones, brushes, isRough]);
  const mark = useMemo(() => (canvas, width, height) => {
    const { "--ink": ink, "--paper": paper } = resolved(["--ink", "--paper"]);
    ring(canvas, { ...boxOf(width, height), x: x.axis, y: y.axis }, [...picked, bright].filter((row) => row >= 0), 5, { ink, paper });
  }, [x.axis, y.axis, bright, picked]);
  const find = (event) => {
    const rect = event.currentTarget.getBoundingClientRect();
    return nearestPoint({ ...boxOf(rect.width, rect.height), x: x.axis, y: y.axis }, kept, event.clientX - rect.left, event.clientY - rect.top, NEAR);
  };
  const begin = (event) => {
    const rect = event.currentTarget.getBoundingClientRect();
    const row = find(event);
    beginBox(event, { ...boxOf(rect.width, rect.height), x, y }, onBrush, () => (row >= 0 ? onPick(row) : onBrush([[x.name, null], [y.name, null]], true)));
  };
  return html`<div class="scatter-box"><${Canvas} draw=${draw} label=${label} kind="fill" />
    <${Canvas} draw=${mark} kind="fill" onPointerMove=${(event) => event.buttons === 0 && onBright(find(event))} onPointerLeave=${() => onBright(-1)} onPointerDown=${begin} /></div>`;
}

function line(canvas, x0, y0, x1, y1) {
  canvas.beginPath();
  canvas.moveTo(x0, Math.round(y0) + 0.5);
  canvas.lineTo(x1, Math.round(y1) + 0.5);
  canvas.stroke();
}
