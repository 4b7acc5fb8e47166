// Runs in groups: how many, and of each metric the mean with its interval over all of them.

import { link, packed } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { compareValues, isMetric } from "../lib/columns.js";
import { column } from "../lib/digits.js";
import { html, useState } from "../lib/html.js";
import { label, value } from "../lib/runs.js";
import { count, number, several, shown, title, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { State } from "../parts/marks.js";
import { Trouble, Waiting } from "../parts/trouble.js";

const MOST_METRICS = 8;
const MOST_MEMBERS = 100;
const TAKES = { __proto__: null, metric: "last", min: "min", max: "max", first: "first" };

/** The metrics of a table of which groups can have a mean, those of them that are shown, and those that are no numbers. */
export function groupMetrics(keys, runs) {
  const all = keys.filter((key) => isMetric(key) && runs.columns.has(key));
  const numeric = all.filter((key) => runs.columns.get(key).isNumeric);
  return { metrics: numeric.slice(0, MOST_METRICS), more: Math.max(0, numeric.length - MOST_METRICS), others: all.filter((key) => !numeric.includes(key)) };
}

/** What is asked for a column of a metric. */
function asked(key) {
  const [, prefix, metric] = /^(metric|min|max|first)\.(.*)$/.exec(key);
  return { metric, take: TAKES[prefix] };
}

/** @param {{runs, by: string[], where: string, metrics: string[], more: number, others: string[], sort: {key, descending}|null, onSort: function}} props */
export function Groups({ runs, by, where, metrics, more, others, sort, onSort }) {
  const subject = JSON.stringify([by, where, metrics]);
  const { answer, error } = useAnswer(async (signal) => Promise.all(metrics.map((column) =>
    ask("runs/groups", { by: packed(by), where, ...asked(column) }, { signal }))), `${subject} ${runs.version}`, subject);
  const [open, setOpen] = useState(new Set());
  if (error) return html`<${Trouble} error=${error} />`;
  if (metrics.length === 0) return html`<p class="dim inset">no metric is shown of which groups could have a mean</p>`;
  if (!answer || answer.length !== metrics.length || answer[0].by.join() !== by.join()) return html`<div class="inset"><${Waiting} what="counting groups…" /></div>`;
  const groups = ordered(answer[0].groups.map((group, at) => ({ ...group, cells: answer.map((one) => one.groups[at]) })), sort, by, metrics);
  const toggle = (name) => {
    const next = new Set(open);
    if (!next.delete(name)) next.add(name);
    setOpen(next);
  };
  const left = [more > 0 && `The first ${metrics.length} of ${metrics.length + more} metrics: hide some of their columns to see others.`,
    others.length > 0 && `No mean of ${others.map(title).join(", ")}: not all runs have a number there.`].filter(Boolean).join(" ");
  const method = answer[0].groups.find((group) => group.method)?.method;
  const written = answer.map((one) => column(one.groups.flatMap(({ mean, low, high }) => [mean, low, high])));
  const head = (one, said, isNumeric) => html`<th key=${one} scope="col" class=${isNumeric ? "numeric" : ""}
    aria-sort=${sort?.key === one ? (sort.descending ? "descending" : "ascending") : null}>
    <button type="button" class="sort" title=${one} onClick=${() => onSort(one)}><span class="title">${said}</span>${sort?.key === one && html`<svg class="arrow"
      viewBox="0 0 8 8" aria-hidden="true"><path d=${sort.descending ? "M1 2.5l3 3 3-3" : "M1 5.5l3-3 3 3"} /></svg>`}</button></th>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="groups of runs"><table class="plain groups">
    <caption>${`${several(groups.length, "group")}.${method ? ` Mean and ${number(100 * answer[0].confidence)} % ${visible(method)} over runs that finished.` : ""}${left && ` ${left}`}`}</caption>
    <thead><tr>${by.map((one) => head(one, title(one), false))}${head("n", "n", true)}${metrics.map((one) => head(one, title(one), true))}</tr></thead>
    <tbody>${groups.map((group) => {
      const name = JSON.stringify(group.values.map(String));
      const isOpen = open.has(name);
      return html`<tr key=${name}>
        ${group.values.map((one, at) => html`<td key=${at}>${at === 0
          ? html`<button type="button" class="quiet fold" aria-expanded=${String(isOpen)}
            onClick=${() => toggle(name)}>${shown(one) || "—"}</button>`
          : shown(one) || "—"}</td>`)}
        <td class="numeric">${count(sizeOf(group))}</td>
        ${group.cells.map((cell, at) => html`<td key=${metrics[at]} class="numeric"><${Cell} cell=${cell} written=${written[at]} /></td>`)}
      </tr>
      ${isOpen && html`<${Members} group=${group} runs=${runs} by=${by} metrics=${metrics} />`}`;
    })}</tbody>
  </table></div>`;
}

const sizeOf = (group) => group.runs.length + group.left_out.length;

function ordered(groups, sort, by, metrics) {
  if (!sort) return groups;
  const [key, metric] = [by.indexOf(sort.key), metrics.indexOf(sort.key)];
  const of = sort.key === "n" ? sizeOf : key >= 0 ? (group) => group.values[key] : metric >= 0 ? (group) => group.cells[metric].mean : null;
  if (!of) return groups;
  const isNone = (group) => (of(group) ?? null) === null;
  const sign = sort.descending ? -1 : 1;
  return [...groups].sort((one, other) => isNone(one) - isNone(other) || sign * compareValues(of(one), of(other)));
}

/** A mean with its interval, and how many of a group's runs it is of where these are not all. */
function Cell({ cell, written }) {
  if (!cell || cell.mean === null || cell.mean === undefined) return html`<span class="dim">—</span>`;
  const has = cell.low !== null && cell.low !== undefined;
  return html`<span class="estimate">
    <b>${written(cell.mean)}</b>${has && html`<small>${` ${written(cell.low)} to ${written(cell.high)}`}</small>`}
    ${cell.left_out.length > 0 && html`<small class="note" title=${cell.left_out.map(([id, why]) => `${id}: ${visible(why)}`).join("\n")}>
      ${` n = ${cell.n}`}</small>`}</span>`;
}

/** The runs of a group, each with what it has, and why it does not count. */
function Members({ group, runs, by, metrics }) {
  const out = new Map(group.left_out);
  const all = [...group.runs, ...out.keys()];
  const ids = all.slice(0, MOST_MEMBERS).join(",");
  return html`${all.slice(0, MOST_MEMBERS).map((id) => html`<tr key=${id} class="member">
      <td colspan=${by.length + 1}><a href=${link("run", {}, id)}>${shown(label(runs, id))}</a> <${State} state=${value(runs, id, "state") ?? "unknown"} />
        ${out.has(id) && html`<small class="note">${`left out: ${visible(out.get(id))}`}</small>`}</td>
      ${metrics.map((metric) => html`<td key=${metric} class="numeric">${shown(value(runs, id, metric))}</td>`)}</tr>`)}
    <tr class="inside"><td colspan=${by.length + 1 + metrics.length}><div class="members">
      ${all.length > MOST_MEMBERS && html`<span class="dim">${`and ${count(all.length - MOST_MEMBERS)} more `}</span>`}
      <a class="button" href=${link("curves", { ids })}>Curves</a><a class="button" href=${link("seeds", { ids })}>Seeds</a>
      <a class="button" href=${link("compare", { ids: all.slice(0, 10).join(",") })}>Compare</a></div></td></tr>`;
}
