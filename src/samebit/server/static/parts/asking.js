// An answer of the server while a view is shown: asked again when what is asked for changes.

import { useEffect, useState } from "../lib/html.js";

/**
 * Ask, and show the last answer until the next one is here.
 * @param {function(AbortSignal): Promise} asking - what to ask; null for nothing.
 * @param {string} key - a text that is another one when another thing is asked for.
 */
export function useAnswer(asking, key) {
  const [found, setFound] = useState({ answer: null, error: null, key: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!asking) return undefined;
    const control = new AbortController();
    asking(control.signal).then(
      (answer) => { if (!control.signal.aborted) setFound({ answer, error: null, key }); },
      (error) => {
        if (error.name !== "AbortError" && !control.signal.aborted) setFound((before) => ({ ...before, error, key }));
      });
    return () => control.abort();
  }, [key, turn, asking === null]);
  return { ...found, isCurrent: found.key === key, askAgain: () => setTurn((before) => before + 1) };
}
