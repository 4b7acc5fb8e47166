// Which leaves differ in one row of two traces, where both kept the fingerprints of single leaves.

import { ask } from "../lib/api.js";
import { html } from "../lib/html.js";
import { count, several, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Trouble, Waiting } from "../parts/trouble.js";

export function RowLeaves({ ids, row: { optimizer, step } }) {
  const { answer, error, isCurrent } = useAnswer((signal) => ask("trace/leaves", { ids: ids.join(","), optimizer, step }, { signal }), `${ids} ${optimizer} ${step}`);
  if (error && isCurrent) return html`<${Trouble} error=${error} />`;
  if (!answer || !isCurrent) return html`<${Waiting} what="reading…" />`;
  return html`<dl class="row-leaves">${answer.groups.map(({ group, equal, differing, more }) => html`<div key=${group}><dt>${visible(group)}</dt>
    <dd>${differing.length === 0 ? html`<span class="dim">${`= all ${several(equal, "leaf", "leaves")}`}</span>` : html`
      <strong class="bad">${`≠ ${count(differing.length + more)}`}</strong>${` of ${several(equal + differing.length + more, "leaf", "leaves")}: `}<code>${differing.map(visible).join(", ")}</code>${more > 0 && ` and ${count(more)} more`}`}</dd></div>`)}</dl>`;
}
