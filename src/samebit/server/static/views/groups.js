// Runs in groups: how many, and of each metric the mean with its interval over all of them.

import { link, packed } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { isMetric } from "../lib/columns.js";
import { html, useState } from "../lib/html.js";
import { label } from "../lib/runs.js";
import { count, number, shown, title, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Trouble, Waiting } from "../parts/trouble.js";

const MOST_METRICS = 8;
const TAKES = { metric: "last", min: "min", max: "max", first: "first" };

/** What is asked for a column of a metric. */
function asked(key) {
  const [, prefix, metric] = /^(metric|min|max|first)\.(.*)$/.exec(key);
  return { metric, take: TAKES[prefix] };
}

export function Groups({ runs, by, params, metrics }) {
  const columns = metrics.filter(isMetric).slice(0, MOST_METRICS);
  const where = params.where ?? "";
  const key = JSON.stringify([by, where, columns, runs.version]);
  const { answer, error } = useAnswer(async (signal) => Promise.all(columns.map((column) =>
    ask("runs/groups", { by: packed(by), where, ...asked(column) }, { signal }))), key);
  const [open, setOpen] = useState(new Set());
  const [sort, setSort] = useState(null);
  if (error) return html`<${Trouble} error=${error} />`;
  if (columns.length === 0) return html`<p class="dim inset">no metric is shown of which groups could have a mean</p>`;
  if (!answer || answer.length !== columns.length) return html`<div class="inset"><${Waiting} what="counting groups…" /></div>`;
  const groups = ordered(answer[0].groups.map((group, at) => ({ ...group, cells: answer.map((one) => one.groups[at]) })), sort);
  const toggle = (name) => {
    const next = new Set(open);
    if (!next.delete(name)) next.add(name);
    setOpen(next);
  };
  const method = answer[0].groups.find((group) => group.method)?.method;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="groups of runs"><table class="plain groups">
    <caption>${`${count(groups.length)} groups. ${method ? visible(method) : ""}`}</caption>
    <thead><tr>
      ${by.map((one) => html`<th key=${one} scope="col">${title(one)}</th>`)}<th scope="col" class="numeric">n</th>
      ${columns.map((one, at) => html`<th key=${one} scope="col" class="numeric"
        aria-sort=${sort?.at === at ? (sort.descending ? "descending" : "ascending") : null}>
        <button type="button" class="sort" onClick=${() => setSort(next(sort, at))}>${title(one)}</button></th>`)}
    </tr></thead>
    <tbody>${groups.map((group) => {
      const name = JSON.stringify(group.values);
      const isOpen = open.has(name);
      return html`<tr key=${name}>
        ${group.values.map((value, at) => html`<td key=${at}>${at === 0
          ? html`<button type="button" class="quiet fold" aria-expanded=${String(isOpen)}
            onClick=${() => toggle(name)}>${shown(value) || "—"}</button>`
          : shown(value) || "—"}</td>`)}
        <td class="numeric">${count(group.runs.length + group.left_out.length)}</td>
        ${group.cells.map((cell, at) => html`<td key=${columns[at]} class="numeric"><${Cell} cell=${cell} /></td>`)}
      </tr>
      ${isOpen && html`<tr class="inside"><td colspan=${by.length + 1 + columns.length}>
        <${Members} group=${group} runs=${runs} /></td></tr>`}`;
    })}</tbody>
  </table></div>`;
}

function next(sort, at) {
  if (sort?.at !== at) return { at, descending: true };
  return sort.descending ? { at, descending: false } : null;
}

function ordered(groups, sort) {
  if (!sort) return groups;
  const sign = sort.descending ? -1 : 1;
  const mean = (group) => group.cells[sort.at]?.mean ?? null;
  return [...groups].sort((one, other) => (mean(one) === null) - (mean(other) === null) || sign * (mean(one) - mean(other)));
}

/** A mean with its interval, and how many of a group's runs it is of where these are not all. */
function Cell({ cell }) {
  if (!cell || cell.mean === null || cell.mean === undefined) return html`<span class="dim">—</span>`;
  const has = cell.low !== null && cell.low !== undefined;
  return html`<span class="estimate">
    <b>${number(cell.mean)}</b>${has && html`<small>${` ${number(cell.low)} to ${number(cell.high)}`}</small>`}
    ${cell.left_out.length > 0 && html`<small class="note" title=${cell.left_out.map(([id, why]) => `${id}: ${visible(why)}`).join("\n")}>
      ${` n = ${cell.n}`}</small>`}</span>`;
}

function Members({ group, runs }) {
  const out = new Map(group.left_out);
  const all = [...group.runs, ...out.keys()];
  return html`<div class="members">
    ${all.slice(0, 100).map((id) => html`<a key=${id} href=${link("run", {}, id)}>${shown(label(runs, id))}${out.has(id) ? html`<small>${` left out: ${visible(out.get(id))}`}</small>` : ""}</a>`)}
    ${all.length > 100 && html`<span>${`and ${count(all.length - 100)} more`}</span>`}
    <a class="button" href=${link("curves", { ids: all.slice(0, 100).join(",") })}>Curves</a>
    <a class="button" href=${link("seeds", { ids: all.slice(0, 200).join(",") })}>Seeds</a>
  </div>`;
}
