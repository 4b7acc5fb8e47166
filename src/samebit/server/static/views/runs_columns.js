// The columns of the table of runs: how a value stands in its cell, and what a head offers.

import { link } from "../lib/address.js";
import { bestOf, isMetric, taken } from "../lib/columns.js";
import { html } from "../lib/html.js";
import { differs, hidden, replaced, shifted, togglePinned } from "../lib/layout.js";
import { duration, moment, shown, title } from "../lib/text.js";
import { State, Verdict } from "../parts/marks.js";
import { Item, Menu } from "../parts/menu.js";

const MARK = 22;  // pixels that a mark takes beside its word
const LETTER = 8;  // pixels, nearly as wide as the widest of those that are common
const DIGIT = 9;  // and of a number, which is never cut: a part of it is another number
const AROUND = 24;  // pixels beside a text
const [HEAD_LETTER, HEAD_AROUND] = [7.4, 48];  // of a head, which has an arrow and a menu
const [NARROWEST, WIDEST] = [64, 260];
const LOOKED_AT = 100;  // cells by which a column's width is chosen
const LONG = 200;  // letters of a cell
const STEP = 40;  // pixels by which a key makes a column wider

/** The columns of a grid, for the layout of a table. */
export function gridColumns(actions) {
  const { layout, widths, runs, among } = actions;
  const keys = layout.keys.filter((key) => runs.columns.has(key));
  const headings = headingsOf(keys, runs);
  return keys.map((key) => {
    const column = runs.columns.get(key);
    const numeric = column.isNumeric && key !== "started";
    const text = textOf(key, column, runs);
    if (!known.has(column)) known.set(column, fitting(key, headings.get(key), text, runs.ids.length, numeric ? DIGIT : LETTER));
    const width = widths[key] ?? known.get(column);
    return {
      key, title: headings.get(key), numeric, dim: !differs(column.at(among)) && key !== "name", width,
      pinned: layout.pinned.has(key), cell: cellOf(key, column, text, runs),
      menu: html`<${HeadMenu} column=${key} width=${width} actions=${actions} />`,
    };
  });
}

/** What columns are called: in short, and whole where two would have the same name. */
function headingsOf(keys, runs) {
  const hasNames = runs.columns.get("name")?.values.some((name) => name !== null);
  const hasOffset = new Date().getTimezoneOffset() !== 0;
  const short = keys.map((key) => (key === "name" && !hasNames ? "run" : key === "started" && hasOffset ? "started (local)" : title(key)));
  return new Map(keys.map((key, at) => [key, short.indexOf(short[at]) === short.lastIndexOf(short[at]) ? short[at] : shown(key)]));
}

const widest = new Map();  // by key: what is added to a table later makes no column narrower
const known = new WeakMap();  // by column: looked at once

/** As wide as what stands in it, within bounds. */
function fitting(key, heading, text, many, letter) {
  const every = Math.max(1, Math.floor(many / LOOKED_AT));
  let letters = 0;
  for (let row = 0; row < many; row += every) letters = Math.max(letters, text(row).length);
  const inside = letters * letter + AROUND + ({ state: 2 * MARK, verdict: MARK }[key] ?? 0);
  const width = Math.round(Math.max(inside, heading.length * HEAD_LETTER + HEAD_AROUND));
  const found = Math.max(NARROWEST, widest.get(key) ?? 0, Math.min(WIDEST, width));
  widest.set(key, found);
  return found;
}

function cellOf(key, column, text, runs) {
  if (key === "name") {
    return (row) => {
      const id = runs.ids[row];
      const name = column.get(row);
      return html`<a href=${link("run", {}, id)} tabindex="-1" class=${name ? "" : "id"}>${name ? shown(name) : id}</a>`;
    };
  }
  if (key === "state") return (row) => html`<${State} state=${column.get(row) ?? "unknown"} missing=${runs.columns.get("missing")?.get(row)} />`;
  if (key === "verdict") return (row) => html`<${Verdict} verdict=${column.get(row)} />`;
  return (row) => {
    const whole = text(row);
    return whole.length > LONG ? `${whole.slice(0, LONG)}…` : whole;
  };
}

/** What a cell says, as a text. */
function textOf(key, column, runs) {
  if (key === "name") return (row) => shown(column.get(row) ?? runs.ids[row]);
  if (key === "started") return (row) => (column.get(row) === null ? "" : moment(column.get(row)));
  if (key === "seconds") return (row) => duration(column.get(row));
  if (key === "tags") return (row) => shown(listed(column.get(row)));
  return (row) => shown(column.get(row));
}

const listed = (value) => (Array.isArray(value) ? value.join(", ") : value);

function HeadMenu({ column, width, actions }) {
  const { layout, setLayout, sortBy, resize, groupBy } = actions;
  return html`<${Menu} kind="head-menu" name=${`column ${title(column)}`} label=${html`<svg viewBox="0 0 16 16" aria-hidden="true">
    <path d="M4 6.5l4 4 4-4" /></svg>`}>
    ${(close) => {
      const then = (act) => () => { close(); act(); };
      return html`
        <${Item} onClick=${then(() => sortBy(column))}>sort</${Item}>
        ${isMetric(column) && html`<${Takes} column=${column} actions=${actions} then=${then} />`}
        ${!isMetric(column) && html`<${Item} onClick=${then(() => groupBy(column))}>group by this</${Item}>`}
        <${Item} onClick=${then(() => setLayout(togglePinned(layout, column)))}>${layout.pinned.has(column) ? "let go" : "keep at the left"}</${Item}>
        <${Item} onClick=${then(() => setLayout(hidden(layout, column)))}>hide</${Item}>
        <${Item} onClick=${then(() => setLayout(shifted(layout, column, -1)))}>move left</${Item}>
        <${Item} onClick=${then(() => setLayout(shifted(layout, column, 1)))}>move right</${Item}>
        <${Item} onClick=${() => resize(column, width + STEP)}>wider</${Item}>
        <${Item} onClick=${() => resize(column, Math.max(NARROWEST, width - STEP))}>narrower</${Item}>`;
    }}
  </${Menu}>`;
}

/** Which of a metric's points stands for a run. */
function Takes({ column, actions, then }) {
  const { layout, setLayout } = actions;
  const best = bestOf(column);
  const words = { last: "last", min: "lowest", max: "highest", first: "first" };
  return Object.entries(words).map(([take, word]) => {
    const key = taken(column, take);
    return html`<${Item} key=${take} checked=${key === column} onClick=${then(() => setLayout(replaced(layout, column, key)))}>
      ${word}${take === best ? " (best)" : ""}</${Item}>`;
  });
}
