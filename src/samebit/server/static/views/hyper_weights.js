// Which settings matter for a result: each alone, and pairs that do more than the two alone.

import { change } from "../lib/address.js";
import { html, useMemo, useState } from "../lib/html.js";
import { METHOD, together } from "../lib/importance.js";
import { count, several, title } from "../lib/text.js";
import { Name } from "../parts/name.js";

const FIRST = 10;
const PAIRED = 6;  // keys of which pairs are looked at
const MOST_PAIRS = 4;
const LEAST_PAIR = 0.02;  // of the variance

export function Weights({ weights, rows, values, metric, params, constant }) {
  const [isAll, setAll] = useState(false);
  const across = params.x ?? params.across;
  const pairs = useMemo(() => pairsOf(weights.slice(0, PAIRED), values), [weights, values]);
  const told = weights.filter(({ share }) => share !== null);
  const some = weights.filter(({ has }) => has < rows.length).length;
  const shownOnes = isAll ? weights : weights.slice(0, FIRST);
  return html`<section aria-label="what matters"><h2>${`Which matters for ${title(metric)}`}</h2>
    ${told.length === 0 && html`<p class="dim">Five runs with a finite result, and a key in which they differ, are needed.</p>`}
    <div class="scroll" tabindex="0" role="region" aria-label="importance"><table class="plain weights"><thead><tr>
      <th scope="col">key</th><th scope="col">share of variance</th><th scope="col" class="numeric">rank correlation</th><th scope="col" class="numeric">runs with it</th></tr></thead>
    <tbody>${shownOnes.map(({ key, share, rank, has }) => html`<tr key=${key}><th scope="row">
      <button type="button" class="key-name" aria-pressed=${String(key === across)} title="against the result" onClick=${() => change({ x: key, plot: "" }, { replace: true })}>
        <${Name} of=${title(key)} /></button></th>
      <td class="share-cell">${share === null ? html`<small>too few to tell</small>` : html`<span class="share-bar" style=${{ "--share": share }}></span>
        ${`${(100 * share).toFixed(share < 0.1 && share > 0 ? 1 : 0)} %`}`}</td>
      <td class="numeric">${rank === null ? "" : correlation(rank)}</td>
      <td class="numeric">${has === rows.length ? "all" : html`<span class="caution">${`${count(has)} of ${count(rows.length)}`}</span>`}</td></tr>`)}</tbody></table></div>
    ${weights.length > FIRST && html`<button type="button" class="quiet" aria-expanded=${String(isAll)} onClick=${() => setAll(!isAll)}>
      ${isAll ? "fewer" : `${weights.length - FIRST} more`}</button>`}
    ${pairs.length > 0 && html`<h3>Together more than alone</h3><ul class="pair-list">${pairs.map(({ keys, share }) => html`<li key=${keys.join()}><span class="share-bar"
      style=${{ "--share": share }}></span>
      <span><${Name} of=${keys.map(title).join(" × ")} />${`: ${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`}</span></li>`)}</ul>`}
    <p><small>${[some > 0 && `${several(some, "key")} only some runs have`, constant.length > 0 && `the same in all runs: ${constant.slice(0, 6).map(title).join(", ")}${constant.length > 6 ? ` and ${constant.length - 6} more` : ""}`, METHOD].filter(Boolean).join(" · ")}</small></p></section>`;
}

const correlation = (rank) => (Math.abs(rank) < 0.005 ? "0.00" : rank.toFixed(2).replace("-", "−"));

function pairsOf(weights, values) {
  const found = [];
  for (let one = 0; one < weights.length; one++) {
    for (let other = one + 1; other < weights.length; other++) {
      const both = together(weights[one].values, weights[other].values, values);
      if (both && both.share >= LEAST_PAIR) found.push({ keys: [weights[one].key, weights[other].key], share: both.share });
    }
  }
  return found.sort((one, other) => other.share - one.share).slice(0, MOST_PAIRS);
}
