// One group of seeds: each of its runs, and two kinds of seeds against each other where they are crossed.

import { change, link, packed } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { column } from "../lib/digits.js";
import { html, useEffect, useMemo } from "../lib/html.js";
import { value, want } from "../lib/runs.js";
import { crossedSeeds, isSeed } from "../lib/seeds.js";
import { count, number, several, shown, signed, title, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Select } from "../parts/select.js";
import { Trouble, Waiting } from "../parts/trouble.js";
import { Endings } from "./seed_endings.js";
import { Minds, StoppedEarly, Within } from "./seed_facts.js";

const MOST_ROWS = 300;
const MOST_SEEDS = 4;  // columns of them

export function SeedGroup({ group, called, runs, params, asked, metric, better, nameOf }) {
  const known = runs.keys.filter(({ key, distinct }) => isSeed(key) && distinct > 0).map(({ key }) => key);
  useEffect(() => { want(known); }, [known.join(), runs.phase]);
  const seeds = useMemo(() => apart(known.filter((key) => runs.columns.has(key)), (key) => JSON.stringify(group.runs.map((id) => shown(value(runs, id, key))))), [known.join(), group, runs.columns]);
  const varying = useMemo(() => seeds.filter((key) => new Set(group.runs.map((id) => shown(value(runs, id, key)))).size > 1), [group, runs.columns]);
  const crossed = useMemo(() => crossedSeeds(varying.map((key) => [key, (id) => value(runs, id, key)]), group.runs), [varying.join(), group]);
  const ids = [...group.runs, ...group.left_out.map(([id]) => id)];
  const subject = JSON.stringify([group.key, asked.metric, asked.take, better, params.within]);
  const { answer, error, isCurrent } = useAnswer(group.n > 0 ? (signal) => ask("seeds/group", { ids: ids.join(","), metric: asked.metric, take: asked.take, better, within: params.within }, { signal }) : null,
    `${subject} ${JSON.stringify([group.points, group.left_out])}`, subject);
  const told = isCurrent && group.n > 0 ? answer : null;
  const { warnings = [], more: every = null, endings = null } = told?.result ?? {};
  const more = group.over === "seeds" ? every : null;
  const notes = [...warnings, ...group.notes.filter((note) => note !== "one value: no interval")];
  return html`<section class="card seed-group" aria-label="one group">
    <h2>${called}</h2>
    <p class="group-facts">${group.n > 0 && html`<b>${number(group.mean)}</b>`} ${said(group)}</p>
    <${Minds} notes=${notes} />
    ${isCurrent && group.n > 0 && html`<${Trouble} error=${error} />`}
    ${(more || told?.early) && html`<dl class="facts group-more">${told.early && html`<${StoppedEarly} early=${told.early} />`}
      ${more && html`<${Within} more=${more} group=${group} />`}</dl>`}
    <p class="actions"><a class="button" href=${link("curves", { ids: ids.slice(0, 100).join(",") })}>Curves</a>
      <a class="button" href=${link("hyper", { ids: ids.slice(0, 200).join(",") })}>Hyper-parameters</a>
      ${ids.length > 1 && html`<a class="button" href=${link("compare", { ids: ids.slice(0, 100).join(",") })}>Compare</a>`}</p>
    <div class="group-parts">
      <${Runs} group=${group} early=${told?.early} runs=${runs} seeds=${varying.length > 0 ? varying.slice(0, MOST_SEEDS) : seeds.slice(0, 1)} metric=${metric} better=${better} nameOf=${nameOf} />
      <${Crossing} group=${group} seeds=${varying} crossed=${crossed} params=${params} asked=${asked} better=${better} nameOf=${nameOf} metric=${metric} />
      ${endings && html`<${Endings} found=${endings} metric=${metric} />`}
    </div></section>`;
}

/** Keys of which each has other values than those before: a seed is often a setting as well. */
function apart(keys, valuesOf) {
  const seen = new Set();
  return keys.filter((key) => {
    const values = valuesOf(key);
    return !seen.has(values) && seen.add(values);
  });
}

function said(group) {
  const left = group.left_out.length > 0 ? `; ${several(group.left_out.length, "run")} left out` : "";
  if (group.n === 0) return `no result${left}`;
  if (group.n === 1) return `one ${group.over === "seeds" ? "seed" : "run"}: no interval exists${left}`;
  return `mean of ${count(group.n)} ${group.over}, 95 % ${group.method} ${number(group.low)} to ${number(group.high)}, SD ${number(group.sd)}${left}`;
}

function Runs({ group, early, runs, seeds, metric, better, nameOf }) {
  const sign = better === "lower" ? 1 : -1;
  const order = group.points.map((_, at) => at).sort((one, other) => sign * (group.points[one] - group.points[other]));
  const [result, away] = [column(group.points), column(group.points.map((one) => one - group.mean))];
  const stops = new Map((early?.stopped ?? []).map(({ run, step, why }) => [run, { said: `stopped early at step ${number(step)}`, why: visible(why) }]));
  const cells = (id) => seeds.map((key) => html`<td key=${key} class="numeric">${shown(value(runs, id, key)) || "—"}</td>`);
  return html`<div class="scroll tall" tabindex="0" role="region" aria-label="runs of the group"><table class="plain"><thead><tr><th scope="col">run</th>
      ${seeds.map((key) => html`<th key=${key} scope="col" class="numeric">${title(key)}</th>`)}<th scope="col" class="numeric">${title(metric)}</th>
      <th scope="col" class="numeric">to the mean</th></tr></thead>
    <tbody>${order.slice(0, MOST_ROWS).map((at) => html`<tr key=${group.runs[at]}><th scope="row"><a href=${link("run", {}, group.runs[at])}>${nameOf(group.runs[at])}</a></th>
      ${cells(group.runs[at])}<td class="numeric"><b>${result(group.points[at])}</b></td><td class="numeric">${group.n > 1 ? signed(group.points[at] - group.mean, away) : ""}</td></tr>`)}
    ${group.left_out.slice(0, MOST_ROWS).map(([id, why]) => html`<tr key=${id} class="out"><th scope="row"><a href=${link("run", {}, id)}>${nameOf(id)}</a></th>
      ${cells(id)}<td class="numeric" colspan="2" title=${stops.get(id)?.why}>${stops.get(id)?.said ?? `left out: ${visible(why)}`}</td></tr>`)}</tbody></table>
    ${order.length > MOST_ROWS && html`<p class="dim">${`the ${better === "lower" ? "lowest" : "highest"} ${MOST_ROWS} of ${count(order.length)}`}</p>`}</div>`;
}


/** Two seeds against each other: what varies with the one, what with the other. */
function Crossing({ group, seeds, crossed, params, asked, better, nameOf, metric }) {
  const down = seeds.includes(params.down) ? params.down : crossed?.down;
  const across = seeds.includes(params.across) && params.across !== down ? params.across : crossed?.across === down ? crossed?.down : crossed?.across;
  const isAsked = Boolean(crossed && down && across);
  const others = isAsked ? packed(crossed.kinds.filter((key) => key !== down && key !== across)) : "";
  const { answer, error, isCurrent } = useAnswer(isAsked ? (signal) => ask("seeds/crossing", { ids: [...group.runs, ...group.left_out.map(([id]) => id)].join(","), metric: asked.metric, take: asked.take, down, across, others }, { signal }) : null,
    isAsked ? JSON.stringify([group.key, group.points, down, across, others, asked.take, asked.metric]) : "");
  if (!isAsked) return null;
  const choose = (name, chosen) => html`<${Select} name=${name === "down" ? "seed of the rows" : "seed of the columns"} value=${chosen} options=${seeds.map((key) => [key, title(key)])}
    onChoose=${(one) => change({ [name]: one }, { replace: true })} />`;
  const isByMean = params.order === "mean";
  return html`<div class="crossing"><h3>Two seeds: ${choose("down", down)} × ${choose("across", across)}
      <label class="toggle"><input type="checkbox" checked=${isByMean}
        onChange=${(event) => change({ order: event.target.checked ? "mean" : "" }, { replace: true })} /> best first</label></h3>
    ${isCurrent && html`<${Trouble} error=${error} />`}
    ${!answer && !error && html`<${Waiting} what="crossing seeds…" />`}
    ${answer && html`<${GridOf} answer=${answer} better=${better} isByMean=${isByMean} nameOf=${nameOf} metric=${metric} /><${Parts} answer=${answer} />`}</div>`;
}

function GridOf({ answer, better, isByMean, nameOf, metric }) {
  const { rows, columns, cells } = answer;
  const means = cells.flat().map(({ mean }) => mean).filter((mean) => mean !== null);
  const [low, high] = [Math.min(...means), Math.max(...means)];
  const written = column(means);
  // The better, the stronger: of what is lost the lowest.
  const heat = (mean) => (mean === null || low === high ? 0 : (better === "lower" ? high - mean : mean - low) / (high - low));
  const style = (mean) => ({ "--heat": `${Math.round(45 * heat(mean))}%` });
  const sign = better === "lower" ? 1 : -1;
  const places = (lines) => lines.map((_, at) => at).sort((one, other) => (isByMean ? (lines[one].mean === null) - (lines[other].mean === null) || sign * (lines[one].mean - lines[other].mean) : 0));
  const [down, across] = [places(rows), places(columns)];
  const mean = (line) => html`<b>${line.mean === null ? "—" : written(line.mean)}</b><small>${` n = ${line.n}`}</small>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="two seeds"><table class="heat"><caption class="unseen">
    ${`${title(metric)} by two seeds, with the means of rows and columns`}</caption><thead><tr>
      <th scope="col">${`${title(answer.down)} ↓  ${title(answer.across)} →`}</th>${across.map((at) => html`<th key=${at} scope="col">${shown(columns[at].value) || "—"}</th>`)}
        <th scope="col">mean</th></tr></thead>
    <tbody>${down.map((row) => html`<tr key=${row}><th scope="row">${shown(rows[row].value) || "—"}</th>
      ${across.map((column) => html`<${CellOf} key=${column} cell=${cells[row][column]} style=${style} nameOf=${nameOf} written=${written} />`)}<td class="mean">${mean(rows[row])}</td></tr>`)}
    <tr class="means"><th scope="row">mean</th>${across.map((at) => html`<td key=${at} class="mean">${mean(columns[at])}</td>`)}<td></td></tr></tbody></table></div>`;
}

function CellOf({ cell, style, nameOf, written }) {
  if (cell.runs.length === 0) return html`<td class="none"><span aria-label="no result">—</span></td>`;
  return html`<td style=${style(cell.mean)}><a href=${link("run", {}, cell.runs[0])} title=${cell.runs.map(nameOf).join(", ")}>${written(cell.mean)}</a>
    ${cell.runs.length > 1 && html`<small>${` n = ${cell.runs.length}`}</small>`}</td>`;
}

/** What a test found; where it has no statistic, why nothing can be judged. */
function judged({ p, freedom, statistic, note }) {
  if (statistic === null) return visible(note);
  return `p = ${number(Number(p.toPrecision(3)))}, F(${freedom.join(", ")}) = ${number(statistic)}${note ? `; ${visible(note)}` : ""}`;
}

/** How much of the variance is of which seed. */
function Parts({ answer }) {
  return html`${answer.parts.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="parts of the variance"><table class="plain parts"><thead><tr>
      <th scope="col">varies with</th><th scope="col" class="numeric">SD</th><th scope="col">share of the variance</th><th scope="col">is there any?</th></tr></thead>
    <tbody>${answer.parts.map(({ over, sd, share, test }) => html`<tr key=${over}><th scope="row">${visible(over)}</th><td class="numeric">${number(sd)}</td>
      <td class="share-cell"><span class="share-bar" style=${{ "--share": share }}></span>${`${Math.round(100 * share)} %`}</td>
      <td>${test ? judged(test) : over === "repeats" ? "what cannot be repeated" : "together, and what cannot be repeated"}</td></tr>`)}</tbody></table></div>`}
    ${answer.floor && html`<p>${answer.floor.value === 0 ? `${answer.floor.n} ${visible(answer.floor.over)} are equal to the bit: none of it is what cannot be repeated`
      : `${answer.floor.n} ${visible(answer.floor.over)} differ: SD ${number(answer.floor.value)} is what cannot be repeated`}</p>`}
    <p><small>${[...answer.notes, answer.parts.length > 0 && answer.method].filter(Boolean).map(visible).join(" · ")}</small></p>`;
}
