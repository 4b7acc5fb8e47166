// Two states leaf by leaf: which are equal at once, how far apart the others are when somebody asks.

import { packed } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { classes, html, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import { count, number, several, size, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Trouble, Waiting } from "../parts/trouble.js";

const BY_ITSELF = 64_000_000;  // bytes of leaves whose numbers are asked for without a question
const SHOWN = 300;  // rows at first
const HEADS = [["place", "leaf"], ["dtype", "dtype"], ["shape", "shape"], ["size_bytes", "size", true], ["differing", "elements that differ", true],
  ["max_abs", "max abs", true], ["max_ulp", "max ULP", true]];

/** @param {{of: [string, string], rank: string}} props - `RUN:STATE` twice; of many ranks as this one kept them */
export function Leaves({ of, rank = "" }) {
  const asking = { of: packed(of), rank };
  const key = JSON.stringify(asking);
  const { answer, error, isCurrent } = useAnswer((signal) => ask("states", asking, { signal }), key);
  const [numbers, ask_] = useNumbers(asking, key);
  const [sort, setSort] = useState(["", 1]);
  const [all, setAll] = useState(false);
  const [most, setMost] = useState(SHOWN);
  const measurable = useMemo(() => (answer?.leaves ?? []).filter((leaf) => leaf.measurable), [answer]);
  const bytes = measurable.reduce((sum, leaf) => sum + leaf.size_bytes, 0);
  useEffect(() => { if (isCurrent && measurable.length > 0 && bytes <= BY_ITSELF) ask_(measurable); }, [answer, isCurrent]);
  if (error && isCurrent) return html`<${Trouble} error=${error} />`;
  if (!answer || !isCurrent) return html`<${Waiting} what="comparing their digests…" />`;
  const apart = answer.total - answer.equal;
  const rows = sorted(answer.leaves.filter((leaf) => all || leaf.equal !== true), numbers, sort);
  const waiting = measurable.filter(({ place }) => !numbers.has(place)).length;
  return html`<div class="leaves">
    <p class="verdict-line" role="status"><strong class=${apart || answer.values.length ? "bad" : "ok"}>${apart || answer.values.length ? "≠ different" : "= equal to the bit"}</strong>
      ${` ${apart ? `${count(apart)} of ${several(answer.total, "leaf", "leaves")} differ` : `all ${several(answer.total, "leaf", "leaves")} are equal`}${answer.values.length ? `, and ${several(answer.values.length, "plain value")}` : ""}`}</p>
    <p class="inline-bar"><label class="toggle"><input type="checkbox" checked=${!all} onChange=${(event) => setAll(!event.target.checked)} /> only what differs</label>
      ${waiting > 0 && html`<button type="button" onClick=${() => ask_(measurable)}>${`numbers of ${several(waiting, "leaf", "leaves")} (reads twice ${size(bytes)})`}</button>`}</p>
    ${rows.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="leaves of both states"><table class="plain leaf-table">
      <thead><tr>${HEADS.map(([name, title, isNumber]) => html`<th key=${name} scope="col" class=${classes(isNumber && "numeric")}
        aria-sort=${sort[0] === name ? (sort[1] > 0 ? "ascending" : "descending") : "none"}>
        <button type="button" class="quiet" onClick=${() => setSort([name, sort[0] === name ? -sort[1] : isNumber ? -1 : 1])}>${title}${sort[0] === name ? (sort[1] > 0 ? " ↑" : " ↓") : ""}</button></th>`)}</tr></thead>
      <tbody>${rows.slice(0, most).map((leaf) => html`<${Row} key=${leaf.place} leaf=${leaf} found=${numbers.get(leaf.place)} onAsk=${() => ask_([leaf])} />`)}</tbody></table></div>`}
    ${rows.length > most && html`<p><button type="button" onClick=${() => setMost(most + 1000)}>${`${count(rows.length - most)} more`}</button></p>`}
    ${answer.total > answer.leaves.length && html`<p class="dim">${`the first ${count(answer.leaves.length)} of ${count(answer.total)} leaves`}</p>`}
    ${answer.values.length > 0 && html`<${Values} answer=${answer} />`}
  </div>`;
}

/** The numbers that were asked for by leaf, one leaf after the other; and what asks for more. */
function useNumbers(asking, key) {
  const [found, setFound] = useState({ key, numbers: new Map() });
  const queue = useRef([]);
  const control = useRef(null);
  useEffect(() => {
    queue.current = [];
    control.current = new AbortController();
    setFound({ key, numbers: new Map() });
    return () => control.current.abort();
  }, [key]);
  const put = (place, what) => setFound((before) => (before.key === key ? { key, numbers: new Map(before.numbers).set(place, what) } : before));
  const more = async (leaves) => {
    const isBusy = queue.current.length > 0;
    const waits = new Set(queue.current);
    for (const { place } of leaves) if (!waits.has(place) && (!found.numbers.has(place) || found.numbers.get(place).error)) queue.current.push(place);
    if (isBusy) return;
    const { signal } = control.current;
    while (queue.current.length > 0 && !signal.aborted) {
      const place = queue.current[0];
      put(place, { isBusy: true });
      try {
        put(place, await ask("states/leaf", { ...asking, place }, { signal }));
      } catch (error) {
        if (error.name === "AbortError") return;
        put(place, { error });
      }
      queue.current.shift();
    }
  };
  return [found.key === key ? found.numbers : new Map(), more];
}

function sorted(rows, numbers, [name, way]) {
  if (!name) return rows;
  const value = (leaf) => ({
    place: leaf.place, dtype: dtype(leaf), shape: shape(leaf), size_bytes: leaf.size_bytes,
  }[name] ?? numbers.get(leaf.place)?.[name] ?? -1);
  return [...rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    return way * (a < b ? -1 : a > b ? 1 : 0);
  });
}

const both = (pair, said) => {
  const [first, second] = pair.map((one) => (one === null ? null : said(one)));
  return first === second || second === null ? first : first === null ? second : `${first} → ${second}`;
};
const dtype = (leaf) => both(leaf.dtypes, visible);
const shape = (leaf) => both(leaf.shapes, (sides) => sides.join(" × ") || "scalar");

function Row({ leaf, found, onAsk }) {
  return html`<tr class=${classes(leaf.equal !== true && "differs")}>
    <th scope="row" class="mono">${visible(leaf.place)}</th><td>${dtype(leaf)}</td><td class="nowrap">${shape(leaf)}</td><td class="numeric nowrap">${size(leaf.size_bytes)}</td>
    <${Apart} leaf=${leaf} found=${found} onAsk=${onAsk} /></tr>`;
}

function Apart({ leaf, found, onAsk }) {
  const alone = leaf.dtypes.indexOf(null);
  const span = (what) => html`<td colspan="3">${what}</td>`;
  if (alone >= 0) return span(`only the ${alone === 0 ? "second" : "first"} has it`);
  if (leaf.equal === true) return span(html`<span class="dim">= equal</span>`);
  if (dtype(leaf).includes("→") || shape(leaf).includes("→")) return span("≠ of another form");
  if (!leaf.measurable) return span("≠ different; only digests were kept");
  if (!found) return span(html`<button type="button" class="quiet" aria-label=${`numbers of ${visible(leaf.place)}`} onClick=${onAsk}>numbers</button>`);
  if (found.isBusy) return span(html`<span class="dim">reading…</span>`);
  if (found.error) return span(html`<span class="bad">${visible(found.error.message)}</span> <button type="button" class="quiet" onClick=${onAsk}>again</button>`);
  if (found.differing === null) return span(`≠ different; ${visible(found.why)}`);
  if (found.differing === 0) return span(html`<span class="dim">= equal</span>`);
  const remark = found.why || (found.nan ? `${count(found.nan)} NaN on one side` : "");
  return html`<td class="numeric nowrap">${`${count(found.differing)} of ${count(found.elements)}`}</td>
    <td class="numeric nowrap" title=${String(found.max_abs ?? "")}>${found.max_abs === null ? "" : number(found.max_abs)}${remark && html`<small>${` ${visible(remark)}`}</small>`}</td>
    <td class="numeric nowrap">${found.max_ulp === null ? "" : count(found.max_ulp)}</td>`;
}

function Values({ answer }) {
  return html`<h3>plain values</h3><div class="scroll" tabindex="0" role="region" aria-label="plain values that differ"><table class="plain">
    <thead><tr><th scope="col">place</th>${answer.sides.map((side, at) => html`<th key=${at} scope="col">${`${visible(side.label)}: ${visible(side.name)}`}</th>`)}</tr></thead>
    <tbody>${answer.values.map(({ place, first, second }) => html`<tr key=${place}><th scope="row" class="mono">${visible(place)}</th>
      ${[first, second].map((value, at) => html`<td key=${at} class="mono">${value === null ? html`<span class="dim">not there</span>` : visible(value)}</td>`)}</tr>`)}</tbody></table></div>`;
}
