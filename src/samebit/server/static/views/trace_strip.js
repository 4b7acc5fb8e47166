// All rows of two traces in one picture: of each group where along the run they are equal, differ, or are not of both.

import { html } from "../lib/html.js";
import { count, visible } from "../lib/text.js";

const HIGH = 14;  // pixels of a group
const WIDE = 960;
const NAMES = 90;

/**
 * @param {{answer: object, onGo: function(number): void}} props - `onGo` takes the row at which somebody pointed
 */
export function Strip({ answer, onGo }) {
  const { strip, total, from, rows, first } = answer;
  if (strip.groups.length === 0) return null;
  const x = (row) => NAMES + (row / total) * WIDE;
  const high = strip.groups.length * HIGH;
  const place = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * (NAMES + WIDE) - NAMES;
    if (at >= 0) onGo(Math.min(total - 1, Math.floor((at / WIDE) * total)));
  };
  const said = strip.groups.map((group, at) => `${visible(group)} differs in ${count(sum(strip.differing[at]))} of ${count(sum(strip.compared[at]))} rows`);
  return html`<figure class="trace-strip"><figcaption class="dim small">${`all ${count(total)} rows; a click goes there`}</figcaption>
    <div class="scroll" tabindex="0" role="region" aria-label="differences along the whole run"><svg viewBox="0 0 ${NAMES + WIDE} ${high + 8}" role="img" aria-label=${said.join("; ")} onClick=${place}>
    ${strip.groups.map((group, nth) => html`<g key=${group}><text x=${NAMES - 6} y=${nth * HIGH + 11} text-anchor="end">${visible(group)}</text>
      ${stretches(strip, nth).map(({ kind, begin, end }) => html`<rect key=${begin} class=${kind} x=${x(begin * strip.rows)} width=${Math.max(1, x(Math.min(total, end * strip.rows)) - x(begin * strip.rows))}
        y=${kind === "differs" ? nth * HIGH + 1 : nth * HIGH + 6} height=${kind === "differs" ? HIGH - 2 : 2} />`)}</g>`)}
    <rect class="window" x=${x(from)} width=${Math.max(3, x(from + rows.length) - x(from))} y="0" height=${high + 4} />
    ${first && first.row !== null && first.row !== undefined && html`<path class="first-line" d="M${x(first.row)} 0V${high + 8}" />`}</svg></div></figure>`;
}

const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);

/** Neighbouring places of one kind as one. */
function stretches({ differing, compared }, nth) {
  const found = [];
  compared[nth].forEach((many, at) => {
    const kind = differing[nth][at] > 0 ? "differs" : many > 0 ? "equal" : "";
    const last = found.at(-1);
    if (last && last.kind === kind && last.end === at) last.end += 1;
    else if (kind) found.push({ kind, begin: at, end: at + 1 });
  });
  return found;
}
