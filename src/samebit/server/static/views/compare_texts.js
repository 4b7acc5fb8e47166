// A text that is too long for a cell: where the one of a run differs from that of another, word by word, or all of it.

import { ask } from "../lib/api.js";
import { between } from "../lib/diff.js";
import { html, useMemo, useState } from "../lib/html.js";
import { count, several, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { longAt } from "../parts/long.js";
import { Trouble, Waiting } from "../parts/trouble.js";
import { LONG } from "./compare_table.js";

const AROUND = 120;  // letters of what is the same that stay beside a difference
const MOST_EDITS = 500;  // words; more, and the one is another text
const MOST_PARTS = 2000;  // that are elements
const WORD = /\\n|\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu;  // `\n` is how the end of a line is written

/** Whether a row has a value of which a cell has not all. */
export const hasLong = (row) => row.values.some((value, at) => (value?.length ?? 0) > LONG || longAt(row, at));

/** @param {{row: object, section: string, ids: string[], labels: string[]}} props - as `compare` answers; of more than two runs the last that has another text. */
export function Texts({ row, section, ids, labels }) {
  const sign = (at) => JSON.stringify([row.values[at], longAt(row, at)?.digest]);
  const there = ids.map((_, at) => at).filter((at) => row.values[at] !== null);
  const first = there[0];
  const other = there.findLast((at) => sign(at) !== sign(first)) ?? first;
  const [isWhole, setWhole] = useState(false);
  const { answer, error, isCurrent } = useAnswer((signal) => Promise.all([...new Set([first, other])].map(async (at) => (longAt(row, at)
    ? ask("compare/text", { id: ids[at], section, key: row.key }, { signal }) : { text: row.values[at], characters: row.values[at].length }))),
  JSON.stringify([section, row.key, ids[first], ids[other]]));
  const parts = useMemo(() => (answer ? partsOf(answer.map(({ text }) => text)) : []), [answer]);
  if (error && isCurrent) return html`<${Trouble} error=${error} />`;
  if (!answer || !isCurrent) return html`<${Waiting} what="reading all of it…" />`;
  const isCut = answer.some(({ text, characters }) => text.length < characters);
  const told = isWhole || other === first ? parts : parts.flatMap(shortened);
  return html`<h3>${`${visible(row.key)}${other === first ? "" : `, from ${visible(labels[first])} (−) to ${visible(labels[other])} (+)`}`}</h3>
    <p class="inline-bar"><span class="dim">${answer.slice(0, -1).map(({ characters }) => `${count(characters)} and `)}${several(answer.at(-1).characters, "character")}${isCut ? ", of which the beginning is here" : ""}</span>
      ${other !== first && html`\u2003<label class="toggle"><input type="checkbox" checked=${isWhole} onChange=${(event) => setWhole(event.target.checked)} /> all of it</label>`}</p>
    <pre class="console text words" tabindex="0" aria-label=${`${visible(row.key)} as a text`}>${told.slice(0, MOST_PARTS).map(([kind, text], at) => html`<${Words} key=${at} kind=${kind} text=${text} />`)}</pre>
    ${told.length > MOST_PARTS && html`<p class="dim">${`and ${several(told.length - MOST_PARTS, "part")} more`}</p>`}`;
}

/** Some words that are gone (−), new (+), in both, or left out. */
function Words({ kind, text }) {
  if (kind === "…") return html`<span class="left-out">${`… ${text} the same …`}</span>`;
  const lines = visible(text).replaceAll("\\n", "\\n\n");  // and a line ends there
  return kind === "-" ? html`<del>${lines}</del>` : kind === "+" ? html`<ins>${lines}</ins>` : lines;
}

/** @returns {Array<[string, string]>} what leads from the first to the last text: stretches, each with its sign. */
function partsOf(texts) {
  if (texts.length < 2) return [[" ", texts[0]]];
  const found = [];
  for (const [sign, word] of between(...texts.map((text) => text.match(WORD) ?? []), MOST_EDITS)) {
    if (found.at(-1)?.[0] === sign) found.at(-1)[1].push(word);
    else found.push([sign, [word]]);
  }
  return found.map(([sign, words]) => [sign, words.join("")]);
}

/** Of a long stretch that is the same its ends, beside what differs. */
function shortened([sign, text], at, all) {
  const [before, after] = [at > 0 ? AROUND : 0, at < all.length - 1 ? AROUND : 0];
  if (sign !== " " || text.length <= before + after + AROUND) return [[sign, text]];
  const left = text.length - before - after;
  return [[" ", text.slice(0, before)], ["…", several(left, "character")], [" ", text.slice(text.length - after)]].filter(([, one]) => one !== "");
}
