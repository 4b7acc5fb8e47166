// The code of two runs, file by file: which files differ, and by which lines.

import { ask } from "../lib/api.js";
import { patch } from "../lib/diff.js";
import { html, useState } from "../lib/html.js";
import { several, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Trouble, Waiting } from "../parts/trouble.js";
import { Difference } from "./run_code.js";

const OPEN = 5;  // files whose lines are shown at once
const MOST = 200;

/** @param {{ids: [string, string], labels: [string, string]}} props */
export function CodeBetween({ ids, labels }) {
  const { answer, error, isCurrent } = useAnswer((signal) => Promise.all(ids.map((id) => ask(`runs/${encodeURIComponent(id)}/files`, {}, { signal }))), ids.join(","));
  if (error && isCurrent) return html`<${Trouble} error=${error} />`;
  if (!answer || !isCurrent) return html`<${Waiting} what="comparing the files of both…" />`;
  const changed = changes(...answer.map(({ files }) => files));
  if (changed.length === 0) return html`<p class="verdict-line"><strong class="ok">= the same code</strong>${` ${several(answer[0].files.length, "file")}`}</p>`;
  return html`<p class="verdict-line"><strong class="bad">≠ other code</strong>${` ${several(changed.length, "file")} differ${changed.length === 1 ? "s" : ""}, from ${visible(labels[0])} (−) to ${visible(labels[1])} (+)`}</p>
    ${changed.slice(0, MOST).map((one, at) => html`<${OneFile} key=${one.path} one=${one} ids=${ids} labels=${labels} isFirst=${at < OPEN && one.old !== undefined && one.now !== undefined} />`)}
    ${changed.length > MOST && html`<p class="dim">${`and ${several(changed.length - MOST, "file")} more`}</p>`}`;
}

function changes(before, after) {
  const [old, now] = [before, after].map((files) => new Map(files.map((file) => [file.path, file])));
  const paths = [...new Set([...old.keys(), ...now.keys()])].sort();
  return paths.map((path) => ({ path, old: old.get(path), now: now.get(path) }))
    .filter(({ old: a, now: b }) => a?.digest !== b?.digest || a?.kind !== b?.kind);
}

function OneFile({ one, ids, labels, isFirst }) {
  const [open, setOpen] = useState(isFirst);
  const how = !one.old ? "new" : !one.now ? "gone" : one.old.digest === one.now.digest ? `${one.old.kind} → ${one.now.kind}` : "";
  return html`<details class="file-between" open=${open} onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary><code>${visible(one.path)}</code>${how && html` <small>${how}</small>`}</summary>
    ${open && html`<${FileDifference} ids=${ids} labels=${labels} path=${one.path} has=${[one.old, one.now]} />`}</details>`;
}

/** The lines of one file in which two runs differ; what a run does not have is empty. */
export function FileDifference({ ids, labels, path, has = [true, true] }) {
  const { answer, error } = useAnswer((signal) => Promise.all(ids.map(async (id, at) => {
    if (!has[at]) return { text: "", cut: false };
    try {
      return await ask(`runs/${encodeURIComponent(id)}/file`, { path }, { signal });
    } catch (failed) {
      if (failed.status === 404) return { text: "", cut: false };
      throw failed;
    }
  })), `${ids} ${path}`);
  if (error) return html`<${Trouble} error=${error} />`;
  if (!answer) return html`<${Waiting} what="reading both…" />`;
  if (answer.some(({ text }) => text === null || text === undefined)) return html`<p class="dim">It is no text, so no lines are shown.</p>`;
  const found = patch(answer[0].text, answer[1].text, labels.map((label) => `${visible(label)}: ${visible(path)}`));
  return html`${answer.some(({ cut }) => cut) && html`<p class="dim">of the beginning of it</p>`}
    ${found ? html`<${Difference} text=${found} />` : html`<p class="dim">No line differs.</p>`}`;
}
