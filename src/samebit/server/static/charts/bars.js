// A histogram: bars between edges, with the numbers at both ends and the highest.

import { html } from "../lib/html.js";
import { count, number } from "../lib/text.js";

const WIDE = 320;
const HIGH = 120;

export function Bars({ counts, edges, label }) {
  if (counts.length === 0) return html`<p class="dim">no numbers</p>`;
  const [low, high] = [edges[0], edges.at(-1)];
  const most = Math.max(...counts);
  const x = (edge) => ((edge - low) / (high - low || 1)) * WIDE;
  const total = counts.reduce((sum, one) => sum + one, 0);
  return html`<svg class="bars" viewBox="0 0 ${WIDE} ${HIGH + 18}" role="img"
    aria-label=${`${label}: ${count(total)} values from ${number(low)} to ${number(high)}`}>
    ${counts.map((one, at) => html`<rect key=${at} x=${x(edges[at])} width=${Math.max(0.5, x(edges[at + 1]) - x(edges[at]) - 0.5)} y=${HIGH - (one / most) * HIGH} height=${(one / most) * HIGH}>
      <title>${`${number(edges[at])} to ${number(edges[at + 1])}: ${count(one)}`}</title></rect>`)}
    <path d="M0 ${HIGH}H${WIDE}" /><text x="0" y=${HIGH + 14}>${number(low)}</text>
      <text x=${WIDE} y=${HIGH + 14} text-anchor="end">${number(high)}</text>
  </svg>`;
}
