// stub
import { html } from "../lib/html.js";
export function Trace() { return html`<main id="main">Trace</main>`; }
