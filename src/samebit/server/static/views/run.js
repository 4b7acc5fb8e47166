// One run: what it is in one screen, and everything else of it behind tabs that have addresses.

import { change, link } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { html, useCallback } from "../lib/html.js";
import { useGrown, useRuns } from "../lib/runs.js";
import { visible } from "../lib/text.js";
import { useKeys } from "../lib/keys.js";
import { useAnswer } from "../parts/asking.js";
import { Command, Copy } from "../parts/copy.js";
import { Mark } from "../parts/marks.js";
import { Tabs } from "../parts/tabs.js";
import { Trouble, Waiting } from "../parts/trouble.js";
import { Code } from "./run_code.js";
import { Config } from "./run_config.js";
import { Console } from "./run_console.js";
import { Media } from "./run_media.js";
import { RunCurves } from "./run_curves.js";
import { Notes } from "./run_notes.js";

// Which parts of what is told stand behind which tab; what nobody names stands at the overview.
const TABS = [
  ["", "Overview"],
  ["config", "Config", ["Training", "Schedule"]],
  ["curves", "Curves"],
  ["code", "Code", ["Code"]],
  ["environment", "Environment", ["Environment", "Use of the machine"]],
  ["data", "Data", ["Data", "Splits", "Files"]],
  ["states", "States", ["States"]],
  ["console", "Console"],
  ["media", "Media"],
];
const ELSEWHERE = new Set(["Missing from the record", "Environment", "Files", "Use of the machine", "Hyper-parameters"]);
const SHORT = 12;  // hyper-parameters at the overview; the rest is behind their tab

export function Run({ id, params }) {
  const runs = useRuns();
  const { answer: run, error, askAgain } = useAnswer((signal) => ask(`runs/${encodeURIComponent(id)}`, {}, { signal }), `${id} ${runs.columns.get("state")?.get(runs.rowOf.get(id))}`);
  const onGrown = useCallback((ids) => { if (ids.includes(id) && !params.tab) askAgain(); }, [id, params.tab]);
  useGrown(onGrown);
  useKeys(TABS.map(([name, title], at) => [String(at + 1), title, () => change({ tab: name })]));
  if (error && !run) return html`<main id="main"><${Trouble} error=${error} /><p><a href="/">All runs</a></p></main>`;
  if (!run) return html`<main id="main"><${Waiting} what="reading the run…" /></main>`;
  const tab = params.tab ?? "";
  const tabs = TABS.filter(([name]) => name !== "media" || run.media.length > 0);
  return html`<main id="main" class="run">
    <div class="title">
      <h1>${visible(run.label)}</h1>
      ${run.marks.map((word) => html`<${Mark} key=${word} word=${word} />`)}
      <span class="grow"></span>
      ${run.label !== run.id && html`<code class="dim">${run.id}</code>`}<${Copy} text=${run.id} what="copy the id" />
      <a class="button" href=${link("compare", { ids: id })}>Compare</a>
    </div>
    <p class="lead">${visible(run.lead)}</p>
    ${error && html`<${Trouble} error=${error} />`}
    <${Tabs} label="parts of the run" chosen=${tab} tabs=${tabs.map(([name, title]) => [name, title, link("run", { tab: name }, id)])} />
    <${Tab} tab=${tab} run=${run} params=${params} edit=${runs.store?.edit} again=${askAgain} />
  </main>`;
}

function Tab({ tab, run, params, edit, again }) {
  const named = TABS.find(([name]) => name === tab)?.[2];
  if (tab === "curves") return html`<${RunCurves} id=${run.id} params=${params} />`;
  const parts = named && run.parts.filter(({ title }) => named.includes(title));
  if (tab === "console") return html`<${Console} run=${run} params=${params} />`;
  if (tab === "code") return html`<${Parts} parts=${parts} /><${Code} id=${run.id} params=${params} />`;
  if (tab === "config") return html`<${Config} run=${run} /><${Parts} parts=${parts} />`;
  if (tab === "media") return html`<${Media} run=${run} params=${params} />`;
  if (parts) return parts.length ? html`<${Parts} parts=${parts} />` : html`<p class="dim">nothing of this was recorded</p>`;
  return html`<${Overview} run=${run} edit=${edit} again=${again} />`;
}

function Overview({ run, edit, again }) {
  const config = run.parts.find(({ title }) => title === "Hyper-parameters");
  const first = run.parts.filter(({ title }) => !ELSEWHERE.has(title));
  return html`<div class="overview">
    <div class="main-column">
      ${(run.gaps ?? []).length > 0 && html`<section class="trouble">
        <strong>Not all of its journal can be read</strong>${run.gaps.map((gap, at) => html`<div key=${at}>${visible(gap)}</div>`)}</section>`}
      <${Lacks} lacks=${run.lacks} />
      ${config && html`<section class="card"><h2>Hyper-parameters</h2><${Facts} facts=${config.facts.slice(0, SHORT)} />
        ${config.facts.length > SHORT && html`<a href=${link("run", { tab: "config" }, run.id)}>${`all ${config.facts.length}`}</a>`}</section>`}
      ${first.filter(({ title }) => title !== "Verdicts").map((part) => html`<${Part} key=${part.title} part=${part} />`)}
    </div>
    <div class="side-column">
      <section class="card">
        <h2>See for yourself</h2>${run.commands.map(({ what, command }) => html`<${Command} key=${command} what=${visible(what)} command=${visible(command)} />`)}</section>
      ${first.filter(({ title }) => title === "Verdicts").map((part) => html`<${Part} key=${part.title} part=${part} />`)}
      <${Notes} run=${run} edit=${edit} again=${again} />
    </div>
  </div>`;
}

/** What the record lacks, each with what to do the next time. */
function Lacks({ lacks }) {
  if (lacks.length === 0) {
    return html`<section class="card complete"><h2>Complete</h2>
      <p class="dim">Nothing is known to be missing from the record.</p></section>`;
  }
  return html`<section class="card lacks"><h2>Missing from the record</h2>
    <ul>${lacks.map(({ key, what, fix }, at) => html`<li key=${at}>
    <strong>${visible(key)}</strong>
      <span>${visible(what)}${fix && html`<small>${visible(fix)}</small>`}</span></li>`)}</ul></section>`;
}

function Parts({ parts }) {
  return html`<div class="parts">${parts.map((part) => html`<${Part} key=${part.title} part=${part} />`)}</div>`;
}

function Part({ part }) {
  return html`<section class="card"><h2>${visible(part.title)}</h2><${Facts} facts=${part.facts} /></section>`;
}

function Facts({ facts }) {
  return html`<dl class="facts">${facts.map(({ name, values }, at) => html`<div key=${at}><dt>${visible(name)}</dt>
    ${values.map((value, nth) => html`<dd key=${nth}>${visible(value)}</dd>`)}</div>`)}</dl>`;
}
