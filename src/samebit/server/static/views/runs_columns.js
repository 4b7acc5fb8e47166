// The columns of the table of runs: how a value stands in its cell, and what a head offers.

import { link } from "../lib/address.js";
import { bestOf, isMetric, taken } from "../lib/columns.js";
import { html } from "../lib/html.js";
import { hidden, replaced, shifted, togglePinned } from "../lib/layout.js";
import { duration, moment, shown, title } from "../lib/text.js";
import { State, Verdict } from "../parts/marks.js";
import { Item, Menu } from "../parts/menu.js";

const WIDTHS = { name: 200, state: 118, verdict: 132, started: 150, seconds: 112, missing: 200, note: 220, tags: 150, id: 104 };
const LONG = 200;  // letters of a cell
const STEP = 40;  // pixels by which a key makes a column wider

/** The columns of a grid, for the layout of a table. */
export function gridColumns(actions) {
  const { layout, widths, runs } = actions;
  return layout.keys.filter((key) => runs.columns.has(key)).map((key) => {
    const column = runs.columns.get(key);
    const numeric = column.isNumeric && key !== "started";
    const heading = title(key);
    return {
      key, title: heading, numeric, dim: !column.varies && key !== "name",
      width: widths[key] ?? WIDTHS[key] ?? Math.max(numeric ? 104 : 110, Math.min(180, heading.length * 7.5 + 44)),
      pinned: layout.pinned.has(key),
      cell: cellOf(key, column, runs), text: textOf(key, column, runs),
      menu: html`<${HeadMenu} column=${key} actions=${actions} />`,
    };
  });
}

function cellOf(key, column, runs) {
  if (key === "name") {
    return (row) => {
      const id = runs.ids[row];
      const name = column.get(row);
      return html`<a href=${link("run", {}, id)} tabindex="-1" class=${name ? "" : "id"}>${name ? shown(name) : id}</a>`;
    };
  }
  if (key === "state") return (row) => html`<${State} state=${column.get(row) ?? "unknown"} />`;
  if (key === "verdict") return (row) => html`<${Verdict} verdict=${column.get(row)} />`;
  const text = textOf(key, column, runs);
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

function HeadMenu({ column, actions }) {
  const { layout, setLayout, sortBy, resize, widths, groupBy } = actions;
  const width = widths[column] ?? WIDTHS[column] ?? 110;
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
        <${Item} onClick=${() => resize(column, Math.max(60, width - STEP))}>narrower</${Item}>`;
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
