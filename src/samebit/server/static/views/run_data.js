// The data of a run: what it used, the versions that hold it, splits and what leaks between their parts, where it came from.

import { link } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { brief } from "../lib/digits.js";
import { html } from "../lib/html.js";
import { count, number, several, size, visible } from "../lib/text.js";
import { useAnswer } from "../parts/asking.js";
import { Command, Copy } from "../parts/copy.js";
import { Trouble, Waiting } from "../parts/trouble.js";
import { State } from "../parts/marks.js";

const DEEPEST = 6;  // steps to the right
const LISTED = 5;  // rows of a finding

export function Data({ run, children }) {
  const { answer, error } = useAnswer((signal) => ask(`runs/${run.id}/data`, {}, { signal }), run.id);
  if (error) return html`<${Trouble} error=${error} />`;
  if (!answer) return html`<${Waiting} what="reading…" />`;
  return html`<${Used} answer=${answer} hasFiles=${Boolean(children)} /><${Splits} answer=${answer} run=${run} /><${Lineage} run=${run} />${children}`;
}

const Digest = ({ text }) => html`<code class="nowrap" title=${visible(text)}>${visible(brief(text))}</code><${Copy} text=${text} what="copy the digest" />`;

function Used({ answer: { data, versions }, hasFiles }) {
  return html`<section class="card"><h2>Data that it used</h2>
    ${data.length === 0 && html`<p class="dim">The script named none: <code>run.data(name, data)</code> takes its fingerprint.${hasFiles ? " Files that it read are below." : ""}</p>`}
    ${data.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="data"><table class="plain"><thead><tr><th scope="col">name</th><th scope="col">what it is</th>
      <th scope="col" class="numeric">rows</th><th scope="col">fingerprint</th><th scope="col">kept</th><th scope="col">at</th></tr></thead>
      <tbody>${data.map((one) => html`<tr key=${one.name}><th scope="row">${visible(one.name)}</th><td>${visible(one.what)}</td>
        <td class="numeric">${one.rows === undefined || one.rows === null ? "" : count(one.rows)}</td>
        <td>${one.fingerprint ? html`<${Digest} text=${one.fingerprint} />` : html`<span class="dim">${visible(one.notes?.[0] ?? "none")}</span>`}</td>
        <td>${one.version ? visible(one.version) : one.kept ? `yes, ${size(one.size_bytes ?? 0)}` : "no"}</td>
        <td class="mono">${visible((one.at ?? "").split("/").at(-1))}</td></tr>`)}</tbody></table></div>`}
    ${versions.length > 0 && html`<h3>versions that hold what it read</h3><ul class="plain-list">${versions.map((one) => html`<li key=${one.manifest}>
      <strong>${visible(one.name)}</strong>${` ${one.files === one.of ? `all ${several(one.of, "file")}` : `${count(one.files)} of ${several(one.of, "file")}`}${one.kept ? "" : ", whose bytes lie elsewhere"} `}<${Digest} text=${one.manifest} /></li>`)}</ul>`}
  </section>`;
}

function Splits({ answer, run }) {
  if (answer.splits.length === 0) return html`<section class="card"><h2>Splits</h2><p class="dim">None was handed over or seen.</p></section>`;
  return html`<section class="card"><h2>Splits, and what leaks between their parts</h2>
    ${answer.splits.map((split) => html`<article key=${split.name} class="split">
      <h3>${visible(split.name)} <small>${[split.method !== split.name && visible(split.method), split.at && visible(split.at.split("/").at(-1))].filter(Boolean).join(", ")}</small></h3>
      <${Parts} split=${split} />
      ${worstFirst(split.leaks).map((leak, at) => html`<${Leak} key=${at} leak=${leak} />`)}
      ${split.leaks.length === 0 && split.unknown.length === 0 && html`<p class="ok small">✓ no leak found</p>`}
      ${split.unknown.map((why, at) => html`<p key=${at} class="dim small">${`not judged: ${visible(why)}`}</p>`)}
      <p class="small"><${Digest} text=${split.manifest} /></p></article>`)}
    ${answer.more_splits > 0 && html`<p class="dim">${`and ${several(answer.more_splits, "split")} more: samebit split show ${run.id}`}</p>`}
    <p class="dim small">${`not looked at: ${answer.not_looked_at.join(", ")}`}</p>
    <${Command} what="look into the data as well" command=${`samebit data leaks ${run.id} --data FILE`} /></section>`;
}

/** The parts as bars of their share, each with its number. */
function Parts({ split }) {
  const most = Math.max(1, ...split.parts.map(({ rows }) => rows));
  return html`<dl class="split-parts">${split.parts.map((part) => html`<div key=${part.name}><dt>${visible(part.name)}</dt>
    <dd><meter min="0" max=${most} value=${part.rows} aria-label=${`rows of ${visible(part.name)}`}></meter>
      ${` ${several(part.rows, "row")}`}${split.rows ? html`<small>${` ${number(Number(((100 * part.rows) / split.rows).toPrecision(3)))} %`}</small>` : ""}</dd></div>`)}</dl>`;
}

// What a part is for, as its name says, and what a leak into it does.
const HARMS = [[/test|hold/i, "what is told of the test may be too good"], [/val|dev|eval/i, "what was chosen by it may have been chosen wrongly"]];
const harmOf = ({ second }) => HARMS.findIndex(([pattern]) => pattern.test(second));
const shareOf = ({ count: rows, of }) => (of ? rows / of : 1);

/** Leaks into what results are told of come first, then those into what is chosen by; the larger share before the smaller. */
function worstFirst(leaks) {
  const rank = (leak) => (harmOf(leak) < 0 ? HARMS.length : harmOf(leak));
  return [...leaks].sort((one, other) => rank(one) - rank(other) || shareOf(other) - shareOf(one));
}

function Leak({ leak }) {
  const share = leak.of ? `, ${number(Number(((100 * leak.count) / leak.of).toPrecision(3)))} %` : "";
  const rows = leak.rows.slice(0, LISTED).map(([, row]) => row);
  return html`<div class="leak"><strong><span aria-hidden="true">! </span>${visible(leak.heading)}</strong>
    <p>${`${count(leak.count)} of ${several(leak.of, "row")} of ${visible(leak.second)}${share}: ${visible(leak.what.replaceAll("{}", leak.first))}${leak.note ? ` (${visible(leak.note)})` : ""}`}
    ${leak.of > 0 && html`<meter min="0" max="1" value=${shareOf(leak)} aria-label=${`share of the rows of ${visible(leak.second)}`}></meter>`}
    ${harmOf(leak) >= 0 && html`<strong>${HARMS[harmOf(leak)][1]}</strong>`}
    ${rows.length > 0 && html`<small>${` rows ${rows.join(", ")}${leak.count > rows.length ? ", …" : ""}`}</small>`}</p></div>`;
}

function Lineage({ run }) {
  const { answer, error } = useAnswer((signal) => ask(`runs/${run.id}/lineage`, {}, { signal }), run.id);
  if (error) return html`<section class="card"><h2>Lineage</h2><${Trouble} error=${error} /></section>`;
  if (!answer) return null;
  return html`<section class="card"><h2>Lineage</h2>
    <${Links} title="made by other runs, and used here; below each what it was made from in turn" links=${answer.from} more=${answer.more[0]} nothing="No run here is known to have made what it used." />
    <${Links} title="made here, and used by other runs; below each what came of it in turn" links=${answer.to} more=${answer.more[1]} nothing="No run here is known to have used what it made." />
    <${Command} what="all of it" command=${`samebit lineage ${run.id}`} /></section>`;
}

function Links({ title, links, more, nothing }) {
  if (links.length === 0) return html`<p class="dim">${nothing}</p>`;
  return html`<h3>${title}</h3><ul class="plain-list">${links.map((one, at) => html`<li key=${at} class=${`level l${Math.min(one.level, DEEPEST)}`}>
    ${one.level > 1 && html`<span class="dim">${"↳ "}<span class="unseen">${`${one.level} runs away: `}</span></span>`}<code title=${visible(one.digest ?? "")}>${visible(one.name.split("/").slice(-2).join("/"))}</code> <small>${one.kind}</small> ${one.by_path ? "by its path alone" : ""}
    <a href=${link("run", {}, one.run)}>${visible(one.label)}</a> <${State} state=${one.state} />${!one.nearest && html` <small>an earlier maker of the same</small>`}${one.again && html` <small>what lies behind it is told above or below</small>`}${one.beyond > 0 && html` <small>${`and ${several(one.beyond, "run")} farther away`}</small>`}</li>`)}</ul>
    ${more > 0 && html`<p class="dim">${`and ${count(more)} more`}</p>`}`;
}
