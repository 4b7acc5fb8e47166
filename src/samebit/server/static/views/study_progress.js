// How far the studies are that are not over: what is running and waiting, what became of the others, time left.

import { html } from "../lib/html.js";
import { ask } from "../lib/api.js";
import { useRuns } from "../lib/runs.js";
import { count, duration, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";

const OPEN = ["running", "waiting"];
const ORDER = ["finished", "running", "waiting", "stopped early", "failed", "killed", "broken off", "damaged"];

/** A line for each study in progress; nothing where there is none. */
export function StudyProgress() {
  const runs = useRuns();
  const { answer } = useAnswer((signal) => ask("studies", {}, { signal }), `${runs.version}`, "studies");
  const open = (answer?.studies ?? []).filter(({ counts }) => OPEN.some((state) => counts[state]));
  if (open.length === 0) return null;
  return html`<ul class="studies" aria-label="studies in progress">${open.map((study) => html`<${Line} key=${study.name} study=${study} />`)}</ul>`;
}

function Line({ study: { name, kind, trials, counts, left_s: left } }) {
  const over = trials - OPEN.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  const said = ORDER.filter((state) => counts[state]).map((state) => `${count(counts[state])} ${state}`).join(", ");
  const rest = !counts.running ? "not running: the same command goes on" : left === null ? "" : `about ${duration(Math.max(1, Math.round(left)))} left`;
  return html`<li><strong>${visible(name)}</strong> <span class="dim">${kind}</span>
    <progress max=${trials} value=${over} aria-label=${`${visible(name)}: ${over} of ${trials} over`}></progress>
    <span>${said}${rest && html`<span class="dim">, ${rest}</span>`}</span></li>`;
}
