// How a curve is drawn, as a short piece of it: its colour, and its dashes where colours begin again.

import { html } from "../lib/html.js";

export const LineKey = ({ number }) => html`<svg class=${`key c${number % 8} d${Math.floor(number / 8) % 4}`} viewBox="0 0 24 8" aria-hidden="true">
  <path d="M1 4H23" /></svg>`;
