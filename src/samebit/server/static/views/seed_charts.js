// Charts of groups of seeds: which share of the runs comes so far, and the best of n with its spread.

import { classes, html, useMemo, useState } from "../lib/html.js";
import { count, number, title } from "../lib/text.js";
import { Curves } from "../charts/plot.js";
import { LineKey } from "../parts/line_key.js";

const MANY = 40;  // from so many runs on the number of runs has a logarithmic axis

export function SeedCharts({ groups, called, better, metric, method }) {
  const some = groups.filter(({ n }) => n > 0);
  const named = (group, at) => ({ id: group.key, number: at, label: `${called(group)} (n = ${count(group.n)})` });
  const shares = useMemo(() => some.map((group, at) => ({ ...named(group, at), ...steps(group.points) })), [groups.map(({ key }) => key).join(" "), groups[0]?.points]);
  const bests = useMemo(() => some.filter(({ best }) => best.length > 1).map((group) => ({ ...named(group, some.indexOf(group)),
    ...columns(group.best, { x: "n", y: "value", low: "low", high: "high" }) })),
  [shares, groups[0]?.best]);
  if (some.length === 0) return html`<p class="dim">Tick groups in the table to draw them.</p>`;
  const side = better === "lower" ? "lowest" : "highest";
  const most = Math.max(...some.map(({ n }) => n));
  return html`<section class="seed-charts" aria-label="charts of groups">
    <div class="pair-of-charts">
      <${Chart} heading="Distribution of results" note=${`share of a group's runs at or below a value of ${title(metric)} (the empirical distribution: every run is a step)`}
        curves=${shares} xName=${title(metric)} tell=${(x, y) => `${number(x)}: ${(100 * y).toFixed(0)} %`} />
      ${bests.length > 0 ? html`<${Chart} heading=${`Expected ${side} of n runs`} note=${method}
        curves=${bests} isXLog=${most > MANY} xName="n" xTicks=${whole} tell=${(x, y, low, high) => `${number(y)} (${number(low)} to ${number(high)})`} />`
        : html`<div class="chart"><figcaption><span class="chart-title">Expected ${side} of n runs</span></figcaption><p class="dim">Two runs of a group are needed.</p></div>`}
    </div>
    <ul class="small-legend">${shares.map((curve) => html`<li key=${curve.id}>
      <${LineKey} number=${curve.number} />${curve.label}</li>`)}</ul>
  </section>`;
}

/** The empirical distribution as a line: at each value it rises by the share of runs that have it. */
function steps(points) {
  const sorted = Float64Array.from(points).sort();
  const x = new Float64Array(2 * sorted.length);
  const y = new Float64Array(2 * sorted.length);
  sorted.forEach((value, at) => {
    x[2 * at] = x[2 * at + 1] = value;
    y[2 * at] = at / sorted.length;
    y[2 * at + 1] = (at + 1) / sorted.length;
  });
  return { x, y, isStair: true };
}

/** Objects as arrays of one of their members each. */
function columns(rows, names) {
  return Object.fromEntries(Object.entries(names).map(([name, of]) => [name, Float64Array.from(rows, (row) => row[of])]));
}

/** Numbers of runs are whole. */
export const whole = (value) => (Number.isInteger(value) ? count(value) : null);

/** A chart of a few curves, which tells what lies under the pointer. */
export function Chart({ heading, note, curves, isXLog = false, xName, xTicks, tell }) {
  const [look, setLook] = useState(null);
  const [zoom, setZoom] = useState(null);
  const near = look?.isNear && curves.length > 1 ? look.found[0].curve.id : null;
  const bright = useMemo(() => (near === null ? null : new Set([near])), [near]);
  const right = look && look.left > look.width / 2;
  return html`<figure class="chart"><figcaption><span class="chart-title">${heading}</span>
      ${zoom && html`<button type="button" class="quiet" onClick=${() => setZoom(null)}>whole</button>`}</figcaption>
    <div class="plot-box"><${Curves} curves=${curves} zoom=${zoom} isXLog=${isXLog} isYLog=${false} bright=${bright} sync=${heading} xTicks=${xTicks}
        label=${`${heading}; ${curves.map(({ label, x, y }) => `${label}: ${number(y[0])} at ${number(x[0])} to ${number(y.at(-1))} at ${number(x.at(-1))}`).join("; ")}`}
          onZoom=${setZoom} onLook=${setLook} />
      ${look && look.found.length > 0 && html`<div class="look" aria-hidden="true" style=${right ? { right: `${look.width - look.left + 24}px` } : { left: `${look.left + 70}px` }}>
        <div class="dim">${`${xName} ${number(look.found[0].curve.x[look.found[0].at])}`}</div>
        ${look.found.slice(0, 8).map(({ curve, at }, nth) => html`<div key=${curve.id} class=${classes(nth === 0 && look.isNear && "near")}>
          <${LineKey} number=${curve.number} />
          <span class="name">${curve.label}</span><b>${tell(curve.x[at], curve.y[at], curve.low?.[at], curve.high?.[at], curve.id)}</b></div>`)}</div>`}</div>
    <p class="chart-note"><small>${note}</small></p></figure>`;
}
