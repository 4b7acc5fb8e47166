// Groups of seeds: how their results lie, their means with intervals, the best of n, and two of them in pairs.

import { change, link, list, packed, unpacked } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { bestOf, isMetric, taken } from "../lib/columns.js";
import { html, useMemo } from "../lib/html.js";
import { preferred } from "../lib/results.js";
import { label, useRuns } from "../lib/runs.js";
import { described, groupsIn, inWords, isSeed, nameOf, settings } from "../lib/seeds.js";
import { count, several, title, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Menu } from "../parts/menu.js";
import { Select } from "../parts/select.js";
import { Empty, Trouble, Waiting } from "../parts/trouble.js";
import { Choices, FilterBox } from "./runs_bar.js";
import { SeedCharts } from "./seed_charts.js";
import { SeedGroup } from "./seed_group.js";
import { SeedGroups } from "./seed_groups.js";
import { SeedPairs } from "./seed_pairs.js";
import { StudyProgress } from "./study_progress.js";

const MOST_GROUPS = 60;
const FIRST_CHARTED = 4;
const TAKES = [["last", "last"], ["min", "lowest"], ["max", "highest"], ["first", "first"]];
const BETTER = [["higher", "higher"], ["lower", "lower"]];
const NONE = "-";  // in the address: grouped by nothing

export function Seeds({ params }) {
  const runs = useRuns();
  if (runs.phase !== "here") return html`<main id="main"><${Waiting} what="reading the store…" /></main>`;
  const metrics = runs.keys.map(({ key }) => key).filter((key) => key.startsWith("metric."));
  const metric = metrics.includes(params.metric) ? params.metric : preferred(runs, metrics);
  if (!metric) {
    return html`<main id="main" class="seeds"><${StudyProgress} where=${params.where} /><${Empty} title="No results"><p>${runs.ids.length ? "These runs have no metrics, so there is nothing whose spread could be told."
      : "There are no runs yet."}</p></${Empty}></main>`;
  }
  return html`<${Studied} runs=${runs} params=${params} metrics=${metrics} metric=${metric} />`;
}

function Studied({ runs, params, metrics, metric }) {
  const keys = runs.keys.filter(({ key, distinct, missing }) => !isMetric(key) && !isSeed(key) && distinct > 0 && (distinct > 1 || missing > 0) &&
    !/^(id|name|started|seconds|steps)$/.test(key));
  const by = params.by === NONE ? [] : params.by ? unpacked(params.by) : settings(runs.keys, runs.ids.length);
  const take = params.take ?? "last";
  const better = params.better ?? (bestOf(metric) === "min" ? "lower" : "higher");
  const ids = list(params.ids);
  const where = ids.length > 0 ? "" : params.where ?? "";
  const asked = { by: packed(by), metric: metric.slice(7), take, where, ids: ids.join(",") };
  const subject = JSON.stringify([asked, better]);
  const { answer, error, isCurrent } = useAnswer((signal) => Promise.all([
    ask("runs/groups", asked, { signal }), ask("seeds/best", { ...asked, better }, { signal })]), `${subject} ${runs.version}`, subject);
  const found = useMemo(() => (answer ? studied(answer, better) : null), [answer]);
  const toggle = (one) => change({ by: packed(by.includes(one) ? by.filter((other) => other !== one) : [...by, one]) || NONE });
  return html`<main id="main" class="seeds">
    <h1 class="unseen">Seeds</h1>
    <div class="chart-bar">
      ${ids.length === 0 && html`<${FilterBox} where=${where} error=${isCurrent ? error : null} />`}
      <label>metric <${Select} value=${metric} options=${metrics.map((one) => [one, title(one)])}
        onChoose=${(chosen) => change({ metric: chosen, better: "" })} /></label>
      <label>point <${Select} value=${take} options=${TAKES} onChoose=${(chosen) => change({ take: chosen })} /></label>
      <label>better is <${Select} value=${better} options=${BETTER} onChoose=${(chosen) => change({ better: chosen })} /></label>
      <${Menu} isPanel label=${`Grouped by ${by.length === 0 ? "nothing" : by.length > 3 ? several(by.length, "setting") : by.map(title).join(", ")}`} name="groups by">${() => html`
        <${Choices} keys=${keys} isOn=${(one) => by.includes(one)} toggle=${toggle} what="keys" />
        <button type="button" onClick=${() => change({ by: NONE })}>by nothing</button>
        <button type="button" onClick=${() => change({ by: "" })}>all settings but seeds</button>`}</${Menu}>
    </div>
    <${StudyProgress} where=${where} ids=${asked.ids} />
    ${isCurrent && html`<${Trouble} error=${error} />`}
    ${!answer && !error && html`<${Waiting} what="counting groups…" />`}
    ${found && html`<${Found} found=${found} runs=${runs} params=${params} asked=${asked} better=${better} by=${answer[0].by} metric=${taken(metric, take)} method=${answer[1].method} />`}
  </main>`;
}

/** Groups with what is told of each, the largest first, of equal ones the best. */
function studied([{ groups }, bests], better) {
  const sign = better === "lower" ? 1 : -1;
  return groups.map((group, at) => ({ ...group, best: bests.groups[at].best, note: group.n > 1 ? bests.groups[at].note : "", key: nameOf(group.values) }))
    .sort((one, other) => other.n - one.n || (one.n ? sign * (one.mean - other.mean) : 0));
}

function Found({ found, runs, params, asked, better, by, metric, method }) {
  const groups = found.slice(0, MOST_GROUPS);
  const words = useMemo(() => described(groups, by), [found, by.join()]);
  const called = (group) => visible(inWords(words.get(group.key)));
  const charted = params.show === undefined ? groups.filter(({ n }) => n > 1).slice(0, FIRST_CHARTED).map(({ key }) => key)
    : groupsIn(params.show).filter((key) => words.has(key));
  const of = groups.find(({ key }) => key === params.of) ?? groups.find(({ n }) => n > 0) ?? groups[0];
  const nameOfRun = (id) => visible(label(runs, id));
  if (groups.length === 0) return html`<${Empty} title="No runs"><p>The filter leaves none.</p></${Empty}>`;
  const results = found.reduce((sum, { n }) => sum + n, 0);
  const out = found.flatMap(({ left_out: one }) => one);
  const largest = found[0].n;
  return html`
    <p class="summary" role="status"><span>${`${several(results, "result")} in ${several(found.length, "group")}${found.length > groups.length ? `, the largest ${groups.length} below` : ""}`}</span>
      ${out.length > 0 && html`<${LeftOut} out=${out} nameOf=${nameOfRun} />`}</p>
    ${largest < 2 && results > 0 && html`<p class="dim">${results === 1 ? "Of one result there is no interval: run more seeds."
      : `No two runs have the same ${by.length === 1 ? title(by[0]) : "settings"}: of one result there is no interval. Group by fewer keys, or run more seeds.`}</p>`}
    ${results === 0 && html`<p class="dim">None of these runs has a result that is a number in the end; each group tells why.</p>`}
    <${SeedGroups} groups=${groups} words=${words} called=${called} charted=${charted} of=${of} params=${params} better=${better} metric=${metric} nameOf=${nameOfRun} />
    ${results > 0 && html`<${SeedCharts} groups=${charted.map((key) => groups.find((group) => group.key === key))} called=${called} better=${better} metric=${metric} method=${method} />`}
    <${SeedGroup} key=${of.key} group=${of} called=${called(of)} runs=${runs} params=${params} asked=${asked} metric=${metric} better=${better} nameOf=${nameOfRun} />
    ${groups.filter(({ n }) => n > 0).length > 1 && of.n > 0 && html`<${SeedPairs} groups=${groups} of=${of} called=${called} params=${params} asked=${asked} better=${better}
      nameOf=${nameOfRun} metric=${metric} />`}`;
}

/** Who was left out, by why. */
function LeftOut({ out, nameOf: named }) {
  const whys = new Map();
  for (const [id, why] of out) whys.set(why, [...(whys.get(why) ?? []), id]);
  return html`<details class="left-out"><summary>${`left out: ${[...whys].map(([why, ids]) => `${count(ids.length)} ${visible(why)}`).join(", ")}`}</summary>
    <ul>${[...whys].map(([why, ids]) => html`<li key=${why}><b>${visible(why)}</b> ${ids.slice(0, 50).map((id) => html`<a key=${id} href=${link("run", {}, id)}>${named(id)}</a> `)}
      ${ids.length > 50 && html`<span class="dim">${`and ${count(ids.length - 50)} more`}</span>`}</li>`)}</ul></details>`;
}
