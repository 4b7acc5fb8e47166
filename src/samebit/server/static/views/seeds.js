// stub
import { html } from "../lib/html.js";
export function Seeds() { return html`<main id="main">Seeds</main>`; }
