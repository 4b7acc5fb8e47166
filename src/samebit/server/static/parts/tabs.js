// Tabs that are links: each has an address, arrows go from one to the next.

import { html } from "../lib/html.js";

/** @param {Array<[string, string, string]>} tabs - name, title, address. */
export function Tabs({ label, tabs, chosen }) {
  const onKeyDown = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const all = [...event.currentTarget.querySelectorAll("a")];
    const next = all[(all.indexOf(document.activeElement) + by + all.length) % all.length];
    next?.focus();
    next?.click();
  };
  return html`<nav class="tabs" aria-label=${label} onKeyDown=${onKeyDown}>
    ${tabs.map(([name, title, href]) => html`<a key=${name} href=${href}
      aria-current=${name === chosen ? "page" : null}>${title}</a>`)}
  </nav>`;
}
