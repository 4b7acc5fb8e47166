// One chart of a metric: asked for when it comes into view, asked again at a zoom and as runs go on.

import { ask, askCurves } from "../lib/api.js";
import { packed } from "../lib/address.js";
import { classes, html, useCallback, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import { useGrown } from "../lib/runs.js";
import { csv, saveText } from "../lib/save.js";
import { count, duration, number, several, visible } from "../lib/text.js";
import { palette } from "../charts/colors.js";
import { MOST_BANDS } from "../charts/paint.js";
import { Curves } from "../charts/plot.js";
import { LEAD, smoothed } from "../charts/smoothing.js";
import { svg } from "../charts/svg.js";
import { useAnswer } from "../parts/asking.js";
import { Item, Menu } from "../parts/menu.js";
import { Trouble } from "../parts/trouble.js";
import { ValueTable } from "./chart_table.js";

const MOST_COLUMNS = 1200;
const AGAIN_MS = 1000;  // at most so often while runs go on
const SHOWN = 8;  // values beside the pointer

/**
 * @param {{metric: string, title?: string, ids: string[], scope: object, lines: Map<string, {label, number}>, hidden: Set<string>, how: object,
 *   bright: string|null, onBright: function, isLarge: boolean, onLarge: function, onZoom: function}} props -
 *   `title`: where it is called otherwise. `scope`: the runs of which groups are means, as ids or as a filter. `how`: x, zoom, smooth (a half-life), isXLog, isYLog, by (keys of groups).
 */
export function ChartCard(props) {
  const { metric, ids, scope, how, isLarge } = props;
  const root = useRef(null);
  const inView = useInView(root);
  const [turn, setTurn] = useState(0);
  const timer = useRef(null);
  useGrown(useCallback((grown) => {
    if (timer.current === null && grown.some((id) => ids.includes(id))) {
      timer.current = setTimeout(() => { timer.current = null; setTurn((before) => before + 1); }, AGAIN_MS);
    }
  }, [ids]));
  useEffect(() => () => clearTimeout(timer.current), []);
  const columns = Math.min(MOST_COLUMNS, Math.max(200, Math.round(root.current?.clientWidth ?? 400)));
  const key = JSON.stringify([metric, ids, scope, how.x, how.zoom, how.by, how.smooth > 0 && how.zoom ? how.smooth : 0, turn, isLarge]);
  const { answer, error, isCurrent } = useAnswer(inView ? (signal) => asked(props, columns, signal) : null, key);
  const curves = useMemo(() => (answer ? drawn(answer, props) : []), [answer, how.smooth, props.lines, props.hidden]);
  const [look, setLook] = useState(null);
  const [table, setTable] = useState(false);
  const title = visible(props.title ?? metric);
  const points = curves.reduce((sum, { points: many }) => sum + (many ?? 0), 0);
  const save = {
    svg: () => saveText(svg({ title, xTitle: xTitle(how), note: note(how), curves, ...how, colors: palette() }), `${fileName(metric)}.svg`, "image/svg+xml"),
    csv: () => saveText(csv(rows(curves, how)), `${fileName(metric)}.csv`, "text/csv"),
  };
  const far = curves.length > MOST_BANDS;
  return html`<figure class=${classes("chart", isLarge && "large")} ref=${root} aria-labelledby=${`chart-${metric}`}>
    <figcaption><span class="chart-title" id=${`chart-${metric}`}>${title}</span>
      ${how.isYLog && html`<small>logarithmic</small>`}
      <span class="grow"></span>
      <button type="button" class="quiet" aria-pressed=${String(table)} onClick=${() => setTable(!table)}>table</button>
      <${Menu} kind="quiet-menu" label="save" name=${`save ${title}`}>${(close) => html`
        <${Item} onClick=${() => { close(); save.svg(); }}>chart as SVG</${Item}>
        <${Item} onClick=${() => { close(); save.csv(); }}>what is drawn as CSV</${Item}>`}</${Menu}>
      <button type="button" class="quiet" aria-label=${`${isLarge ? "smaller" : "larger"}: ${title}`}
        onClick=${props.onLarge}>${isLarge ? "smaller" : "larger"}</button>
    </figcaption>
    ${error && isCurrent && html`<${Trouble} error=${error} />`}
    <div class=${classes("plot-box", !isCurrent && "stale")}>
      ${inView && answer && curves.length > 0 && html`<${Curves} curves=${curves} zoom=${how.zoom} isXLog=${how.isXLog} isYLog=${how.isYLog} bright=${props.bright ?? (curves.length > 1 && look?.isNear ? look.found[0].curve.id : null)}
        xTicks=${how.x === "relative" ? secondsTick : how.x === "time" ? dateTick : undefined}
        label=${described(title, curves)} onZoom=${props.onZoom} onLook=${setLook} />`}
      ${answer && curves.length === 0 && html`<p class="dim none">none of these runs has it</p>`}
      ${look && look.found.length > 0 && html`<${Look} look=${look} how=${how} />`}
    </div>
    <p class="chart-note">
      <small>${[xTitle(how), points ? `all of ${count(points)} points` : "", far && how.by.length === 0 ? "bands of the one pointed at" : "", note(how)].filter(Boolean).join(" · ")}</small></p>
    ${how.by.length > 0 && curves.length <= 12 && html`<ul class="small-legend">${curves.map((curve) => html`<li key=${curve.id}>
      <span class=${`swatch c${curve.number % 8}`}></span>${visible(curve.label)}</li>`)}</ul>`}
    ${table && html`<${ValueTable} curves=${curves} metric=${metric} how=${how} />`}
  </figure>`;
}

/** True once an element was in view, and as long as it is nearly in view. */
function useInView(root) {
  const [inView, setInView] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => setInView(entries.at(-1).isIntersecting), { rootMargin: "150px" });
    observer.observe(root.current);
    return () => observer.disconnect();
  }, []);
  return inView;
}

async function asked({ metric, ids, scope, how }, columns, signal) {
  if (how.by.length > 0) return { groups: (await ask("curves/groups", { ...scope, metric, by: packed(how.by), x: how.x }, { signal })) };
  const [from, to] = how.zoom ?? [null, null];
  const lead = how.zoom && how.smooth ? LEAD * how.smooth : 0;
  return askCurves({ ids: ids.join(","), metric, x: how.x, from: from === null ? null : from - lead, to, columns }, { signal });
}

function drawn(answer, { lines, hidden, how }) {
  if (answer.groups) return answer.groups.groups.map((group, at) => ofGroup(group, at, how));
  const found = [];
  for (const [id, curve] of answer.curves) {
    const line = lines.get(id);
    if (!line || hidden.has(id) || curve.x.length === 0) continue;
    const y = how.smooth > 0 ? smoothed(curve.x, curve.mean, how.smooth) : curve.last;
    found.push({ ...curve, ...line, y, raw: how.smooth > 0 ? curve.mean : null });
  }
  return found;
}

function ofGroup(group, at, how) {
  const floats = (values) => Float64Array.from(values, (value) => value ?? NaN);
  const mean = floats(group.mean);
  const x = floats(group.x);
  return { id: JSON.stringify(group.values), number: at, x, low: floats(group.low), high: floats(group.high), last: mean, mean,
    y: how.smooth > 0 ? smoothed(x, mean, how.smooth) : mean,
    label: `${group.values.map((value) => (value === null ? "—" : String(value))).join(", ")} (n = ${group.n})`, counts: group.count };
}

function xTitle(how) {
  return { step: "step", time: "time", relative: "time since the start" }[how.x] ?? visible(how.x);
}

/** What was done to what is drawn. */
function note(how) {
  const said = [];
  if (how.by.length > 0) said.push("mean and 95 % interval over all runs of each group");
  if (how.smooth > 0) said.push(`exponential mean, half-life ${how.x === "relative" || how.x === "time" ? duration(how.smooth) : number(how.smooth)}`);
  return said.join(" · ");
}

function described(title, curves) {
  const said = curves.slice(0, 8).map(({ label, y }) => `${visible(label)} ${number(lastOf(y))}`);
  return `${title} of ${several(curves.length, "curve")}; last values: ${said.join(", ")}${curves.length > 8 ? ", …" : ""}`;
}

function lastOf(values) {
  for (let at = values.length - 1; at >= 0; at--) if (Number.isFinite(values[at])) return values[at];
  return NaN;
}

const secondsTick = (seconds) => duration(Math.round(seconds * 1000) / 1000);
const dateTick = (seconds) => new Date(seconds * 1000).toLocaleString("en-GB", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

function Look({ look, how }) {
  const right = look.left > look.width / 2;
  const x = look.found[0].curve.x[look.found[0].at];
  const style = right ? { right: `${look.width - look.left + 24}px` } : { left: `${look.left + 70}px` };
  return html`<div class="look" style=${style} aria-hidden="true">
    <div class="dim">${how.x === "relative" ? secondsTick(x) : how.x === "time" ? dateTick(x) : `${xTitle(how)} ${number(x)}`}</div>
    ${look.found.slice(0, SHOWN).map(({ curve, at }, nth) => html`<div key=${curve.id} class=${classes(nth === 0 && look.isNear && "near")}>
      <span class=${`swatch c${curve.number % 8}`}></span><span class="name">${visible(curve.label)}</span>
        <b>${number(curve.y[at])}</b></div>`)}
    ${look.found.length > SHOWN && html`<div class="dim">${`and ${look.found.length - SHOWN} more`}</div>`}
  </div>`;
}

function rows(curves, how) {
  const head = ["run", xTitle(how), "lowest", "highest", "last", "mean", ...(how.smooth > 0 ? ["smoothed"] : [])];
  return [head, ...curves.flatMap((curve) => Array.from(curve.x, (x, at) => [curve.label, x, curve.low?.[at], curve.high?.[at], curve.last[at], curve.mean[at],
    ...(how.smooth > 0 ? [curve.y[at]] : [])]))];
}

const fileName = (metric) => metric.replace(/[^\w.-]+/g, "_");
