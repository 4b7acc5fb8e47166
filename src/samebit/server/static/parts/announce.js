// What a screen reader is told that others see: one polite region for the whole page.

import { html, useEffect, useState } from "../lib/html.js";

let say = () => {};

export const announce = (text) => say(text);

export function Announcer() {
  const [text, setText] = useState("");
  useEffect(() => {
    say = (next) => setText((before) => (before === next ? `${next}\u00a0` : next));
    return () => { say = () => {}; };
  }, []);
  return html`<div class="unseen" role="status" aria-live="polite">${text}</div>`;
}
