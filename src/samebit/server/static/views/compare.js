// stub
import { html } from "../lib/html.js";
export function Compare() { return html`<main id="main">Compare</main>`; }
