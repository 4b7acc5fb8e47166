// The verdicts on a run with what each rests on, and the certificates of it with what their check finds.

import { link } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { html } from "../lib/html.js";
import { moment, several, visible, zone } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Command } from "../parts/copy.js";
import { Mark } from "../parts/marks.js";
import { Ticks } from "../parts/ticks.js";
import { Trouble } from "../parts/trouble.js";

export function Verdicts({ run }) {
  const has = run.marks.length > 1 || run.parts.some(({ title }) => title === "Verdicts");
  const { answer, error } = useAnswer(has ? (signal) => ask(`runs/${run.id}/verdicts`, {}, { signal }) : null, `${run.id} ${run.marks}`);
  if (!has) return html`<section class="card"><h2>Verdict</h2><p class="dim">Nobody has verified this run yet.</p></section>`;
  const all = [...(answer?.verdicts ?? [])].reverse();
  return html`<section class="card verdicts"><h2>Verdict</h2><${Trouble} error=${error} />
    ${all.slice(0, 1).map((verdict) => html`<${One} key="newest" verdict=${verdict} />`)}
    ${all.length > 1 && html`<details><summary>${several(all.length - 1, "earlier verdict")}</summary>
      ${all.slice(1).map((verdict, at) => html`<${One} key=${at} verdict=${verdict} />`)}</details>`}
    <${Certificates} id=${run.id} />
  </section>`;
}

function One({ verdict }) {
  const divergence = verdict.evidence?.divergence;
  const isApart = verdict.grade === "different" && verdict.replay;
  const said = visible(verdict.words.replace(verdict.grade, "").replace(/^: /, ""));
  return html`<article class="one-verdict">
    <p class="verdict-line"><${Mark} word=${verdict.grade} /> ${said}</p>
    ${divergence?.facts?.map((fact, at) => html`<p key=${at} class="mono small">${visible(fact)}</p>`)}
    <${List} title="compared" lines=${verdict.scope} />
    <${List} title="what differs around it" lines=${verdict.differences} />
    <${List} title="what to do about it" lines=${verdict.remedies} ticks />
    <p class="dim small">${[verdict.who && visible(verdict.who), verdict.by && `by ${visible(verdict.by)}`, verdict.host && `on ${visible(verdict.host)}`, verdict.at_ns && `${moment(verdict.at_ns)} ${zone(verdict.at_ns)}`].filter(Boolean).join(", ")}</p>
    ${verdict.replay && html`<p class="links"><a href=${link("run", {}, verdict.replay)}>the replay</a>
      ${isApart && html`<a href=${link("trace", { ids: `${verdict.run},${verdict.replay}` })}>where the traces part</a>`}
      <a href=${link("compare", { ids: `${verdict.run},${verdict.replay}` })}>both beside each other</a></p>`}
  </article>`;
}

function List({ title, lines, ticks = false }) {
  if (!lines || lines.length === 0) return null;
  return html`<h3>${title}</h3><ul class="plain-list">${lines.map((line, at) => html`<li key=${at}>${ticks ? html`<${Ticks} text=${line} />` : visible(line)}</li>`)}</ul>`;
}

const GOOD = { __proto__: null, good: "check", "does not match": "cross", "cannot be told": "question" };

/** Those that lie in the project; each is checked when this is looked at. */
function Certificates({ id }) {
  const { answer, error } = useAnswer((signal) => ask(`runs/${id}/certificates`, {}, { signal }), id);
  const all = answer?.certificates ?? [];
  return html`<${Trouble} error=${error} />${all.map((one) => html`<article key=${one.folder} class="certificate">
    <h3>${`certificate ${visible(one.folder)}`}</h3>
    ${one.error ? html`<p class="trouble">${visible(one.error)}</p>` : html`
      <p><strong class=${{ __proto__: null, good: "ok", "does not match": "bad" }[one.result] ?? "other"}>${`${{ check: "✓", cross: "✗", question: "?" }[GOOD[one.result]]} ${one.result}`}</strong>
        ${` · states ${visible(one.grade)}${one.who ? `, ${visible(one.who)}` : ""}${one.anonymous ? ", anonymous" : ""}`}</p>
      <${List} title="does not match" lines=${one.wrong} /><${List} title="cannot be told" lines=${one.unclear} />
      <details><summary>${`${several(one.right.length, "thing")} checked, ${one.unchecked.length} not`}</summary>
        <${List} title="checked" lines=${one.right} /><${List} title="not checked" lines=${one.unchecked} /></details>`}
    <${Command} what="check it again" command=${`samebit certificate check ${visible(one.folder)} --files .`} /></article>`)}`;
}
