// stub
import { html } from "../lib/html.js";
export function Curves() { return html`<main id="main">Curves</main>`; }
