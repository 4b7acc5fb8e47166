// One run: what it is in one screen, and everything else of it behind tabs that have addresses.

import { change, link } from "../lib/address.js";
import { address, ask } from "../lib/api.js";
import { html, useCallback } from "../lib/html.js";
import { useGrown, useRuns } from "../lib/runs.js";
import { count, visible } from "../lib/text.js";
import { useKeys } from "../lib/keys.js";
import { useAnswer } from "../parts/asking.js";
import { Command, Copy } from "../parts/copy.js";
import { Mark } from "../parts/marks.js";
import { LongText, longAt } from "../parts/long.js";
import { Tabs } from "../parts/tabs.js";
import { Trouble, Waiting } from "../parts/trouble.js";
import { Code } from "./run_code.js";
import { Config } from "./run_config.js";
import { Console } from "./run_console.js";
import { RunCurves } from "./run_curves.js";
import { Data } from "./run_data.js";
import { EnvironmentBetween } from "./run_environment.js";
import { Samples } from "./run_machine.js";
import { Media } from "./run_media.js";
import { Notes } from "./run_notes.js";
import { Rates } from "./run_rates.js";
import { Lacks, Record } from "./run_record.js";
import { States } from "./run_states.js";
import { Verdicts } from "./run_verdicts.js";
import { OfStudy } from "./study_progress.js";

// Which parts of what is told stand behind which tab; what nobody names stands at the overview.
const TABS = [
  ["", "Overview"],
  ["config", "Config", ["Training", "Schedule", "Randomness"]],
  ["curves", "Curves"],
  ["media", "Media"],
  ["code", "Code", ["Code"]],
  ["data", "Data", ["Files"]],
  ["states", "States", ["States"]],
  ["environment", "Environment", ["Environment"]],
  ["machine", "Machine", ["Machine", "Use of the machine"]],
  ["console", "Console"],
];
const ELSEWHERE = new Set(["Missing from the record", "Hyper-parameters", "Metrics", "Verdicts", "Schedule", "Code", "Data", "Splits", "Files", "States",
  "Environment", "Machine", "Use of the machine"]);
const SHORT = 12;  // hyper-parameters and metrics at the overview; the rest is behind their tabs
const BRIEF = 100;  // letters of a value there
const KEYS = 9;
const LONG = 300;  // letters of a list of packages

export function Run({ id, params }) {
  const runs = useRuns();
  const { answer: run, error, askAgain } = useAnswer((signal) => ask(`runs/${encodeURIComponent(id)}`, {}, { signal }), `${id} ${runs.columns.get("state")?.get(runs.rowOf.get(id))}`);
  const onGrown = useCallback((ids) => { if (ids.includes(id) && !params.tab) askAgain(); }, [id, params.tab]);
  useGrown(onGrown);
  const tabs = TABS.filter(([name]) => name !== "media" || run?.media.length > 0);
  useKeys(tabs.slice(0, KEYS).map(([name, title], at) => [String(at + 1), title, () => change({ tab: name })]));
  if (error && !run) return html`<main id="main"><h1 class="unseen">${id}</h1><${Trouble} error=${error} /><p><a href="/">All runs</a></p></main>`;
  if (!run) return html`<main id="main"><h1 class="unseen">${id}</h1><${Waiting} what="reading the run…" /></main>`;
  const tab = params.tab ?? "";
  return html`<main id="main" class="run">
    <div class="title">
      <h1 title=${visible(run.label)}>${visible(run.label)}</h1>
      ${run.marks.map((word) => html`<${Mark} key=${word} word=${word} />`)}
      ${run.archived && html`<span class="label archived">archived: left out of the table</span>`}
      ${run.tags.map((tag) => html`<span class="label tag" key=${tag}>${visible(tag)}</span>`)}
      <span class="grow"></span>
      ${run.label !== run.id && html`<code class="dim">${run.id}</code>`}<${Copy} text=${run.id} what="copy the id" />
      <${OfStudy} runs=${runs} id=${id} />
      <a class="button" href=${link("compare", { ids: id })}>Compare</a>
    </div>
    <p class="lead">${visible(run.lead)}</p>
    ${run.note && html`<p class="note-text">${visible(run.note)}</p>`}
    ${error && html`<${Trouble} error=${error} />`}
    <${Tabs} label="parts of the run" chosen=${tab} tabs=${tabs.map(([name, title]) => [name, title, link("run", { tab: name, with: params.with }, id)])} />
    <${Tab} tab=${tab} run=${run} params=${params} edit=${runs.store?.edit} again=${askAgain} />
  </main>`;
}

function Tab({ tab, run, params, edit, again }) {
  const named = TABS.find(([name]) => name === tab)?.[2];
  const parts = (named ?? []).map((title) => run.parts.find((part) => part.title === title)).filter(Boolean);
  const told = parts.length > 0 && html`<${Parts} parts=${parts} run=${run} />`;
  switch (tab) {
    case "curves": return html`<${RunCurves} id=${run.id} params=${params} />`;
    case "console": return html`<${Console} run=${run} params=${params} />`;
    case "media": return html`<${Media} run=${run} params=${params} />`;
    case "config": return html`<${Config} run=${run} /><${Rates} run=${run} />${told}`;
    case "code": return html`${told}<${Code} run=${run} params=${params} />`;
    case "data": return html`<${Data} run=${run}>${told}</${Data}>`;
    case "states": return html`<${States} run=${run} params=${params} />${told && html`<details class="card"><summary>Identities of the parameters, which a file of them has, too</summary>${told}</details>`}`;
    case "environment": return html`<${EnvironmentBetween} run=${run} params=${params} />${told || html`<p class="dim">no environment was recorded</p>`}`;
    case "machine": return html`<${Samples} run=${run} params=${params} />${told || html`<p class="dim">the machine was not recorded</p>`}`;
    default: return html`<${Overview} run=${run} edit=${edit} again=${again} />`;
  }
}

function Overview({ run, edit, again }) {
  const rest = run.parts.filter(({ title }) => !ELSEWHERE.has(title));
  return html`<div class="overview">
    <div class="main-column">
      ${(run.gaps ?? []).length > 0 && html`<section class="trouble">
        <strong>Not all of its journal can be read</strong>${run.gaps.map((gap, at) => html`<div key=${at}>${visible(gap)}</div>`)}</section>`}
      <${Lacks} run=${run} />
      <div class="two"><${Short} run=${run} title="Hyper-parameters" tab="config" /><${Short} run=${run} title="Metrics" tab="curves" /></div>
      <${Record} run=${run} />
      ${rest.map((part) => html`<${Part} key=${part.title} part=${part} run=${run} />`)}
    </div>
    <div class="side-column">
      <${Verdicts} run=${run} />
      <section class="card">
        <h2>See for yourself</h2>${run.commands.map(({ what, command }) => html`<${Command} key=${command} what=${visible(what)} command=${visible(command)} />`)}</section>
      ${edit && html`<${Notes} run=${run} again=${again} />`}
    </div>
  </div>`;
}

/** A fact of which only the beginnings of long values are told. */
const briefly = ({ name, values }) => ({ name, values: values.map((value) => (value.length > BRIEF ? `${value.slice(0, BRIEF)}…` : value)) });

/** The beginning of a part, and a link to where all of it is. */
function Short({ run, title, tab }) {
  const part = run.parts.find((one) => one.title === title);
  if (!part) return null;
  return html`<section class="card"><h2>${title}</h2><${Facts} run=${run} part=${{ title, facts: part.facts.slice(0, SHORT).map(briefly) }} />
    ${part.facts.length > SHORT && html`<a href=${link("run", { tab }, run.id)}>${`all ${count(part.facts.length + part.more)}`}</a>`}</section>`;
}

function Parts({ parts, run }) {
  return html`<div class="parts">${parts.map((part) => html`<${Part} key=${part.title} part=${part} run=${run} />`)}</div>`;
}

function Part({ part, run }) {
  return html`<section class="card"><h2>${visible(part.title)}</h2><${Facts} part=${part} run=${run} /></section>`;
}

function Facts({ part: { title, facts }, run }) {
  return html`<dl class="facts">${facts.map((fact, at) => html`<div key=${at}><dt>${visible(fact.name)}</dt>
    ${fact.values.map((value, nth) => html`<dd key=${nth}>${fact.name === "packages" && value.length > LONG ? html`<${Folded} value=${value} />`
      : html`<${LongText} text=${value} long=${longAt(fact, nth)} href=${address(`runs/${run.id}/value`, { part: title, name: fact.name, at: nth })} />`}</dd>`)}</div>`)}</dl>`;
}

/** A list that is long, in columns once it is opened. */
function Folded({ value }) {
  const parts = value.split(", ");
  return html`<details><summary>${`all ${parts.length}`}</summary><ul class="columns">${parts.map((part) => html`<li key=${part}>${visible(part)}</li>`)}</ul></details>`;
}
