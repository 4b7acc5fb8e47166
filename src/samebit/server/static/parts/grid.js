// A table of any number of rows and columns, of which only those in view are elements.

import { classes, html, useCallback, useEffect, useLayoutEffect, useRef, useState } from "../lib/html.js";

const ROW = 30;  // pixels; as styles/table.css has it
const MORE_ROWS = 8;  // above and below what is seen, for fast wheels
const WIDEST = 900;
const NARROWEST = 48;

/**
 * @typedef {object} GridColumn
 * @property {string} key
 * @property {any} title
 * @property {number} width - in pixels
 * @property {boolean} [pinned] - stays at the left; pinned columns come first
 * @property {boolean} [numeric]
 * @property {boolean} [dim]
 * @property {function(number): any} cell - what stands in a row
 * @property {any} [menu] - what its head offers
 */

/**
 * @param {{label: string, columns: GridColumn[], rows: ArrayLike<number>, idOf: function,
 *   isSelected: function, onToggle: function, onToggleAll: function, allSelected: boolean, cursor: number,
 *   onCursor: function, onOpen: function, sort: {key: string, descending: boolean}, onSort: function,
 *   onWidth: function, onMove: function, onHover?: function, isBright?: function, standing?: any, kept?: {top: number, left: number}}} props -
 *   rows are numbers that `cell` understands; the cursor is a place among them, which is scrolled to where somebody moved it:
 *   `standing` is another value then. `kept` is told how far it was scrolled, and where it begins.
 */
export function Grid(props) {
  const { label, columns, rows, cursor, onCursor, sort, kept } = props;
  const root = useRef(null);
  const [view, setView] = useState({ top: 0, left: 0, width: 1200, height: 700 });
  const look = useCallback(() => {
    if (!root.current) return;  // told late, of a table that has gone
    const { scrollTop, scrollLeft, clientWidth, clientHeight } = root.current;
    if (kept) Object.assign(kept, { top: scrollTop, left: scrollLeft });
    setView((before) => (before.top === scrollTop && before.left === scrollLeft && before.width === clientWidth &&
      before.height === clientHeight ? before
      : { top: scrollTop, left: scrollLeft, width: clientWidth, height: clientHeight }));
  }, []);
  useEffect(() => {
    const observer = new ResizeObserver(look);
    observer.observe(root.current);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => keepInView(root.current, cursor), [props.standing ?? cursor]);
  useLayoutEffect(() => { if (kept) root.current.scrollTo(kept); }, []);

  const seen = visibleColumns(columns, view);
  useLayoutEffect(() => {
    root.current.style.setProperty("--tracks", seen.tracks);
    root.current.style.setProperty("--after-gap", String(seen.pinned.length + 3));
    root.current.style.setProperty("--wide", `${seen.total}px`);
  });
  const first = Math.max(0, Math.floor(view.top / ROW) - MORE_ROWS);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW) + MORE_ROWS);
  const shownRows = [];
  for (let at = first; at < last; at++) {
    shownRows.push(html`<${Row} key=${props.idOf(rows[at])} ...${props} at=${at} row=${rows[at]} seen=${seen} isCursor=${at === cursor} />`);
  }
  const onKeyDown = (event) => {
    const page = Math.max(1, Math.floor(view.height / ROW) - 2);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (event.target !== root.current) return;
    if (by !== undefined && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      onCursor(Math.max(0, Math.min(rows.length - 1, cursor + by)));
    } else if (event.key === "Enter" && rows[cursor] !== undefined) {
      props.onOpen(rows[cursor]);
    } else if (event.key === " " && rows[cursor] !== undefined) {
      event.preventDefault();
      props.onToggle(cursor, false);
    }
  };
  return html`<div class="grid" role="grid" aria-label=${label} aria-rowcount=${rows.length + 1} aria-multiselectable="true"
      aria-colcount=${columns.length + 1} tabindex="0" ref=${root} onScroll=${look} onKeyDown=${onKeyDown}
      aria-activedescendant=${rows[cursor] === undefined ? null : rowName(props.idOf(rows[cursor]))}>
    <div class="grid-row grid-head" role="row" aria-rowindex="1">
      <div class="cell tick" role="columnheader" aria-colindex="1"><input type="checkbox" aria-label="select all that are shown"
        tabindex="-1" checked=${props.allSelected} onChange=${props.onToggleAll} /></div>
      ${seen.pinned.map((at, place) => html`<${Head} key=${columns[at].key} ...${props} at=${at} left=${seen.lefts[place]} sort=${sort} />`)}
      ${seen.free.map((at, place) => html`<${Head} key=${columns[at].key} ...${props} at=${at} isFirst=${place === 0} sort=${sort} />`)}
    </div>
    <div class="grid-body" role="rowgroup" style=${{ height: `${rows.length * ROW}px` }}>${shownRows}</div>
  </div>`;
}

const rowName = (id) => `row-${id}`;
const TICK = 36;

/** Which columns are in view, where the pinned ones stay, and the tracks of all. */
function visibleColumns(columns, view) {
  const pinned = [];
  const lefts = [];
  const free = [];
  let at = 0;
  let left = TICK;
  // Where half a screen is pinned already, as on a phone, no more is: the rest could not be seen.
  while (at < columns.length && columns[at].pinned && left + columns[at].width <= Math.max(view.width * 0.6, TICK + columns[0].width)) {
    pinned.push(at);
    lefts.push(left);
    left += columns[at].width;
    at += 1;
  }
  let gap = 0;
  let rest = 0;
  let x = left;
  for (; at < columns.length; at++) {
    const { width } = columns[at];
    if (x + width < view.left + left - 100) gap += width;
    else if (x > view.left + view.width + 100) rest += width;
    else free.push(at);
    x += width;
  }
  const px = (places) => places.map((place) => `${columns[place].width}px`).join(" ");
  return { pinned, lefts, free, total: x, tracks: `${TICK}px ${px(pinned)} ${gap}px ${px(free)} minmax(${rest}px, 1fr)` };
}

function keepInView(root, cursor) {
  if (cursor < 0) return;
  const top = cursor * ROW;
  const height = root.clientHeight - ROW;
  if (top < root.scrollTop) root.scrollTop = top;
  else if (top + ROW > root.scrollTop + height) root.scrollTop = top + ROW - height;
}

function Row({ columns, at, row, seen, idOf, isSelected, onToggle, onCursor, onOpen, isCursor, onHover, isBright }) {
  const id = idOf(row);
  const selected = isSelected(row);
  const cell = (place, left, isFirst) => {
    const column = columns[place];
    return html`<div key=${column.key} role="gridcell" aria-colindex=${place + 2}
      class=${classes("cell", column.numeric && "numeric", column.dim && "dim", left !== null && "pinned", isFirst && "after-gap")}
      style=${left === null ? null : { left: `${left}px` }}>${column.cell(row)}</div>`;
  };
  return html`<div id=${rowName(id)} role="row" aria-rowindex=${at + 2} aria-selected=${String(selected)}
      class=${classes("grid-row", selected && "selected", isCursor && "cursor", isBright?.(row) && "bright", at % 2 === 1 && "odd")}
      style=${{ top: `${at * ROW}px` }} onMouseEnter=${onHover && (() => onHover(row))} onClick=${() => onCursor(at)} onDblClick=${() => onOpen(row)}>
    <div class="cell tick" role="gridcell" aria-colindex="1"><input type="checkbox" tabindex="-1" checked=${selected}
      aria-label=${`select ${id}`} onClick=${(event) => { event.stopPropagation(); onToggle(at, event.shiftKey); }} /></div>
    ${seen.pinned.map((place, nth) => cell(place, seen.lefts[nth], false))}
    ${seen.free.map((place, nth) => cell(place, null, nth === 0))}
  </div>`;
}

function Head({ columns, at, left = null, isFirst, sort, onSort, onWidth, onMove }) {
  const column = columns[at];
  const isSorted = sort && sort.key === column.key;
  const order = isSorted ? (sort.descending ? "descending" : "ascending") : "none";
  const [drag, setDrag] = useState(false);
  const resize = (event) => {
    event.preventDefault();
    event.stopPropagation();
    const start = event.clientX;
    const target = event.currentTarget;
    target.setPointerCapture(event.pointerId);
    target.onpointermove = (move) => onWidth(column.key, Math.max(NARROWEST, Math.min(WIDEST, column.width + move.clientX - start)));
    target.onpointerup = () => { target.onpointermove = null; };
  };
  const drop = (event) => {
    event.preventDefault();
    setDrag(false);
    onMove(event.dataTransfer.getData("text/plain"), column.key);
  };
  return html`<div role="columnheader" aria-colindex=${at + 2} aria-sort=${order}
      class=${classes("cell head", column.numeric && "numeric", left !== null && "pinned", isFirst && "after-gap", drag && "drop")}
      style=${left === null ? null : { left: `${left}px` }} draggable="true"
      onDragStart=${(event) => event.dataTransfer.setData("text/plain", column.key)}
      onDragOver=${(event) => { event.preventDefault(); setDrag(true); }} onDragLeave=${() => setDrag(false)} onDrop=${drop}>
    <button type="button" class="sort" title=${column.key} onClick=${() => onSort(column.key)}>
      <span class="title">${column.title}</span>${isSorted && html`<svg class="arrow" viewBox="0 0 8 8" aria-hidden="true"><path
        d=${sort.descending ? "M1 2.5l3 3 3-3" : "M1 5.5l3-3 3 3"} /></svg>`}</button>
    ${column.menu}
    <span class="resize" onPointerDown=${resize} onDblClick=${(event) => event.stopPropagation()}></span>
  </div>`;
}
