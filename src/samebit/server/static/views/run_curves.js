// stub
import { html } from "../lib/html.js"; export function RunCurves() { return html`<p></p>`; }
