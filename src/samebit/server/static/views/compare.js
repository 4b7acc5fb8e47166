// Runs beside each other: configuration, code, environment, data, results; at first only what differs.

import { change, link, list } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { classes, html } from "../lib/html.js";
import { patch } from "../lib/diff.js";
import { useRuns } from "../lib/runs.js";
import { count, number, several, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Empty, Trouble, Waiting } from "../parts/trouble.js";
import { RunPicker } from "./run_picker.js";
import { Difference } from "./run_code.js";

const LONG = 300;  // letters of a value in a table

export function Compare({ params }) {
  const runs = useRuns();
  const ids = list(params.ids);
  const { answer, error, isCurrent } = useAnswer(ids.length > 1 ? (signal) => ask("compare", { ids: ids.join(",") }, { signal }) : null, ids.join(","));
  if (runs.phase !== "here") return html`<main id="main"><${Waiting} what="reading the store…" /></main>`;
  const all = params.all === "1";
  return html`<main id="main" class="compare">
    <div class="title"><h1>Compare</h1><span class="grow"></span>
      ${ids.length === 2 && html`<a class="button" href=${link("trace", { ids: ids.join(",") })}>Where they part</a>`}
      ${ids.length > 1 && html`<a class="button" href=${link("curves", { ids: ids.join(",") })}>Curves</a>`}</div>
    <${RunPicker} runs=${runs} ids=${ids} onIds=${(next) => change({ ids: next.join(",") })} />
    ${ids.length < 2 && html`<${Empty} title="Two runs or more">
      <p>Choose them here, or select them in the <a href="/">table</a> and press <kbd>c</kbd>.</p></${Empty}>`}
    ${isCurrent && html`<${Trouble} error=${error} />`}
    ${ids.length > 1 && !answer && !error && html`<${Waiting} what="reading these runs…" />`}
    ${ids.length > 1 && answer && html`<label class="toggle"><input type="checkbox" checked=${!all}
      onChange=${(event) => change({ all: event.target.checked ? "" : "1" }, { replace: true })} /> only what differs</label>
      ${answer.sections.map((section) => html`<${Section} key=${section.title} section=${section} answer=${answer} all=${all} file=${params.file} />`)}`}
  </main>`;
}

function Section({ section, answer, all, file }) {
  const rows = all ? section.rows : section.rows.filter(({ same }) => !same);
  const same = section.rows.filter((row) => row.same).length;
  const isCode = section.title === "code";
  const isResult = section.title === "results";
  return html`<section class="card">
    <h2>${visible(section.title)} <small>${rows.length === 0 ? `${several(same, "key")}, all the same` : same && !all ? `and ${count(same)} the same` : ""}</small></h2>
    ${rows.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label=${visible(section.title)}>
      <table class="plain versus">
      <thead><tr><th scope="col">
        <span class="unseen">key</span></th>${answer.ids.map((id, at) => html`<th key=${id} scope="col" class=${isResult ? "numeric" : ""}>
          <a href=${link("run", {}, id)}>${visible(answer.labels[at])}</a></th>`)}</tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.key} class=${classes(!row.same && "differs")}>
        <th scope="row">${isCode && !row.same
        ? html`<button type="button" class="quiet fold" aria-expanded=${String(file === row.key)}
          onClick=${() => change({ file: file === row.key ? "" : row.key }, { replace: true })}>${visible(row.key)}</button>` : visible(row.key)}</th>
        ${row.values.map((value, at) => html`<td key=${at} class=${classes(isResult && "numeric", value === row.values[0] && at > 0 && "dim")}>
          <${Value} value=${value} first=${isResult && at > 0 ? row.values[0] : null} isCode=${isCode} /></td>`)}</tr>
        ${isCode && file === row.key && html`<tr class="inside"><td colspan=${answer.ids.length + 1}>
          <${FileDifference} ids=${answer.ids} labels=${answer.labels} path=${row.key} /></td></tr>`}`)}</tbody>
    </table></div>`}</section>`;
}

function Value({ value, first, isCode }) {
  if (value === null || value === undefined) return html`<span class="dim">—</span>`;
  const text = visible(value);
  const [now, then] = [Number(value), Number(first)];
  const by = first !== null && value !== first && Number.isFinite(now) && Number.isFinite(then) && then !== 0 ? (100 * (now - then)) / Math.abs(then) : null;
  return html`<span class=${classes(isCode && "mono", text.length < 26 && "nowrap")}>${text.length > LONG ? `${text.slice(0, LONG)}…` : isCode ? text.replace(/^(blake3:[0-9a-f]{8})[0-9a-f]+$/, "$1") : text}</span>
    ${by !== null && html`<small>${` ${by > 0 ? "+" : ""}${number(Number(by.toPrecision(3)))} %`}</small>`}`;
}

/** One file of the first run, and of the last. */
function FileDifference({ ids, labels, path }) {
  const [first, last] = [ids[0], ids.at(-1)];
  const { answer, error } = useAnswer((signal) => Promise.all([first, last].map((id) => ask(`runs/${id}/file`, { path }, { signal }).catch((failed) => {
    if (failed.status === 404) return { text: "" };
    throw failed;
  }))), `${first} ${last} ${path}`);
  if (error) return html`<${Trouble} error=${error} />`;
  if (!answer) return html`<${Waiting} what="reading both…" />`;
  if (answer.some(({ text }) => text === null)) return html`<p class="dim">no text</p>`;
  const found = patch(answer[0].text, answer[1].text, [`${visible(labels[0])}: ${visible(path)}`, `${visible(labels.at(-1))}: ${visible(path)}`]);
  return found ? html`<${Difference} text=${found} />` : html`<p class="dim">their texts are equal</p>`;
}
