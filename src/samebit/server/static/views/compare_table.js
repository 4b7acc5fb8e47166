// What several runs have under the same names: a column for each run, values as short as they can be told apart.

import { link } from "../lib/address.js";
import { apart } from "../lib/digits.js";
import { classes, html } from "../lib/html.js";
import { number, visible } from "../lib/text.js";

const LONG = 300;  // letters of a value

/**
 * @param {{title: string, rows: Array<{key, values, same}>, ids: string[], labels: string[], numeric?: boolean,
 *   nameOf?: function(object): any, cellOf?: function(object, number): any, below?: function(object): any}} props -
 *   `nameOf` and `cellOf` say a row's name and a value otherwise than as texts; `below` is what a row is opened to, below the table.
 */
export function CompareTable({ title, rows, ids, labels, numeric = false, nameOf = (row) => visible(row.key), cellOf = null, below = () => null }) {
  const many = ids.length > 4;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${visible(title)}><table class=${classes("plain versus", many && "many")}>
    <thead><tr><th scope="col"><span class="unseen">key</span></th>${ids.map((id, at) => html`<th key=${id} scope="col" class=${classes(numeric && "numeric")}>
      <a href=${link("run", {}, id)} title=${visible(labels[at])}>${visible(labels[at])}</a></th>`)}</tr></thead>
    <tbody>${rows.map((row) => {
      const texts = apart(row.values);
      return html`<tr key=${row.key} class=${classes(!row.same && "differs")}>
        <th scope="row">${nameOf(row)}</th>
        ${row.values.map((value, at) => html`<td key=${at} class=${classes(numeric && "numeric", at > 0 && value === row.values[0] && "dim")}>
          ${cellOf ? cellOf(row, at) : html`<${Value} value=${value} text=${texts[at]} first=${numeric && at > 0 ? row.values[0] : null} />`}</td>`)}</tr>`;
    })}</tbody></table></div>${rows.map((row) => html`<div key=${row.key} class="opened">${below(row)}</div>`)}`;
}

/** Short, and whole where one points at it. */
function Value({ value, text, first }) {
  if (value === null || value === undefined) return html`<span class="dim">—</span>`;
  const said = visible(text);
  const [now, then] = [Number(value), Number(first)];
  const by = first !== null && value !== first && Number.isFinite(now) && Number.isFinite(then) && then !== 0 ? (100 * (now - then)) / Math.abs(then) : null;
  return html`<span class=${classes(said.length < 26 && "nowrap")} title=${text === value && said.length <= LONG ? undefined : visible(value)}>${said.length > LONG ? `${said.slice(0, LONG)}…` : said}</span>
    ${by !== null && html`<small>${` ${by > 0 ? "+" : ""}${number(Number(by.toPrecision(3)))} %`}</small>`}`;
}
