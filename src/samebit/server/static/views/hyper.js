// Hyper-parameters and what they came to: parallel coordinates, importance, scatter; brushes filter the runs.

import { change, go, link, packed, unpacked } from "../lib/address.js";
import { bestOf, isMetric, sorted } from "../lib/columns.js";
import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { importance, METHOD } from "../lib/importance.js";
import { label, useRuns, want } from "../lib/runs.js";
import { count, number, several, shown, title, visible } from "../lib/text.js";
import { axisOf } from "../charts/axes.js";
import { Parallel } from "../charts/parallel.js";
import { Scatter } from "../charts/scatter.js";
import { Item, Menu } from "../parts/menu.js";
import { Empty, Trouble, Waiting } from "../parts/trouble.js";
import { useChosen } from "./curves.js";
import { Choices, FilterBox } from "./runs_bar.js";

const MOST_AXES = 7;  // at first
const FEWEST_AXES = 4;
const LEAST_SHARE = 0.005;
const LISTED = 30;

export function Hyper({ params }) {
  const runs = useRuns();
  const chosen = useChosen(runs, params, 100_000);
  const keys = useMemo(() => runs.keys.filter(({ key, distinct }) => key.startsWith("config.") && distinct > 1).map(({ key }) => key), [runs.keys]);
  const metrics = useMemo(() => runs.keys.map(({ key }) => key).filter(isMetric), [runs.keys]);
  useEffect(() => { want([...keys, ...metrics]); }, [keys, metrics, runs.phase]);
  if (runs.phase !== "here") return html`<main id="main"><${Waiting} what="reading the store…" /></main>`;
  const metric = params.metric ?? preferred(runs, metrics);
  return html`<main id="main" class="hyper">
    <h1 class="unseen">Hyper-parameters</h1>
    <${Trouble} error=${chosen.error} />
    ${!metric || keys.length === 0 ? html`<${Empty} title="Nothing to relate">
      <p>${metric ? "No setting differs between these runs." : "These runs have no metrics."}</p></${Empty}>`
      : html`<${Related} runs=${runs} ids=${chosen.ids} keys=${keys.filter((key) => runs.columns.has(key))} metrics=${metrics} metric=${metric} params=${params} error=${chosen.error} />`}
  </main>`;
}

/** The metric that looks most like a result: one of validation. */
function preferred(runs, metrics) {
  return metrics.find((key) => /(val|test|eval).*(acc|f1|auc|score)/i.test(key)) ?? metrics.find((key) => /acc|score|reward/i.test(key))
    ?? metrics.find((key) => /loss/i.test(key)) ?? metrics.find((key) => runs.columns.get(key)?.varies) ?? metrics[0];
}

/** `config.lr:0.2~0.8`: of each brushed axis its range of shares. */
function parseBrushes(text) {
  return new Map(unpacked(text).map((one) => /^(.*):([\d.e-]+)~([\d.e-]+)$/.exec(one)).filter(Boolean).map(([, key, low, high]) => [key, [Number(low), Number(high)]]));
}

const formatBrushes = (brushes) => packed([...brushes].map(([key, [low, high]]) => `${key}:${low.toFixed(3)}~${high.toFixed(3)}`));

function Related({ runs, ids, keys, metrics, metric, params, error }) {
  const rows = useMemo(() => Int32Array.from(ids.map((id) => runs.rowOf.get(id)).filter((row) => row !== undefined)), [ids, runs.rowOf]);
  const column = runs.columns.get(metric);
  const results = useMemo(() => Float64Array.from(rows, (row) => number_(column?.get(row))), [rows, column]);
  const weights = useMemo(() => keys.map((key) => ({ key, ...importance(Array.from(rows, (row) => runs.columns.get(key).get(row)), results) }))
    .filter(({ n }) => n).sort((one, other) => other.share - one.share), [rows, results, keys, runs.columns]);
  const shownKeys = params.axes ? unpacked(params.axes).filter((key) => runs.columns.has(key))
    : (weights.length ? weights.filter(({ share }, at) => share > LEAST_SHARE || at < FEWEST_AXES).map(({ key }) => key) : keys).slice(0, MOST_AXES);
  const logs = new Set(params.log === undefined ? shownKeys.filter((key) => wantsLog(runs.columns.get(key), rows)) : unpacked(params.log));
  const flips = new Set(unpacked(params.flip));
  const axes = useMemo(() => [...shownKeys, metric].map((key) => ({
    key, name: key, title: title(key), isResult: key === metric,
    axis: axisOf(runs.columns.get(key), rows, { isLog: logs.has(key), isFlipped: flips.has(key) }),
    menu: html`<${AxisMenu} name=${key} isResult=${key === metric} keys=${shownKeys} logs=${logs} flips=${flips} />`,
  })), [shownKeys.join(), metric, rows, runs.columns, params.log, params.flip]);
  const brushes = useMemo(() => parseBrushes(params.brush), [params.brush]);
  const kept = useMemo(() => keptBy(brushes, axes, rows.length), [brushes, axes]);
  const tones = axes.at(-1).axis.shares;
  const onBrush = (key, range) => {
    const next = new Map(brushes);
    if (range) next.set(key, range);
    else next.delete(key);
    change({ brush: formatBrushes(next) }, { replace: true });
  };
  const [bright, setBright] = useState(-1);
  const many = kept.reduce((sum, one) => sum + one, 0);
  const best = bestOf(metric);
  const order = useMemo(() => sorted(Int32Array.from(rows).filter((_, at) => kept[at]), column, best === "max"), [kept, rows, column]);
  const across = params.across && runs.columns.has(params.across) ? params.across : shownKeys[0] ?? keys[0];
  const x = useMemo(() => axisOf(runs.columns.get(across), rows, { isLog: logs.has(across) }), [across, rows, runs.columns, params.log]);
  const filter = filterText(brushes, axes);
  return html`
    <div class="chart-bar">
      ${!params.ids && html`<${FilterBox} where=${params.where ?? ""} error=${error} />`}
      <label>result <select value=${metric}
        onChange=${(event) => change({ metric: event.target.value, brush: "" })}>${metrics.map((key) => html`<option key=${key} value=${key}>${title(key)}</option>`)}</select></label>
      <${Menu} isPanel label="Axes" name="axes that are shown">${() => html`<${Choices} keys=${keys.map((key) => ({ key, distinct: runs.keys.find((one) => one.key === key)?.distinct }))}
        isOn=${(key) => shownKeys.includes(key)} what="axes" toggle=${(key) => change({ axes: packed(shownKeys.includes(key) ? shownKeys.filter((one) => one !== key) : [...shownKeys, key]) })} />`}</${Menu}>
      <span class="count" role="status">${brushes.size ? `${count(many)} of ${several(rows.length, "run")}` : several(rows.length, "run")}</span>
      ${brushes.size > 0 && html`<button type="button" onClick=${() => change({ brush: "" })}>no brushes</button>
        <a class="button" href=${link("runs", { where: params.where && !params.ids ? `(${params.where}) and ${filter}` : filter })}>these in the table</a>`}
      <span class="grow"></span>
      <small>${`${title(metric)} ${number(extent(results)[0])} `}
        <span class="ramp"></span>${` ${number(extent(results)[1])}`}</small>
    </div>
    <section aria-label="parallel coordinates">
      <${Parallel} axes=${axes} brushes=${brushes} onBrush=${onBrush} kept=${kept} tones=${tones} bright=${bright}
        label=${`parallel coordinates of ${several(rows.length, "run")}, ${several(shownKeys.length, "key")}; the table below has the same`} />
    </section>
    <div class="hyper-low">
      <section><h2>${`Which matters for ${title(metric)}`}</h2><${Weights} weights=${weights} across=${across} /></section>
      <section><h2>${`${title(metric)} over `}<select aria-label="across" value=${across}
        onChange=${(event) => change({ across: event.target.value }, { replace: true })}>
          ${keys.map((key) => html`<option key=${key} value=${key}>${title(key)}</option>`)}</select></h2>
        <${Scatter} x=${x} y=${axes.at(-1).axis} kept=${kept} tones=${tones} label=${`${title(metric)} over ${title(across)}, a point for each run`}
          nameOf=${(at) => `${visible(label(runs, runs.ids[rows[at]]))}: ${shown(runs.columns.get(across).get(rows[at]))}, ${shown(column.get(rows[at]))}`}
          onOpen=${(at) => go(link("run", {}, runs.ids[rows[at]]))} /></section>
    </div>
    <section><h2>${best === "max" ? "Highest" : "Lowest"} first</h2>
      <div class="scroll" tabindex="0" role="region" aria-label="runs"><table class="plain"><thead><tr>
        <th scope="col">run</th><th scope="col" class="numeric">${title(metric)}</th>
        ${shownKeys.map((key) => html`<th key=${key} scope="col" class=${runs.columns.get(key).isNumeric ? "numeric" : ""}>${title(key)}</th>`)}</tr></thead>
      <tbody onMouseLeave=${() => setBright(-1)}>${[...order.slice(0, LISTED)].map((row) => html`<tr key=${runs.ids[row]}
        onMouseEnter=${() => setBright(rows.indexOf(row))}>
        <th scope="row"><a href=${link("run", {}, runs.ids[row])}>${visible(label(runs, runs.ids[row]))}</a></th>
          <td class="numeric"><b>${shown(column.get(row))}</b></td>
        ${shownKeys.map((key) => html`<td key=${key} class=${runs.columns.get(key).isNumeric ? "numeric" : ""}>${shown(runs.columns.get(key).get(row))}</td>`)}</tr>`)}</tbody></table></div>
    </section>`;
}

const number_ = (value) => (typeof value === "number" || typeof value === "bigint" ? Number(value) : NaN);

function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** Positive numbers that span more than two decades are spread evenly by their logarithm. */
function wantsLog(column, rows) {
  if (!column.isNumeric) return false;
  const [low, high] = extent(Array.from(rows, (row) => number_(column.get(row))));
  return low > 0 && high / low > 100;
}

function keptBy(brushes, axes, length) {
  const kept = new Uint8Array(length).fill(1);
  for (const { key, axis } of axes) {
    const range = brushes.get(key);
    if (!range) continue;
    for (let at = 0; at < length; at++) if (axis.shares[at] < range[0] || axis.shares[at] > range[1]) kept[at] = 0;
  }
  return kept;
}

/** The brushes in the command line's filter language. */
function filterText(brushes, axes) {
  const quoted = (text) => `'${text.replace(/[\\']/g, "\\$&")}'`;
  return axes.filter(({ key }) => brushes.has(key)).map(({ key, axis }) => {
    const name = /^[\w./-]+$/.test(key) ? key : `\`${key.replace(/[\\`]/g, "\\$&")}\``;
    const found = axis.range(brushes.get(key));
    if (!axis.numeric) return `${name} in [${found.map(quoted).join(", ")}]`;
    return `${name} >= ${Number(found[0].toPrecision(6))} and ${name} <= ${Number(found[1].toPrecision(6))}`;
  }).join(" and ");
}

function AxisMenu({ name, isResult, keys, logs, flips }) {
  const toggled = (set) => {
    const next = new Set(set);
    if (!next.delete(name)) next.add(name);
    return packed([...next]) || "-";
  };
  const at = keys.indexOf(name);
  const moved = (by) => {
    const next = keys.filter((key) => key !== name);
    next.splice(Math.max(0, at + by), 0, name);
    return packed(next);
  };
  return html`<${Menu} label=${title(name)} name=${`axis ${title(name)}`}>${(close) => {
    const then = (params) => () => { close(); change(params, { replace: true }); };
    return html`<${Item} onClick=${then({ log: toggled(logs) })}>${logs.has(name) ? "linear" : "logarithmic"}</${Item}>
      <${Item} onClick=${then({ flip: toggled(flips) })}>flip</${Item}>
      ${!isResult && html`<${Item} onClick=${then({ axes: moved(-1) })}>move left</${Item}>
        <${Item} onClick=${then({ axes: moved(1) })}>move right</${Item}>
        <${Item} onClick=${then({ axes: packed(keys.filter((key) => key !== name)) })}>hide</${Item}>`}`;
  }}</${Menu}>`;
}

function Weights({ weights, across }) {
  if (weights.length === 0) return html`<p class="dim">Five runs with a result are needed.</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="what matters"><table class="plain"><thead><tr>
    <th scope="col">key</th><th scope="col">share of variance</th><th scope="col" class="numeric">rank correlation</th>
      <th scope="col" class="numeric">n</th></tr></thead>
    <tbody>${weights.slice(0, 12).map(({ key, share, rank, n }) => html`<tr key=${key}><th scope="row">
      <button type="button" class="quiet" aria-pressed=${String(key === across)}
        onClick=${() => change({ across: key }, { replace: true })}>${title(key)}</button></th>
      <td class="bar-cell"><i style=${{ width: `${Math.round(60 * share)}%` }}></i>
        <span class="share">${`${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`}</span></td>
      <td class="numeric">${rank === null ? "" : rank.toFixed(2)}</td>
        <td class="numeric">${count(n)}</td></tr>`)}</tbody></table></div>
    <p><small>${METHOD}</small></p>`;
}
