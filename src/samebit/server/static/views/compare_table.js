// What several runs have under the same names: a column for each run, values as short as they can be told apart.

import { link } from "../lib/address.js";
import { apart, brief } from "../lib/digits.js";
import { classes, html } from "../lib/html.js";
import { count, number, several, signed, visible } from "../lib/text.js";
import { longAt } from "../parts/long.js";

export const LONG = 300;  // letters of a value
const MOST = 1000;  // rows

/**
 * @param {{title: string, rows: Array<{key, values, same}>, ids: string[], labels: string[], numeric?: boolean,
 *   nameOf?: function(object): any, cellOf?: function(object, number): any, below?: function(object): any}} props -
 *   `nameOf` and `cellOf` say a row's name and a value otherwise than as texts; `below` is what a row is opened to, below the table.
 */
export function CompareTable({ title, rows, ids, labels, numeric = false, nameOf = (row) => visible(row.key), cellOf = null, below = () => null }) {
  const many = ids.length > 4;
  const told = rows.slice(0, MOST);
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${visible(title)}><table class=${classes("plain versus", many && "many")}>
    <thead><tr><th scope="col"><span class="unseen">key</span></th>${ids.map((id, at) => html`<th key=${id} scope="col" class=${classes(numeric && "numeric")}>
      <a href=${link("run", {}, id)} title=${visible(labels[at])}>${visible(labels[at])}</a></th>`)}</tr></thead>
    <tbody>${told.map((row) => {
      const texts = apart(row.values);
      return html`<tr key=${row.key} class=${classes(!row.same && "differs")}>
        <th scope="row">${nameOf(row)}</th>
        ${row.values.map((value, at) => html`<td key=${at} class=${classes(numeric && "numeric", at > 0 && value === row.values[0] && !longAt(row, at) && "dim")}>
          ${cellOf ? cellOf(row, at) : html`<${Value} value=${value} text=${texts[at]} long=${longAt(row, at)} run=${ids[at]} first=${numeric && at > 0 ? row.values[0] : null} />`}</td>`)}</tr>`;
    })}</tbody></table></div>
    ${rows.length > MOST && html`<p class="dim">${`and ${several(rows.length - MOST, "row")} more`}</p>`}${told.map((row) => html`<div key=${row.key} class="opened">${below(row)}</div>`)}`;
}

/** Short, and whole where one points at it. */
function Value({ value, text, long, run, first }) {
  if (value === null || value === undefined) return html`<span class="dim">—</span>`;
  const said = visible(text);
  const [now, then] = [Number(value), Number(first)];
  const by = first !== null && value !== first && Number.isFinite(now) && Number.isFinite(then) && then !== 0 ? (100 * (now - then)) / Math.abs(then) : null;
  if (long) {
    return html`<span>${`${said.slice(0, LONG)}…`}</span> <small>${`${count(long.characters)} characters, `}<code title=${long.digest}>${brief(long.digest).replace(/^blake3:/, "")}</code>${", all in "}<a href=${link("run", { tab: "config" }, run)}>its run</a></small>`;
  }
  return html`<span class=${classes(said.length < 26 && "nowrap")} title=${text === value && said.length <= LONG ? undefined : visible(value)}>${said.length > LONG ? `${said.slice(0, LONG)}…` : said}</span>
    ${by !== null && html`<small>${` ${signed(Number(by.toPrecision(3)))} %`}</small>`}`;
}
