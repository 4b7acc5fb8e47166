// One chart of a metric: asked for when it comes into view, asked again at a zoom and as runs go on.

import { change, packed } from "../lib/address.js";
import { classes, html, useCallback, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import { useGrown } from "../lib/runs.js";
import { csv, saveText } from "../lib/save.js";
import { count, number, several, visible } from "../lib/text.js";
import { palette } from "../charts/colors.js";
import { breaks, MOST_BANDS } from "../charts/paint.js";
import { Curves } from "../charts/plot.js";
import { span } from "../charts/scales.js";
import { svg } from "../charts/svg.js";
import { useAnswer } from "../parts/asking.js";
import { fill } from "../parts/full_screen.js";
import { LineKey } from "../parts/line_key.js";
import { Item, Menu } from "../parts/menu.js";
import { Trouble } from "../parts/trouble.js";
import { asked, columnsOf, drawn, rowsOf, unseen } from "./chart_data.js";
import { isOfMetric, Look, note, xTicks, xTitle } from "./chart_look.js";
import { ValueTable } from "./chart_table.js";

const AGAIN_MS = 1000;  // at most so often while runs go on
const MOST_NAMED = 12;  // groups below a chart

/**
 * @param {{metric: string, title?: string, ids: string[], scope: object, lines: Map<string, object>, hidden: Set<string>,
 *   how: object, bright: Set<string>|null, isLarge: boolean, onZoom: function, onSpan: function, tables: string[]}} props -
 *   `title`: where it is called otherwise. `scope`: the runs of which groups are means, as ids or as a filter. `how`: x, zoom, smooth (a half-life),
 *   isXLog, isYLog, yRange, by (keys of groups).
 */
export function ChartCard(props) {
  const root = useRef(null);
  const { isNear, wasNear } = useNear(root);
  const title = visible(props.title ?? props.metric);
  // Of thousands of charts a few are looked at: until then each is its name and its place.
  return html`<figure class=${classes("chart", props.isLarge && "large")} ref=${root} aria-labelledby=${`chart-${props.metric}`}>
    ${wasNear ? html`<${Chart} ...${props} title=${title} root=${root} inView=${isNear} />` : html`
      <figcaption><span class="chart-title" id=${`chart-${props.metric}`} title=${title}>${title}</span></figcaption>
      <div class="plot-box"></div><p class="chart-note"><small>\u00a0</small></p>`}
  </figure>`;
}

function Chart(props) {
  const { metric, title, root, inView, ids, scope, how, isLarge, tables } = props;
  const turn = useTurn(ids);
  const columns = columnsOf(root.current?.clientWidth ?? 400, how.by.length > 0 ? 1 : ids.length);
  const subject = JSON.stringify([metric, ids, scope, how.x, how.zoom, how.by, how.smooth > 0 && how.zoom ? how.smooth : 0, isLarge]);
  const { answer, error, isCurrent } = useAnswer(inView ? (signal) => asked(props, columns, signal) : null, `${subject} ${turn}`, subject);
  const curves = useMemo(() => (answer ? drawn(answer, props) : []), [answer, how.smooth, props.lines, props.hidden]);
  const lacks = useMemo(() => unseen(curves, how), [curves, how.isXLog, how.isYLog]);
  useEffect(() => { if (!how.zoom && curves.length > 0) props.onSpan(metric, span(curves.map(({ x }) => x), how.isXLog)); }, [curves, how.zoom]);
  const [look, setLook] = useState(null);
  const hasTable = tables.includes(metric);
  const turnTable = () => change({ tables: packed(hasTable ? tables.filter((one) => one !== metric) : [...tables, metric]) }, { replace: true });
  const bright = props.bright ?? (curves.length > 1 && look?.isNear ? look.found[0].curve.id : null);
  const brightSet = useMemo(() => (typeof bright === "string" ? new Set([bright]) : bright), [bright]);
  const why = answer && whyNothing(curves, answer, lacks, props);
  return html`<figcaption><span class="chart-title" id=${`chart-${metric}`} title=${title}>${title}</span>
      ${how.isYLog && html`<small>logarithmic</small>`}
      <span class="grow"></span>
      <button type="button" class="quiet" aria-pressed=${String(hasTable)} aria-label=${`table: ${title}`} onClick=${turnTable}>table</button>
      <${Save} metric=${metric} title=${title} curves=${curves} how=${how} />
      <button type="button" class="quiet" aria-label=${`${isLarge ? "all charts" : "full screen"}: ${title}`} title=${isLarge ? "all charts" : "full screen"}
        onClick=${() => (isLarge ? change({ large: "" }) : fill(metric))}><svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
          <path d=${isLarge ? "M6 2.5V6H2.5M10 2.5V6h3.5M6 13.5V10H2.5M10 13.5V10h3.5" : "M2.5 6V2.5H6M13.5 6V2.5H10M2.5 10v3.5H6M13.5 10v3.5H10"} /></svg></button>
    </figcaption>
    ${error && isCurrent && html`<${Trouble} error=${error} />`}
    <div class=${classes("plot-box", !isCurrent && answer && "stale")}>
      ${inView && answer && curves.length > 0 && !why && html`<${Curves} curves=${curves} zoom=${how.zoom} isXLog=${how.isXLog} isYLog=${how.isYLog}
        yRange=${how.yRange} bright=${brightSet} xTicks=${xTicks(how)} label=${described(title, curves)} onZoom=${props.onZoom} onLook=${setLook} />`}
      ${why && html`<p class="dim none">${why}</p>`}
      ${look && look.found.length > 0 && !why && html`<${Look} look=${look} how=${how} />`}
    </div>
    <p class="chart-note"><small>${answer && !why ? noteOf(curves, lacks, how) : "\u00a0"}</small></p>
    ${how.by.length > 0 && curves.length <= MOST_NAMED && html`<ul class="small-legend">${curves.map((curve) => html`<li key=${curve.id}>
      <${LineKey} number=${curve.number} /><span>${visible(curve.label)}</span></li>`)}</ul>`}
    ${hasTable && html`<${ValueTable} curves=${curves} metric=${metric} how=${how} />`}`;
}

function Save({ metric, title, curves, how }) {
  const name = metric.replace(/[^\w.-]+/g, "_");
  const saveSvg = () => saveText(svg({ title, xTitle: xTitle(how), note: [note(how), signs(curves)].filter(Boolean).join(" · "), curves, ...how, colors: palette("light") }),
    `${name}.svg`, "image/svg+xml");
  const saveCsv = () => saveText(csv(rowsOf(curves, how, xTitle(how))), `${name}.csv`, "text/csv");
  return html`<${Menu} kind="quiet-menu" label="save" name=${`save ${title}`}>${(close) => html`
    <${Item} onClick=${() => { close(); saveSvg(); }}>chart as SVG</${Item}>
    <${Item} onClick=${() => { close(); saveCsv(); }}>what is drawn as CSV</${Item}>`}</${Menu}>`;
}

/** Another number when runs of these have written more. */
function useTurn(ids) {
  const [turn, setTurn] = useState(0);
  const timer = useRef(null);
  useGrown(useCallback((grown) => {
    if (timer.current === null && grown.some((id) => ids.includes(id))) {
      timer.current = setTimeout(() => { timer.current = null; setTurn((before) => before + 1); }, AGAIN_MS);
    }
  }, [ids]));
  useEffect(() => () => clearTimeout(timer.current), []);
  return turn;
}

const handlers = new WeakMap();  // by element
const observer = new IntersectionObserver((entries) => entries.forEach((entry) => handlers.get(entry.target)?.(entry.isIntersecting)), { rootMargin: "150px" });

/** Whether an element is in view, or nearly; and whether it has been. */
function useNear(root) {
  const [near, setNear] = useState({ isNear: false, wasNear: false });
  useEffect(() => {
    const element = root.current;
    handlers.set(element, (isNear) => setNear((before) => ({ isNear, wasNear: isNear || before.wasNear })));
    observer.observe(element);
    return () => observer.unobserve(element);
  }, []);
  return near;
}

/** Why a chart would be empty; nothing where it is not. */
function whyNothing(curves, answer, lacks, { hidden, how }) {
  if (curves.length === 0) {
    const has = answer.groups ? answer.groups.length : answer.curves.size;
    if (has > 0 && hidden.size > 0) return "all of its curves are left away";
    return isOfMetric(how) ? `no step of these runs has both this and ${visible(how.x)}` : "none of these runs has it";
  }
  if (!lacks.isEmpty) return "";
  if (how.zoom && lacks.odd > 0) return "no finite value in this part";
  return lacks.below > 0 ? `${several(lacks.below, "value")}, none of them positive: a logarithmic axis has no place for them`
    : `no finite value: ${lacks.odd === 1 ? "the only one is" : `all ${count(lacks.odd)} are`} NaN or infinite`;
}

function noteOf(curves, lacks, how) {
  const sum = (of) => curves.reduce((total, curve) => total + (of(curve) ?? 0), 0);
  const [points, placed] = [sum((curve) => curve.points), sum((curve) => curve.placed)];
  return [
    xTitle(how),
    points && (placed < points ? `${count(placed)} of ${several(points, "point")}: those at whose steps there is ${visible(how.x)}, too`
      : points === 1 ? "its only point" : `all of ${count(points)} points`),
    lacks.odd > 0 && `${count(lacks.odd)} not finite${signs(curves) && ` from each ${signs(curves)} on`}`,
    curves.some((one) => one.count?.some((n) => n < one.n)) && "not all runs are everywhere: n is under the pointer",
    lacks.below > 0 && `${several(lacks.below, "value")} that ${lacks.below === 1 ? "is" : "are"} not positive not shown`,
    curves.length > MOST_BANDS && how.by.length === 0 && "bands of the one pointed at",
    note(how),
  ].filter(Boolean).join(" · ");
}

/** The marks that a chart has where values are not finite. */
function signs(curves) {
  const values = curves.flatMap((curve) => breaks(curve).map(({ value }) => value));
  return [values.some(Number.isNaN) && "× NaN", values.includes(Infinity) && "△ inf", values.includes(-Infinity) && "▽ −inf"].filter(Boolean).join(", ");
}

function described(title, curves) {
  const lasts = curves.slice(0, 8).map(({ label, y }) => `${visible(label)} ${number(y.findLast(Number.isFinite) ?? NaN)}`);
  return `${title} of ${several(curves.length, "curve")}; last values: ${lasts.join(", ")}${curves.length > 8 ? ", …" : ""}`;
}
