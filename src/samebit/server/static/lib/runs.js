// All runs of the store, kept up to date: columns that arrived, what is asked for, what changed.

import { packed } from "./address.js";
import { ask, listen } from "./api.js";
import { Column, sorted } from "./columns.js";
import { useEffect, useState } from "./html.js";
import { isShownAtFirst } from "./layout.js";

const AGAIN_MS = 5000;
const [CHANGED_MS, READING_MS] = [250, 1000];  // until changed rows are asked for: at most so often; while the store is still being read
const MOST_COLUMNS = 130;  // that come by themselves
const listeners = new Set();
const grownListeners = new Set();

/** The state of the page's runs. A change makes a new object, so that views can compare. */
let state = { phase: "asking", error: null, live: "waiting", version: 0, waiting: 0, ids: [], rowOf: new Map(),
  columns: new Map(), keys: [], store: null };

function update(change) {
  state = { ...state, ...change };
  for (const listener of [...listeners]) listener(state);
}

export function useRuns() {
  const [now, setNow] = useState(state);
  useEffect(() => {
    listeners.add(setNow);
    setNow(state);
    return () => listeners.delete(setNow);
  }, []);
  return now;
}

/** Be told which runs have written more. */
export function useGrown(handle) {
  useEffect(() => {
    grownListeners.add(handle);
    return () => grownListeners.delete(handle);
  }, [handle]);
}

/** What a run has under a key; null where it has nothing or the column is not here. */
export function value(runs, id, key) {
  const row = runs.rowOf.get(id);
  return row === undefined ? null : runs.columns.get(key)?.get(row) ?? null;
}

/** What a run is called: its name, else its id. */
export function label(runs, id) {
  return value(runs, id, "name") ?? id;
}

/** Places of runs without those that somebody put away. */
export function unarchived(runs, rows) {
  const archived = runs.columns.get("archived");
  return archived ? rows.filter((row) => archived.get(row) !== true) : rows;
}

/** A filter that leaves them out as well, for what the server counts; where nobody put any away, the same. */
export function shownWhere(runs, where) {
  if (!runs.columns.get("archived")?.values.some((one) => one === true)) return where;
  return where ? `(${where}) and not archived` : "not archived";
}

/** Places of runs, the newest first: the order in which they came here is another one. */
export function newestFirst(runs, rows) {
  return sorted(rows, runs.columns.get("started"), true);
}

export async function begin() {
  try {
    const [store] = await Promise.all([ask("store"), all()]);
    update({ store });
    want(["archived"]);
    const again = () => all().catch((error) => update({ error }));
    listen(state.version, { rows: changed, gone, grown, again }, (live) => update({ live }));
  } catch (error) {
    update({ phase: "failed", error });
    setTimeout(begin, AGAIN_MS);  // the store, or the remote, may come back
  }
}

let complete = 0;  // the version of which the page has everything; beyond it some rows may be here already
let last = Promise.resolve();

/** One answer about rows after the other: an older one that came later would undo the newer. */
const inTurn = (act) => (last = last.then(act, act));

/** Everything anew, with the columns that are held. */
const all = () => inTurn(async () => {
  const held = [...state.columns.keys()];
  take(await ask("runs", held.length ? { columns: packed(held) } : {}));
});

/** What has changed since the page had everything. */
async function more() {
  merge(await ask("runs", { since: complete, columns: packed([...state.columns.keys()]) }));
}

function take(answer) {
  complete = answer.version;
  const columns = new Map(Object.entries(answer.columns)
    .map(([key, packed]) => [key, new Column(packed, answer.ids.length)]));
  update({ phase: "here", error: null, version: answer.version, waiting: answer.waiting ?? 0, ids: answer.ids, columns,
    rowOf: new Map(answer.ids.map((id, row) => [id, row])), keys: answer.keys });
}

const asked = new Map();

/** See to it that columns are here; those that are need nothing. */
export async function want(keys) {
  const missing = keys.filter((key) => !state.columns.has(key) && !asked.has(key));
  if (missing.length === 0 || state.phase !== "here") {
    await Promise.all(keys.map((key) => asked.get(key)));
    return;
  }
  const asking = (async () => {
    try {
      const answer = await ask("runs", { columns: packed(missing) });
      await inTurn(async () => {
        const columns = new Map(state.columns);
        const rows = new Map(answer.ids.map((id, row) => [id, row]));
        for (const key of missing) {
          const column = new Column(answer.columns[key] ?? {}, answer.ids.length);
          columns.set(key, column.taken(state.ids.map((id) => rows.get(id) ?? -1)));
        }
        update({ columns });
        if (answer.version === complete) return;
        complete = Math.min(complete, answer.version);  // runs that came between have nothing in these columns yet
        await more();
      });
    } catch (error) {
      update({ error });
    } finally {
      for (const key of missing) asked.delete(key);
    }
  })();
  for (const key of missing) asked.set(key, asking);
  await asking;
}

let isDue = false;

/** Changed rows are asked for together, and now and then. */
function changed() {
  if (isDue) return;
  isDue = true;
  setTimeout(async () => {
    isDue = false;
    try {
      await inTurn(more);
      lookForKeys();
    } catch (error) {
      update({ error });
    }
  }, state.waiting > 0 ? READING_MS : CHANGED_MS);
}

let looking = null;

/** What runs log for the first time, or are tagged with, is a key that nobody knew: asked for now and then. */
function lookForKeys() {
  looking ??= setTimeout(async () => {
    looking = null;
    try {
      const { keys } = await ask("runs", { columns: "state" });
      const fresh = keys.filter((key) => !state.columns.has(key.key) && isShownAtFirst(key)).map(({ key }) => key);
      update({ keys });
      await want(fresh.slice(0, Math.max(0, MOST_COLUMNS - state.columns.size)));
    } catch (error) {
      update({ error });
    }
  }, state.ids.length > 1000 ? 5000 : 100);
}

function merge(answer) {
  complete = answer.version;
  if (answer.ids.length === 0) {
    update({ version: answer.version, waiting: answer.waiting ?? 0, error: null });
    return;
  }
  const fresh = answer.ids.filter((id) => !state.rowOf.has(id));
  const ids = fresh.length > 0 ? [...state.ids, ...fresh] : state.ids;
  const rowOf = fresh.length > 0 ? new Map(ids.map((id, row) => [id, row])) : state.rowOf;
  const before = ids.map((_, row) => (row < state.ids.length ? row : -1));
  const columns = new Map();
  for (const [key, column] of state.columns) {
    const next = column.taken(before);
    const packed = answer.columns[key];
    if (packed) {
      const news = new Column(packed, answer.ids.length);
      answer.ids.forEach((id, row) => next.set(rowOf.get(id), news.get(row)));
    }
    columns.set(key, next);
  }
  update({ version: answer.version, waiting: answer.waiting ?? 0, ids, rowOf, columns, error: null });
}

function gone({ ids, version }) {
  const left = new Set(ids);
  const rows = state.ids.map((id, row) => [id, row]).filter(([id]) => !left.has(id));
  if (rows.length === state.ids.length) return;
  const places = rows.map(([, row]) => row);
  update({
    version, ids: rows.map(([id]) => id), rowOf: new Map(rows.map(([id], row) => [id, row])),
    columns: new Map([...state.columns].map(([key, column]) => [key, column.taken(places)])),
  });
}

function grown({ ids }) {
  for (const listener of [...grownListeners]) listener(ids);
}
