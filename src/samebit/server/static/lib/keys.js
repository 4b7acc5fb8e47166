// Keys that do something: a view names its own while it is shown, and `?` lists them.

import { useLayoutEffect } from "./html.js";

const layers = [];

/**
 * Keys of a view.
 * @param {Array<[string, string, function]>} keys - the key, what it does, and the doing.
 */
export function useKeys(keys) {
  useLayoutEffect(() => {
    layers.push(keys);
    return () => layers.splice(layers.indexOf(keys), 1);
  });
}

/** All that can be pressed now, the view's own first; of two for one key the later counts. */
export function known() {
  const found = new Map();
  for (const layer of layers) for (const [key, what] of layer) found.set(key, what);
  return [...found];
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const at = event.target;
  const types = at.matches?.("input:not([type=checkbox], [type=radio], [type=range]), textarea, select");
  if (types || at.closest?.("dialog[open]")) return;
  if (event.key === "Enter" && at.closest?.("a, button, summary")) return;  // it has a meaning of its own
  for (const layer of [...layers].reverse()) {
    const found = layer.find(([key]) => key === event.key);
    if (found) {
      event.preventDefault();
      found[2](event);
      return;
    }
  }
}

export function listenToKeys() {
  window.addEventListener("keydown", press);
}
