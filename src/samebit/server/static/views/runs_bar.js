// What stands above the table of runs: filter, groups, columns, what is the same everywhere, files.

import { change, packed, unpacked } from "../lib/address.js";
import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { differs, hidden, withShown } from "../lib/layout.js";
import { exampleFilter } from "../lib/results.js";
import { useRuns, want } from "../lib/runs.js";
import { count, several, shown, title } from "../lib/text.js";
import { Item, Menu } from "../parts/menu.js";
import { Trouble } from "../parts/trouble.js";

const TYPING_MS = 150;  // after the last key, until the filter is asked for
const MOST_CHOICES = 200;
// Of a run rather than of its configuration, and worth a word where it is the same in all.
const TOLD = new Set(["group", "seed", "steps", "host", "user", "commit", "deterministic"]);

export function Bar({ runs, rows, filter, actions, exports, search }) {
  const { params } = actions;
  const archived = runs.columns.get("archived")?.values.reduce((sum, one) => sum + (one === true), 0) ?? 0;
  return html`<div class="bar">
    <${FilterBox} where=${params.where ?? ""} search=${search} error=${filter.error} />
    <span class="count" role="status">${rows.length === runs.ids.length ? several(rows.length, "run")
      : `${count(rows.length)} of ${several(runs.ids.length, "run")}`}${runs.waiting > 0 ? " so far" : ""}</span>
    ${archived > 0 && html`<label class="toggle"><input type="checkbox" checked=${Boolean(params.archived)}
      onChange=${(event) => change({ archived: event.target.checked ? "1" : "" })} /> ${`${count(archived)} archived`}</label>`}
    <span class="grow"></span>
    <${GroupMenu} runs=${runs} params=${params} />
    <${SameMenu} actions=${actions} />
    <${ColumnMenu} actions=${actions} />
    <${Menu} label="Save" name="save what is shown">${(close) => html`
      <${Item} onClick=${() => { close(); exports.csv(); }}>table as CSV</${Item}>
      <${Item} onClick=${() => { close(); exports.tex(); }}>table as LaTeX</${Item}>`}</${Menu}>
  </div>
  ${filter.error && html`<${Trouble} error=${filter.error} />`}`;
}

/** The filter of the command line; it is asked for when nobody typed for a moment. */
export function FilterBox({ where, search, error }) {
  const [text, setText] = useState(where);
  const runs = useRuns();
  // Chosen once: an example that changes while runs go on says nothing more.
  const example = useMemo(() => exampleFilter(runs), [runs.phase]);
  useEffect(() => setText(where), [where]);
  useEffect(() => {
    if (text === where) return undefined;
    const timer = setTimeout(() => change({ where: text.trim() }, { replace: true }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const onKeyDown = (event) => {
    if (event.key === "Enter") change({ where: text.trim() });
    if (event.key === "Escape") event.target.blur();
  };
  return html`<form class="filter" role="search" onSubmit=${(event) => event.preventDefault()}>
    <label class="unseen" for="filter">filter runs</label>
    <input id="filter" ref=${search} type="search" spellcheck="false" autocomplete="off" autocapitalize="off"
      placeholder=${example} aria-invalid=${error ? "true" : null} value=${text}
      onInput=${(event) => setText(event.target.value)} onKeyDown=${onKeyDown} />
    <kbd aria-hidden="true">/</kbd>
  </form>`;
}

const grouping = new WeakMap();  // by the list of keys: thousands of metrics have several each

/** Keys by which runs can be put into groups; those in which they differ first. */
export function groupKeys(runs) {
  if (!grouping.has(runs.keys)) grouping.set(runs.keys, grouped(runs));
  return grouping.get(runs.keys);
}

function grouped(runs) {
  const keys = runs.keys.filter(({ key }) => !/^(metric|min|max|first|points|step|source)\.|^(id|name|started|seconds|archived|device_hours)$/.test(key));
  const rank = ({ key, distinct, missing }) => (distinct + Boolean(missing) > 1 ? 0 : 2) + Number(!/^config\.|^(group|seed)$/.test(key));
  return keys.sort((one, other) => rank(one) - rank(other));
}

function GroupMenu({ runs, params }) {
  const by = unpacked(params.by);
  const toggle = (key) => change({ by: packed(by.includes(key) ? by.filter((one) => one !== key) : [...by, key]) });
  return html`<${Menu} isPanel label=${by.length ? `By ${by.map(title).join(", ")}` : "Group"} name="group runs by">
    ${() => html`<${Choices} keys=${groupKeys(runs)} isOn=${(key) => by.includes(key)} toggle=${toggle} what="keys" />
      ${by.length > 0 && html`<button type="button" onClick=${() => change({ by: "" })}>no groups</button>`}`}
  </${Menu}>`;
}

function ColumnMenu({ actions }) {
  const { layout, setLayout, runs } = actions;
  const on = new Set(layout.keys);
  const toggle = (key) => setLayout(on.has(key) ? hidden(layout, key) : withShown(layout, key));
  return html`<${Menu} isPanel label="Columns" name="columns that are shown">
    ${() => html`<${Choices} keys=${runs.keys} isOn=${(key) => on.has(key)} toggle=${toggle} what="columns" />
      <button type="button" onClick=${() => setLayout(null)}>as at first</button>`}
  </${Menu}>`;
}

/** What all runs that are shown have the same: no column of its own, and yet a click away. */
function SameMenu({ actions: { layout, setLayout, runs, among } }) {
  const keys = useMemo(() => {
    const shownKeys = new Set(layout.keys);
    const isSame = ({ key, distinct, missing }) => (runs.columns.has(key) ? !differs(runs.columns.get(key).at(among)) : distinct === 1 && !missing);
    return runs.keys.filter((one) => !shownKeys.has(one.key) && (one.key.startsWith("config.") || TOLD.has(one.key)) && isSame(one)).map(({ key }) => key);
  }, [runs.keys, runs.columns, layout, among]);
  if (keys.length === 0 || among.length < 2) return null;
  return html`<${Menu} isPanel label=${`${count(keys.length)} the same`} name="what is the same in all runs">
    ${() => html`<${Same} keys=${keys} runs=${runs} row=${among[0]} show=${(key) => setLayout(withShown(layout, key))} />`}</${Menu}>`;
}

function Same({ keys, runs, row, show }) {
  useEffect(() => { want(keys); }, [keys.join()]);
  const said = (key) => shown(runs.columns.get(key)?.get(row));
  return html`<table class="same"><caption class="unseen">what is the same in all runs</caption><tbody>${keys.map((key) => html`<tr key=${key}>
    <th scope="row">${title(key)}</th><td title=${said(key)}>${said(key)}</td>
    <td><button type="button" class="quiet" aria-label=${`${title(key)} as a column`} onClick=${() => show(key)}>column</button></td></tr>`)}</tbody></table>`;
}

/** A list with boxes that a few letters make shorter. */
export function Choices({ keys, isOn, toggle, what }) {
  const [text, setText] = useState("");
  const found = keys.filter(({ key, distinct }) => (distinct ?? 1) > 0 && key.toLowerCase().includes(text.toLowerCase()));
  return html`<div class="choices">
    <input type="search" aria-label=${`find ${what}`} placeholder=${`find ${what}`} value=${text}
      onInput=${(event) => setText(event.target.value)} />
    <div class="choice-list" role="group" aria-label=${what}>
      ${found.slice(0, MOST_CHOICES).map(({ key, distinct, missing }) => html`<label key=${key}>
        <input type="checkbox" checked=${isOn(key)} onChange=${() => toggle(key)} /><span>${shown(key)}</span>
        <small>${several(distinct ?? 0, "value")}${missing ? `, ${count(missing)} without` : ""}</small></label>`)}
      ${found.length > MOST_CHOICES && html`<p>${`and ${found.length - MOST_CHOICES} more`}</p>`}
      ${found.length === 0 && html`<p>none</p>`}
    </div>
  </div>`;
}
