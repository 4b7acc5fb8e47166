// The whole screen for one chart, as long as the browser gives it; where it does not, the page is filled.

import { change } from "../lib/address.js";
import { useEffect } from "../lib/html.js";

/** Show one thing alone, on the whole screen. */
export function fill(name) {
  change({ large: name });
  document.documentElement.requestFullscreen?.().catch(() => {});  // not everywhere, and only after a click or a key
}

/** Whoever leaves the whole screen, by Escape or a button of the browser's, sees everything again, and the other way round. */
export function useFullScreen(large) {
  useEffect(() => {
    if (!large) return undefined;
    const turn = () => { if (!document.fullscreenElement) change({ large: "" }); };
    document.addEventListener("fullscreenchange", turn);
    return () => {
      document.removeEventListener("fullscreenchange", turn);
      if (document.fullscreenElement) document.exitFullscreen();
    };
  }, [large]);
}
