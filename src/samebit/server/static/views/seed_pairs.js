// Two groups of seeds beside each other: in pairs of equal seeds, with the exact test of samebit.stats.

import { change, link } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { column } from "../lib/digits.js";
import { html } from "../lib/html.js";
import { count, number, several, signed, title, visible } from "../lib/text.js";
import { domainOf, Strip } from "../charts/strip.js";
import { useAnswer } from "../parts/asking.js";
import { Select } from "../parts/select.js";
import { Trouble, Waiting } from "../parts/trouble.js";

const MOST_ROWS = 300;

export function SeedPairs({ groups, of, called, params, asked, better, nameOf, metric }) {
  const others = groups.filter(({ key, n }) => key !== of.key && n > 0);
  const other = others.find(({ key }) => key === params.against) ?? others[0];
  const options = (some) => some.map((group) => [group.key, `${called(group)} (n = ${count(group.n)})`]);
  const { answer, error, isCurrent } = useAnswer((signal) => ask("seeds/pairs", { ids: of.runs.join(","), against: other.runs.join(","), metric: asked.metric, take: asked.take, better }, { signal }),
    JSON.stringify([of.key, of.points, other.key, other.points, better, asked.take, asked.metric]));
  return html`<section class="card seed-pairs" aria-label="two groups">
    <h2>In pairs: <${Select} name="first group" value=${of.key} options=${options(groups.filter(({ n }) => n > 0))} onChoose=${(key) => change({ of: key }, { replace: true })} />
      ${" against "}<${Select} name="second group" value=${other.key} options=${options(others)} onChoose=${(key) => change({ against: key }, { replace: true })} /></h2>
    ${isCurrent && html`<${Trouble} error=${error} />`}
    ${!answer && !error && html`<${Waiting} what="pairing seeds…" />`}
    ${answer && html`<${Verdict} answer=${answer} better=${better} />
      ${answer.pairs.length > 0 && html`<${Table} answer=${answer} names=${[called(of), called(other)]} metric=${metric} nameOf=${nameOf} better=${better} />`}
      ${answer.alone.length > 0 && html`<details class="left-out"><summary>${`${several(answer.alone.length, "run")} in no pair`}</summary>
        <ul>${answer.alone.slice(0, 100).map(([id, why]) => html`<li key=${id}><a href=${link("run", {}, id)}>${nameOf(id)}</a> ${visible(why)}</li>`)}
          ${answer.alone.length > 100 && html`<li class="dim">${`and ${count(answer.alone.length - 100)} more`}</li>`}</ul></details>`}`}
  </section>`;
}

function Verdict({ answer, better }) {
  const { difference, wins, tests, why } = answer;
  return html`${why && html`<p>${`${visible(why)}: ${tests.length ? "the groups are compared as they are, which finds less." : "nothing can be compared."}`}</p>`}
    <dl class="facts">
      ${difference && html`<div><dt>${visible(difference.what)}</dt><dd><b>${signed(difference.value)}</b>${spread(difference)}
        <small>${` the first less the second; ${better === "lower" ? "below" : "above"} 0 the first is better`}</small></dd></div>`}
      ${tests.map((test) => html`<div key=${test.method}><dt>${visible(test.method)}</dt><dd><b>${`p = ${number(Number(test.p.toPrecision(3)))}`}</b>
        ${`, ${visible(test.symbol)} ${test.statistic === null ? "—" : number(test.statistic)}, ${visible(test.counted)}`}
        ${test.note && html`<span class="caution">${`; ${visible(test.note)}`}</span>`}</dd></div>`)}
      ${answer.needed !== null && answer.answer === "not significant" && html`<div><dt>to tell them apart</dt><dd><b>${count(answer.needed)}</b>
        ${` ${answer.pairs.length > 0 ? "pairs" : "runs of each"}, if it stays as here (Noether 1987)`}</dd></div>`}
      ${wins && html`<div><dt>first is better in</dt><dd><b>${`${Math.round(100 * wins.value)} % of the ${answer.pairs.length > 0 ? "pairs" : "ways to pick a run of each"}`}</b>${spread(wins, `: ${answer.ahead ? `the ${answer.ahead} is ahead, ` : ""}${answer.answer}`)}</dd></div>`}
    </dl>
    ${wins && html`<p><small>${answer.pairs.length > 0 && "The exact test flips the signs of the differences (Fisher 1935). "}Whether it is often enough to matter: Bouthillier et al. (2021), who ask for three of four pairs, as many of them as Noether (1987) has it.</small></p>`}`;
}

function spread({ low, high, method, n, over, note }, said = "") {
  const interval = (low ?? null) === null ? "" : ` (${visible(method)} ${number(low)} to ${number(high)}, ${n} ${visible(over)})`;
  return html`${interval}${said}${note && html`<span class="caution">${`; ${visible(note)}`}</span>`}`;
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
      <td class="numeric"><b>${signed(pair.difference, apart)}</b></td><td>${pair.difference === 0 ? "equal" : sign * pair.difference > 0 ? "first" : "second"}</td></tr>`)}</tbody></table>
      ${pairs.length > MOST_ROWS && html`<p class="dim">${`and ${count(pairs.length - MOST_ROWS)} more`}</p>`}</div>`;
}
