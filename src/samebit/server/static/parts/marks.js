// What became of a run, as a word with a shape: never by colour alone.

import { classes, html } from "../lib/html.js";
import { shown, visible } from "../lib/text.js";

// Of each state its shape and its tone.
const STATES = {
  __proto__: null,
  running: ["running", "live"], finished: ["check", "calm"], failed: ["cross", "bad"],
  killed: ["cross", "bad"], "stopped early": ["stop", "other"], "broken off": ["broken", "bad"], damaged: ["broken", "bad"],
  "not begun": ["ring", "calm"], "too new": ["ring", "other"],
};
const VERDICTS = {
  __proto__: null,
  identical: ["same", "good"], close: ["near", "other"], compatible: ["near", "other"],
  different: ["apart", "bad"], unknown: ["question", "other"],
};
const SHAPES = {
  running: "M8 2.5a5.5 5.5 0 1 1-5.2 3.7", check: "M3 8.5l3.2 3.2L13 4.8", cross: "M4 4l8 8M12 4l-8 8",
  broken: "M2.5 8h3l1.5-4 2 8 1.5-4h3", ring: "M8 3a5 5 0 1 0 .01 0", same: "M3 6h10M3 10h10",
  near: "M3 6q2.5-2 5 0t5 0M3 10.5q2.5-2 5 0t5 0", apart: "M3 6h10M3 10h10M11 3l-6 10",
  stop: "M2.5 8h8M13 3.5v9",
  question: "M5.5 6a2.5 2.5 0 1 1 3.5 2.3q-1 .5-1 1.7M8 12.6v.1",
};

function Shape({ name }) {
  return html`<svg class=${classes("shape", name)} viewBox="0 0 16 16" aria-hidden="true"><path d=${SHAPES[name]} /></svg>`;
}

/** A run's state; `missing` is what its record lacks, a word each. */
export function State({ state, missing = null }) {
  const [shape, tone] = STATES[state] ?? ["ring", "calm"];
  return html`<span class=${classes("mark", tone)}><${Shape} name=${shape} />${shown(state)}</span>${missing && html`<span class="incomplete"
    title=${`incomplete, missing from its record: ${visible(missing)}`}><span aria-hidden="true">!</span><span class="unseen">${`, incomplete: ${visible(missing)}`}</span></span>`}`;
}

/** A verdict, with what was compared where it is not the whole run. */
export function Verdict({ verdict }) {
  if (!verdict) return null;
  const [shape, tone] = VERDICTS[String(verdict).split(" ")[0]] ?? ["question", "other"];
  return html`<span class=${classes("mark", tone)}><${Shape} name=${shape} />${shown(verdict)}</span>`;
}

/** A state or a verdict, whichever the word is. */
export function Mark({ word }) {
  return word.split(" ")[0] in VERDICTS ? html`<${Verdict} verdict=${word} />` : html`<${State} state=${word} />`;
}
