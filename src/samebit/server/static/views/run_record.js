// What a record has of each aspect of a run, what it lacks and what to do about it, and what may come out otherwise.

import { link } from "../lib/address.js";
import { html } from "../lib/html.js";
import { several, visible } from "../lib/text.js";
import { Ticks } from "../parts/ticks.js";

// Where more of an aspect is told.
const TABS = { __proto__: null, code: "code", configuration: "config", data: "data", splits: "data", seeds: "config", determinism: "config",
  environment: "environment", lock: "environment", machine: "machine", states: "states", schedule: "config", metrics: "curves", media: "media" };

const inState = (run, state) => run.aspects.filter((one) => one.state === state);

/** What is missing, each with what to do about it. */
export function Lacks({ run }) {
  const missing = inState(run, "missing");
  return missing.length > 0 && html`<section class="card lacks"><h2>Missing from the record</h2>
    <ul class="lack-list">${missing.flatMap((aspect) => (aspect.lacks.length > 0 ? aspect.lacks : [{ what: aspect.what }])
    .map(({ what, fix }, at) => html`<li key=${aspect.name + at}>
      <strong><span aria-hidden="true">! </span>${at === 0 ? visible(aspect.name) : ""}</strong>
      <span><${Ticks} text=${what} />${fix && html`<small><${Ticks} text=${fix} /></small>`}</span></li>`))}</ul></section>`;
}

/** What there is, where there was nothing, and what may come out otherwise. */
export function Record({ run }) {
  const [missing, there, none] = ["missing", "ok", "none"].map((state) => inState(run, state));
  return html`<section class="card record"><h2>Recorded <small>${missing.length === 0 ? "complete: nothing is known to be missing" : `${there.length} of ${run.aspects.length - none.length}`}</small></h2>
    <dl class="aspects">${there.map(({ name, what }) => html`<div key=${name}>
      <dt><span class="tick" aria-hidden="true">✓</span><span class="unseen">recorded: </span>${name in TABS
      ? html`<a href=${link("run", { tab: TABS[name] }, run.id)}>${visible(name)}</a>` : visible(name)}</dt>
      <dd>${visible(what)}</dd></div>`)}</dl>
    ${none.length > 0 && html`<p class="dim small">${"nothing to record: "}${none.map(({ name, what }) => `${visible(name)} (${visible(what)})`).join(", ")}</p>`}
    ${run.hazards.length > 0 && html`<details class="hazards"><summary>${`${several(run.hazards.length, "thing")} may come out otherwise elsewhere`}</summary>
      <ul>${run.hazards.map(({ what, fix }, at) => html`<li key=${at}><${Ticks} text=${what} /><small><${Ticks} text=${fix} /></small></li>`)}</ul></details>`}
  </section>`;
}
