// The histograms of one name over its steps: a column for each step, darker where more values lie.

import { ask } from "../lib/api.js";
import { html, useMemo } from "../lib/html.js";
import { count, number, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Trouble, Waiting } from "../parts/trouble.js";

const MOST = 60;  // steps, evenly taken
const BINS = 48;
const WIDE = 600;
const HIGH = 160;

/** @param {{run: string, name: string, all: object[]}} props - of one place under the name */
export function OverSteps({ run, name, all }) {
  const some = useMemo(() => {
    const every = Math.max(1, Math.ceil(all.length / MOST));
    return all.filter((_, at) => at % every === 0 || at === all.length - 1);
  }, [all]);
  const { answer, error } = useAnswer((signal) => Promise.all(some.map((one) => ask(`media/${encodeURIComponent(one.digest)}`, { run }, { signal }))), some.map(({ digest }) => digest).join());
  if (error) return html`<${Trouble} error=${error} />`;
  if (!answer || answer.length !== some.length) return html`<${Waiting} what="reading its steps…" />`;
  const edges = answer.flatMap((one) => (one.edges?.length ? [one.edges[0], one.edges.at(-1)] : [])).filter(Number.isFinite);
  if (edges.length === 0) return html`<p class="dim">no numbers</p>`;
  const [low, high] = [Math.min(...edges), Math.max(...edges)];
  const columns = answer.map((one) => rebinned(one, low, high));
  const most = Math.max(1, ...columns.flat());
  const wide = WIDE / columns.length;
  return html`<svg class="over-steps" viewBox="0 0 ${WIDE + 60} ${HIGH + 18}" role="img"
    aria-label=${`histograms of ${visible(name)} at ${some.length} steps, from ${number(low)} to ${number(high)}`}>
    ${columns.map((bins, at) => bins.map((many, bin) => many > 0 && html`<rect key=${`${at} ${bin}`} x=${at * wide} width=${wide + 0.3} y=${HIGH - ((bin + 1) / BINS) * HIGH} height=${HIGH / BINS + 0.3}
      opacity=${0.08 + 0.92 * Math.sqrt(many / most)}><title>${`step ${count(some[at].step)}: ${number(many)} around ${number(low + ((bin + 0.5) / BINS) * (high - low))}`}</title></rect>`))}
    <text x=${WIDE + 6} y="10">${number(high)}</text><text x=${WIDE + 6} y=${HIGH}>${number(low)}</text>
    <text x="0" y=${HIGH + 14}>${`step ${count(some[0].step)}`}</text><text x=${WIDE} y=${HIGH + 14} text-anchor="end">${`step ${count(some.at(-1).step)}`}</text></svg>`;
}

/** How many values lie in each of some even bins: a bin of the histogram is spread over those that it covers. */
function rebinned({ counts = [], edges = [] }, low, high) {
  const bins = new Array(BINS).fill(0);
  const place = (value) => (high > low ? ((value - low) / (high - low)) * BINS : BINS / 2);
  counts.forEach((many, at) => {
    const [from, to] = [place(edges[at]), place(edges[at + 1])];
    if (!(to > from)) {
      bins[Math.min(BINS - 1, Math.max(0, Math.floor(from)))] += many;
      return;
    }
    for (let bin = Math.max(0, Math.floor(from)); bin < Math.min(BINS, Math.ceil(to)); bin++) {
      bins[bin] += (many * (Math.min(to, bin + 1) - Math.max(from, bin))) / (to - from);
    }
  });
  return bins;
}
