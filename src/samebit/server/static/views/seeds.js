// A group of seeds: how its results lie, their mean with its interval, and what the best of n would be.

import { change, link, list, packed, unpacked } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { bestOf, isMetric } from "../lib/columns.js";
import { html, useEffect } from "../lib/html.js";
import { label, useRuns, want } from "../lib/runs.js";
import { expectedBest } from "../lib/search.js";
import { number, several, shown, title, visible } from "../lib/text.js";
import { Strip } from "../charts/strip.js";
import { useAnswer } from "../parts/asking.js";
import { Menu } from "../parts/menu.js";
import { Empty, Trouble, Waiting } from "../parts/trouble.js";
import { Choices, FilterBox } from "./runs_bar.js";

const MOST_GROUPS = 60;
const BUDGETS = [1, 2, 3, 5, 10, 20, 50, 100];

export function Seeds({ params }) {
  const runs = useRuns();
  const metrics = runs.keys.map(({ key }) => key).filter((key) => key.startsWith("metric."));
  const metric = params.metric ?? metrics.find((key) => /(val|test|eval).*(acc|f1|auc|score|loss)/i.test(key)) ?? metrics.find((key) => /loss|acc/i.test(key)) ?? metrics[0];
  const keys = runs.keys.filter(({ key, distinct }) => !isMetric(key) && distinct > 1 && !/^(id|name|started|seconds|steps)$/.test(key) && !isSeed(key));
  const by = params.by ? unpacked(params.by) : keys.filter(({ key }) => key.startsWith("config.")).slice(0, 3).map(({ key }) => key);
  const ids = list(params.ids);
  const where = params.where ?? "";
  const asking = runs.phase === "here" && metric && by.length > 0;
  const { answer, error, isCurrent } = useAnswer(asking ? (signal) => ask("runs/groups", { by: packed(by), metric: metric.slice(7), take: params.take ?? "last", where, ids: ids.join(",") }, { signal }) : null,
    JSON.stringify([by, metric, params.take, where, ids, runs.version]));
  if (runs.phase !== "here") return html`<main id="main"><${Waiting} what="reading the store…" /></main>`;
  if (!metric || by.length === 0) return html`<main id="main"><${Empty} title="No groups">
    <p>${metric ? "No setting differs between these runs, so all of them are one group." : "These runs have no metrics."}</p></${Empty}></main>`;
  const groups = (answer?.groups ?? []).filter(({ n, left_out: out }) => n + out.length > 0).sort((one, other) => other.n - one.n).slice(0, MOST_GROUPS);
  const toggle = (key) => change({ by: packed(by.includes(key) ? by.filter((one) => one !== key) : [...by, key]) });
  return html`<main id="main" class="seeds">
    <h1 class="unseen">Seeds</h1>
    <div class="chart-bar">
      ${ids.length === 0 && html`<${FilterBox} where=${where} error=${isCurrent ? error : null} />`}
      <label>metric <select value=${metric}
        onChange=${(event) => change({ metric: event.target.value })}>${metrics.map((key) => html`<option key=${key} value=${key}>${title(key)}</option>`)}</select></label>
      <label>take <select value=${params.take ?? "last"}
        onChange=${(event) => change({ take: event.target.value })}>${["last", "min", "max", "first"].map((take) => html`<option key=${take} value=${take}>${{ last: "last", min: "lowest", max: "highest", first: "first" }[take]}</option>`)}</select></label>
      <${Menu} isPanel label=${`By ${by.map(title).join(", ")}`} name="groups by">${() => html`<${Choices} keys=${keys} isOn=${(key) => by.includes(key)} toggle=${toggle} what="keys" />`}</${Menu}>
    </div>
    ${isCurrent && html`<${Trouble} error=${error} />`}
    ${!answer && !error && html`<${Waiting} what="counting groups…" />`}
    ${answer && html`<${Groups} groups=${groups} by=${by} metric=${metric} runs=${runs} answer=${answer} />
      <${Grid} runs=${runs} params=${params} metric=${metric} group=${groups[0]} />`}
  </main>`;
}

const isSeed = (key) => /(^|[._-])(seed|seeds|random_state|rng|prng)$|seed/i.test(key.split(".").at(-1));

function Groups({ groups, by, metric, runs, answer }) {
  const values = groups.flatMap(({ points }) => points);
  const lower = bestOf(metric) === "min";
  const largest = Math.max(0, ...groups.map(({ n }) => n));
  const budgets = BUDGETS.filter((budget) => budget <= largest && budget > 1).slice(0, 4);
  const method = answer.groups.find((group) => group.method)?.method;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="groups"><table class="plain strips"><thead><tr>
      ${by.map((key) => html`<th key=${key} scope="col">${title(key)}</th>`)}<th scope="col" class="numeric">n</th>
        <th scope="col">${title(metric)}</th>
      <th scope="col" class="numeric">mean</th><th scope="col" class="numeric">interval</th>
        <th scope="col" class="numeric">SD</th>
      ${budgets.map((budget) => html`<th key=${budget} scope="col" class="numeric">${`best of ${budget}`}</th>`)}</tr></thead>
    <tbody>${groups.map((group) => html`<tr key=${JSON.stringify(group.values)}>${group.values.map((value, at) => html`<td key=${at}>${shown(value) || "—"}</td>`)}
      <td class="numeric">${group.n}
        ${group.left_out.length > 0 && html`<small title=${group.left_out.map(([id, why]) => `${id}: ${visible(why)}`).join("\n")}>${` of ${group.n + group.left_out.length}`}</small>`}</td>
      <td class="strip-cell"><${Strip} group=${group} all=${values} nameOf=${(id) => visible(label(runs, id))} /></td>
      <td class="numeric"><b>${group.n ? number(group.mean) : ""}</b></td>
        <td class="numeric nowrap">${(group.low ?? null) === null ? "" : `${number(group.low)} to ${number(group.high)}`}</td>
      <td class="numeric">${group.n > 1 ? number(deviation(group.points)) : ""}</td>
      ${budgets.map((budget) => html`<td key=${budget} class="numeric">${group.n >= budget ? number(expectedBest(group.points, budget, lower)) : ""}</td>`)}</tr>`)}</tbody></table></div>
    <p><small>${[method && visible(method), `best of n: the ${lower ? "lowest" : "highest"} of n of these runs drawn without putting them back, on average (Tang et al. 2020)`, answer.groups.length > groups.length && `the ${groups.length} largest of ${several(answer.groups.length, "group")}`].filter(Boolean).join(" · ")}</small></p>`;
}

function deviation(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

/** Two seeds against each other: what varies with the one, what with the other. */
function Grid({ runs, params, metric, group }) {
  const seeds = runs.keys.filter(({ key, distinct }) => isSeed(key) && distinct > 1).map(({ key }) => key);
  const [down, across] = [params.down ?? seeds[0], params.across ?? seeds[1]];
  useEffect(() => { want([down, across, metric].filter(Boolean)); }, [down, across, metric]);
  if (seeds.length < 2 || !group || !runs.columns.has(down) || !runs.columns.has(across)) return null;
  const cells = new Map();
  for (const id of group.runs) {
    const row = runs.rowOf.get(id);
    const place = JSON.stringify([runs.columns.get(down).get(row), runs.columns.get(across).get(row)].map(shown));
    cells.set(place, [...(cells.get(place) ?? []), id]);
  }
  const names = (key) => [...new Set(group.runs.map((id) => shown(runs.columns.get(key).get(runs.rowOf.get(id)))))].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  const [rows, columns] = [names(down), names(across)];
  const value = new Map(group.runs.map((id, at) => [id, group.points[at]]));
  const choose = (name, chosen) => html`<select aria-label=${name} value=${chosen}
    onChange=${(event) => change({ [name]: event.target.value }, { replace: true })}>${seeds.map((key) => html`<option key=${key} value=${key}>${title(key)}</option>`)}</select>`;
  return html`<section class="card"><h2>Two seeds: ${choose("down", down)} × ${choose("across", across)}</h2>
    <p class="dim">${`of the first group above, ${group.values.map(shown).join(", ")}`}</p>
    <div class="scroll" tabindex="0" role="region" aria-label="two seeds"><table class="plain"><thead><tr>
      <th scope="col">${`${title(down)} ↓ ${title(across)} →`}</th>${columns.map((name) => html`<th key=${name} scope="col" class="numeric">${name || "—"}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row}><th scope="row">${row || "—"}</th>${columns.map((column) => {
      const found = cells.get(JSON.stringify([row, column])) ?? [];
      return html`<td key=${column} class="numeric">${found.map((id) => html`<a key=${id} href=${link("run", {}, id)}>${number(value.get(id))}</a> `)}</td>`;
    })}</tr>`)}</tbody></table></div></section>`;
}
