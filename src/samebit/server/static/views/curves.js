// Curves of runs over each other: which runs, which charts, and how they are looked at.

import { change, list, packed, unpacked } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { classes, html, useCallback, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import { useKeys } from "../lib/keys.js";
import { useMatching } from "../lib/matching.js";
import { newestFirst, shownWhere, unarchived, useRuns, want } from "../lib/runs.js";
import { number, several } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { useFullScreen } from "../parts/full_screen.js";
import { Empty, Trouble, Waiting } from "../parts/trouble.js";
import { ChartCard } from "./chart_card.js";
import { ChartBar } from "./curves_bar.js";
import { Legend } from "./curves_legend.js";
import { linesOfGroups, linesOfRuns } from "./curves_lines.js";
import { Section, sectionsOf } from "./curves_sections.js";

const MOST_OVERLAID = 100;
const MOST_IN_ADDRESS = 200;  // curves that are left away

export function Curves({ params }) {
  const runs = useRuns();
  const chosen = useChosen(runs, params);
  if (runs.phase !== "here") return html`<main id="main"><${Waiting} what="reading the store…" /></main>`;
  return html`<main id="main" class="charts-view">
    <h1 class="unseen">Curves</h1>
    <${Charts} runs=${runs} ids=${chosen.ids} all=${chosen.all} error=${chosen.error} params=${params} />
  </main>`;
}

/** The runs of an address: those it names, or those that its filter leaves, the newest first. */
export function useChosen(runs, params, most = MOST_OVERLAID) {
  const where = params.ids ? "" : params.where ?? "";
  const { answer, error, isCurrent } = useAnswer(
    where ? (signal) => ask("runs/filter", { where }, { signal }) : null, where ? `${where} ${runs.version}` : "", where);
  return useMemo(() => {
    const named = list(params.ids);
    const rows = (where ? answer?.ids ?? [] : runs.ids).map((id) => runs.rowOf.get(id)).filter((row) => row !== undefined);
    const all = named.length > 0 ? named : [...newestFirst(runs, unarchived(runs, rows))].map((row) => runs.ids[row]);
    return { all, ids: all.slice(0, most), error: isCurrent ? error : null };
  }, [params.ids, where, answer, error, runs.ids, runs.columns.get("archived"), runs.columns.get("started")]);
}

/** How charts are looked at, as the address has it. */
function useHow(params) {
  const by = useMemo(() => unpacked(params.by), [params.by]);  // another list would be other lines, drawn anew
  return useMemo(() => ({
    x: params.x || "step", zoom: rangeOf(params.zoom), smooth: Math.max(0, Number(params.smooth) || 0),
    isXLog: params.xlog === "1", isYLog: params.ylog === "1", by, color: params.color ?? "",
    yRange: params.y === "inner" ? "inner" : rangeOf(params.y),
  }), [params.x, params.zoom, params.smooth, params.xlog, params.ylog, by, params.color, params.y]);
}

/** `1~20` as two numbers; null for anything else. */
function rangeOf(text) {
  const found = (text ?? "").split("~").map(Number);
  return found.length === 2 && found.every(Number.isFinite) && found[0] < found[1] ? found : null;
}

const formatted = (range) => range.map((one) => Number(one.toPrecision(10))).join("~");

/** @param {{runs, ids: string[], all: string[], error, params, plain: boolean}} props - `plain`: of a single run, without a legend. */
export function Charts({ runs, ids, all = ids, error = null, params, plain = false }) {
  const how = useHow(params);
  const isOfGroups = how.by.length > 0;
  const [bright, setBright] = useState(null);
  const hidden = useMemo(() => new Set(unpacked(params.off)), [params.off]);
  const setHidden = (next) => change({ off: packed([...next].slice(0, MOST_IN_ADDRESS)) }, { replace: true });
  const where = shownWhere(runs, params.where ?? "");
  const scope = useMemo(() => (isOfGroups && !params.ids && !plain ? { where } : { ids: ids.join(",") }), [isOfGroups, params.ids, plain, where, ids]);
  const asking = ids.length > 0;
  const { answer, error: trouble } = useAnswer(asking ? (signal) => ask("metrics", scope, { signal }) : null, JSON.stringify([scope, runs.keys.length]));
  useEffect(() => { want([...how.by, how.color].filter(Boolean)); }, [how.by, how.color]);
  const keys = [...how.by, how.color, "name"].map((key) => runs.columns.get(key));
  const { lines, sections } = useMemo(() => (isOfGroups ? linesOfGroups(runs, all, how.by) : linesOfRuns(runs, ids, how.color)),
    [ids, all, how.by, how.color, ...keys]);
  const onZoom = useCallback((zoom) => change({ zoom: zoom ? formatted(zoom) : "" }), []);
  const spans = useRef(new Map());
  const onSpan = useCallback((metric, span) => { if (span) spans.current.set(metric, span); }, []);
  useEffect(() => { spans.current.clear(); }, [how.x, ids]);
  useMoves(how, spans, onZoom);
  const metrics = answer?.metrics ?? [];
  const names = useMemo(() => metrics.map(({ name }) => name), [answer]);
  const matching = useMatching(names, params.charts);
  const found = metrics.filter(({ name }) => matching.found.has(name));
  const large = params.large ?? "";
  useFullScreen(large);
  useKeys([["s", "smooth more", () => change({ smooth: next(how, metrics) }, { replace: true })],
    ["l", "logarithmic values", () => change({ ylog: how.isYLog ? "" : "1" }, { replace: true })],
    ...(large ? [["Escape", "all charts", () => change({ large: "" })]] : [])]);
  const tables = unpacked(params.tables);
  const card = ({ name }) => html`<${ChartCard} key=${name} metric=${name} ids=${isOfGroups ? all : ids} scope=${scope} lines=${lines}
    hidden=${hidden} how=${how} bright=${bright} isLarge=${name === large} onZoom=${onZoom} onSpan=${onSpan} tables=${tables} />`;
  const hasLegend = !plain && asking;
  const legendTitle = isOfGroups ? several(lines.size, "group") : ids.length < all.length ? `the first ${ids.length} of ${several(all.length, "run")}` : several(ids.length, "run");
  const one = found.find(({ name }) => name === large);
  return html`
    <${ChartBar} how=${how} params=${params} runs=${runs} metrics=${metrics} isBroken=${matching.isBroken} range=${rangeOfSteps(found)} plain=${plain}
      error=${error} onZoom=${onZoom} />
    <${Trouble} error=${error ?? trouble} />
    ${!asking && !error && html`<${Empty} title="No runs"><p>Choose runs in the <a href="/">table</a>, or filter them here.</p></${Empty}>`}
    <div class=${classes("charts-layout", hasLegend && "with-legend")}>
      ${hasLegend && html`<${Legend} sections=${sections} title=${legendTitle} hidden=${hidden} setHidden=${setHidden} setBright=${setBright} isOfGroups=${isOfGroups} />`}
      <div>
        ${asking && !answer && !trouble && html`<${Waiting} what="asking which metrics there are…" />`}
        ${answer && found.length === 0 && !matching.isWaiting && html`<p class="dim">${metrics.length === 0 ? `${plain ? "this run has" : "these runs have"} no metrics that are numbers`
          : matching.isBroken ? "that is no regular expression, or one that takes too long, and no chart has these letters in its name" : "no chart has such a name"}</p>`}
        ${one ? html`<div class="charts one">${card(one)}</div>` : sectionsOf(found).map((section) => html`<${Section} key=${section.title} section=${section}
          closed=${unpacked(params.closed)} card=${card} />`)}
      </div>
    </div>`;
}

/** Keys that zoom and move all charts. */
function useMoves(how, spans, onZoom) {
  const whole = () => {
    const all = [...spans.current.values()];
    return all.length ? [Math.min(...all.map(([low]) => low)), Math.max(...all.map(([, high]) => high))] : null;
  };
  const move = (share, factor) => {
    const [edges, now] = [whole(), how.zoom ?? whole()];
    if (!now) return;
    const of = how.isXLog ? Math.log : (value) => value;
    const back = how.isXLog ? Math.exp : (value) => value;
    const [low, high] = now.map(of);
    const middle = (low + high) / 2 + share * (high - low);
    const half = ((high - low) / 2) * factor;
    const to = [back(middle - half), back(middle + half)];
    if (edges && to[0] <= edges[0] && to[1] >= edges[1]) onZoom(null);
    else if (to[0] < to[1]) onZoom(to);
  };
  useKeys([["0", "no zoom", () => onZoom(null)], ["+", "closer", () => move(0, 0.5)], ["-", "farther", () => move(0, 2)],
    ["<", "to the left", () => move(-0.25, 1)], [">", "to the right", () => move(0.25, 1)]]);
}

const rangeOfSteps = (metrics) => Math.max(0, ...metrics.map(({ last }) => last ?? 0));

function next(how, metrics) {
  const range = Math.max(1, rangeOfSteps(metrics));
  const smooth = how.smooth === 0 ? range / 500 : how.smooth * 2;
  return smooth > range / 4 ? "" : number(smooth);
}
