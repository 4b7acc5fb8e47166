// Errors and waiting, as people see them: what happened, the facts, what to do next.

import { html } from "../lib/html.js";
import { shown, visible, visibleLines } from "../lib/text.js";
import { Ticks } from "./ticks.js";

/** An error of the server, or of this page. */
export function Trouble({ error }) {
  if (!error) return null;
  return html`<div class="trouble" role="alert">
    <strong class=${error.message.includes("\n") ? "mono" : ""}>${visibleLines(error.message)}</strong>
    ${Object.entries(error.facts ?? {}).map(([name, value]) => html`<div>
      <span>${visible(name.replaceAll("_", " "))}</span> ${shown(value)}</div>`)}
    ${error.hint && html`<div class="hint"><${Ticks} text=${error.hint} /></div>`}
  </div>`;
}

/** Nothing yet, and why. */
export function Waiting({ what }) {
  return html`<p class="waiting" role="status">${what}</p>`;
}

/** There is nothing to show, and what would change that. */
export function Empty({ title, children }) {
  return html`<div class="empty"><h2>${title}</h2>${children}</div>`;
}
