// The results of a group as points on a line, with their mean and its interval.

import { html } from "../lib/html.js";
import { number } from "../lib/text.js";
import { padded, span } from "./scales.js";

const WIDE = 360;
const HIGH = 28;

/** @param {{group: object, all: number[], nameOf: function}} props - `all`: the results of every group, for one scale. */
export function Strip({ group, all, nameOf }) {
  const [low, high] = padded(span([all, [group.low, group.high].filter(Number.isFinite)]));
  const x = (value) => 4 + ((value - low) / (high - low)) * (WIDE - 8);
  const said = `${group.n} results from ${number(Math.min(...group.points))} to ${number(Math.max(...group.points))}`;
  return html`<svg class="strip" viewBox="0 0 ${WIDE} ${HIGH}" role="img" aria-label=${said}>
    <path class="strip-line" d="M0 ${HIGH / 2}H${WIDE}" />
    ${Number.isFinite(group.low ?? NaN) && html`<path class="strip-interval" d="M${x(group.low)} ${HIGH / 2}H${x(group.high)}" />`}
    ${group.points.map((value, at) => html`<circle key=${at} class="strip-point" cx=${x(value)} cy=${HIGH / 2 + apart(at)} r="2.6">
      <title>${`${nameOf(group.runs[at])}: ${number(value)}`}</title></circle>`)}
    ${Number.isFinite(group.mean ?? NaN) && html`<path class="strip-mean" d="M${x(group.mean)} 4V${HIGH - 4}" />`}
  </svg>`;
}

/** Up or down a little, always the same, so that equal results are two points. */
const apart = (at) => ((at * 7) % 5) * 2 - 4;
