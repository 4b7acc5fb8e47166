// Runs beside each other: configuration, code, environment, data, results, states, media; at first only what differs.

import { change, link, list } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { classes, html } from "../lib/html.js";
import { useRuns } from "../lib/runs.js";
import { csv, saveText } from "../lib/save.js";
import { count, several, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Empty, Trouble, Waiting } from "../parts/trouble.js";
import { CompareTable } from "./compare_table.js";
import { MediaBeside } from "./compare_media.js";
import { hasLong, Texts } from "./compare_texts.js";
import { CodeBetween, FileDifference } from "./run_code_between.js";
import { Leaves } from "./run_leaves.js";
import { RunPicker } from "./run_picker.js";

export function Compare({ params }) {
  const runs = useRuns();
  const ids = [...new Set(list(params.ids))];
  const { answer, error, isCurrent } = useAnswer(ids.length > 1 ? (signal) => ask("compare", { ids: ids.join(",") }, { signal }) : null, ids.join(","));
  if (runs.phase !== "here") return html`<main id="main"><${Waiting} what="reading the store…" /></main>`;
  const save = () => saveText(csv([["section", "key", ...answer.ids], ...answer.sections.flatMap(({ title, rows }) => rows.map((row) => [title, row.key, ...row.values]))]), "compared.csv", "text/csv");
  return html`<main id="main" class="compare">
    <div class="title"><h1>Compare</h1><span class="grow"></span>
      ${answer && html`<button type="button" onClick=${save}>Save as CSV</button>`}
      ${ids.length === 2 && html`<a class="button" href=${link("trace", { ids: ids.join(",") })}>Where they part</a>`}
      ${ids.length > 1 && html`<a class="button" href=${link("curves", { ids: ids.join(",") })}>Curves</a>`}</div>
    <${RunPicker} runs=${runs} ids=${ids} onIds=${(next) => change({ ids: next.join(",") })} />
    ${ids.length < 2 && html`<${Empty} title="Two runs or more">
      <p>Choose them here, or select them in the <a href="/">table</a> and press <kbd>c</kbd>.</p></${Empty}>`}
    ${isCurrent && html`<${Trouble} error=${error} />`}
    ${ids.length > 1 && !answer && !error && html`<${Waiting} what="reading these runs…" />`}
    ${ids.length > 1 && answer && answer.left_out.map(([id, why]) => html`<p key=${id} class="other"><code>${visible(id)}</code>${` is left out: ${visible(why)}`}</p>`)}
    ${ids.length > 1 && answer && html`<${Sections} answer=${answer} params=${params} />`}
  </main>`;
}

function Sections({ answer, params }) {
  const all = params.all === "1";
  const isSame = ({ rows }) => rows.every(({ same }) => same);
  const apart = all ? answer.sections : answer.sections.filter((section) => !isSame(section));
  const same = all ? [] : answer.sections.filter(isSame);
  return html`<label class="toggle"><input type="checkbox" checked=${!all}
      onChange=${(event) => change({ all: event.target.checked ? "" : "1" }, { replace: true })} /> only what differs</label>
    ${same.length > 0 && html`<p class="all-same"><span class="ok">= the same in all:</span> ${same.map(({ title, rows, more }) => `${visible(title)} (${count(rows.length + more)})`).join(", ")}</p>`}
    ${apart.map((section) => html`<${Section} key=${section.title} section=${section} answer=${answer} all=${all} params=${params} />`)}
    <${MediaBeside} ids=${answer.ids} labels=${answer.labels} params=${params} />`;
}

function Section({ section, answer, all, params }) {
  const rows = all ? section.rows : section.rows.filter(({ same }) => !same);
  const same = section.more + section.rows.length - section.rows.filter((row) => !row.same).length;
  const kind = { code: Code, states: States }[section.title] ?? Plain;
  return html`<section class="card">
    <h2>${visible(section.title)} <small>${same > 0 && rows.length > 0 && !all ? `and ${count(same)} the same` : ""}</small></h2>
    <${kind} section=${section} rows=${rows} answer=${answer} params=${params} /></section>`;
}

/** Values as texts; what is too long for a cell opens to all of it. */
function Plain({ section, rows, answer, params }) {
  const { ids, labels } = answer;
  const name = (row) => `${section.title}: ${row.key}`;  // two sections may have the same key
  return html`<${CompareTable} title=${section.title} rows=${rows} ids=${ids} labels=${labels} numeric=${section.title === "results"}
    nameOf=${(row) => (hasLong(row) ? fold(row, "text", params, name(row)) : visible(row.key))}
    below=${(row) => (params.text === name(row) && hasLong(row) ? html`<${Texts} row=${row} section=${section.title} ids=${ids} labels=${labels} />` : null)} />`;
}

/** A row that opens: which one stands in the address, by a name that it has there. */
function fold(row, param, params, name = row.key) {
  const isOpen = params[param] === name;
  return html`<button type="button" class="quiet fold" aria-expanded=${String(isOpen)}
    onClick=${() => change({ [param]: isOpen ? "" : name }, { replace: true })}>${visible(row.key)}</button>`;
}

/** Of two runs the lines; of more which version of each file a run had, and the lines of one file between the first run and the last that has another. */
function Code({ section, rows, answer, params }) {
  const { ids, labels } = answer;
  const isFile = (row) => !row.key.startsWith("(");
  const facts = rows.filter((row) => !isFile(row));
  const files = rows.filter(isFile);
  if (ids.length === 2 && params.all !== "1") {
    return html`${facts.length > 0 && html`<${CompareTable} title="commits" rows=${facts} ids=${ids} labels=${labels} />`}<${CodeBetween} ids=${ids} labels=${labels} />`;
  }
  const versions = (row) => [...new Set(row.values.filter((value) => value !== null))];
  const other = (row) => row.values.findLastIndex((value) => value !== row.values[0]);
  return html`<${CompareTable} title=${section.title} rows=${rows} ids=${ids} labels=${labels}
    nameOf=${(row) => (isFile(row) && !row.same ? fold(row, "file", params) : visible(row.key))}
    cellOf=${(row, at) => {
      const value = row.values[at];
      if (value === null) return html`<span class="dim">—</span>`;
      if (!isFile(row)) return visible(value.slice(0, 12));
      return row.same ? "the same" : html`<span title=${visible(value)}>${`version ${versions(row).indexOf(value) + 1}`}</span>`;
    }}
    below=${(row) => (params.file === row.key && isFile(row) && other(row) >= 0 ? html`
      <p class="dim">${`from ${visible(labels[0])} (−) to ${visible(labels[other(row)])} (+)`}</p>
      <${FileDifference} ids=${[ids[0], ids[other(row)]]} labels=${[labels[0], labels[other(row)]]} path=${row.key} />` : null)} />`;
}

/** Whether each run's state is that of the first, in words; opened it is told leaf by leaf. */
function States({ section, rows, answer, params }) {
  const { ids, labels } = answer;
  const [name, id] = [params.state, params.of ?? ids.find((one, at) => at > 0 && rows.find(({ key }) => key === params.state)?.values[at] !== null)];
  const open = (row, at) => change(name === row.key && id === ids[at] ? { state: "", of: "" } : { state: row.key, of: ids[at] }, { replace: true });
  return html`<${CompareTable} title=${section.title} rows=${rows} ids=${ids} labels=${labels}
    cellOf=${(row, at) => {
      const [first, value] = [row.values[0], row.values[at]];
      if (value === null) return html`<span class="dim">none</span>`;
      if (at === 0) return html`<span class="dim" title=${visible(value)}>${first === null ? "none" : "compared with this"}</span>`;
      if (first === null) return html`<span class="dim">the first has none</span>`;
      if (value === first) return html`<span class="ok" title=${visible(value)}>= equal</span>`;
      const isOpen = name === row.key && id === ids[at];
      return html`<button type="button" class="quiet fold bad" aria-expanded=${String(isOpen)} onClick=${() => open(row, at)}>≠ different<span class="unseen">${`, leaf by leaf: ${visible(row.key)} of ${visible(labels[at])}`}</span></button>`;
    }}
    below=${(row) => (name === row.key && id && ids.includes(id) ? html`
      <h3>${`${visible(row.key)} of ${visible(labels[0])} and of ${visible(labels[ids.indexOf(id)])}`}</h3><${Leaves} of=${[`${ids[0]}:${row.key}`, `${id}:${row.key}`]} />` : null)} />
    ${ids.length > 2 && html`<p class="links">${ids.slice(1).map((one, at) => html`<a key=${one} class=${classes("nowrap")} href=${link("trace", { ids: `${ids[0]},${one}` })}>${`where ${visible(labels[at + 1])} parts from ${visible(labels[0])}`}</a> `)}</p>`}`;
}
