// What the server is asked, and its answers as values.

import { headers, pass } from "./key.js";

/** What the server could not do, in its own words. */
class ApiError extends Error {
  constructor(status, said) {
    super(said.what);
    this.status = status;
    this.facts = said.facts ?? {};
    this.hint = said.hint ?? "";
  }
}

/** The address of an answer for an element of the page, as a link, a picture or a stream of events. */
export const address = (path, params = {}) => plain(path, { ...params, pass: pass() });

function plain(path, params = {}) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") query.set(key, value);
  }
  const text = query.toString();
  return `/api/${path}${text ? `?${text}` : ""}`;
}

/** Ask for JSON. */
export async function ask(path, params, { signal } = {}) {
  return numbers(await (await fetched(path, params, signal)).json());
}

/** Ask for a text. */
export async function askText(path, params, { signal } = {}) {
  return (await fetched(path, params, signal)).text();
}

/** Ask whether something could be had, without having it. */
export async function askWhether(path, params, { signal } = {}) {
  await fetched(path, params, signal, { headers: { Range: "bytes=0-0" } });
  return true;
}

/** Send a note; the one thing that is ever written. */
export async function post(path, body) {
  return numbers(await (await fetched(path, {}, undefined, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json());
}

/** What is said when nobody answers. */
export function unanswered() {
  return new ApiError(0, { what: "the server does not answer", hint: "does `samebit ui` still run?" });
}

async function fetched(path, params, signal, how = {}) {
  let response;
  try {
    const asked = plain(path, params);
    const early = window.early?.get(asked);  // lib/early.js, once
    window.early?.delete(asked);
    response = await (early ?? fetch(asked, { signal, ...how, headers: headers(how.headers) }));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unanswered();
  }
  if (response.ok) return response;
  let said = null;
  try {
    said = (await response.json()).error;
  } catch {
    // Not in our words: a proxy, or a fault.
  }
  throw new ApiError(response.status, said ?? { what: `the server answered ${response.status}` });
}

/** Floats that JSON cannot hold, and integers beyond 2^53, as values of JavaScript. */
export function numbers(value) {
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      if (typeof value[at] === "object" && value[at] !== null) value[at] = numbers(value[at]);
    }
    return value;
  }
  if (typeof value !== "object" || value === null) return value;
  const keys = Object.keys(value);
  if (keys.length === 1 && keys[0] in MARKED) return MARKED[keys[0]](value[keys[0]]);
  for (const key of keys) {
    if (typeof value[key] === "object") value[key] = numbers(value[key]);
  }
  // A key that begins with the sign of what is marked has another one before it.
  return keys.some((key) => key.startsWith("$$"))
    ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key.replace(/^\$\$/, "$"), one])) : value;
}

// No names of objects' own in what strangers' names are looked up in, here and elsewhere: a key may be `constructor`.
const MARKED = { __proto__: null, $float: float, $int: integer, $escaped: String };

function float(text) {
  return text === "inf" ? Infinity : text === "-inf" ? -Infinity : NaN;
}

function integer(text) {
  return /^-?\d{1,4000}$/.test(text) ? BigInt(text) : String(text);
}

/**
 * Envelopes of curves.
 * @returns {Promise<{curves: Map<string, object>, missing: string[]}>} of each run `x`, `low`,
 *   `high`, `last`, `mean` as arrays, how many points there were, and how many have a place on this axis.
 */
export async function askCurves(params, { signal } = {}) {
  const buffer = await (await fetched("curves", params, signal)).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const header = numbers(JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))));
  const curves = new Map();
  let at = 4 + length;
  const block = (many) => {
    const found = new Float64Array(buffer, at, many);
    at += 8 * many;
    return found;
  };
  for (const { id, points, placed, drawn, odd } of header.curves) {
    curves.set(id, { id, points, placed, odd: odd ?? 0, x: block(drawn), low: block(drawn), high: block(drawn),
      last: block(drawn), mean: block(drawn) });
  }
  return { ...header, curves, missing: header.missing ?? [] };
}

/** Listen to what changes after a version; the browser reconnects by itself and says what it has.

A page that nobody sees gives its connection back: a browser has six of them for all pages of a server. */
export function listen(since, handlers, onState) {
  let source = null;
  let known = since;
  const open = () => {
    source = new EventSource(address("events", { since: known }));
    source.onopen = () => onState("live");
    source.onerror = () => onState(source?.readyState === EventSource.CLOSED ? "gone" : "waiting");
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => {
        const value = numbers(JSON.parse(event.data));
        known = value.version ?? known;
        handle(value);
      });
    }
  };
  const turn = () => {
    if (!document.hidden) source ?? open();
    else {
      source?.close();
      source = null;
    }
  };
  document.addEventListener("visibilitychange", turn);
  turn();
}
