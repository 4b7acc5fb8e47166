// The numbers behind a chart: of each curve its ends, and exact points of one, for eyes and screen readers.

import { ask } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { csv, saveText } from "../lib/save.js";
import { count, duration, number, visible } from "../lib/text.js";
import { LineKey } from "../parts/line_key.js";
import { Trouble } from "../parts/trouble.js";

const MOST = 100;  // curves
const PAGE = 500;  // points at a time

export function ValueTable({ curves, metric, how }) {
  const [points, setPoints] = useState(null);
  const show = async (curve, offset = 0) => {
    try {
      const [from, to] = how.zoom && how.x === "step" ? how.zoom : [null, null];
      setPoints({ curve, offset, ...(await ask("curves/points", { id: curve.id, metric, from, to, offset })) });
    } catch (error) {
      setPoints({ curve, error });
    }
  };
  if (how.by.length > 0) return html`<${GroupTable} curves=${curves} metric=${metric} />`;
  return html`<div class="scroll values" tabindex="0" role="region" aria-label=${`values of ${visible(metric)}`}>
    <table class="plain"><thead><tr><th scope="col">run</th><th scope="col" class="numeric">last</th>
      <th scope="col" class="numeric">lowest</th>
      <th scope="col" class="numeric">highest</th><th scope="col" class="numeric">points</th><th scope="col">
        <span class="unseen">more</span></th></tr></thead>
    <tbody>${curves.slice(0, MOST).map((curve) => html`<tr key=${curve.id}>
      <th scope="row"><${LineKey} number=${curve.number} /> ${visible(curve.label)}</th>
      <td class="numeric">${number(end(curve.last))}</td><td class="numeric">${number(least(curve.low))}</td>
        <td class="numeric">${number(-least(curve.high, -1))}</td>
      <td class="numeric">${curve.points === undefined ? "" : count(curve.points)}${curve.odd ? html`<small>${` ${count(curve.odd)} not finite`}</small>` : ""}</td>
      <td>${curve.points !== undefined && html`<button type="button" class="quiet"
        aria-label=${`all points of ${visible(curve.label)}`}
          onClick=${() => show(curve)}>points</button>`}</td></tr>`)}</tbody></table>
    ${points && html`<${Points} points=${points} metric=${metric} show=${show} />`}
  </div>`;
}

/** Of each group its mean where it ends, with the interval and of how many runs it is there. */
function GroupTable({ curves, metric }) {
  const heads = ["last mean", "low", "high", "n there", "n in all"];
  return html`<div class="scroll values" tabindex="0" role="region" aria-label=${`values of ${visible(metric)}`}>
    <table class="plain"><thead><tr><th scope="col">group</th>${heads.map((head) => html`<th key=${head} scope="col" class="numeric">${head}</th>`)}</tr></thead>
    <tbody>${curves.slice(0, MOST).map(({ id, number: color, label, mean, low, high, count: counts, n }) => {
      const at = mean.findLastIndex(Number.isFinite);
      const has = at >= 0 && Number.isFinite(low[at]);
      return html`<tr key=${id}><th scope="row"><${LineKey} number=${color} /> ${visible(label)}</th>
        <td class="numeric">${at < 0 ? "—" : number(mean[at])}</td><td class="numeric">${has ? number(low[at]) : "—"}</td>
        <td class="numeric">${has ? number(high[at]) : "—"}</td><td class="numeric">${at < 0 ? 0 : count(counts[at])}</td><td class="numeric">${count(n)}</td></tr>`;
    })}</tbody></table></div>`;
}

function Points({ points, metric, show }) {
  const [from, setFrom] = useState(0);
  if (points.error) return html`<${Trouble} error=${points.error} />`;
  const shown = points.points.slice(from, from + PAGE);
  const save = () => saveText(csv([["step", metric, "seconds"], ...points.points]), "points.csv", "text/csv");
  const step = (by) => {
    const next = from + by;
    if (next >= points.points.length && points.next) show(points.curve, points.next).then(() => setFrom(0));
    else setFrom(Math.max(0, Math.min(points.points.length - 1, next)));
  };
  return html`<h3>${`${visible(points.curve.label)}: ${count(points.total)} points, exactly`}</h3>
    <p><button type="button" class="quiet" disabled=${from === 0 && points.offset === 0}
      onClick=${() => (from === 0 ? show(points.curve, Math.max(0, points.offset - 10_000)) : step(-PAGE))}>before</button>
      <button type="button" class="quiet" disabled=${from + PAGE >= points.points.length && !points.next}
        onClick=${() => step(PAGE)}>after</button>
      <button type="button" class="quiet" onClick=${save}>save as CSV</button></p>
    <table class="plain"><thead><tr><th scope="col" class="numeric">step</th><th scope="col" class="numeric">value</th>
      <th scope="col" class="numeric">since the start</th></tr></thead>
      <tbody>${shown.map(([at, value, seconds], nth) => html`<tr key=${nth}><td class="numeric">${number(at)}</td>
        <td class="numeric mono">${String(value)}</td>
        <td class="numeric">${duration(seconds)}</td></tr>`)}</tbody></table>`;
}

function end(values) {
  for (let at = values.length - 1; at >= 0; at--) if (values[at] === values[at]) return values[at];
  return NaN;
}

function least(values, sign = 1) {
  let found = Infinity;
  for (const value of values ?? []) if (sign * value < found) found = sign * value;
  return found === Infinity ? NaN : found;
}
