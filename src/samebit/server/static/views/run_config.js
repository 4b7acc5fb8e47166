// The configuration of a run: each setting, its value, and who set it.

import { packed } from "../lib/address.js";
import { address, ask } from "../lib/api.js";
import { html } from "../lib/html.js";
import { count, several, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { LongText, longAt } from "../parts/long.js";

const PART = "Hyper-parameters";
const MOST = 1000;  // rows of a table that is read

export function Config({ run }) {
  const { facts: every, more } = run.parts.find(({ title }) => title === PART) ?? { facts: [], more: 0 };
  const facts = every.slice(0, MOST);
  const all = every.length + more;
  const keys = facts.map(({ name }) => `source.${name}`);
  const { answer } = useAnswer(keys.length ? (signal) => ask("runs", { ids: run.id, replays: 1, columns: packed(keys) }, { signal }) : null, `${run.id} ${keys.length}`);
  if (facts.length === 0) return html`<p class="dim">No configuration was given or found.</p>`;
  const source = (name) => {
    const column = answer?.columns[`source.${name}`];
    return column?.same ?? column?.values?.[0] ?? (column?.texts ? column.texts[column.at[0]] : null) ?? "";
  };
  const has = facts.some(({ name }) => source(name) !== "");
  return html`<section class="card"><h2>Hyper-parameters <small>${several(all, "setting")}</small></h2>
    <div class="scroll" tabindex="0" role="region" aria-label="configuration"><table class="plain config"><thead><tr>
      <th scope="col">setting</th><th scope="col">value</th>${has && html`<th scope="col">set by</th>`}</tr></thead>
    <tbody>${facts.map(({ name, values, long }) => html`<tr key=${name}><th scope="row">${visible(name)}</th>
      <td class="mono">${values.map((value, at) => html`<div key=${at}><${LongText} text=${value} long=${longAt({ long }, at)}
        href=${address(`runs/${run.id}/value`, { part: PART, name, at })} /></div>`)}</td>${has && html`<td class=${source(name) === "default" ? "dim" : ""}>${visible(source(name))}</td>`}</tr>`)}</tbody></table></div>
    ${all > MOST && html`<p class="dim">${`and ${count(all - MOST)} more: `}<code>${`samebit show ${run.id} --config`}</code></p>`}</section>`;
}
