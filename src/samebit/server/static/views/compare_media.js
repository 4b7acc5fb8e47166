// What several runs logged beside numbers under the same name, a column for each run, a step at a time.

import { link } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { html } from "../lib/html.js";
import { visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Trouble } from "../parts/trouble.js";
import { Steps, Things, stepOf } from "./run_media.js";

const MOST_RUNS = 8;  // side by side
const MOST_NAMES = 100;

export function MediaBeside({ ids: all, labels, params }) {
  const ids = all.slice(0, MOST_RUNS);
  const { answer, error, isCurrent } = useAnswer((signal) => Promise.all(ids.map((id) => ask(`runs/${encodeURIComponent(id)}/media`, {}, { signal }))), ids.join(","));
  if (error && isCurrent) return html`<section class="card"><h2>media</h2><${Trouble} error=${error} /></section>`;
  if (!answer || !isCurrent) return null;
  const counts = new Map();
  for (const { media } of answer) for (const name of new Set(media.map((one) => one.name))) counts.set(name, (counts.get(name) ?? 0) + 1);
  const names = [...counts].filter(([, many]) => many > 1).map(([name]) => name).slice(0, MOST_NAMES);
  if (names.length === 0) return null;
  return html`<section class="card"><h2>media <small>${all.length > MOST_RUNS ? `of the first ${MOST_RUNS} runs` : ""}</small></h2>
    ${names.map((name) => html`<${Name} key=${name} name=${name} runs=${answer} labels=${labels} params=${params} />`)}</section>`;
}

function Name({ name, runs, labels, params }) {
  const each = runs.map(({ run, media }) => ({ run, all: media.filter((one) => one.name === name) }));
  const steps = [...new Set(each.flatMap(({ all }) => all.map(({ step }) => step)))].sort((one, other) => one - other);
  const step = stepOf(steps, params);
  return html`<h3>${visible(name)}</h3><${Steps} steps=${steps} step=${step} name=${name} />
    <div class="beside">${each.map(({ run, all }, at) => html`<div key=${run}><a href=${link("run", { tab: "media" }, run)}>${visible(labels[at])}</a>
      ${all.some((one) => one.step === step) ? html`<${Things} run=${run} whose=${labels[at]} these=${all.filter((one) => one.step === step)} />` : html`<p class="dim">nothing at this step</p>`}</div>`)}</div>`;
}
