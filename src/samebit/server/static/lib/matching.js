// Which names a search leaves: by its letters, or by a regular expression that may not take long.

import { useEffect, useMemo, useRef, useState } from "./html.js";

const MOST_MS = 500;
const SIGNS = /[\\^$.*+?()[\]{}|]/;

/**
 * A regular expression as it was typed; where it is none, or takes too long, its letters.
 * @param {string[]} names
 * @param {string|undefined} text
 * @returns {{found: Set<string>, isBroken: boolean, isWaiting: boolean}}
 */
export function useMatching(names, text = "") {
  const isBroken = useMemo(() => !isPattern(text), [text]);
  const isAsked = SIGNS.test(text) && !isBroken && names.length > 0;
  const key = JSON.stringify([text, names]);
  const [answer, setAnswer] = useState({ key: null, found: null });
  useEffect(() => (isAsked ? matched(text, names, (found) => setAnswer({ key, found })) : undefined), [isAsked, key]);
  const letters = useMemo(() => new Set(names.filter((name) => name.toLowerCase().includes(text.toLowerCase()))), [key]);
  const isWaiting = isAsked && answer.key !== key;
  // What was found last stays until the next answer is here.
  const last = useRef(new Set());
  if (!isWaiting) last.current = (isAsked && answer.found) || letters;
  return { found: last.current, isBroken: isBroken || (isAsked && !isWaiting && answer.found === null), isWaiting };
}

function isPattern(text) {
  try {
    return Boolean(new RegExp(text, "i"));
  } catch {
    return false;
  }
}

/** Beside the page: `(a+)+$` takes years for some names, and nothing else stops it. Null where it was stopped. */
function matched(text, names, tell) {
  const worker = new Worker("/static/lib/matcher.js");
  const end = (found) => {
    clearTimeout(timer);
    worker.terminate();
    tell(found);
  };
  const timer = setTimeout(end, MOST_MS, null);
  worker.onmessage = ({ data }) => end(new Set(data));
  worker.onerror = () => end(null);
  worker.postMessage({ text, names });
  return () => {
    clearTimeout(timer);
    worker.terminate();
  };
}
