// What stands above parallel coordinates: filter, result, colours with their legend, axes, brushes; and the menu of an axis.

import { change, link, packed } from "../lib/address.js";
import { taken } from "../lib/columns.js";
import { html } from "../lib/html.js";
import { count, number, several, title, visible } from "../lib/text.js";
import { Item, Menu } from "../parts/menu.js";
import { Name } from "../parts/name.js";
import { Select } from "../parts/select.js";
import { Choices, FilterBox } from "./runs_bar.js";

const TAKES = [["last", "last"], ["min", "lowest"], ["max", "highest"], ["first", "first"]];
const PREFIXES = { __proto__: null, metric: "last", min: "min", max: "max", first: "first" };

export function HyperBar({ runs, params, rows, kept, brushes, axisFor, keys, axes, results, metric, better, color, tones, onBrush, filter }) {
  const many = kept.reduce((sum, one) => sum + one, 0);
  const take = PREFIXES[metric.split(".", 1)[0]];
  const name = taken(metric, "last");
  const known = new Map(runs.keys.map((one) => [one.key, one]));
  const toggle = (key) => change({ axes: packed(axes.includes(key) ? axes.filter((one) => one !== key) : [...axes, key]) }, { replace: true });
  const described = [...keys, ...results.filter((key) => key !== metric)].map((key) => ({ key, distinct: known.get(key)?.distinct ?? 1, missing: rows.length - filled(runs, rows, key) }));
  // A result has another range, and a brush of it would hold other runs.
  const choose = (next) => change({ metric: next, better: "", brush: params.brush ? without(params.brush, metric) : "" });
  return html`<div class="chart-bar">
      ${!params.ids && html`<${FilterBox} where=${params.where ?? ""} />`}
      <label>result <${Select} value=${name} options=${results.map((key) => [key, title(key)])} onChoose=${(one) => choose(taken(one, take))} /></label>
      <label>point <${Select} value=${take} options=${TAKES} onChoose=${(one) => choose(taken(metric, one))} /></label>
      <label>better is <${Select} value=${better} options=${[["higher", "higher"], ["lower", "lower"]]} onChoose=${(one) => change({ better: one }, { replace: true })} /></label>
      <label>colour <${Select} value=${color} options=${[...new Set([metric, ...results, ...keys])].map((key) => [key, title(key)])}
        onChoose=${(one) => change({ color: one === metric ? "" : one }, { replace: true })} /></label>
      <${Menu} isPanel label=${`Axes (${axes.length})`} name="axes that are shown">${() => html`<${Choices}
        keys=${described} isOn=${(key) => axes.includes(key)} what="axes" toggle=${toggle} />
        <button type="button" onClick=${() => change({ axes: "" }, { replace: true })}>what matters</button>`}</${Menu}>
    </div>
    <div class="hyper-said">
      <span class="count" role="status">${brushes.size ? `${count(many)} of ${several(rows.length, "run")}` : several(rows.length, "run")}</span>
      ${[...brushes].map(([key, brush]) => html`<span key=${key} class="chip"><span>${title(key)} <b>${axisFor(key)?.fits(brush) ? visible(axisFor(key).said(brush)) : "holds all"}</b></span>
        <button type="button" class="quiet" aria-label=${`no brush of ${title(key)}`} onClick=${() => onBrush([[key, null]], true)}>×</button></span>`)}
      ${brushes.size > 0 && html`<button type="button" onClick=${() => change({ brush: "" })}>no brushes</button>
        ${filter !== null && html`<a class="button" href=${link("runs", { where: params.where && !params.ids ? `(${params.where}) and ${filter}` : filter })}>these in the table</a>`}`}
      <span class="grow"></span>
      <${Legend} tones=${tones} name=${title(color)} />
    </div>`;
}

/** The filter alone, where there is nothing else to choose. */
HyperBar.Filter = ({ params, error }) => html`<div class="chart-bar"><${FilterBox} where=${params.where ?? ""} error=${error} /></div>`;

const without = (text, key) => text.split(",").filter((one) => !one.startsWith(`${key.replaceAll("%", "%25").replaceAll(",", "%2c")}:`)).join(",");

const filled = (runs, rows, key) => {
  const column = runs.columns.get(key);
  return column ? rows.reduce((sum, row) => sum + (column.get(row) !== null), 0) : 0;
};

/** What the colours mean. */
function Legend({ tones, name }) {
  const none = tones.none && html`<span class="legend-item"><span class="swatch none"></span>${tones.none}</span>`;
  if (tones.names) {
    return html`<span class="colors" role="group" aria-label=${`colours of ${name}`}><b>${name}</b>${tones.names.map((one, at) => html`<span key=${one} class="legend-item">
      <span class=${`swatch c${at}`}></span>${one}</span>`)}
      ${tones.others > 0 && html`<span class="legend-item"><span class="swatch others"></span>${several(tones.others, "other")}</span>`}${none}</span>`;
  }
  const ends = tones.lower ? [tones.high, tones.low] : [tones.low, tones.high];
  return html`<span class="colors" role="group" aria-label=${`colours of ${name}`}><b>${name}</b>${Number.isFinite(ends[0]) && html`<span>${number(ends[0])}</span>
    ${ends[0] !== ends[1] && html`<span class="ramp"></span><span>${number(ends[1])}</span>`}`}${none}</span>`;
}

/** What can be done with an axis. */
export function AxisMenu({ one, keys, onMove, onAxis, onBrush }) {
  const { name, title: whole, short, axis, isFixed, isResult } = one;
  const at = keys.indexOf(name);
  return html`<${Menu} label=${html`<span><${Name} of=${short} /></span>`} name=${`axis ${whole}`}>${(close) => {
    const then = (act) => () => { close(); act(); };
    return html`<p class="menu-note">${`${whole}: ${several(axis.distinct.length, "value")}${axis.missing ? `, ${count(axis.missing)} of ${several(axis.count, "run")} without` : ""}`}</p>
      ${axis.isNumeric && html`<${Item} disabled=${!axis.canLog} onClick=${then(() => onAxis(name, "log"))}>
        ${axis.isLog ? "linear" : axis.canLog ? "logarithmic" : "not logarithmic: some are 0 or less"}</${Item}>`}
      <${Item} onClick=${then(() => onAxis(name, "flip"))}>flip</${Item}>
      ${!isFixed && html`<${Item} disabled=${at <= 0} onClick=${then(() => onMove(name, at - 1))}>move left</${Item}>
        <${Item} disabled=${at >= keys.length - 1} onClick=${then(() => onMove(name, at + 1))}>move right</${Item}>`}
      <${Item} onClick=${then(() => change({ color: isResult ? "" : name }, { replace: true }))}>colour by this</${Item}>
      ${axis.lane && html`<${Item} onClick=${then(() => onBrush([[name, { none: true }]], true))}>${`keep those with ${axis.lane}`}</${Item}>`}
      <${Item} onClick=${then(() => onBrush([[name, null]], true))}>no brush</${Item}>
      ${!isFixed && html`<${Item} onClick=${then(() => change({ axes: packed(keys.filter((key) => key !== name)) }, { replace: true }))}>hide</${Item}>`}`;
  }}</${Menu}>`;
}
