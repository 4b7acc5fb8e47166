// Results as points on a line, of many their density, with the mean and its interval.

import { html } from "../lib/html.js";
import { count, number } from "../lib/text.js";
import { padded, span } from "./scales.js";

const WIDE = 300;
const HIGH = 28;
const MOST_POINTS = 60;  // each its own; more of them are a density with its quartiles
const BINS = 50;
const END = 8;  // pixels before the scale begins
const MOST_BEYOND = 0.3;  // of the results' range: so far an interval may widen the scale

/**
 * One scale for groups beside each other: all their results, and of their intervals as much as leaves those to be seen.
 * @param {Array<{points: number[], low?, high?}>} groups
 * @param {number[]} more - what has to be on it as well
 */
export function domainOf(groups, more = []) {
  const [low, high] = padded(span([...groups.map(({ points }) => points), more]));
  const room = (high - low) * MOST_BEYOND;
  const ends = span([groups.flatMap((group) => [group.low, group.high]).filter((end) => Number.isFinite(end ?? NaN))]) ?? [low, high];
  return [Math.max(low - room, Math.min(low, ends[0])), Math.min(high + room, Math.max(high, ends[1]))];
}

/**
 * @param {{group: {points: number[], runs: string[], n: number, mean?, low?, high?}, domain: number[], zero?: boolean,
 *   nameOf: function(string): string}} props - `zero`: with a line at 0. An interval that goes on beyond the scale has an arrow.
 */
export function Strip({ group, domain, zero = false, nameOf }) {
  const { points } = group;
  const [low, high] = domain;
  const x = (value) => END + ((Math.max(low, Math.min(high, value)) - low) / (high - low)) * (WIDE - 2 * END);
  const [least, most] = span([points]) ?? [NaN, NaN];
  const said = `${count(points.length)} results from ${number(least)} to ${number(most)}${Number.isFinite(group.low ?? NaN) ? `, mean ${number(group.mean)} with its interval ${number(group.low)} to ${number(group.high)}` : ""}`;
  return html`<svg class="strip" viewBox="0 0 ${WIDE} ${HIGH}" role="img" aria-label=${said}>
    <path class="strip-line" d="M0 ${HIGH / 2}H${WIDE}" />
    ${zero && html`<path class="strip-zero" d="M${x(0)} 0V${HIGH}" />`}
    ${points.length > MOST_POINTS && html`<path class="strip-density" d=${density(points, low, high)} />`}
    ${Number.isFinite(group.low ?? NaN) && html`<path class="strip-interval" d="M${x(group.low)} ${HIGH / 2}H${Math.max(x(group.low) + 1, x(group.high))}" />`}
    ${(group.low ?? low) < low && html`<path class="strip-on" d="M5 ${HIGH / 2 - 4}l-4 4l4 4" />`}
    ${(group.high ?? high) > high && html`<path class="strip-on" d="M${WIDE - 5} ${HIGH / 2 - 4}l4 4l-4 4" />`}
    ${points.length > MOST_POINTS ? html`<path class="strip-quartiles" d=${quartiles(points, x)} />`
      : points.map((value, at) => html`<circle key=${at} class="strip-point" cx=${x(value)} cy=${HIGH / 2 + apart(at)} r="2.6">
        <title>${`${nameOf(group.runs[at])}: ${number(value)}`}</title></circle>`)}
    ${Number.isFinite(group.mean ?? NaN) && html`<path class="strip-mean" d="M${x(group.mean)} 4V${HIGH - 4}" />`}
  </svg>`;
}

/** Up or down a little, always the same, so that equal results are two points. */
const apart = (at) => ((at * 7) % 5) * 2 - 4;

/** How many lie where, as wide as that: mirrored at the line. */
function density(points, low, high) {
  const counts = new Float64Array(BINS);
  for (const value of points) counts[Math.min(BINS - 1, Math.floor(((value - low) / (high - low)) * BINS))] += 1;
  const most = Math.max(...counts);
  const place = (at, sign) => `${(END + ((at + 0.5) / BINS) * (WIDE - 2 * END)).toFixed(1)} ${(HIGH / 2 - sign * (counts[at] / most) * (HIGH / 2 - 1)).toFixed(1)}`;
  const there = Array.from(counts, (_, at) => place(at, 1));
  const back = Array.from(counts, (_, at) => place(BINS - 1 - at, -1));
  return `M${there.join("L")}L${back.join("L")}Z`;
}

/** A thick line over the middle half of the points. */
function quartiles(points, x) {
  const sorted = Float64Array.from(points).sort();
  const at = (share) => x(sorted[Math.round(share * (sorted.length - 1))]);
  return `M${at(0.25)} ${HIGH / 2}H${at(0.75)}`;
}
