// The states of a run, and any two of them, also of another run, leaf by leaf.

import { change } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { html } from "../lib/html.js";
import { useRuns } from "../lib/runs.js";
import { count, size, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Command, Copy } from "../parts/copy.js";
import { Select } from "../parts/select.js";
import { Trouble, Waiting } from "../parts/trouble.js";
import { AnotherRun } from "./run_picker.js";
import { Leaves } from "./run_leaves.js";

export function States({ run, params }) {
  const other = params.with ?? "";
  const mine = useAnswer((signal) => ask(`runs/${run.id}/states`, {}, { signal }), run.id);
  const theirs = useAnswer(other ? (signal) => ask(`runs/${encodeURIComponent(other)}/states`, {}, { signal }) : null, other);
  if (mine.error) return html`<${Trouble} error=${mine.error} />`;
  if (!mine.answer) return html`<${Waiting} what="reading…" />`;
  const states = mine.answer.states;
  if (states.length === 0) return html`<p class="dim">No state was recorded.</p>`;
  return html`<section class="card"><h2>States</h2><${Table} run=${run} states=${states} /></section>
    <${Between} run=${run} params=${params} states=${states} other=${other} theirs=${other ? theirs : mine} />`;
}

function Table({ run, states }) {
  const ranks = new Set(states.map(({ rank }) => rank)).size > 1;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="states"><table class="plain"><thead><tr><th scope="col">state</th>
    ${ranks && html`<th scope="col">rank</th>`}<th scope="col" class="numeric">step</th><th scope="col" class="numeric">size</th><th scope="col">bytes</th><th scope="col">manifest</th></tr></thead>
    <tbody>${states.map((state) => html`<tr key=${`${state.rank} ${state.name}`}><th scope="row">${visible(state.name)}</th>${ranks && html`<td>${visible(state.rank)}</td>`}
      <td class="numeric">${state.step === null ? "" : count(state.step)}</td><td class="numeric nowrap">${size(state.size_bytes)}</td>
      <td>${state.dropped ? "let go of" : !state.kept ? "digests alone" : state.whole ? "kept" : "kept of its modules"}</td>
      <td class="nowrap"><code title=${visible(state.manifest)}>${visible(state.manifest.slice(0, 15))}</code><${Copy} text=${state.manifest} what="copy the digest" /></td></tr>`)}</tbody></table></div>
    <${Command} what="the same in a terminal" command=${`samebit state ls ${run.id}`} />`;
}

/** The state that a training ended with; a checkpoint of the same step is told after it. */
const lastOf = (names) => (names.includes("final") ? "final" : names.at(-1));

/** Which two are compared stands in the address; at first the first and the last, or the same one of two runs. */
function Between({ run, params, states, other, theirs }) {
  const runs = useRuns();
  const ranks = [...new Set(states.map(({ rank }) => rank))];
  const rank = params.rank ?? "";
  const names = [...new Set(states.map(({ name }) => name))];
  const others = [...new Set((theirs.answer?.states ?? []).map(({ name }) => name))];
  const left = names.includes(params.left) ? params.left : other ? lastOf(names) : names[0];
  const right = others.includes(params.right) ? params.right : other && others.includes(left) ? left : lastOf(others);
  const options = (all) => all.map((name) => [name, visible(name)]);
  return html`<section class="card"><h2>Leaf by leaf</h2>
    <div class="inline-bar between"><span>${visible(run.label)}</span><${Select} name="first state" value=${left} options=${options(names)} onChoose=${(name) => change({ left: name })} />
      <span>and</span><${AnotherRun} runs=${runs} id=${other} none="this run" not=${run.id} />
      ${others.length > 0 && html`<${Select} name="second state" value=${right} options=${options(others)} onChoose=${(name) => change({ right: name })} />`}
      ${ranks.length > 1 && html`<${Select} name="rank" value=${rank} options=${[["", "all ranks together"], ...ranks.map((one) => [one, `rank ${visible(one)} alone`])]} onChoose=${(one) => change({ rank: one })} />`}</div>
    <${Trouble} error=${theirs.error} />
    ${theirs.answer && others.length === 0 && html`<p class="dim">That run has no states.</p>`}
    ${!other && names.length < 2 && html`<p class="dim">There is one state alone; choose another run to compare it with.</p>`}
    ${right && (other || left !== right) && html`<${Leaves} of=${[`${run.id}:${left}`, `${other || run.id}:${right}`]} rank=${rank} />
      <${Command} what="the same in a terminal" command=${`samebit state diff '${run.id}:${visible(left)}' '${other || run.id}:${visible(right)}'`} />`}
  </section>`;
}
