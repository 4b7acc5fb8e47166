// A sweep: what is searched and how, its configurations best first, and the best so far; as `samebit sweep show` tells it.

import { change, link } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { column } from "../lib/digits.js";
import { classes, html, useMemo } from "../lib/html.js";
import { label, useRuns } from "../lib/runs.js";
import { count, duration, number, several, shown, signed, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { State } from "../parts/marks.js";
import { Select } from "../parts/select.js";
import { Empty, Trouble, Waiting } from "../parts/trouble.js";
import { Chart, whole } from "./seed_charts.js";
import { Minds } from "./seed_facts.js";
import { isOpen, Progress, useStudies } from "./study_progress.js";

const MOST_ROWS = 300;
const MOST_RUNS = 5;  // links of a configuration

export function Sweep({ params }) {
  const runs = useRuns();
  const studies = useStudies();
  const sweeps = (studies ?? []).filter(({ kind }) => kind === "sweep");
  const name = params.name ?? (sweeps.find(isOpen) ?? sweeps[0])?.name ?? "";
  const { answer, error, isCurrent } = useAnswer(name ? (signal) => ask("sweep", { name }, { signal }) : null, `${name} ${runs.version}`, name);
  const found = isCurrent ? answer : null;
  if (runs.phase !== "here" || !studies) return html`<main id="main"><${Waiting} what="reading the store…" /></main>`;
  const study = sweeps.find((one) => one.name === name);
  return html`<main id="main" class="seeds sweep">
    <div class="title"><h1>${visible(name) || "Sweeps"}</h1><span class="grow"></span>
      ${sweeps.length > 1 && html`<${Select} name="sweep" value=${name} options=${sweeps.map((one) => [one.name, visible(one.name)])} onChoose=${(one) => change({ name: one })} />`}</div>
    ${!name && html`<${Empty} title="No sweeps"><p><code>samebit sweep</code> searches settings of a script, and what it finds is here.</p></${Empty}>`}
    ${isCurrent && html`<${Trouble} error=${error} />`}
    ${name && !found && !(isCurrent && error) && html`<${Waiting} what="counting configurations…" />`}
    ${study && isOpen(study) && html`<ul class="studies" aria-label="in progress"><${Progress} study=${study} isHere /></ul>`}
    ${found && html`<${Found} found=${found} runs=${runs} />`}
  </main>`;
}

function Found({ found, runs }) {
  const { configurations: tried, goal, metric, take } = found;
  const where = `study == "${found.study}"`;
  const key = take === "best" ? `${goal === "maximize" ? "max" : "min"}.${metric}` : `metric.${metric}`;
  const better = goal === "maximize" ? "higher" : "lower";
  return html`
    <${Minds} notes=${found.warnings} />
    <p class="actions"><a class="button" href=${link("hyper", { where, metric: key, better })}>Hyper-parameters</a>
      <a class="button" href=${link("curves", { where })}>Curves</a><a class="button" href=${link("runs", { where })}>Runs</a></p>
    <div class="sweep-top"><${Searched} found=${found} />${found.best_so_far.length > 0 && html`<${BestSoFar} found=${found} />`}</div>
    ${tried.length > 0 ? html`<${Configurations} found=${found} runs=${runs} better=${better} />` : html`<${Empty} title="No configurations yet"><p>Nothing was tried so far.</p></${Empty}>`}`;
}

/** The space, who answers, and what of the budget is used up. */
function Searched({ found }) {
  const { budget, space, configurations: { length } } = found;
  const states = new Map();
  for (const { state } of found.configurations) states.set(state, (states.get(state) ?? 0) + 1);
  const hours = number(found.spent_device_seconds / 3600, 2);
  const facts = [
    ["searched for", `${found.goal} ${visible(found.metric)}: ${visible(found.rule)}`],
    ["configurations", `${budget.trials ? `${count(length)} of ${count(budget.trials)}` : count(length)}${length ? `: ${[...states].map(([state, n]) => `${count(n)} ${state}`).join(", ")}` : ""}`],
    ["time", budget.seconds ? `${duration(found.spent_seconds)} of ${duration(budget.seconds)}, ${duration(found.left_seconds)} left` : duration(found.spent_seconds)],
    ["device-hours", budget.gpu_seconds ? `${hours} of ${number(budget.gpu_seconds / 3600)}, ${number(found.left_device_seconds / 3600)} left` : hours],
    ["sampler", `${visible(found.by.join(", ") || found.sampler)}, seed ${found.seed}`],
    found.seeds > 1 && ["seeds", `${found.seeds} of each configuration`],
    found.pruner && ["stopped early by", visible(found.pruner)],
  ].filter(Boolean);
  const told = (lines) => html`<dl class="facts">${lines.map(([name, said]) => html`<div key=${name}><dt>${name}</dt><dd>${said}</dd></div>`)}</dl>`;
  return html`<section aria-label="what is searched">${told(facts)}
    ${found.importance.length > 0 && html`<h2>Which mattered</h2>${told(found.importance.map(({ setting, share, rank, n }) => [visible(setting),
      html`<span class="share-bar" style=${{ "--share": share }}></span> ${`${(100 * share).toFixed(0)} %`}<span class="dim">${`, n ${count(n)}${rank === null ? "" : `, rank correlation ${signed(rank, (one) => one.toFixed(2))}`}`}</span>`]))}
      <p><small>${`share of the variance of ${visible(found.metric)} by one setting alone (epsilon squared), over configurations; in a search that was not random a setting can stand for another`}</small></p>`}
    <h2>Space</h2>${told(Object.entries(space).map(([name, said]) => [visible(name), visible(said)]))}</section>`;
}

function BestSoFar({ found }) {
  const { best_so_far: best, metric, goal, configurations } = found;
  const ended = configurations.filter(({ value }) => value !== null);
  const at = useMemo(() => new Map(ended.map((one, place) => [one.number, best[place]])), [found]);
  const curves = useMemo(() => [{ id: "best", number: 0, label: "best so far", ...stair([...at]) }, { id: "each", number: 1, label: "each configuration", ...apart(ended) }], [at]);
  const expected = found.expected_of.map((n, place) => `of ${count(n)} ${number(found.expected_best[place].value)}`);
  return html`<section class="best-so-far" aria-label="best so far">
    <${Chart} heading=${`Best ${visible(metric)} so far: ${number(best.at(-1))}`} curves=${curves} xName="configuration" xTicks=${whole} tell=${(x, y, low, high, id) => number(id === "best" ? at.get(x) : y)}
      note=${`by the number of the configuration; line: the ${goal === "maximize" ? "highest" : "lowest"} up to there; dots: each that finished`} />
    ${expected.length > 0 && html`<p><small>${`the best of n, expected by this random search: ${expected.join(", ")}`}</small></p>`}</section>`;
}

/** Points as a line that goes on until the next is another one. */
function stair(points) {
  const line = points.flatMap(([x, y], at) => (at === 0 ? [[x, y]] : [[x, points[at - 1][1]], [x, y]]));
  return { x: Float64Array.from(line, ([x]) => x), y: Float64Array.from(line, ([, y]) => y), isStair: true };
}

/** Configurations as dots: a line is broken between them. */
function apart(ended) {
  return { x: Float64Array.from(ended.flatMap((one) => [one.number, one.number + 0.5])), y: Float64Array.from(ended.flatMap(({ value }) => [value, NaN])) };
}

/** At which step it was stopped, and by which value; or why it failed. */
const how = ({ stopped_at: step, why }) => (step !== null ? ` at step ${number(step)}: ` : "") + visible(why);

function Configurations({ found, runs, better }) {
  const numbers = new Map(found.configurations.map((one) => [one.number, one]));
  const names = Object.keys(found.space);
  const ranked = found.ranking.slice(0, MOST_ROWS).map((one) => numbers.get(one));
  const written = column(ranked.map(({ value }) => value));
  const spread = column(ranked.map(({ sd }) => sd));
  return html`<section aria-label="configurations"><h2>${better === "higher" ? "Highest" : "Lowest"} ${visible(found.metric)} first</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="configurations, best first"><table class="plain strips"><thead><tr>
      <th scope="col" class="numeric">no.</th><th scope="col" class="numeric">${visible(found.metric)}</th>${found.seeds > 1 && html`<th scope="col" class="numeric">± SD</th>`}
      <th scope="col">state</th>${names.map((name) => html`<th key=${name} scope="col" class="numeric">${visible(name)}</th>`)}<th scope="col">${found.seeds > 1 ? "runs" : "run"}</th></tr></thead>
    <tbody>${ranked.map((one) => html`<tr key=${one.number} class=${classes(one.number === found.best && "chosen", one.value === null && "out")}>
      <th scope="row" class="numeric">${one.number === found.best && html`<small>best </small>`}${one.number}</th>
      <td class="numeric"><b>${one.value === null ? "" : written(one.value)}</b></td>${found.seeds > 1 && html`<td class="numeric">${one.sd === null ? "" : spread(one.sd)}</td>`}
      <td title=${one.why ? visible(one.why) : null}><${State} state=${one.state} />${how(one) && html`<small class="dim">${how(one)}</small>`}</td>
      ${names.map((name) => html`<td key=${name} class="numeric">${name in one.settings ? shown(one.settings[name]) : "—"}</td>`)}
      <td>${one.runs.slice(0, MOST_RUNS).map((id) => html`<a key=${id} href=${link("run", {}, id)}>${visible(label(runs, id))}</a> `)}
        ${one.runs.length > MOST_RUNS && html`<span class="dim">${`and ${one.runs.length - MOST_RUNS} more`}</span>`}</td></tr>`)}</tbody></table></div>
    ${found.ranking.length > MOST_ROWS && html`<p class="dim">${`the first ${MOST_ROWS} of ${several(found.ranking.length, "configuration")}; `}<code>samebit sweep show --json</code> has all</p>`}</section>`;
}
