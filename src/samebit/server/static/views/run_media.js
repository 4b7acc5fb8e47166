// What a run logged beside numbers: pictures, sounds, films, texts; each from its own address.

import { address } from "../lib/api.js";
import { html } from "../lib/html.js";
import { several, size, visible } from "../lib/text.js";

export function Media({ run }) {
  const names = [...new Set(run.media.map(({ name }) => name))];
  return html`${names.map((name) => {
    const all = run.media.filter((one) => one.name === name);
    return html`<section key=${name} class="card"><h2>${visible(name)}</h2><p class="dim">${several(all.length, "step")}</p>
      <div class="media">${all.slice(-60).map((one) => html`<figure key=${one.digest + one.step}><${Thing} run=${run} one=${one} />
        <figcaption>${`step ${one.step}, ${size(one.size_bytes)}`}</figcaption></figure>`)}</div></section>`;
  })}`;
}

function Thing({ run, one }) {
  const href = address(`media/${encodeURIComponent(one.digest)}`, { run: run.id });
  const what = `${visible(one.name)}, step ${one.step}`;
  if (/^image/.test(one.kind)) return html`<img src=${href} alt=${what} loading="lazy" />`;
  if (/^audio/.test(one.kind)) return html`<audio src=${href} controls aria-label=${what} preload="none"></audio>`;
  if (/^video/.test(one.kind)) return html`<video src=${href} controls aria-label=${what} preload="none"></video>`;
  return html`<a href=${href} download>${visible(one.kind)}</a>`;
}
