// The traces of two runs, a row for each step: which fingerprints are equal, and where they first are not.

import { change, link, list } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { classes, html, useEffect, useRef } from "../lib/html.js";
import { useKeys } from "../lib/keys.js";
import { useRuns } from "../lib/runs.js";
import { count, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Command } from "../parts/copy.js";
import { Empty, Trouble, Waiting } from "../parts/trouble.js";
import { RunPicker } from "./run_picker.js";
import { RowLeaves } from "./trace_leaves.js";
import { Strip } from "./trace_strip.js";

const PAGE = 100;
const BEFORE = 12;  // equal rows above the first difference

export function Trace({ params }) {
  const runs = useRuns();
  const ids = list(params.ids).slice(0, 2);
  const from = params.from === undefined ? null : Math.max(0, Number(params.from) || 0);
  const { answer, error, isCurrent } = useAnswer(ids.length === 2 ? (signal) => askTrace(ids, from, signal) : null, `${ids} ${from}`);
  const step = (by) => answer && change({ from: Math.max(0, Math.min(Math.max(0, answer.total - PAGE), answer.from + by)) }, { replace: true });
  useKeys([["n", "later steps", () => step(PAGE)], ["p", "earlier steps", () => step(-PAGE)], ["f", "first difference", () => change({ from: "" }, { replace: true })]]);
  if (runs.phase !== "here") return html`<main id="main"><${Waiting} what="reading the store…" /></main>`;
  return html`<main id="main" class="trace">
    <div class="title"><h1>Where two runs part</h1>
      <span class="grow"></span>${ids.length === 2 && html`<a class="button" href=${link("compare", { ids: ids.join(",") })}>Compare</a>`}</div>
    <${RunPicker} runs=${runs} ids=${ids} onIds=${(next) => change({ ids: next.join(","), from: "" })} most=${2} />
    ${ids.length < 2 && html`<${Empty} title="Two runs">
      <p>Choose two, or select them in the <a href="/">table</a> and press <kbd>d</kbd>.</p></${Empty}>`}
    ${isCurrent && html`<${Trouble} error=${error} />`}
    ${ids.length === 2 && !answer && !error && html`<${Waiting} what="comparing their traces…" />`}
    ${ids.length === 2 && answer && html`<${Found} answer=${answer} step=${step} params=${params} />`}
  </main>`;
}

/** Without a place: around the first difference. */
async function askTrace(ids, from, signal) {
  const answer = await ask("trace", { ids: ids.join(","), from: from ?? 0, count: PAGE }, { signal });
  const row = answer.first?.row;
  if (from !== null || row === null || row === undefined || row < PAGE - BEFORE) return answer;
  return ask("trace", { ids: ids.join(","), from: row - BEFORE, count: PAGE }, { signal });
}

function Found({ answer, step, params }) {
  const { first, note } = answer;
  const open = params.leaves ?? "";
  const onOpen = (row) => change({ leaves: open === rowName(row) ? "" : rowName(row) }, { replace: true });
  const firstRow = first && answer.rows.find((row) => row.step === first.step && row.optimizer === first.optimizer);
  return html`
    ${first ? html`<section class="verdict apart"><h2>${`${visible(first.where)}: ${visible(first.what)}`}</h2>
        ${first.facts.map((fact, at) => html`<p key=${at} class="mono">${visible(fact)}</p>`)}
        ${firstRow?.leaves && open !== rowName(firstRow) && html`<p><button type="button" onClick=${() => onOpen(firstRow)}>which leaves</button></p>`}
        <${Command} what="which operation" command=${`samebit diff ${answer.ids.join(" ")} --trace --op`} /></section>`
      : html`<section class=${`verdict ${answer.compared > 0 ? "equal" : "unknown"}`}>
        <h2>${answer.compared > 0 ? `Equal in all ${count(answer.compared)} steps that both recorded` : "Nothing was recorded by both that could be compared"}</h2></section>`}
    ${note && html`<p class="dim">${visible(note)}</p>`}
    ${answer.rows.length > 0 && (first || answer.compared > 0) && html`
      <${Strip} answer=${answer} onGo=${(row) => change({ from: Math.max(0, row - BEFORE) })} />
      <p class="trace-bar">
        <span class="dim">${`rows ${count(answer.from + 1)} to ${count(answer.from + answer.rows.length)} of ${count(answer.total)}`}</span>
        <button type="button" disabled=${answer.from === 0} onClick=${() => step(-PAGE)}>earlier</button>
        <button type="button" disabled=${answer.from + answer.rows.length >= answer.total}
          onClick=${() => step(PAGE)}>later</button>
        <button type="button" onClick=${() => change({ from: "" }, { replace: true })}>first difference</button>
        <span class="legend-line">
          <i class="equal">=</i> equal <i class="differs">≠</i> not equal <i class="unknown">·</i> not recorded by both</span></p>
      <div class="scroll" tabindex="0" role="region" aria-label="steps of both traces"><table class="plain steps">
        <thead><tr><th scope="col" class="numeric">step</th>
        ${answer.groups.map((group) => html`<th key=${group} scope="col">${visible(group)}</th>`)}</tr></thead>
      <tbody>${answer.rows.map((row, at) => html`<${StepRow} key=${answer.from + at} row=${row} answer=${answer} isFirst=${first && answer.from + at === first.row} isOpen=${open === rowName(row)} onOpen=${onOpen} />`)}</tbody></table></div>`}`;
}

const rowName = ({ optimizer, step }) => `${optimizer}.${step}`;

const SAID = new Map([[true, ["=", "equal"]], [false, ["≠", "differs"]], [null, ["·", "unknown"]]]);

function StepRow({ row, answer, isFirst, isOpen, onOpen }) {
  const line = useRef(null);
  // On a phone the cause is out of sight to the right, too.
  useEffect(() => { if (isFirst) (line.current.querySelector(".cause") ?? line.current).scrollIntoView({ block: "nearest", inline: "nearest" }); }, [isFirst]);
  return html`<tr ref=${line} class=${classes(isFirst && "first")}>
    <th scope="row" class="numeric">${answer.rows.some(({ optimizer }) => optimizer) ? `${row.optimizer}: ` : ""}
      ${row.leaves ? html`<button type="button" class="quiet fold" aria-expanded=${String(isOpen)} title="which leaves" onClick=${() => onOpen(row)}>${count(row.step)}<span class="unseen">, its leaves</span></button>` : count(row.step)}${isFirst && html`<span class="unseen">, the first difference</span>`}</th>
    ${row.equal.map((equal, at) => {
      const [sign, name] = SAID.get(equal);
      const isCause = isFirst && answer.groups[at] === answer.first.cause;
      return html`<td key=${at} class=${classes(name, isCause && "cause")}><span aria-hidden="true">${sign}</span>
        <span class="unseen">${{ equal: "equal", differs: "not equal", unknown: "not recorded by both" }[name]}</span>${isCause && html`<small>${" the cause"}</small>`}</td>`;
    })}</tr>
    ${isOpen && html`<tr class="inside"><td colspan=${answer.groups.length + 1}><${RowLeaves} ids=${answer.ids} row=${row} /></td></tr>`}`;
}
