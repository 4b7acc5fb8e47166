// Curves of runs over each other: which runs, which charts, and how they are looked at.

import { change, link, list, unpacked } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { classes, html, useCallback, useMemo, useState } from "../lib/html.js";
import { useKeys } from "../lib/keys.js";
import { label, newestFirst, unarchived, useRuns } from "../lib/runs.js";
import { number, several, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Empty, Trouble, Waiting } from "../parts/trouble.js";
import { ChartCard } from "./chart_card.js";
import { ChartBar } from "./curves_bar.js";
import { FilterBox } from "./runs_bar.js";

const MOST_OVERLAID = 100;
const FIRST_CHARTS = 200;  // elements, of which only those in view are drawn

export function Curves({ params }) {
  const runs = useRuns();
  const chosen = useChosen(runs, params);
  if (runs.phase !== "here") return html`<main id="main"><${Waiting} what="reading the store…" /></main>`;
  return html`<main id="main" class="charts-view">
    <h1 class="unseen">Curves</h1>
    ${!params.ids && html`<div class="inline-bar"><${FilterBox} where=${params.where ?? ""} error=${chosen.error} /></div>`}
    <${Trouble} error=${chosen.error} />
    ${chosen.ids.length === 0 ? html`<${Empty} title="No runs">
      <p>Choose runs in the <a href="/">table</a>, or filter them here.</p></${Empty}>`
      : html`<${Charts} runs=${runs} ids=${chosen.ids} all=${chosen.all} params=${params} />`}
  </main>`;
}

/** The runs of an address: those it names, or those that its filter leaves, the newest first. */
export function useChosen(runs, params, most = MOST_OVERLAID) {
  const where = params.ids ? "" : params.where ?? "";
  const { answer, error, isCurrent } = useAnswer(
    where ? (signal) => ask("runs/filter", { where }, { signal }) : null, where ? `${where} ${runs.version}` : "");
  return useMemo(() => {
    const named = list(params.ids);
    const rows = (where ? answer?.ids ?? [] : runs.ids).map((id) => runs.rowOf.get(id)).filter((row) => row !== undefined);
    const all = named.length > 0 ? named : [...newestFirst(runs, unarchived(runs, rows))].map((row) => runs.ids[row]);
    return { all, ids: all.slice(0, most), error: isCurrent ? error : null };
  }, [params.ids, where, answer, error, runs.ids, runs.columns.get("archived"), runs.columns.get("started")]);
}

/** How charts are looked at, as the address has it. */
function useHow(params) {
  return useMemo(() => ({
    x: params.x || "step", zoom: zoomOf(params.zoom), smooth: Math.max(0, Number(params.smooth) || 0),
    isXLog: params.xlog === "1", isYLog: params.ylog === "1", by: unpacked(params.by),
  }), [params.x, params.zoom, params.smooth, params.xlog, params.ylog, params.by]);
}

function zoomOf(text) {
  const found = (text ?? "").split("~").map(Number);
  return found.length === 2 && found.every(Number.isFinite) && found[0] < found[1] ? found : null;
}

/** @param {{runs, ids: string[], all: string[], params, plain: boolean}} props - `plain`: of a single run, without a legend. */
export function Charts({ runs, ids, all = ids, params, plain = false }) {
  const how = useHow(params);
  const [bright, setBright] = useState(null);
  const [hidden, setHidden] = useState(new Set());
  const isOfAll = how.by.length > 0 && !params.ids && !plain;
  const scope = useMemo(() => (isOfAll ? { where: params.where ?? "" } : { ids: ids.join(",") }), [isOfAll, params.where, ids]);
  const { answer, error } = useAnswer((signal) => ask("metrics", scope, { signal }), JSON.stringify(scope));
  const lines = useMemo(() => new Map(ids.map((id, at) => [id, { label: label(runs, id), number: at }])), [ids, runs.columns.get("name")]);
  const onZoom = useCallback((zoom) => change({ zoom: zoom ? zoom.map((one) => Number(one.toPrecision(10))).join("~") : "" }), []);
  const metrics = answer?.metrics ?? [];
  const pattern = useMemo(() => patternOf(params.charts), [params.charts]);
  const found = metrics.filter(({ name }) => pattern.test(name));
  const large = params.large ?? "";
  useKeys([["0", "no zoom", () => onZoom(null)], ["s", "smooth more", () => change({ smooth: next(how, metrics) }, { replace: true })],
    ["l", "logarithmic values", () => change({ ylog: how.isYLog ? "" : "1" }, { replace: true })]]);
  const of = metrics.find(({ name }) => name === found[0]?.name);
  const card = (metric) => html`<${ChartCard} key=${metric} metric=${metric} ids=${how.by.length > 0 ? all : ids} scope=${scope} lines=${lines} hidden=${hidden} how=${how}
    bright=${bright} isLarge=${metric === large} onZoom=${onZoom}
      onLarge=${() => change({ large: metric === large ? "" : metric })} />`;
  return html`
    <${ChartBar} how=${how} params=${params} runs=${runs} metrics=${metrics} pattern=${pattern} range=${of ? of.last - (of.first ?? 0) : 0} plain=${plain}
      onZoom=${onZoom} />
    <${Trouble} error=${error} />
    <div class=${classes("charts-layout", !plain && how.by.length === 0 && "with-legend")}>
      ${!plain && how.by.length === 0 && html`<${Legend} runs=${runs} ids=${ids} all=${all} hidden=${hidden} setHidden=${setHidden} bright=${bright} setBright=${setBright} />`}
      <div>
        ${!answer && !error && html`<${Waiting} what="asking which metrics there are…" />`}
        ${answer && found.length === 0 && html`<p class="dim">${metrics.length ? "no chart has such a name" : "these runs have no metrics"}</p>`}
        ${large && found.some(({ name }) => name === large) ? html`<div class="charts one">${card(large)}</div>`
          : html`<div class="charts">${found.slice(0, FIRST_CHARTS).map(({ name }) => card(name))}</div>`}
        ${found.length > FIRST_CHARTS && html`<p class="dim">${`and ${several(found.length - FIRST_CHARTS, "chart")} more: search for them`}</p>`}
      </div>
    </div>`;
}

/** A regular expression as it was typed; where it is none, its letters. */
function patternOf(text) {
  if (!text) return { test: () => true, isBroken: false };
  try {
    const pattern = new RegExp(text, "i");
    return { test: (name) => pattern.test(name), isBroken: false };
  } catch {
    return { test: (name) => name.toLowerCase().includes(text.toLowerCase()), isBroken: true };
  }
}

function next(how, metrics) {
  const range = Math.max(1, ...metrics.map(({ first, last }) => last - (first ?? 0)));
  const smooth = how.smooth === 0 ? range / 500 : how.smooth * 2;
  return smooth > range / 4 ? "" : number(smooth);
}

function Legend({ runs, ids, all, hidden, setHidden, bright, setBright }) {
  const toggle = (id) => {
    const next_ = new Set(hidden);
    if (!next_.delete(id)) next_.add(id);
    setHidden(next_);
  };
  return html`<details class="legend" open=${window.innerWidth > 700} onMouseLeave=${() => setBright(null)}>
    <summary>${ids.length < all.length ? `the first ${ids.length} of ${several(all.length, "run")}` : several(ids.length, "run")}</summary>
    <ul>${ids.map((id, at) => html`<li key=${id} class=${classes(bright === id && "bright", hidden.has(id) && "off")}
      onMouseEnter=${() => setBright(id)}>
      <label><input type="checkbox" checked=${!hidden.has(id)} onChange=${() => toggle(id)}
        onFocus=${() => setBright(id)} onBlur=${() => setBright(null)} />
      <svg class=${`key c${at % 8} d${Math.floor(at / 8) % 4}`} viewBox="0 0 24 8" aria-hidden="true"><path d="M1 4H23" /></svg>
      <span>${visible(label(runs, id))}</span></label><a href=${link("run", {}, id)}
        aria-label=${`open ${visible(label(runs, id))}`}>›</a></li>`)}</ul>
  </details>`;
}

