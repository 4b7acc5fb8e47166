// stub
import { html } from "../lib/html.js";
export function Hyper() { return html`<main id="main">Hyper</main>`; }
