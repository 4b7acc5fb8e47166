// A text that may be very long: its beginning, more of it once it is opened, and all of it as a file.

import { html } from "../lib/html.js";
import { several, size, visible } from "../lib/text.js";

const SHORT = 300;  // letters that are read in passing

/**
 * @param {{text: string, long?: {characters: number}, href?: string}} props - `long` where the text is only the beginning of
 *   what `href` has all of
 */
export function LongText({ text, long = null, href = null }) {
  const said = visible(text);
  if (said.length <= SHORT && !long) return said;
  const all = long ? long.characters : said.length;
  return html`<span>${`${said.slice(0, SHORT)}…`}</span>
    <details class="long"><summary>${long ? `the first ${several(said.length, "character")} of ${several(all, "character")}` : `all ${several(all, "character")}`}</summary>
      <pre class="console text" tabindex="0">${said}</pre></details>
    ${long && href && html` <a href=${href} download="value.txt">${`all of it as a file, ${size(all)}`}</a>`}`;
}

/** Which of a fact's or a row's values is only a beginning. */
export const longAt = (one, at) => (one.long ?? []).find((long) => long.at === at) ?? null;
