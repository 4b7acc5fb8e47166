// How charts are looked at: which runs and charts, x and y, smoothing, colours, groups.

import { change, packed } from "../lib/address.js";
import { html } from "../lib/html.js";
import { number, several, title } from "../lib/text.js";
import { SHARES } from "../charts/smoothing.js";
import { Menu } from "../parts/menu.js";
import { Select } from "../parts/select.js";
import { halfLife } from "./chart_look.js";
import { Choices, FilterBox, groupKeys } from "./runs_bar.js";

const AN_HOUR_S = 3600;  // by which smoothing goes where nobody knows how long runs took
const MOST_VALUES = 32;  // of a key that colours can tell apart

export function ChartBar({ how, params, runs, metrics, isBroken, range, plain, error, onZoom }) {
  const replace = { replace: true };
  return html`<div class="chart-bar">
    ${!plain && !params.ids && html`<${FilterBox} where=${params.where ?? ""} error=${error} />`}
    <input type="search" aria-label="find charts" placeholder="find charts: loss|acc" value=${params.charts ?? ""}
      aria-invalid=${isBroken ? "true" : null} title=${isBroken ? "no regular expression, or one that takes too long: its letters are looked for" : null}
      onInput=${(event) => change({ charts: event.target.value }, replace)} />
    ${!plain && params.ids && html`<a class="button" href="/curves">all runs</a>`}
    ${how.zoom && html`<button type="button" onClick=${() => onZoom(null)}>no zoom</button>`}
  </div>
  <div class="chart-bar how">
    <label>x <select value=${how.x}
      onChange=${(event) => change({ x: event.target.value === "step" ? "" : event.target.value, zoom: "", smooth: "" })}>
      <option value="step">step</option><option value="relative">time since the start</option><option value="time">time</option>
      <optgroup label="a metric">${metrics.filter(({ volatile }) => !volatile).map(({ name }) => html`<option key=${name} value=${name}>${title(name)}</option>`)}</optgroup></select></label>
    <label class="toggle"><input type="checkbox" checked=${how.isXLog}
      onChange=${(event) => change({ xlog: event.target.checked ? "1" : "" }, replace)} /> log x</label>
    <${Heights} how=${how} params=${params} />
    <label class="toggle"><input type="checkbox" checked=${how.isYLog}
      onChange=${(event) => change({ ylog: event.target.checked ? "1" : "" }, replace)} /> log y</label>
    <${Smoothing} how=${how} range=${how.x === "step" ? range : how.zoom ? how.zoom[1] - how.zoom[0] : AN_HOUR_S} />
    ${!plain && html`<span class="grow"></span>
      ${how.by.length === 0 && html`<${ColorBy} how=${how} runs=${runs} />`}<${GroupBy} how=${how} runs=${runs} />`}
  </div>`;
}

/** All values, all but outliers, or from one number to another. */
function Heights({ how, params }) {
  const isFixed = (params.y ?? "").includes("~");
  const ends = isFixed ? params.y.split("~") : ["", ""];
  const set = (at, text) => change({ y: at === 0 ? `${text}~${ends[1]}` : `${ends[0]}~${text}` }, { replace: true });
  const end = (at, what) => html`<input type="text" inputmode="decimal" class="end" aria-label=${what} value=${ends[at]}
    aria-invalid=${isFixed && how.yRange === null ? "true" : null} onInput=${(event) => set(at, event.target.value.trim())} />`;
  return html`<label>y <${Select} value=${isFixed ? "~" : params.y ?? ""} onChoose=${(y) => change({ y: y === "~" ? "0~1" : y }, { replace: true })}
      options=${[["", "all values"], ["inner", "without outliers"], ["~", "from … to"]]} /></label>
    ${isFixed && html`<span class="ends">${end(0, "lowest y")} to ${end(1, "highest y")}</span>`}`;
}

function Smoothing({ how, range }) {
  const found = how.smooth > 0 ? SHARES.findLastIndex((share) => share * range <= how.smooth * 1.001) : 0;
  const said = how.smooth > 0 ? `half-life ${halfLife(how)}` : "none";
  return html`<label class="smoothing">smoothing <input type="range" min="0" max=${SHARES.length - 1} value=${Math.max(0, found)}
    aria-valuetext=${said}
    onInput=${(event) => {
      const share = SHARES[Number(event.target.value)];
      change({ smooth: share ? number(Number((share * range).toPrecision(2))) : "" }, { replace: true });
    }} /> <small>${said}</small></label>`;
}

/** One colour for each run, or for each value of a key. */
function ColorBy({ how, runs }) {
  const keys = groupKeys(runs).filter(({ distinct, missing }) => distinct + Boolean(missing) > 1 && distinct <= MOST_VALUES).map(({ key }) => key);
  const known = how.color && !keys.includes(how.color) ? [how.color, ...keys] : keys;
  return html`<label>colour <${Select} value=${how.color} options=${[["", "by run"], ...known.map((key) => [key, `by ${title(key)}`])]}
    onChoose=${(color) => change({ color }, { replace: true })} /></label>`;
}

function GroupBy({ how, runs }) {
  const toggle = (key) => change({ by: packed(how.by.includes(key) ? how.by.filter((one) => one !== key) : [...how.by, key]), off: "" });
  return html`<${Menu} isPanel label=${how.by.length ? `Mean by ${how.by.map(title).join(", ")}` : "Mean of groups"} name="mean of groups by">
    ${() => html`<${Choices} keys=${groupKeys(runs)} isOn=${(key) => how.by.includes(key)} toggle=${toggle} what="keys" />
      ${how.by.length > 0 && html`<button type="button"
        onClick=${() => change({ by: "", off: "" })}>${`no groups (${several(how.by.length, "key")})`}</button>`}`}
  </${Menu}>`;
}
