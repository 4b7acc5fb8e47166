// The table of runs: what is shown of which runs, in which order, and what can be done with them.

import { change, go, link, list, packed, unpacked } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { sorted } from "../lib/columns.js";
import { html, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import { useKeys } from "../lib/keys.js";
import { defaultLayout, formatLayout, moved, parseLayout } from "../lib/layout.js";
import { newestFirst, shownWhere, unarchived, useRuns, want } from "../lib/runs.js";
import { saveAnswer } from "../lib/save.js";
import { keep, setting } from "../lib/settings.js";
import { announce } from "../parts/announce.js";
import { useAnswer } from "../parts/asking.js";
import { Grid } from "../parts/grid.js";
import { Empty, Trouble, Waiting } from "../parts/trouble.js";
import { groupMetrics, Groups } from "./groups.js";
import { Bar } from "./runs_bar.js";
import { gridColumns } from "./runs_columns.js";
import { SelectionBar } from "./runs_selection.js";

/** Where the table was left, by its address: who opens a run and goes back is there again. */
const left = { address: "", cursor: { id: null, at: 0 }, scrolled: { top: 0, left: 0 } };

/** The place of a run among rows, which move while new runs come; where it is not there, the place where it was. */
function placeOf({ id, at }, runs, rows) {
  const place = id === null ? -1 : rows.indexOf(runs.rowOf.get(id) ?? -1);
  return place >= 0 ? place : Math.min(at, rows.length - 1);
}

export function Runs({ params }) {
  const runs = useRuns();
  if (runs.phase === "failed") return html`<main id="main"><${Trouble} error=${runs.error} /></main>`;
  if (runs.phase !== "here") return html`<main id="main"><${Waiting} what="reading the store…" /></main>`;
  if (runs.ids.length === 0) {
    return html`<main id="main"><h1 class="unseen">Runs</h1><${Empty} title="No runs yet"><p>Record one, and it is here while it trains. With a script as it is:</p>
      <p><code>samebit run train.py</code></p><p>or from within it, where it can also say what it logs:</p>
      <pre>import samebit\n\nrun = samebit.init()\nrun.log({"loss": loss}, step=step)</pre></${Empty}></main>`;
  }
  return html`<${Table} runs=${runs} params=${params} />`;
}

/** The layout that the address, or this browser, or nobody chose: what varies `among` the rows that are shown. */
function useLayout(runs, params, among, fitting) {
  const name = `columns ${runs.store?.id}`;
  const text = params.cols ?? setting(name, null);
  const layout = useMemo(() => (text ? parseLayout(text) : defaultLayout(runs, among)), [text, text ? 0 : runs.columns, text ? 0 : among]);
  useEffect(() => { want(text ? layout.keys : fitting); }, [layout, fitting]);
  const setLayout = (next) => {
    const formatted = next ? formatLayout(next) : "";
    keep(name, formatted || null);
    change({ cols: formatted }, { replace: true });
  };
  return [layout, setLayout];
}

const ALL = { rows: null, columns: [] };

/** The runs that the filter leaves, as places, and what a table of them alone has at first; all while there is none. */
function useFilter(runs, where) {
  const { answer, error, isCurrent } = useAnswer(
    where ? (signal) => ask("runs/filter", { where }, { signal }) : null, where ? `${where} ${runs.version}` : "", where);
  return useMemo(() => {
    if (!where) return { ...ALL, error: null };
    if (isCurrent && error) return { ...ALL, error };
    if (!answer) return { ...ALL, error: null };  // all of them for a moment, rather than none
    return { rows: Int32Array.from(answer.ids.map((id) => runs.rowOf.get(id)).filter((row) => row !== undefined)), columns: answer.columns, error: null };
  }, [where, answer, error, isCurrent, runs.rowOf]);
}

function Table({ runs, params }) {
  const filter = useFilter(runs, params.where ?? "");
  const every = useMemo(() => Int32Array.from(runs.ids, (_, row) => row), [runs.ids]);
  const found = useMemo(() => {
    const all = filter.rows ?? every;
    return params.archived ? all : unarchived(runs, all);
  }, [every, filter.rows, params.archived, runs.columns.get("archived")]);
  const among = found.length > 1 ? found : every;  // one alone varies in nothing
  const [layout, setLayout] = useLayout(runs, params, among, filter.columns);
  const sort = parseSort(params.sort);
  useEffect(() => { if (sort) want([sort.key]); }, [params.sort]);
  const sortColumn = sort ? runs.columns.get(sort.key) : null;
  const rows = useMemo(() => (sort ? sorted(found, sortColumn, sort.descending) : newestFirst(runs, found)),
    [found, params.sort, sortColumn, runs.columns.get("started")]);

  const [selection, setSelection] = useState(() => new Set(list(params.ids)));
  const address = link("runs", params);
  const [standing, setStanding] = useState(() => {
    if (left.address !== address) Object.assign(left, { cursor: { id: null, at: 0 }, scrolled: { top: 0, left: 0 } });
    return left.cursor;
  });
  const spot = (at) => ({ id: runs.ids[rows[at]] ?? null, at });
  const setCursor = (at) => setStanding(spot(at));
  const cursor = useMemo(() => placeOf(standing, runs, rows), [standing, rows]);
  useEffect(() => { Object.assign(left, { address, cursor: standing }); }, [address, standing]);
  const anchor = useRef({ id: null, at: 0 });
  const select = (next) => {
    setSelection(next);
    change({ ids: [...next].slice(0, 200).join(",") }, { replace: true });
    announce(`${next.size} selected`);
  };
  const toggle = (place, isRange) => {
    const next = new Set(selection);
    const begun = isRange ? placeOf(anchor.current, runs, rows) : place;
    const [from, to] = [Math.min(begun, place), Math.max(begun, place)];
    const on = !selection.has(runs.ids[rows[place]]);
    for (let one = from; one <= to; one++) next[on ? "add" : "delete"](runs.ids[rows[one]]);
    anchor.current = spot(place);
    select(next);
  };
  const allSelected = rows.length > 0 && rows.length <= selection.size && [...rows].every((row) => selection.has(runs.ids[row]));
  const open = (row) => go(link("run", {}, runs.ids[row]));
  const [widths, setWidths] = useState(() => setting("widths", {}));
  const resize = (key, width) => {
    setWidths((before) => {
      const next = { ...before, [key]: width };
      keep("widths", next);
      return next;
    });
  };
  const sortBy = (key) => {
    const next = sort?.key !== key ? `${key}:desc` : sort.descending ? `${key}:asc` : "";
    change({ sort: next }, { replace: true });
  };
  const chosen = [...selection].filter((id) => runs.rowOf.has(id));
  const two = () => (chosen.length === 2 ? chosen : null);
  const search = useRef(null);
  const by = unpacked(params.by);
  useKeys([
    ["/", "filter", () => search.current?.focus()],
    ...(by.length > 0 ? [] : [
      ["j", "next run", () => setCursor(Math.min(rows.length - 1, cursor + 1))],
      ["k", "run before", () => setCursor(Math.max(0, cursor - 1))],
      ["x", "select the run", () => rows.length && toggle(cursor, false)],
      ["Enter", "open the run", () => rows.length && open(rows[cursor])]]),
    ["v", "curves of what is selected", () => go(link("curves", chosen.length ? { ids: chosen.join(",") } : { where: params.where }))],
    ["c", "compare what is selected", () => (chosen.length > 1 ? go(link("compare", { ids: chosen.join(",") })) : announce("select two runs or more"))],
    ["d", "where the traces of two part", () => (two() ? go(link("trace", { ids: two().join(",") })) : announce("select two runs"))],
  ]);
  const actions = { layout, setLayout, sortBy, resize, widths, params, runs, among,
    groupBy: (key) => change({ by: packed([...new Set([...unpacked(params.by), key])]) }) };
  const columns = useMemo(() => gridColumns(actions), [runs.columns, layout, among, widths, params]);
  const ofGroups = groupMetrics(layout.keys, runs);
  const where = params.archived ? params.where ?? "" : shownWhere(runs, params.where ?? "");
  const save = (form) => () => saveAnswer(`runs.${form}`, by.length > 0 ? { by: packed(by), where, columns: packed(ofGroups.metrics), sort: params.sort }
    : { ids: idsOf(runs, rows), columns: packed(savedKeys(runs, layout, rows)) }, `runs.${form}`);
  return html`<main id="main" class="full">
    <h1 class="unseen">Runs</h1>
    <${Bar} runs=${runs} rows=${rows} filter=${filter} actions=${actions} exports=${{ csv: save("csv"), tex: save("tex") }} search=${search} />
    ${by.length === 0 && rows.length === 0 ? html`<${Nothing} params=${params} isArchived=${filter.rows === null || filter.rows.length > 0} />` : by.length > 0
      ? html`<${Groups} runs=${runs} by=${by} where=${where} ...${ofGroups} sort=${sort} onSort=${sortBy} />`
      : html`<${Grid} label="runs" columns=${columns} rows=${rows} idOf=${(row) => runs.ids[row]} sort=${sort} onSort=${sortBy}
          isSelected=${(row) => selection.has(runs.ids[row])} onToggle=${toggle} allSelected=${allSelected}
          onToggleAll=${() => select(allSelected ? new Set() : new Set([...rows].map((row) => runs.ids[row])))}
          cursor=${cursor} standing=${standing} kept=${left.scrolled} onCursor=${setCursor} onOpen=${open} onWidth=${resize}
          onMove=${(key, to) => setLayout(moved(layout, key, to))} />`}
    <${SelectionBar} ids=${chosen} unseen=${by.length ? 0 : countUnseen(runs, rows, chosen)} runs=${runs} clear=${() => select(new Set())} />
    ${runs.error && html`<${Trouble} error=${runs.error} />`}
  </main>`;
}

/** No row, and why. */
function Nothing({ params, isArchived }) {
  return html`<${Empty} title=${isArchived ? "All of them are archived" : "No run fits"}>
    <p>${isArchived && html`<button type="button" onClick=${() => change({ archived: "1" })}>show what is archived</button>`}
      ${params.where && html` <button type="button" onClick=${() => change({ where: "" })}>no filter</button>`}</p></${Empty}>`;
}

const idsOf = (runs, rows) => [...rows].map((row) => runs.ids[row]).join(",");

/** The columns of a file: a run that nobody named is known by its id. */
function savedKeys(runs, layout, rows) {
  const keys = layout.keys.filter((key) => runs.columns.has(key) && key !== "id");
  const names = Array.from(rows, (row) => runs.columns.get("name")?.get(row) ?? null);
  const [hasNames, hasAll] = [names.some((name) => name !== null), names.length > 0 && names.every((name) => name !== null)];
  return [...(hasAll ? [] : ["id"]), ...keys.filter((key) => key !== "name" || hasNames)];
}

function countUnseen(runs, rows, chosen) {
  if (chosen.length === 0) return 0;
  const shown = new Set(Array.from(rows, (row) => runs.ids[row]));
  return chosen.filter((id) => !shown.has(id)).length;
}

/** `acc:desc`, as the command line has it. */
function parseSort(text) {
  if (!text) return null;
  const found = /^(.*?)(?::(asc|desc))?$/.exec(text);
  return { key: found[1], descending: found[2] === "desc" };
}

