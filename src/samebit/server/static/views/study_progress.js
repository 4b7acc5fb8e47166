// How far studies are: what is running and waiting, what became of the others, time left; and the way to each.

import { link } from "../lib/address.js";
import { html, useEffect } from "../lib/html.js";
import { ask } from "../lib/api.js";
import { useRuns, value, want } from "../lib/runs.js";
import { count, duration, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";

const OPEN = ["running", "waiting", "stopped"];
const ORDER = ["finished", "running", "waiting", "stopped", "stopped early", "failed", "killed", "broken off", "damaged"];
const MOST_OVER = 30;

/** The studies of the store as they are now, or those that have some of the runs that are meant; null until they are known. */
export function useStudies({ where = "", ids = "" } = {}) {
  const runs = useRuns();
  const subject = `studies ${where} ${ids}`;
  const { answer, isCurrent } = useAnswer((signal) => ask("studies", { where, ids }, { signal }), `${runs.version} ${subject}`, subject);
  return isCurrent ? answer?.studies ?? null : null;
}

export const isOpen = ({ counts }) => OPEN.some((state) => counts[state]);

/** Where a study is told of: seeds are a group among others, a sweep has a view. */
const placeOf = ({ kind, name }) => (kind === "sweep" ? link("sweep", { name }) : link("seeds", { by: "group", where: `group = ${JSON.stringify(name)}` }));

/** The way from a run back to the study that started it; nothing where none did. */
export function OfStudy({ runs, id }) {
  useEffect(() => { want(["study"]); }, [runs.phase]);
  const study = runs.columns.has("study") ? value(runs, id, "study") : null;
  return study && html`<${Back} study=${study} id=${id} />`;
}

function Back({ study, id }) {
  const found = (useStudies({ ids: id }) ?? []).find((one) => one.id === study);
  return found && html`<a class="button" href=${placeOf(found)}>${`${found.kind} ${visible(found.name)}`}</a>`;
}

/** A line for each study in progress, and links to those that are over; nothing where there is none. */
export function StudyProgress({ where, ids }) {
  const studies = useStudies({ where, ids }) ?? [];
  const open = studies.filter(isOpen);
  const over = studies.filter((study) => !isOpen(study));
  return html`${open.length > 0 && html`<ul class="studies" aria-label="studies in progress">${open.map((study) => html`<${Progress} key=${study.id} study=${study} />`)}</ul>`}
    ${over.length > 0 && html`<p class="studies-over"><span class="dim">${open.length > 0 ? "over:" : "studies:"}</span> ${over.slice(0, MOST_OVER).map((study) => html`<span key=${study.id}>
      <a href=${placeOf(study)}>${visible(study.name)}</a><small class="dim">${` ${study.kind}, ${count(study.trials)}${ended(study)}`}</small></span>`)}
      ${over.length > MOST_OVER && html`<span class="dim">${`and ${count(over.length - MOST_OVER)} more`}</span>`}</p>`}`;
}

/** What did not finish of a study that is over. */
function ended({ counts }) {
  const bad = ORDER.filter((state) => state !== "finished" && counts[state]);
  return bad.map((state) => `, ${count(counts[state])} ${state}`).join("");
}

/** One study; `isHere`: the view is of it, and has its name. */
export function Progress({ study, isHere = false }) {
  const { name, kind, trials, counts, left_s: left } = study;
  const over = trials - OPEN.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  const said = ORDER.filter((state) => counts[state]).map((state) => `${count(counts[state])} ${state}`).join(", ");
  const rest = !counts.running ? "not running: the same command goes on" : left === null ? "" : `about ${duration(Math.max(1, Math.round(left)))} left`;
  return html`<li>${isHere ? "runs" : html`<strong><a href=${placeOf(study)}>${visible(name)}</a></strong> <span class="dim">${kind}</span>`}
    <progress max=${trials} value=${over} aria-label=${`${visible(name)}: ${over} of ${trials} over`}></progress>
    <span>${said}${rest && html`<span class="dim">, ${rest}</span>`}</span></li>`;
}
