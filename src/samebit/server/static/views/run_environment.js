// The environment of a run, and what of it differs from another run's, what may change results most first.

import { ask } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { useRuns } from "../lib/runs.js";
import { count, several } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Trouble, Waiting } from "../parts/trouble.js";
import { CompareTable } from "./compare_table.js";
import { AnotherRun } from "./run_picker.js";

export function EnvironmentBetween({ run, params }) {
  const runs = useRuns();
  const other = params.with ?? "";
  return html`<section class="card"><h2>Against another run</h2>
    <${AnotherRun} runs=${runs} id=${other} not=${run.id} />
    ${other && html`<${Differences} ids=${[run.id, other]} />`}</section>`;
}

function Differences({ ids }) {
  const { answer, error, isCurrent } = useAnswer((signal) => ask("compare", { ids: ids.join(",") }, { signal }), ids.join(","));
  const [all, setAll] = useState(false);
  if (error && isCurrent) return html`<${Trouble} error=${error} />`;
  if (!answer || !isCurrent) return html`<${Waiting} what="comparing…" />`;
  const rows = answer.sections.find(({ title }) => title === "environment")?.rows ?? [];
  if (rows.length === 0) return html`<p class="dim">Neither has recorded its environment.</p>`;
  const apart = rows.filter(({ same }) => !same);
  const shown = all ? [...apart, ...rows.filter(({ same }) => same)] : apart;
  return html`<p class="verdict-line"><strong class=${apart.length ? "bad" : "ok"}>${apart.length ? "≠ another environment" : "= the same environment"}</strong>
      ${` ${apart.length ? `${several(apart.length, "fact")} differ${apart.length === 1 ? "s" : ""}, ${count(rows.length - apart.length)} are the same` : several(rows.length, "fact")}`}
      <button type="button" class="quiet" aria-pressed=${String(all)} onClick=${() => setAll(!all)}>${all ? "only what differs" : "show all"}</button></p>
    ${shown.length > 0 && html`<${CompareTable} title="environments" rows=${shown} ids=${answer.ids} labels=${answer.labels} />`}`;
}
