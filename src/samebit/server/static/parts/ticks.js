// A sentence in which `commands` stand between backticks: these are code, and can be copied.

import { html } from "../lib/html.js";
import { visible } from "../lib/text.js";
import { Copy } from "./copy.js";

export function Ticks({ text }) {
  const parts = text.split("`");
  if (parts.length % 2 === 0) return html`<span>${visible(text)}</span>`;  // one of them is a letter
  return html`<span class="ticks">${parts.map((part, at) => (at % 2 === 0 ? visible(part)
    : html`<code key=${at}>${visible(part)}</code>${part.includes(" ") && html`<${Copy} text=${part} what="copy the command" />`}`))}</span>`;
}
