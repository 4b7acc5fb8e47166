// How a view is written: tagged templates that make elements and text nodes, never markup.

import htm from "../vendor/htm.js";
import { Fragment, h, render } from "../vendor/preact.js";

export { Fragment, render };
export {
  useCallback, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState,
} from "../vendor/hooks.js";

export const html = htm.bind(h);

/** Class names, those that are true. */
export function classes(...names) {
  return names.filter(Boolean).join(" ");
}
