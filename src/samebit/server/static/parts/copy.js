// Commands and texts that are copied by a button, which says that it was done.

import { html, useState } from "../lib/html.js";
import { announce } from "./announce.js";

export function Copy({ text, what = "copy" }) {
  const [done, setDone] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone("copied");
    } catch {
      setDone("not allowed");  // the browser keeps its clipboard from pages, here
    }
    announce(done || "copied");
    setTimeout(() => setDone(""), 1500);
  };
  return html`<button type="button" class="quiet copy" aria-label=${`${what}: ${text}`}
    onClick=${copy}>${done || "copy"}</button>`;
}

/** A command as it is typed. */
export function Command({ what, command }) {
  return html`<div class="command"><span>${what}</span><code>${command}</code>
    <${Copy} text=${command} what="copy the command" /></div>`;
}
