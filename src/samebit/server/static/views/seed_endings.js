// How early the curves of a group tell how they end, and what stopping the others would have cost.

import { html, useMemo, useState } from "../lib/html.js";
import { number, title, visible } from "../lib/text.js";
import { Curves } from "../charts/plot.js";

const ALL_RANKS = [-1, 1];

export function Endings({ found, metric }) {
  const curves = useMemo(() => [{ id: "rank", number: 0, label: "rank correlation", x: Float64Array.from(found.steps), y: Float64Array.from(found.ranks, (one) => one ?? NaN) }], [found]);
  const range = useMemo(() => (found.ranks.some((one) => one < 0) ? ALL_RANKS : [0, 1]), [found]);
  const [zoom, setZoom] = useState(null);
  const [look, setLook] = useState(null);
  const high = found.high_from !== null && found.high_from < found.steps.at(-1);
  return html`<div class="endings"><h3>How early the end can be told</h3>
    <figure class="chart"><div class="plot-box"><${Curves} curves=${curves} zoom=${zoom} isXLog=${false} isYLog=${false} yRange=${range} onZoom=${setZoom} onLook=${setLook}
      label=${`rank correlation of ${title(metric)} at a step with the end: ${number(found.ranks[0])} at ${number(found.steps[0])}`} /></div></figure>
    <p class="dim">${look && look.found.length > 0 ? `step ${number(look.found[0].curve.x[look.found[0].at])}: ${number(look.found[0].curve.y[look.found[0].at])}` : "rank correlation with the end, by step"}</p>
    <p>${high ? `From step ${number(found.high_from)} on the order of the runs is that of the end, with a rank correlation of at least 0.9.`
      : "The rank correlation is never 0.9 before the end: stopping early would be a guess."}</p>
    ${found.stopped.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="stopping early"><table class="plain"><caption class="unseen">${"what stopping early would have found"}</caption>
      <thead><tr><th scope="col">others stopped at</th><th scope="col" class="numeric">cost in runs</th><th scope="col" class="numeric">best found</th><th scope="col" class="numeric">as many whole runs</th></tr></thead>
      <tbody>${found.stopped.map((one) => html`<tr key=${one.fraction}><th scope="row">${`${Math.round(100 * one.fraction)} % of a run`}</th><td class="numeric">${number(one.cost)}</td>
        <td class="numeric"><b>${number(one.found)}</b></td><td class="numeric">${number(one.whole)}</td></tr>`)}
      <tr><th scope="row">never</th><td class="numeric">${found.stopped[0].start}</td><td class="numeric"><b>${number(found.stopped[0].best)}</b></td><td class="numeric"></td></tr></tbody></table></div>
    <p><small>${`All but the best ${found.stopped[0].keep} of ${found.stopped[0].start} stopped; the cost is t f + p (1 - f) (Dodge et al. 2020), whole runs are the expected best U_n.`}</small></p>`}
    <p><small>${[found.method, found.note].filter(Boolean).map(visible).join(" · ")}</small></p></div>`;
}
