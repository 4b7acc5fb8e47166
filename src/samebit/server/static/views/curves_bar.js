// How charts are looked at: search, x, smoothing, logarithms, groups.

import { change, packed } from "../lib/address.js";
import { html } from "../lib/html.js";
import { duration, number, several, title } from "../lib/text.js";
import { SHARES } from "../charts/smoothing.js";
import { Menu } from "../parts/menu.js";
import { Choices } from "./runs_bar.js";

export function ChartBar({ how, params, runs, metrics, pattern, range, plain, onZoom }) {
  const replace = { replace: true };
  const others = metrics.filter(({ volatile }) => !volatile).map(({ name }) => name);
  return html`<div class="chart-bar">
    <input type="search" aria-label="find charts" placeholder="find charts: loss|acc" value=${params.charts ?? ""}
      aria-invalid=${pattern.isBroken ? "true" : null}
      onInput=${(event) => change({ charts: event.target.value }, replace)} />
    <label>x <select value=${how.x}
      onChange=${(event) => change({ x: event.target.value === "step" ? "" : event.target.value, zoom: "", smooth: "" })}>
      <option value="step">step</option><option value="relative">time since the start</option><option value="time">time</option>
      <optgroup label="a metric">${others.map((name) => html`<option key=${name} value=${name}>${title(name)}</option>`)}</optgroup></select></label>
    <${Smoothing} how=${how} range=${how.x === "step" ? range : spanOf(how, range)} />
    <label class="toggle"><input type="checkbox" checked=${how.isYLog}
      onChange=${(event) => change({ ylog: event.target.checked ? "1" : "" }, replace)} /> log y</label>
    <label class="toggle"><input type="checkbox" checked=${how.isXLog}
      onChange=${(event) => change({ xlog: event.target.checked ? "1" : "" }, replace)} /> log x</label>
    ${!plain && html`<${GroupBy} how=${how} runs=${runs} />`}
    ${how.zoom && html`<button type="button" onClick=${() => onZoom(null)}>no zoom</button>`}
  </div>`;
}

const spanOf = (how, range) => (how.zoom ? how.zoom[1] - how.zoom[0] : how.x === "step" ? range : 3600);

function Smoothing({ how, range }) {
  const found = SHARES.findLastIndex((share) => share * range <= how.smooth * 1.001);
  const said = how.smooth > 0 ? `half-life ${how.x === "relative" || how.x === "time" ? duration(how.smooth) : number(how.smooth)}` : "none";
  return html`<label class="smoothing">smoothing <input type="range" min="0" max=${SHARES.length - 1} value=${Math.max(0, found)}
    aria-valuetext=${said}
    onInput=${(event) => {
      const share = SHARES[Number(event.target.value)];
      change({ smooth: share ? number(Number((share * range).toPrecision(2))) : "" }, { replace: true });
    }} /> <small>${said}</small></label>`;
}

function GroupBy({ how, runs }) {
  const keys = runs.keys.filter(({ key }) => !/^(metric|min|max|first)\.|^(id|name|started|seconds)$/.test(key));
  const toggle = (key) => change({ by: packed(how.by.includes(key) ? how.by.filter((one) => one !== key) : [...how.by, key]) });
  return html`<${Menu} isPanel label=${how.by.length ? `Mean by ${how.by.map(title).join(", ")}` : "Group"} name="mean of groups by">
    ${() => html`<${Choices} keys=${keys} isOn=${(key) => how.by.includes(key)} toggle=${toggle} what="keys" />
      ${how.by.length > 0 && html`<button type="button"
        onClick=${() => change({ by: "" })}>${`no groups (${several(how.by.length, "key")})`}</button>`}`}
  </${Menu}>`;
}
