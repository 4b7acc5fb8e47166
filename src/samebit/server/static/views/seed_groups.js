// The table of groups of seeds: how each lies, its mean, interval and spread, and the best of a few.

import { change, packed } from "../lib/address.js";
import { column } from "../lib/digits.js";
import { classes, html } from "../lib/html.js";
import { count, number, several, title, visible } from "../lib/text.js";
import { domainOf, Strip } from "../charts/strip.js";
import { LineKey } from "../parts/line_key.js";

const BUDGETS = [2, 3, 5, 10, 20, 50, 100];
const MOST_BUDGETS = 3;

/** What can be sorted by: of a group a number, null where it has none. */
const SORTS = { __proto__: null, n: ({ n }) => n, mean: ({ mean }) => mean, median: ({ median }) => median, sd: ({ sd }) => sd };

export function SeedGroups({ groups, words, called, charted, of, params, better, metric, nameOf }) {
  const domain = domainOf(groups);
  const largest = Math.max(...groups.map(({ n }) => n));
  const budgets = BUDGETS.filter((budget) => budget <= largest).slice(0, MOST_BUDGETS);
  const [sort, direction] = (params.sort ?? "").split(":");
  const rows = ordered(groups, SORTS[sort], direction === "desc");
  const charts = (key) => change({ show: packed(charted.includes(key) ? charted.filter((one) => one !== key) : [...charted, key]) || "-" }, { replace: true });
  const head = (name, said) => html`<th scope="col" class="numeric" aria-sort=${sort === name ? (direction === "desc" ? "descending" : "ascending") : null}>
    <button type="button" class="sort" onClick=${() => change({ sort: turned(sort, direction, name) }, { replace: true })}>${said}</button></th>`;
  const shown = groups.filter(({ n }) => n > 0);
  const written = column(shown.flatMap(({ mean, median, low, high }) => [mean, median, low, high]));
  const sd = column(shown.map((group) => group.sd));
  const single = groups.filter(({ n }) => n === 1).length;
  return html`<section class="seed-groups" aria-label="groups of seeds"><div class="scroll" tabindex="0" role="region" aria-label="groups"><table class="plain strips"><thead><tr>
      <th scope="col" class="tick-head"><span class="unseen">in the charts</span></th><th scope="col">group</th>${head("n", "n")}
      <th scope="col">${title(metric)}</th>${head("mean", "mean")}<th scope="col" class="numeric">95 % interval</th>${head("sd", "SD")}${head("median", "median")}
      ${budgets.map((budget) => html`<th key=${budget} scope="col" class="numeric">${`best of ${budget}`}</th>`)}</tr></thead>
    <tbody>${rows.map((group) => {
      const at = charted.indexOf(group.key);
      return html`<tr key=${group.key} class=${classes(group === of && "chosen")}>
        <td class="tick-cell"><label><input type="checkbox" checked=${at >= 0} aria-label=${`${called(group)} in the charts`} disabled=${group.n === 0} onChange=${() => charts(group.key)} />
          ${at >= 0 && html`<${LineKey} number=${at} />`}</label></td>
        <th scope="row"><button type="button" class="group-name" aria-pressed=${String(group === of)} onClick=${() => change({ of: group.key }, { replace: true })}>
          ${words.get(group.key).length === 0 ? "all runs" : words.get(group.key).map(([key, value]) => html`<span key=${key}>${key && html`<i>${key}</i> `}${value}</span>`)}</button></th>
        <td class="numeric nowrap">${count(group.n)}${group.left_out.length > 0 && html`<small title=${group.left_out.map(([id, why]) => `${id}: ${visible(why)}`).join("\n")}>
          ${` of ${count(group.n + group.left_out.length)}`}</small>`}</td>
        <td class="strip-cell">${group.n > 0 ? html`<${Strip} group=${group} domain=${domain} nameOf=${nameOf} />` : html`<small>${whyNone(group)}</small>`}</td>
        <td class="numeric"><b>${group.n ? written(group.mean) : ""}</b></td>
        <td class="numeric nowrap">${interval(group, written)}</td>
        <td class="numeric">${group.n > 1 ? sd(group.sd) : ""}</td>
        <td class="numeric">${group.n > 1 ? written(group.median) : ""}</td>
        ${budgets.map((budget) => html`<td key=${budget} class="numeric">${best(group, budget, written)}</td>`)}</tr>`;
    })}</tbody></table></div>
    <p><small>${[`${groups.find((group) => group.method)?.method ?? "t interval"} of the mean over the runs of a group`, single > 0 && `${several(single, "group")} of one result: no interval exists`,
      `best of n: what the ${better === "lower" ? "lowest" : "highest"} of n of its runs is on average`].filter(Boolean).join(" · ")}</small></p>
    ${notes(groups).map((note) => html`<p key=${note} class="note-line"><small>${visible(note)}</small></p>`)}</section>`;
}

const turned = (sort, direction, name) => (sort !== name ? `${name}:desc` : direction === "desc" ? `${name}:asc` : "");

function ordered(groups, of, isDescending) {
  if (!of) return groups;
  const sign = isDescending ? -1 : 1;
  return [...groups].sort((one, other) => ((of(one) ?? null) === null) - ((of(other) ?? null) === null) || sign * (of(one) - of(other)));
}

function interval(group, written) {
  if (group.n === 0) return "";
  if ((group.low ?? null) === null) return html`<small>none of one</small>`;
  return `${written(group.low)} to ${written(group.high)}`;
}

function best(group, budget, written) {
  const found = group.best.find(({ n }) => n === budget);
  return found ? html`<span title=${`${number(found.low)} to ${number(found.high)}: one SD`}>${written(found.value)}</span>` : "";
}

const whyNone = (group) => `no result: ${[...new Set(group.left_out.map(([, why]) => visible(why)))].join(", ")}`;

/** What a reader must know of how runs were chosen, each said once with how many groups it is of. */
function notes(groups) {
  const found = new Map();
  for (const group of groups) {
    const own = [...group.notes, group.note].filter((note) => note && note !== "one value: no interval");
    // How many runs a note is of is told with the group itself.
    for (const note of own.map((one) => one.replace(/: \d+$/, ""))) found.set(note, (found.get(note) ?? 0) + 1);
  }
  const most = [...found].sort((one, other) => other[1] - one[1]);
  const said = most.slice(0, 4).map(([note, many]) => (groups.length > 1 ? `${several(many, "group")}: ${note}` : note));
  return most.length > 4 ? [...said, `and ${most.length - 4} more notes, in each group below`] : said;
}
