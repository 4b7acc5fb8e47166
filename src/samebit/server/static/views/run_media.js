// What a run logged beside numbers, by name, a step at a time: pictures, tables, histograms, texts, sound, films.

import { change } from "../lib/address.js";
import { address, ask } from "../lib/api.js";
import { html, useMemo } from "../lib/html.js";
import { count, number, several, shown, size, visible, visibleLines } from "../lib/text.js";
import { Bars } from "../charts/bars.js";
import { useAnswer } from "../parts/asking.js";
import { Trouble, Waiting } from "../parts/trouble.js";

const SMALL = 64;  // pixels; such a picture is drawn larger, each of its pixels as a square
const MOST_ROWS = 200;
const MOST_BYTES = 5_000_000;  // of a text or a table that is shown here; a larger one is a file

export function Media({ run, params }) {
  const byName = useMemo(() => {
    const found = new Map();
    for (const one of run.media) found.set(one.name, [...(found.get(one.name) ?? []), one]);
    return [...found];
  }, [run.media]);
  return html`${byName.map(([name, all]) => html`<${Named} key=${name} run=${run} name=${name} all=${all} step=${Number(params.step ?? NaN)} />`)}`;
}

/** All of one name; the slider goes from step to step, of every name the same. */
function Named({ run, name, all, step }) {
  const steps = [...new Set(all.map((one) => one.step))].sort((one, other) => one - other);
  const at = Number.isNaN(step) ? steps.length - 1 : Math.max(0, steps.findLastIndex((one) => one <= step));
  const these = all.filter((one) => one.step === steps[at]).sort((one, other) => one.at - other.at);
  return html`<section class="card"><h2>${visible(name)}</h2>
    <p class="dim"><label>${`step ${count(steps[at])} `}${steps.length > 1 && html`<input type="range" min="0" max=${steps.length - 1} value=${at}
      aria-valuetext=${`step ${steps[at]}`}
      onInput=${(event) => change({ step: steps[Number(event.target.value)] }, { replace: true })} />`}</label> ${steps.length > 1 && several(steps.length, "step")}</p>
    <div class=${`media ${/image|figure|video/.test(these[0].kind) ? "pictures" : ""}`}>${these.map((one) => html`<figure key=${one.at}>
      <${Thing} run=${run} one=${one} />
      <figcaption>${[one.caption && visible(one.caption), about(one)].filter(Boolean).join(" · ")}</figcaption></figure>`)}</div></section>`;
}

function about({ about: facts, size_bytes: bytes }) {
  const sides = facts?.width ? `${facts.width} × ${facts.height}` : "";
  const long = facts?.seconds ? `${number(facts.seconds)} s` : "";
  return [sides, long, size(bytes)].filter(Boolean).join(", ");
}

/** One thing, from its own address; what the page does not know is a file to take. */
function Thing({ run, one }) {
  const path = `media/${encodeURIComponent(one.digest)}`;
  const href = address(path, { run: run.id });
  const what = visible(one.caption ?? `${one.name}, step ${one.step}`);
  if (!one.kept) return html`<p class="dim">its bytes were not kept</p>`;
  if (/^image\//.test(one.type)) return html`<img class=${one.about?.width < SMALL ? "small" : ""} src=${href} alt=${what} loading="lazy" />`;
  if (/^audio\//.test(one.type)) return html`<audio src=${href} controls aria-label=${what} preload="none"></audio>`;
  if (/^video\//.test(one.type)) return html`<video src=${href} controls aria-label=${what} preload="none"></video>`;
  if (one.size_bytes <= MOST_BYTES && one.kind in READ) return html`<${Read} run=${run} one=${one} what=${what} path=${path} />`;
  return html`<a href=${href} download>${`${visible(one.kind)}, ${visible(one.type)}`}</a>`;
}

const READ = { text: Text, histogram: Histogram, table: Table };

function Read({ run, one, what, path }) {
  const { answer, error } = useAnswer((signal) => (one.kind === "text"
    ? fetch(address(path, { run: run.id }), { signal }).then((response) => response.text()) : ask(path, { run: run.id }, { signal })), one.digest);
  if (error) return html`<${Trouble} error=${error} />`;
  if (answer === null) return html`<${Waiting} what="reading…" />`;
  const View = READ[one.kind];
  return html`<${View} value=${answer} what=${what} run=${run} />`;
}

/** A list, of whatever a stranger wrote where there should be one. */
function list(value) {
  return Array.isArray(value) ? value : [];
}

function Text({ value, what }) {
  return html`<pre class="console text" tabindex="0" aria-label=${what}>${visibleLines(value)}</pre>`;
}

function Histogram({ value, what }) {
  const others = ["nan", "above", "below"].filter((name) => Number(value?.[name]) > 0).map((name) => `${count(value[name])} ${{ nan: "no numbers", above: "+inf", below: "-inf" }[name]}`);
  return html`<${Bars} counts=${list(value?.counts).map(Number)} edges=${list(value?.edges).map(Number)} label=${what} />${others.length > 0 && html`<small>${others.join(", ")}</small>`}`;
}

function Table({ value, what, run }) {
  const rows = list(value?.rows);
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${what}><table class="plain"><thead>
    <tr>${list(value?.columns).map((name, at) => html`<th key=${at} scope="col">${shown(name)}</th>`)}</tr></thead>
    <tbody>${rows.slice(0, MOST_ROWS).map((row, nth) => html`<tr key=${nth}>${list(row).map((cell, at) => html`<td key=${at} class=${typeof cell === "number" ? "numeric" : ""}>${typeof cell?.media?.object === "string"
      ? html`<${Thing} run=${run} one=${{ ...cell.media, name: what, step: nth, digest: cell.media.object, kept: true }} />` : shown(cell)}</td>`)}</tr>`)}</tbody></table></div>
    ${rows.length > MOST_ROWS && html`<p class="dim">${`and ${several(rows.length - MOST_ROWS, "row")} more`}</p>`}`;
}
