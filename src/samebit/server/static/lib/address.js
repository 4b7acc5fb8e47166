// The address of a view: everything that is chosen stands in it, so a link is the view.

import { useEffect, useState } from "./html.js";

const PATHS = { runs: "/", run: "/run/", curves: "/curves", hyper: "/hyper", compare: "/compare",
  trace: "/trace", seeds: "/seeds", sweep: "/sweep" };
const listeners = new Set();

/** What an address means: its view, the run it is of, and its parameters. */
export function parse(location) {
  const params = Object.fromEntries(new URLSearchParams(location.search));
  if (location.pathname.startsWith(PATHS.run)) {
    return { view: "run", id: readable(location.pathname.slice(PATHS.run.length)), params };
  }
  const found = Object.entries(PATHS).find(([, path]) => path === location.pathname);
  return { view: found ? found[0] : "missing", id: "", params };
}

function readable(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;  // a percent sign that encodes nothing
  }
}

/** The address of a view; parameters that are empty are left out. */
export function link(view, params = {}, id = "") {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== "" && value !== null && value !== undefined && value !== false) query.set(key, value);
  }
  // These are no signs of a query's own; a list of runs and a range stay readable.
  const text = query.toString().replaceAll("%2C", ",").replaceAll("%2F", "/").replaceAll("%7E", "~").replaceAll("%3A", ":");
  return `${PATHS[view] ?? "/"}${view === "run" ? encodeURIComponent(id) : ""}${text ? `?${text}` : ""}`;
}

/** Go there; `replace` leaves no step to go back to. */
export function go(address, { replace = false } = {}) {
  if (address === window.location.pathname + window.location.search) return;
  window.history[replace ? "replaceState" : "pushState"](null, "", address);
  tell();
}

/** Change some parameters of this view. */
export function change(params, options) {
  const here = parse(window.location);
  go(link(here.view, { ...here.params, ...params }, here.id), options);
}

export function useAddress() {
  const [here, setHere] = useState(() => parse(window.location));
  useEffect(() => {
    const listener = () => setHere(parse(window.location));
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return here;
}

/** A list of a parameter. */
export function list(text) {
  return text ? text.split(",").filter(Boolean) : [];
}

// Names may hold a comma, which parts them in a list.
export const packed = (names) => names.map((name) => name.replaceAll("%", "%25").replaceAll(",", "%2c")).join(",");
export const unpacked = (text) => list(text).map((name) => name.replaceAll("%2c", ",").replaceAll("%25", "%"));

function tell() {
  for (const listener of [...listeners]) listener();
}

/** Links of ours change the view without loading the page anew. */
export function followLinks(root) {
  window.addEventListener("popstate", tell);
  root.addEventListener("click", (event) => {
    const anchor = event.target.closest?.("a[href]");
    if (!anchor || event.defaultPrevented || event.button !== 0 || anchor.hasAttribute("download")) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || anchor.target) return;
    if (anchor.origin !== window.location.origin || anchor.pathname.startsWith("/api/")) return;
    if (anchor.hash && anchor.pathname === window.location.pathname) return;
    event.preventDefault();
    go(anchor.pathname + anchor.search);
  });
}
