// One point for each run: a hyper-parameter across, a metric upwards.

import { html, useMemo, useState } from "../lib/html.js";
import { Canvas, ramp } from "./canvas.js";
import { resolved } from "./colors.js";

const BOX = { left: 56, right: 12, top: 8, bottom: 26 };
const NEAR = 12;

/** @param {{x, y, kept: Uint8Array, tones: Float64Array, label: string, nameOf: function, onOpen: function}} props - axes as charts/axes.js makes them. */
export function Scatter({ x, y, kept, tones, label, nameOf, onOpen }) {
  const [near, setNear] = useState(null);
  const places = useMemo(() => (width, height) => ({
    x: (share) => (share < 0 ? BOX.left - 14 : BOX.left + share * (width - BOX.left - BOX.right)),
    y: (share) => (share < 0 ? height - BOX.bottom + 8 : height - BOX.bottom - share * (height - BOX.top - BOX.bottom)),
  }), []);
  const draw = useMemo(() => (canvas, width, height) => {
    const colors = resolved(["--ramp-low", "--ramp-high", "--grid", "--dim", "--rule", "--ink"]);
    const tone = ramp(colors["--ramp-low"], colors["--ramp-high"]);
    const at = places(width, height);
    canvas.font = '11px system-ui, "Liberation Sans", sans-serif';
    canvas.textAlign = "right";
    canvas.textBaseline = "middle";
    canvas.strokeStyle = colors["--grid"];
    canvas.fillStyle = colors["--dim"];
    for (const [share, text] of y.ticks) {
      line(canvas, BOX.left, at.y(share), width - BOX.right, at.y(share));
      canvas.fillText(text, BOX.left - 8, at.y(share), BOX.left - 10);
    }
    canvas.textAlign = "center";
    for (const [share, text] of x.ticks) canvas.fillText(text, at.x(share), height - 10);
    canvas.strokeStyle = colors["--rule"];
    line(canvas, BOX.left, height - BOX.bottom, width - BOX.right, height - BOX.bottom);
    const radius = kept.length > 2000 ? 1.8 : 3;
    canvas.globalAlpha = kept.length > 2000 ? 0.5 : 0.75;
    for (const wanted of [0, 1]) {
      for (let row = 0; row < kept.length; row++) {
        if (kept[row] !== wanted || y.shares[row] < 0) continue;
        canvas.fillStyle = wanted ? tone(tones[row] < 0 ? 0 : tones[row]) : colors["--grid"];
        canvas.beginPath();
        canvas.arc(at.x(x.shares[row]), at.y(y.shares[row]), radius, 0, 7);
        canvas.fill();
      }
    }
    canvas.globalAlpha = 1;
    if (near) {
      canvas.strokeStyle = colors["--ink"];
      canvas.lineWidth = 2;
      canvas.beginPath();
      canvas.arc(at.x(x.shares[near.row]), at.y(y.shares[near.row]), radius + 3, 0, 7);
      canvas.stroke();
    }
  }, [x, y, kept, tones, near]);
  const find = (event) => {
    const rect = event.currentTarget.getBoundingClientRect();
    const at = places(rect.width, rect.height);
    let found = null;
    for (let row = 0; row < kept.length; row++) {
      if (!kept[row] || y.shares[row] < 0) continue;
      const away = Math.hypot(at.x(x.shares[row]) - (event.clientX - rect.left), at.y(y.shares[row]) - (event.clientY - rect.top));
      if (away < (found?.away ?? NEAR)) found = { row, away };
    }
    if (found?.row !== near?.row) setNear(found);
  };
  return html`<div class="scatter-box"><${Canvas} draw=${draw} label=${label} kind="fill" onPointerMove=${find}
    onPointerLeave=${() => setNear(null)} onClick=${() => near && onOpen(near.row)} />
    ${near && html`<div class="look corner" aria-hidden="true">${nameOf(near.row)}</div>`}</div>`;
}

function line(canvas, x0, y0, x1, y1) {
  canvas.beginPath();
  canvas.moveTo(x0, y0);
  canvas.lineTo(x1, y1);
  canvas.stroke();
}
