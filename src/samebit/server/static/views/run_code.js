// The code of a run: its files, and what differed from its commit, or differs from another run.

import { change } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { html } from "../lib/html.js";
import { label, useRuns } from "../lib/runs.js";
import { several, size, visible, visibleLines } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Ticks } from "../parts/ticks.js";
import { Trouble, Waiting } from "../parts/trouble.js";
import { CodeBetween } from "./run_code_between.js";
import { AnotherRun } from "./run_picker.js";

const MOST_LINES = 5000;

export function Code({ run, params }) {
  const { id } = run;
  const runs = useRuns();
  const files = useAnswer((signal) => ask(`runs/${id}/files`, {}, { signal }), id);
  const path = params.file ?? "";
  const other = params.with ?? "";
  const isBetween = !path && params.against === "run";
  const patch = useAnswer(path || isBetween ? null : (signal) => ask(`runs/${id}/patch`, {}, { signal }), path || isBetween ? "" : id);
  const file = useAnswer(path ? (signal) => ask(`runs/${id}/file`, { path }, { signal }) : null, path ? `${id} ${path}` : "");
  return html`<div class="code-view">
    <nav aria-label="files">
      <${Trouble} error=${files.error} />
      <button type="button" class="quiet" aria-pressed=${String(!path && !isBetween)}
        onClick=${() => change({ file: "", against: "" })}>what differs from the commit</button>
      <button type="button" class="quiet" aria-pressed=${String(isBetween)}
        onClick=${() => change({ file: "", against: "run" })}>what differs from another run</button>
      ${files.answer && html`<h3>${several(files.answer.files.length, "file")}</h3>`}
      ${files.answer?.files.map((one) => html`<button type="button" class="quiet file" key=${one.path}
        aria-pressed=${String(one.path === path)}
        onClick=${() => change({ file: one.path })}><span>${visible(one.path)}</span>
          <small>${size(one.size_bytes)}</small></button>`)}
    </nav>
    <div class="code-text">
      ${path ? html`<${File} found=${file} path=${path} />` : isBetween ? html`<${AnotherRun} runs=${runs} id=${other} not=${id} />
        ${other && html`<${CodeBetween} ids=${[other, id]} labels=${[label(runs, other), run.label]} />`}` : html`<${Patch} found=${patch} />`}
    </div>
  </div>`;
}

function File({ found: { answer, error, isCurrent }, path }) {
  if (error && isCurrent) return html`<${Trouble} error=${error} />`;
  if (!answer || !isCurrent) return html`<${Waiting} what="reading…" />`;
  if (answer.text === null || answer.text === undefined) return html`<p class="dim">${`${visible(path)} is no text (${size(answer.size_bytes)})`}</p>`;
  const lines = answer.text.split("\n");
  return html`<h2>${visible(path)}</h2>${answer.cut && html`<p class="dim">the beginning of it</p>`}
    <pre class="lines" tabindex="0"
      aria-label=${visible(path)}>${lines.slice(0, MOST_LINES).map((line, at) => html`<span key=${at} class="line">
        <i aria-hidden="true">${at + 1}</i>${visibleLines(line)}\n</span>`)}</pre>
    ${lines.length > MOST_LINES && html`<p class="dim">${`and ${lines.length - MOST_LINES} lines more`}</p>`}`;
}

function Patch({ found: { answer, error } }) {
  if (error) return html`<${Trouble} error=${error} />`;
  if (!answer) return html`<${Waiting} what="comparing…" />`;
  if (!answer.text) return html`<p class="dim">${answer.why ? html`<${Ticks} text=${answer.why} />` : "Nothing differs from the commit."}</p>`;
  return html`${answer.against && html`<p class="dim">against commit <code>${visible(answer.against)}</code></p>`}
    <${Difference} text=${answer.text} />`;
}

/** A patch, with its signs kept beside the colours. */
export function Difference({ text }) {
  const lines = text.split("\n");
  return html`<pre class="lines patch" tabindex="0" role="region" aria-label="differences">${lines.slice(0, MOST_LINES).map((line, at) => html`<span key=${at} class="line ${kind(line)}">${visibleLines(line)}\n</span>`)}</pre>
    ${lines.length > MOST_LINES && html`<p class="dim">${`and ${lines.length - MOST_LINES} lines more`}</p>`}`;
}

function kind(line) {
  if (/^(diff |index |--- |\+\+\+ )/.test(line)) return "of-file";
  return { "+": "added", "-": "removed", "@": "place" }[line[0]] ?? "";
}
