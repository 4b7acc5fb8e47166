// How far studies are: what is running and waiting, what became of the others, time left; and the way to sweeps.

import { link } from "../lib/address.js";
import { html } from "../lib/html.js";
import { ask } from "../lib/api.js";
import { useRuns } from "../lib/runs.js";
import { count, duration, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";

const OPEN = ["running", "waiting"];
const ORDER = ["finished", "running", "waiting", "stopped early", "failed", "killed", "broken off", "damaged"];

/** All studies of the store as they are now; null until they are known. */
export function useStudies() {
  const runs = useRuns();
  const { answer } = useAnswer((signal) => ask("studies", {}, { signal }), `${runs.version}`, "studies");
  return answer?.studies ?? null;
}

export const isOpen = ({ counts }) => OPEN.some((state) => counts[state]);

/** A line for each study in progress, and links to the sweeps that are over; nothing where there is none. */
export function StudyProgress() {
  const studies = useStudies() ?? [];
  const open = studies.filter(isOpen);
  const over = studies.filter((study) => study.kind === "sweep" && !isOpen(study));
  return html`${open.length > 0 && html`<ul class="studies" aria-label="studies in progress">${open.map((study) => html`<${Progress} key=${study.name} study=${study} />`)}</ul>`}
    ${over.length > 0 && html`<p class="sweeps dim">sweeps: ${over.map(({ name }) => html`<a key=${name} href=${link("sweep", { name })}>${visible(name)}</a> `)}</p>`}`;
}

/** One study; `isHere`: the view is of it, and has its name. */
export function Progress({ study: { name, kind, trials, counts, left_s: left }, isHere = false }) {
  const over = trials - OPEN.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  const said = ORDER.filter((state) => counts[state]).map((state) => `${count(counts[state])} ${state}`).join(", ");
  const rest = !counts.running ? "not running: the same command goes on" : left === null ? "" : `about ${duration(Math.max(1, Math.round(left)))} left`;
  const named = kind === "sweep" ? html`<a href=${link("sweep", { name })}>${visible(name)}</a>` : visible(name);
  return html`<li>${isHere ? "runs" : html`<strong>${named}</strong> <span class="dim">${kind}</span>`}
    <progress max=${trials} value=${over} aria-label=${`${visible(name)}: ${over} of ${trials} over`}></progress>
    <span>${said}${rest && html`<span class="dim">, ${rest}</span>`}</span></li>`;
}
