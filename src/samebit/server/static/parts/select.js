// One of several, chosen from a list.

import { html } from "../lib/html.js";

/** @param {{name?: string, value: string, options: Array<[string, string]>, onChoose: function(string): void}} props */
export function Select({ name, value, options, onChoose }) {
  return html`<select aria-label=${name} value=${value} onChange=${(event) => onChoose(event.target.value)}>
    ${options.map(([one, said]) => html`<option key=${one} value=${one}>${said}</option>`)}</select>`;
}
