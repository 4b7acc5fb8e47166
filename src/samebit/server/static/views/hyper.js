// Hyper-parameters and what they came to: parallel coordinates, scatter plots, importance, and the runs that brushes leave.

import { change, list, packed, unpacked } from "../lib/address.js";
import { filterText, formatBrushes, keptBy, parseBrushes } from "../lib/brushes.js";
import { bestOf, isMetric } from "../lib/columns.js";
import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { importance } from "../lib/importance.js";
import { shortNames } from "../lib/names.js";
import { preferred } from "../lib/results.js";
import { label, useRuns, want } from "../lib/runs.js";
import { several, shown, title, visible } from "../lib/text.js";
import { axisOf } from "../charts/axes.js";
import { Parallel } from "../charts/parallel.js";
import { tonesOf } from "../charts/tones.js";
import { Empty, Trouble, Waiting } from "../parts/trouble.js";
import { useChosen } from "./curves.js";
import { AxisMenu, HyperBar } from "./hyper_bar.js";
import { Relations } from "./hyper_plots.js";
import { HyperTable } from "./hyper_table.js";
import { Weights } from "./hyper_weights.js";
import { SelectionBar } from "./runs_selection.js";

const MOST_AXES = 7;  // at first
const FEWEST_AXES = 4;
const LEAST_SHARE = 0.005;
const MANY = 2000;  // runs whose table waits until a brush is let go
const MOST_PICKED = 200;  // runs that an address names
const LETTERS = 30;  // of a name at an axis, on two lines

export function Hyper({ params }) {
  const runs = useRuns();
  const chosen = useChosen(runs, params, 100_000);
  const keys = useMemo(() => runs.keys.filter(({ key, distinct, missing }) => key.startsWith("config.") && (distinct > 1 || (distinct === 1 && missing > 0))).map(({ key }) => key), [runs.keys]);
  const metrics = useMemo(() => runs.keys.filter(({ key, kind }) => isMetric(key) && kind !== "text").map(({ key }) => key), [runs.keys]);
  const results = metrics.filter((key) => key.startsWith("metric."));
  useEffect(() => { want([...keys, ...results, "state"]); }, [keys, metrics, runs.phase]);
  const metric = metrics.includes(params.metric) ? params.metric : preferred(runs, results);
  useEffect(() => { want([metric, params.color, params.y].filter(Boolean)); }, [metric, params.color, params.y, runs.phase]);
  if (runs.phase !== "here") return html`<main id="main"><${Waiting} what="reading the store…" /></main>`;
  return html`<main id="main" class="hyper">
    <h1 class="unseen">Hyper-parameters</h1>
    ${!metric || keys.length === 0 || chosen.error || chosen.ids.length === 0
      ? html`<${Nothing} runs=${runs} params=${params} chosen=${chosen} hasMetric=${Boolean(metric)} keys=${keys} />`
      : html`<${Related} runs=${runs} ids=${chosen.ids} keys=${keys.filter((key) => runs.columns.has(key))} results=${results} metric=${metric} params=${params} />`}
  </main>`;
}

/** Why there is nothing to relate, and what would change that. */
function Nothing({ runs, params, chosen, hasMetric, keys }) {
  const why = runs.ids.length === 0 ? ["No runs yet", "Record some with different settings, and they are here."]
    : !hasMetric ? ["No results", "These runs have no metrics that settings could be related to."]
      : keys.length === 0 ? ["Nothing to relate", `No setting differs between ${runs.ids.length === 1 ? "runs: there is one" : "these runs"}.`]
        : ["No runs", "The filter leaves none."];
  return html`${!params.ids && runs.ids.length > 0 && html`<${HyperBar.Filter} params=${params} error=${chosen.error} />`}
    <${Trouble} error=${chosen.error} />
    ${!chosen.error && html`<${Empty} title=${why[0]}><p>${why[1]}</p></${Empty}>`}`;
}

const toFloat = (value) => (typeof value === "number" || typeof value === "bigint" ? Number(value) : NaN);

/** Axes of any key, as the address has them turned, each made once. */
function useAxes(runs, rows, params) {
  const flips = new Set(unpacked(params.flip));
  const logs = new Map(unpacked(params.log).map((one) => (one.startsWith("!") ? [one.slice(1), false] : [one, true])));
  const made = useMemo(() => new Map(), [runs.columns, rows, params.flip, params.log]);
  return (key) => {
    if (!made.has(key)) {
      const column = runs.columns.get(key);
      made.set(key, column ? axisOf(column, rows, { isLog: logs.get(key) ?? null, isFlipped: flips.has(key) }) : null);
    }
    return made.get(key);
  };
}

function Related({ runs, ids, keys, results, metric, params }) {
  const rows = useMemo(() => Int32Array.from(ids.map((id) => runs.rowOf.get(id)).filter((row) => row !== undefined)), [ids, runs.rowOf]);
  const column = runs.columns.get(metric);
  const axisFor = useAxes(runs, rows, params);
  const values = useMemo(() => (column ? Float64Array.from(rows, (row) => toFloat(column.get(row))) : new Float64Array(rows.length).fill(NaN)), [rows, column]);
  const weights = useMemo(() => weigh(keys, runs, rows, values), [rows, values, keys, runs.columns]);
  const axes_ = params.axes ? unpacked(params.axes).filter((key) => runs.columns.has(key) && key !== metric) : first(weights);
  const better = params.better ?? (bestOf(metric) === "min" ? "lower" : "higher");
  const color = params.color && runs.columns.has(params.color) ? params.color : metric;
  const colored = useMemo(() => (runs.columns.has(color) ? axisOf(runs.columns.get(color), rows, { isLog: axisFor(color).isLog }) : null), [color, rows, runs.columns, params.log]);
  const tones = useMemo(() => colored && tonesOf(colored, (color === metric ? better : bestOf(color) === "min" && isMetric(color) ? "lower" : "higher") === "lower"), [colored, better]);
  // While a brush is dragged it is here alone; the address has it when it is let go.
  const [dragged, setDragged] = useState(null);
  const held = useMemo(() => parseBrushes(params.brush), [params.brush]);
  const brushes = dragged ?? held;
  const kept = useMemo(() => keptBy(brushes, axisFor, rows.length), [brushes, rows, runs.columns, params.log]);
  const tabled = useMemo(() => (dragged && rows.length > MANY ? keptBy(held, axisFor, rows.length) : kept), [kept, held, dragged]);
  const [bright, setBright] = useState(-1);
  const [spot, setSpot] = useState(null);
  const [picked, setPicked] = useState(() => new Set(list(params.pick)));
  const pick = (next) => {
    setPicked(next);
    change({ pick: [...next].slice(0, MOST_PICKED).join(",") }, { replace: true });
  };
  const onPick = (place) => {
    const id = runs.ids[rows[place]];
    const next = new Set(picked);
    if (!next.delete(id)) next.add(id);
    pick(next);
    setSpot({ place });
  };
  const onBrushes = (changes, isDone) => {
    const next = new Map(brushes);
    for (const [key, brush] of changes) {
      if (brush) next.set(key, brush);
      else next.delete(key);
    }
    setDragged(isDone ? null : next);
    if (isDone) change({ brush: formatBrushes(next) }, { replace: true });
  };
  const all = [...axes_, metric];
  const short = shortNames(all.map(title), LETTERS);
  const onMove = (name, to) => {
    const next = axes_.filter((key) => key !== name);
    next.splice(Math.max(0, Math.min(next.length, to)), 0, name);
    change({ axes: packed(next) }, { replace: true });
  };
  const onAxis = (name, what) => change(turned(params, name, what, axisFor(name)), { replace: true });
  const axes = useMemo(() => all.map((key) => ({ name: key, title: title(key), short: short.get(title(key)), isResult: key === metric, isFixed: key === metric, axis: axisFor(key) }))
    .filter(({ axis }) => axis), [all.join(), rows, runs.columns, params.flip, params.log]);
  const menus = axes.map((one) => ({ ...one, menu: html`<${AxisMenu} one=${one} keys=${axes_} onMove=${onMove} onAxis=${onAxis} onBrush=${onBrushes} />` }));
  const pickedPlaces = useMemo(() => {
    const places = new Map(Array.from(rows, (row, place) => [runs.ids[row], place]));
    return [...picked].slice(0, MOST_PICKED).map((id) => places.get(id)).filter((place) => place !== undefined);
  }, [picked, rows]);
  const told = (place) => [metric, color, ...axes_].filter((key, at, every) => runs.columns.has(key) && every.indexOf(key) === at).slice(0, 8)
    .map((key) => [title(key), shown(runs.columns.get(key).get(rows[place])) || "—"]);
  const nameOf = (place) => visible(label(runs, runs.ids[rows[place]]));
  if (!column || !tones) return html`<${Waiting} what="reading the columns…" />`;
  const shared = { axisFor, kept, tones, brushes, bright, picked: pickedPlaces, onBright: setBright, onPick, rows, isRough: dragged !== null && rows.length > MANY };
  return html`
    <${HyperBar} runs=${runs} params=${params} rows=${rows} kept=${kept} brushes=${brushes} axisFor=${axisFor} keys=${keys} axes=${axes_} results=${results} metric=${metric} better=${better}
      color=${color} tones=${tones} onBrush=${onBrushes} filter=${filterText(brushes, axisFor)} />
    <section aria-label="parallel coordinates">
      <${Parallel} axes=${menus} ...${shared} onBrush=${(name, brush, isDone) => onBrushes([[name, brush]], isDone)} onMove=${onMove} onAxis=${onAxis}
        label=${`parallel coordinates of ${several(rows.length, "run")}, ${several(axes_.length, "key")}; the table below has the same`} />
      <p class="pointed" aria-hidden="true">${bright >= 0 ? html`<b>${nameOf(bright)}</b>${told(bright).map(([key, value]) => html`<span key=${key}><i>${key}</i> ${value}</span>`)}`
        : "Drag along axes to keep runs, heads to reorder; click a line to select its run."}</p>
    </section>
    <div class="hyper-low">
      <${Weights} weights=${weights} runs=${runs} rows=${rows} values=${values} metric=${metric} params=${params} constant=${constant(runs)} />
      <${Relations} runs=${runs} params=${params} keys=${keys} results=${results} axes=${axes_} metric=${metric} ...${shared} onBrush=${onBrushes} nameOf=${nameOf} told=${told} />
    </div>
    <section aria-label="runs"><h2>${better === "higher" ? "Highest" : "Lowest"} ${title(metric)} first</h2>
      <${HyperTable} runs=${runs} rows=${rows} kept=${tabled} keys=${[...new Set([color, ...axes_])].filter((key) => key !== metric)}
        metric=${metric} lower=${better === "lower"} sort=${params.sort}
        spot=${spot} bright=${bright} onBright=${setBright} picked=${picked} setPicked=${pick}
          onMove=${(key, to) => (axes_.includes(key) && axes_.includes(to) ? onMove(key, axes_.indexOf(to)) : null)} /></section>
    <${SelectionBar} ids=${[...picked].filter((id) => runs.rowOf.has(id))} unseen=${0} runs=${runs} clear=${() => pick(new Set())} />`;
}

/** Each key with what it tells of the result, the strongest first; of those that tell nothing how many have it. */
function weigh(keys, runs, rows, values) {
  return keys.map((key) => {
    const of = Array.from(rows, (row) => runs.columns.get(key).get(row));
    const has = of.reduce((sum, value) => sum + (value !== null), 0);
    const varies = new Set(of.filter((value) => value !== null).map(shown)).size > 1;
    const differs = has > 0 && (has < of.length || of.some((value) => value !== of[0] && shown(value) !== shown(of[0])));
    return { key, values: of, has, varies, differs, share: null, rank: null, n: 0, ...importance(of, values) };
  }).filter(({ differs }) => differs).sort((one, other) => (other.share ?? -1) - (one.share ?? -1));
}

const SEED = /(^|[._-])seeds?$/i;

/** The axes where nobody chose: seeds are none, and what matters of that which varies, no fewer than a few; else what only some runs have. */
function first(weights) {
  const [varied, rest] = [true, false].map((one) => weights.filter(({ key, varies }) => varies === one && !SEED.test(key)));
  const found = varied.filter(({ share }, at) => (share ?? 0) > LEAST_SHARE || at < FEWEST_AXES).slice(0, MOST_AXES);
  return [...found, ...rest.slice(0, Math.max(0, FEWEST_AXES - found.length))].map(({ key }) => key);
}

/** Settings that are the same in all runs: they tell nothing, and are counted. */
const constant = (runs) => runs.keys.filter(({ key, distinct, missing }) => key.startsWith("config.") && distinct === 1 && missing === 0).map(({ key }) => key);

/** The parameters with an axis turned around, or its logarithm for its numbers or these for it. */
function turned(params, name, what, axis) {
  if (what === "flip") {
    const flips = new Set(unpacked(params.flip));
    if (!flips.delete(name)) flips.add(name);
    return { flip: packed([...flips]) };
  }
  const rest = unpacked(params.log).filter((one) => one !== name && one !== `!${name}`);
  return axis.canLog ? { log: packed([...rest, axis.isLog ? `!${name}` : name]) } : {};
}
