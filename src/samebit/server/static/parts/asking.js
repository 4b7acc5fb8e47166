// An answer of the server while a view is shown: asked again when what is asked for changes.

import { useEffect, useRef, useState } from "../lib/html.js";

/**
 * Ask, and show the last answer until the next one is here.
 *
 * What goes on has another answer many times a second. A question of it is never broken off for the same question
 * again, or no answer would ever come; it is asked anew when it is answered.
 * @param {function(AbortSignal): Promise} asking - what to ask; null for nothing.
 * @param {string} key - a text that is another one when the answer may be.
 * @param {string} [subject] - a text that is another one when another thing is asked for; else the key.
 * @returns `isCurrent`: the answer, or the error, is of this subject.
 */
export function useAnswer(asking, key, subject = key) {
  const [found, setFound] = useState({ answer: null, error: null, subject: null });
  const [turn, setTurn] = useState(0);
  const again = () => setTurn((before) => before + 1);
  const latest = useRef(key);
  const askedFor = useRef(null);  // the key of what is on its way, or was answered last
  const isWaiting = useRef(false);
  latest.current = key;
  useEffect(() => {
    if (!asking) return undefined;
    const control = new AbortController();
    askedFor.current = key;
    isWaiting.current = true;
    const done = (change) => {
      if (control.signal.aborted) return;
      isWaiting.current = false;
      setFound(change);
      if (latest.current !== askedFor.current) again();
    };
    asking(control.signal).then((answer) => done({ answer, error: null, subject }),
      (error) => { if (error.name !== "AbortError") done((before) => ({ ...before, error, subject })); });
    return () => control.abort();
  }, [subject, turn, asking === null]);
  useEffect(() => { if (asking && !isWaiting.current && askedFor.current !== key) again(); }, [key]);
  return { answer: found.answer, error: found.error, isCurrent: found.subject === subject, askAgain: again };
}
