// What stands above and below the table of runs: filter, groups, columns, files; what is selected.

import { change, link, packed, unpacked } from "../lib/address.js";
import { html, useEffect, useState } from "../lib/html.js";
import { hidden, withShown } from "../lib/layout.js";
import { count, several, title } from "../lib/text.js";
import { Item, Menu } from "../parts/menu.js";
import { Trouble } from "../parts/trouble.js";

const MOST_OVERLAID = 100;

export function Bar({ runs, rows, filter, actions, exports, search }) {
  const { params } = actions;
  const archived = runs.columns.get("archived")?.values.some((value) => value === true);
  return html`<div class="bar">
    <${FilterBox} where=${params.where ?? ""} search=${search} error=${filter.error} />
    <span class="count" role="status">${rows.length === runs.ids.length ? several(rows.length, "run")
      : `${count(rows.length)} of ${several(runs.ids.length, "run")}`}${runs.waiting > 0 ? `, ${count(runs.waiting)} still to be read` : ""}</span>
    <span class="grow"></span>
    <${GroupMenu} runs=${runs} params=${params} />
    <${ColumnMenu} actions=${actions} />
    <${Menu} label="Save" name="save what is shown">${(close) => html`
      <${Item} onClick=${() => { close(); exports.csv(); }}>table as CSV</${Item}>
      <${Item} onClick=${() => { close(); exports.tex(); }}>table as LaTeX</${Item}>`}</${Menu}>
    ${archived && html`<label class="toggle"><input type="checkbox" checked=${Boolean(params.archived)}
      onChange=${(event) => change({ archived: event.target.checked ? "1" : "" })} /> archived</label>`}
  </div>
  ${filter.error && html`<${Trouble} error=${filter.error} />`}`;
}

/** The filter of the command line; it is asked for when nobody typed for a moment. */
export function FilterBox({ where, search, error }) {
  const [text, setText] = useState(where);
  useEffect(() => setText(where), [where]);
  useEffect(() => {
    if (text === where) return undefined;
    const timer = setTimeout(() => change({ where: text.trim() }, { replace: true }), 200);
    return () => clearTimeout(timer);
  }, [text]);
  const onKeyDown = (event) => {
    if (event.key === "Enter") change({ where: text.trim() });
    if (event.key === "Escape") event.target.blur();
  };
  return html`<form class="filter" role="search" onSubmit=${(event) => event.preventDefault()}>
    <label class="unseen" for="filter">filter runs</label>
    <input id="filter" ref=${search} type="search" spellcheck="false" autocomplete="off" autocapitalize="off"
      placeholder="acc > 0.9 and config.lr < 0.01" aria-invalid=${error ? "true" : null} value=${text}
      onInput=${(event) => setText(event.target.value)} onKeyDown=${onKeyDown} />
    <kbd aria-hidden="true">/</kbd>
  </form>`;
}

function GroupMenu({ runs, params }) {
  const by = unpacked(params.by);
  const keys = runs.keys.filter(({ key }) => !/^(metric|min|max|first)\.|^(id|name|started|seconds)$/.test(key));
  const toggle = (key) => change({ by: packed(by.includes(key) ? by.filter((one) => one !== key) : [...by, key]) });
  return html`<${Menu} isPanel label=${by.length ? `By ${by.map(title).join(", ")}` : "Group"} name="group runs by">
    ${() => html`<${Choices} keys=${keys} isOn=${(key) => by.includes(key)} toggle=${toggle} what="keys" />
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

/** A list with boxes that a few letters make shorter. */
export function Choices({ keys, isOn, toggle, what }) {
  const [text, setText] = useState("");
  const found = keys.filter(({ key, distinct }) => (distinct ?? 1) > 0 && key.toLowerCase().includes(text.toLowerCase()));
  return html`<div class="choices">
    <input type="search" aria-label=${`find ${what}`} placeholder=${`find ${what}`} value=${text}
      onInput=${(event) => setText(event.target.value)} />
    <div class="choice-list" role="group" aria-label=${what}>
      ${found.slice(0, 200).map(({ key, distinct, missing }) => html`<label key=${key}>
        <input type="checkbox" checked=${isOn(key)} onChange=${() => toggle(key)} /><span>${key}</span>
        <small>${several(distinct ?? 0, "value")}${missing ? `, ${count(missing)} without` : ""}</small></label>`)}
      ${found.length > 200 && html`<p>${`and ${found.length - 200} more`}</p>`}
      ${found.length === 0 && html`<p>none</p>`}
    </div>
  </div>`;
}

/** What can be done with the runs that are selected. */
export function SelectionBar({ ids, clear }) {
  if (ids.length === 0) return null;
  const some = ids.slice(0, MOST_OVERLAID).join(",");
  return html`<div class="selection" role="region" aria-label="selected runs">
    <strong>${several(ids.length, "run")} selected</strong>
    <a class="button" href=${link("curves", { ids: some })}>Curves</a>
    <a class="button" href=${link("hyper", { ids: some })}>Hyper-parameters</a>
    ${ids.length > 1 && html`<a class="button" href=${link("compare", { ids: some })}>Compare</a>`}
    ${ids.length === 2 && html`<a class="button" href=${link("trace", { ids: some })}>Where they part</a>`}
    <span class="grow"></span>
    <button type="button" class="quiet" onClick=${clear}>clear</button>
  </div>`;
}
