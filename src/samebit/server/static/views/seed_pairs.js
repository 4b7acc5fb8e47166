// Two groups of seeds against each other, as `samebit versus` tells it: in pairs of equal seeds where there are some.

import { change, link } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { column } from "../lib/digits.js";
import { html } from "../lib/html.js";
import { count, number, several, signed, title, visible } from "../lib/text.js";
import { domainOf, Strip } from "../charts/strip.js";
import { useAnswer } from "../parts/asking.js";
import { Select } from "../parts/select.js";
import { Trouble, Waiting } from "../parts/trouble.js";
import { Minds } from "./seed_facts.js";

const MOST_ROWS = 300;
const BRIEF = 24;  // letters of a name that stands in sentences

export function SeedPairs({ groups, of, called, params, asked, better, nameOf, metric }) {
  const others = groups.filter(({ key, n }) => key !== of.key && n > 0);
  const other = others.find(({ key }) => key === params.against) ?? others[0];
  const options = (some) => some.map((group) => [group.key, `${called(group)} (n = ${count(group.n)})`]);
  const called_ = [called(of), called(other)];
  const names = called_.every((name) => name.length <= BRIEF) ? called_ : ["the first", "the second"];
  const subject = JSON.stringify([of.key, other.key, better, asked.take, asked.metric]);
  const { answer: found, error, isCurrent } = useAnswer((signal) => ask("seeds/versus", { ids: every(of), against: every(other), metric: asked.metric, take: asked.take, better, first: names[0], second: names[1] }, { signal }),
    `${subject} ${JSON.stringify([of, other].map((one) => [one.points, one.left_out]))}`, subject);
  const answer = isCurrent ? found : null;
  return html`<section class="card seed-pairs" aria-label="two groups">
    <h2>Two groups: <${Select} name="first group" value=${of.key} options=${options(groups.filter(({ n }) => n > 0))} onChoose=${(key) => change({ of: key }, { replace: true })} />
      ${" against "}<${Select} name="second group" value=${other.key} options=${options(others)} onChoose=${(key) => change({ against: key }, { replace: true })} /></h2>
    ${isCurrent && html`<${Trouble} error=${error} />`}
    ${!answer && !(isCurrent && error) && html`<${Waiting} what="pairing seeds…" />`}
    ${answer && html`<p class="verdict-line">${visible(answer.verdict)}</p>
      <${Minds} notes=${answer.warnings} />
      <${Numbers} found=${answer.pairs} warnings=${answer.warnings} names=${names} />
      ${answer.pairs.pairs.length > 0 && html`<${Table} answer=${answer.pairs} names=${names} metric=${metric} nameOf=${nameOf} better=${better} />`}
      <${Alone} alone=${answer.pairs.alone} nameOf=${nameOf} />`}
  </section>`;
}

/** The runs of a group, those without a result among them: they tell how the others were chosen. */
const every = (group) => [...group.runs, ...group.left_out.map(([id]) => id)].join(",");

function Alone({ alone, nameOf }) {
  if (alone.length === 0) return null;
  return html`<details class="left-out"><summary>${`${several(alone.length, "run")} in no pair`}</summary>
    <ul>${alone.slice(0, 100).map(([id, why]) => html`<li key=${id}><a href=${link("run", {}, id)}>${nameOf(id)}</a> ${visible(why)}</li>`)}
      ${alone.length > 100 && html`<li class="dim">${`and ${count(alone.length - 100)} more`}</li>`}</ul></details>`;
}

/** What the verdict rests on. */
function Numbers({ found, warnings, names }) {
  const { difference, wins, tests, needed, answer, pairs } = found;
  // What a warning says already is not said again.
  const rest = (note) => note.split("; ").filter((part) => part && !warnings.includes(part)).map(visible).join("; ");
  const caution = (note) => rest(note) && html`<span class="caution">${`; ${rest(note)}`}</span>`;
  const interval = ({ low, high, method }) => ((low ?? null) === null ? "" : ` (${visible(method)} ${number(low)} to ${number(high)})`);
  return html`<dl class="facts">
      ${difference && html`<div><dt>${names.map(visible).join(" − ")}</dt><dd><b>${signed(difference.value)}</b>${interval(difference)}${caution(difference.note)}</dd></div>`}
      ${wins && html`<div><dt>${`P(${visible(names[0])} better)`}</dt><dd><b>${number(wins.value)}</b>${interval(wins)}${caution(wins.note)}</dd></div>`}
      ${tests.map((test) => html`<div key=${test.method}><dt>${visible(test.method)}</dt><dd><b>${`p = ${number(Number(test.p.toPrecision(3)))}`}</b>
        ${`, ${test.statistic === null ? "" : `${visible(test.symbol)} ${number(test.statistic)}, `}${visible(test.counted)}`}${caution(test.note)}</dd></div>`)}
      ${needed !== null && !answer.startsWith("significant") && html`<div><dt>to tell them apart</dt><dd><b>${count(needed)}</b>
        ${` ${pairs.length > 0 ? "pairs" : "runs of each"}, if it stays as here (Noether 1987)`}</dd></div>`}
    </dl>
    ${wins && html`<p><small>${pairs.length > 0 && "The exact test flips the signs of the differences (Fisher 1935). "}Whether it is often enough to matter: Bouthillier et al. (2021), who ask for three of four pairs, as many of them as Noether (1987) has it.</small></p>`}`;
}

function Table({ answer, names, metric, nameOf, better }) {
  const { difference, pairs } = answer;
  const points = pairs.map((pair) => pair.difference);
  const group = { points, runs: pairs.map(({ seed }) => seed), n: points.length, mean: difference.value, low: difference.low, high: difference.high };
  const sign = better === "lower" ? -1 : 1;
  const [result, apart] = [column(pairs.flatMap(({ values }) => values)), column(points)];
  return html`<${Strip} group=${group} domain=${domainOf([group], [0])} zero nameOf=${(seed) => `seed ${visible(seed)}`} />
    <div class="scroll tall" tabindex="0" role="region" aria-label="pairs"><table class="plain"><thead><tr><th scope="col">seed</th>
      ${names.map((name, at) => html`<th key=${at} scope="col" class="numeric">${name}</th>`)}<th scope="col" class="numeric">difference</th><th scope="col">better</th></tr></thead>
    <tbody>${pairs.slice(0, MOST_ROWS).map((pair) => html`<tr key=${pair.seed}><th scope="row">${visible(pair.seed)}</th>
      ${pair.values.map((one, at) => html`<td key=${at} class="numeric"><a href=${link("run", {}, pair.runs[at])}
        aria-label=${`${nameOf(pair.runs[at])}, ${title(metric)} ${result(one)}`}>${result(one)}</a></td>`)}
      <td class="numeric"><b>${signed(pair.difference, apart)}</b></td><td>${pair.difference === 0 ? "equal" : names[sign * pair.difference > 0 ? 0 : 1]}</td></tr>`)}</tbody></table>
      ${pairs.length > MOST_ROWS && html`<p class="dim">${`and ${count(pairs.length - MOST_ROWS)} more`}</p>`}</div>`;
}
