// The runs that brushes leave, as a table: a row lights its line and points, and is lit by them.

import { change, go, link } from "../lib/address.js";
import { sorted } from "../lib/columns.js";
import { html, useEffect, useMemo, useState } from "../lib/html.js";
import { useKeys } from "../lib/keys.js";
import { shortNames } from "../lib/names.js";
import { label } from "../lib/runs.js";
import { shown, title, visible } from "../lib/text.js";
import { announce } from "../parts/announce.js";
import { Grid } from "../parts/grid.js";
import { State } from "../parts/marks.js";

const ROW = 30;
const LETTERS = 24;  // of a head
const MOST_SHOWN = 18;  // rows without scrolling

/**
 * @param {{runs, rows: Int32Array, kept: Uint8Array, keys: string[], metric: string, lower: boolean, sort: string, bright: number,
 *   onBright: function, picked: Set<string>, setPicked: function, spot: {place: number}|null, onMove: function}} props - `keys`: columns after the metric;
 *   `spot`: the run that was clicked on elsewhere.
 */
export function HyperTable({ runs, rows, kept, keys, metric, lower, sort, spot, bright, onBright, picked, setPicked, onMove }) {
  const [widths, setWidths] = useState({});
  const [at, setCursor] = useState(0);
  const [key, direction] = splitSort(sort) ?? [metric, lower ? "asc" : "desc"];
  const column = runs.columns.get(key) ?? null;
  // The grid's rows are places among the runs of this view.
  const places = useMemo(() => {
    const held = Int32Array.from(rows).filter((_, place) => kept[place]);
    const placeOf = new Map(Array.from(rows, (row, place) => [row, place]));
    return Int32Array.from(sorted(held, column, direction === "desc"), (row) => placeOf.get(row));
  }, [rows, kept, column, direction]);
  useEffect(() => { if (spot) setCursor(Math.max(0, places.indexOf(spot.place))); }, [spot]);
  const cursor = Math.min(at, places.length - 1);
  const columns = useMemo(() => {
    const shown_ = ["name", ...["state", metric, ...keys].filter((one) => runs.columns.has(one))];
    const short = shortNames(shown_.map(title), LETTERS);
    return shown_.map((one) => {
      const of = runs.columns.get(one);
      const heading = short.get(title(one));
      if (one === "name") return { key: one, title: "run", numeric: false, pinned: true, width: widths[one] ?? 180, cell: nameCell(runs, rows) };
      return { key: one, title: heading, numeric: of.isNumeric, dim: one !== metric && !of.varies,
        width: widths[one] ?? (one === "state" ? 110 : Math.max(96, Math.min(210, Math.max(heading.length * 7.5 + 30, lettersOf(of, rows) * 7 + 26)))),
        cell: cellOf(one, of, runs, rows, metric) };
    });
  }, [runs.columns, keys.join(), metric, widths, rows]);
  const idOf = (place) => runs.ids[rows[place]];
  const toggle = (where) => {
    const next = new Set(picked);
    const id = idOf(places[where]);
    if (!next.delete(id)) next.add(id);
    setPicked(next);
  };
  const all = places.length > 0 && places.every((place) => picked.has(idOf(place)));
  const open = (place) => go(link("run", {}, idOf(place)));
  const cursorTo = (where) => {
    setCursor(where);
    onBright(places[where] ?? -1);
  };
  useKeys([
    ["j", "next run", () => cursorTo(Math.min(places.length - 1, cursor + 1))],
    ["k", "run before", () => cursorTo(Math.max(0, cursor - 1))],
    ["x", "select the run", () => places.length > 0 && toggle(cursor)],
    ["Enter", "open the run", () => places.length > 0 && open(places[cursor])],
    ["c", "compare what is selected", () => (picked.size > 1 ? go(link("compare", { ids: [...picked].join(",") })) : announce("select two runs or more"))],
  ]);
  return html`<div class="grid-box" style=${{ height: `${Math.min(MOST_SHOWN, Math.max(3, places.length)) * ROW + 50}px` }} onMouseLeave=${() => onBright(-1)}>
    <${Grid} label="runs that are kept" columns=${columns} rows=${places} idOf=${idOf} sort=${{ key, descending: direction === "desc" }}
      onSort=${(one) => change({ sort: `${one}:${one === key && direction === "desc" ? "asc" : "desc"}` }, { replace: true })}
      isSelected=${(place) => picked.has(idOf(place))} onToggle=${toggle} allSelected=${all}
      onToggleAll=${() => setPicked(all ? new Set() : new Set(Array.from(places, idOf)))} cursor=${cursor} onCursor=${cursorTo} onOpen=${open}
      onWidth=${(one, width) => setWidths((before) => ({ ...before, [one]: width }))} onMove=${onMove}
      onHover=${onBright} isBright=${(place) => place === bright} /></div>`;
}

/** How long the first texts of a column are. */
const lettersOf = (column, rows) => Math.max(0, ...Array.from(rows.subarray(0, 40), (row) => shown(column.get(row)).length));

function splitSort(text) {
  const found = /^(.*):(asc|desc)$/.exec(text ?? "");
  return found ? [found[1], found[2]] : null;
}

/** What a run is called: of one without a name its id. */
const nameCell = (runs, rows) => (place) => {
  const id = runs.ids[rows[place]];
  return html`<a href=${link("run", {}, id)} tabindex="-1">${visible(label(runs, id))}</a>`;
};

function cellOf(key, column, runs, rows, metric) {
  if (key === "state") return (place) => html`<${State} state=${column.get(rows[place]) ?? "unknown"} />`;
  if (key === metric) return (place) => html`<b>${shown(column.get(rows[place]))}</b>`;
  return (place) => shown(column.get(rows[place]));
}
