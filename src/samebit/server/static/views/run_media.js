// What a run logged beside numbers, by name, a step at a time: pictures, tables, histograms, texts, sound, films.

import { change } from "../lib/address.js";
import { address, ask, askText, askWhether } from "../lib/api.js";
import { html, useMemo, useState } from "../lib/html.js";
import { count, number, several, shown, size, visible, visibleLines } from "../lib/text.js";
import { Bars } from "../charts/bars.js";
import { useAnswer } from "../parts/asking.js";
import { Trouble, Waiting } from "../parts/trouble.js";
import { OverSteps } from "./run_histograms.js";

const SMALL = 64;  // pixels; such a picture is drawn larger, each of its pixels as a square
const MOST_ROWS = 200;
const MOST_BYTES = 5_000_000;  // of a text or a table that is shown here; a larger one is a file

export function Media({ run, params }) {
  const byName = useMemo(() => {
    const found = new Map();
    for (const one of run.media) found.set(one.name, [...(found.get(one.name) ?? []), one]);
    return [...found];
  }, [run.media]);
  if (byName.length === 0) return html`<p class="dim">this run logged numbers and texts alone</p>`;
  return html`${byName.map(([name, all]) => html`<${Named} key=${name} run=${run} name=${name} all=${all} params=${params} />`)}`;
}

/** All of one name; the slider goes from step to step, of every name the same. */
function Named({ run, name, all, params }) {
  const steps = [...new Set(all.map((one) => one.step))].sort((one, other) => one - other);
  const step = stepOf(steps, params);
  const [isWhole, setWhole] = useState(false);
  const histograms = all.filter((one) => one.kind === "histogram" && one.at === 0 && one.kept);
  return html`<section class="card"><h2>${visible(name)}</h2>
    <${Steps} steps=${steps} step=${step} name=${name}>${histograms.length > 1 && html`<button type="button" class="quiet" aria-pressed=${String(isWhole)}
      onClick=${() => setWhole(!isWhole)}>over its steps</button>`}</${Steps}>
    ${isWhole ? html`<${OverSteps} run=${run.id} name=${name} all=${histograms} />`
      : html`<${Things} run=${run.id} these=${all.filter((one) => one.step === steps[steps.indexOf(step)])} />`}</section>`;
}

/** The step that an address asks for, or the last before it; without one the last. */
export function stepOf(steps, params) {
  const asked = Number(params.step ?? NaN);
  return Number.isNaN(asked) ? steps.at(-1) : steps[Math.max(0, steps.findLastIndex((one) => one <= asked))];
}

export function Steps({ steps, step, name, children }) {
  return html`<p class="dim step-slider"><label>${`step ${count(step)} `}${steps.length > 1 && html`<input type="range" min="0" max=${steps.length - 1} value=${steps.indexOf(step)}
    aria-label=${`step of ${visible(name)}`} aria-valuetext=${`step ${step}`}
    onInput=${(event) => change({ step: steps[Number(event.target.value)] }, { replace: true })} />`}</label> ${steps.length > 1 && several(steps.length, "step")} ${children}</p>`;
}

/** What was logged at one step under one name, in its order. */
export function Things({ run, these, whose = "" }) {
  const kind = /image|figure|video/.test(these[0].kind) ? "pictures" : "";
  return html`<div class=${`media ${kind}`}>${[...these].sort((one, other) => one.at - other.at).map((one) => html`<figure key=${`${one.step} ${one.at}`}>
    <${Thing} run=${run} one=${one} whose=${whose} />
    <figcaption>${[one.caption && visible(one.caption), about(one)].filter(Boolean).join(" · ")}</figcaption></figure>`)}</div>`;
}

function about({ about: facts, size_bytes: bytes }) {
  const sides = facts?.width ? `${facts.width} × ${facts.height}` : "";
  const long = facts?.seconds ? `${number(facts.seconds)} s` : "";
  return [sides, long, size(bytes)].filter(Boolean).join(", ");
}

/** One thing, from its own address; what the page does not know is a file to take. */
function Thing({ run, one, whose = "" }) {
  const path = `media/${encodeURIComponent(one.digest)}`;
  const href = address(path, { run });
  const what = (whose && `${visible(whose)}: `) + visible(one.caption ?? `${one.name}, step ${one.step}`);
  if (!one.kept) return html`<p class="dim">its bytes were not kept</p>`;
  if (/^(image|audio|video)\//.test(one.type)) return html`<${Played} key=${one.digest} run=${run} one=${one} what=${what} path=${path} />`;
  if (one.size_bytes <= MOST_BYTES && one.kind in READ) return html`<${Read} run=${run} one=${one} what=${what} path=${path} />`;
  return html`<a href=${href} download="">${`${visible(one.kind)}, ${visible(one.type)}`}</a>`;
}

/** What a browser shows by itself; where it cannot, why. */
function Played({ run, one, what, path }) {
  const [isBroken, setBroken] = useState(false);
  const { answer, error } = useAnswer(isBroken ? (signal) => askWhether(path, { run }, { signal }) : null, `${one.digest} ${isBroken}`);
  const href = address(path, { run });
  const onError = () => setBroken(true);
  if (error) return html`<${Trouble} error=${error} />`;
  if (answer) return html`<p class="other">This browser cannot show it: <a href=${href} download="">the file</a></p>`;
  if (one.type.startsWith("audio/")) return html`<audio src=${href} controls aria-label=${what} preload="none" onError=${onError}></audio>`;
  if (one.type.startsWith("video/")) return html`<video src=${href} controls aria-label=${what} preload="none" onError=${onError}></video>`;
  const picture = html`<img class=${one.about?.width < SMALL ? "small" : ""} src=${href} alt=${what} loading="lazy" onError=${onError} />`;
  return one.about?.width < SMALL ? picture : html`<a href=${href} target="_blank" rel="noopener noreferrer" title="by itself, in its own size">${picture}</a>`;
}

const READ = { __proto__: null, text: Text, histogram: Histogram, table: Table };

function Read({ run, one, what, path }) {
  const { answer, error } = useAnswer((signal) => (one.kind === "text"
    ? askText(path, { run }, { signal }) : ask(path, { run }, { signal })), one.digest);
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
  const [[by, way], setSort] = useState([-1, 1]);
  const shownRows = by < 0 ? rows : [...rows].sort((one, other) => way * order(list(one)[by], list(other)[by]));
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${what}><table class="plain"><thead>
    <tr>${list(value?.columns).map((name, at) => html`<th key=${at} scope="col" aria-sort=${by === at ? (way > 0 ? "ascending" : "descending") : "none"}>
      <button type="button" class="quiet" onClick=${() => setSort([at, by === at ? -way : 1])}>${shown(name)}${by === at ? (way > 0 ? " ↑" : " ↓") : ""}</button></th>`)}</tr></thead>
    <tbody>${shownRows.slice(0, MOST_ROWS).map((row, nth) => html`<tr key=${nth}>${list(row).map((cell, at) => html`<td key=${at} class=${typeof cell === "number" ? "numeric" : ""} title=${typeof cell === "number" ? String(cell) : undefined}>${typeof cell?.media?.object === "string"
      ? html`<${Thing} run=${run} one=${{ ...cell.media, name: what, step: nth, digest: cell.media.object, kept: true }} />` : shown(cell)}</td>`)}</tr>`)}</tbody></table></div>
    ${rows.length > MOST_ROWS && html`<p class="dim">${`and ${several(rows.length - MOST_ROWS, "row")} more`}</p>`}`;
}

/** Numbers by their size, everything else as its text; numbers come first. */
function order(one, other) {
  const [a, b] = [one, other].map((cell) => (typeof cell === "bigint" ? Number(cell) : cell));
  if (typeof a === "number" && typeof b === "number") return a - b || Number.isNaN(a) - Number.isNaN(b);
  if (typeof a === "number" || typeof b === "number") return typeof a === "number" ? -1 : 1;
  return shown(a).localeCompare(shown(b));
}
