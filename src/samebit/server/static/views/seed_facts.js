// Of a group of seeds what takes a line: what must be known of it, what stopping early cost, and how many seeds a narrower interval needs.

import { change } from "../lib/address.js";
import { html } from "../lib/html.js";
import { count, number, several, visible } from "../lib/text.js";

/** What must be known of numbers before they are believed. */
export function Minds({ notes }) {
  return html`${notes.length > 0 && html`<ul class="minds" aria-label="mind">${notes.map((note) => html`<li key=${note}>${visible(note)}</li>`)}</ul>`}`;
}

const percent = (share) => `${(100 * share).toFixed(0)} %`;

/** Which seeds went on, and what share of all steps was run. */
export function StoppedEarly({ early }) {
  const { metric, keep, start, at, steps, ran, share, at_once: atOnce, rank, judged, stopped } = early;
  return html`<div><dt>stopping early</dt><dd>${`the ${count(keep)} best of ${count(start)} by ${visible(metric)} at step ${number(at)} go on; ${several(stopped.length, "run")} stopped so far (Dodge et al. 2020)`}</dd></div>
    ${share !== null && html`<div><dt>what it cost</dt><dd><b>${percent(share)}</b>${`: ${count(ran)} of ${count(steps * start)} steps were run${atOnce === null ? "" : `, with all at once ${percent(atOnce)}`}`}</dd></div>`}
    ${rank !== null && html`<div><dt>step and end</dt><dd>${`rank correlation of step ${number(at)} with the end: ${rank.toFixed(2)} over the ${count(judged)} that finished, which were chosen by it`}</dd></div>`}`;
}

/** How many seeds more; half as wide an interval is asked for, unless somebody says how wide. */
export function Within({ more: { within, needed, more }, group }) {
  const set = (text) => change({ within: Number(text) > 0 ? text.trim() : "" }, { replace: true });
  return html`<div><dt>for a mean ± <input type="text" inputmode="decimal" class="within" aria-label="half the width of the interval" value=${number(within, 3)}
      onChange=${(event) => set(event.target.value)} /></dt>
    <dd><b>${several(needed, "seed")}</b>${`, ${count(more)} more than there are, if they vary as these ${count(group.n)} do (SD ${number(group.sd, 3)})`}</dd></div>`;
}
