// Charts in sections by what stands before the slash of their names; each can be closed.

import { change, packed } from "../lib/address.js";
import { html } from "../lib/html.js";
import { several, visible } from "../lib/text.js";

const FEW = 6;  // charts that need no sections

/**
 * @param {Array<{name: string, volatile: boolean}>} metrics
 * @returns {Array<{title: string, metrics: object[]}>} the title is empty where there is none.
 */
export function sectionsOf(metrics) {
  const prefixOf = ({ name, volatile }) => (volatile ? "clock and machine" : name.includes("/") ? name.slice(0, name.indexOf("/")) : "");
  const counts = new Map();
  for (const metric of metrics) counts.set(prefixOf(metric), (counts.get(prefixOf(metric)) ?? 0) + 1);
  if (metrics.length <= FEW || counts.size < 2) return [{ title: "", metrics }];
  const found = new Map([["", []]]);
  for (const metric of metrics) {
    const title = counts.get(prefixOf(metric)) > 1 ? prefixOf(metric) : "";
    if (!found.has(title)) found.set(title, []);
    found.get(title).push(metric);
  }
  return [...found].map(([title, inside]) => ({ title, metrics: inside })).filter(({ metrics: inside }) => inside.length > 0);
}

export function Section({ section: { title, metrics }, closed, card }) {
  if (!title) return html`<div class="charts">${metrics.map(card)}</div>`;
  const isClosed = closed.includes(title);
  const turn = () => change({ closed: packed(isClosed ? closed.filter((one) => one !== title) : [...closed, title]) }, { replace: true });
  return html`<section class="chart-section" aria-label=${visible(title)}>
    <h2><button type="button" class="quiet fold" aria-expanded=${String(!isClosed)} onClick=${turn}>${visible(title)}</button>
      <small>${several(metrics.length, "chart")}</small></h2>
    ${!isClosed && html`<div class="charts">${metrics.map(card)}</div>`}
  </section>`;
}
