// Which runs a view is of: each can be taken out, others found by a few letters.

import { change } from "../lib/address.js";
import { html, useState } from "../lib/html.js";
import { label } from "../lib/runs.js";
import { visible } from "../lib/text.js";

const FOUND = 8;

export function RunPicker({ runs, ids, onIds, most = 100, not = "", name = "add a run" }) {
  const [text, setText] = useState("");
  const wanted = text.trim().toLowerCase();
  const found = wanted === "" ? [] : [...runs.ids].reverse().filter((id) => id !== not && !ids.includes(id) &&
    (id.startsWith(wanted) || String(label(runs, id)).toLowerCase().includes(wanted))).slice(0, FOUND);
  const add = (id) => {
    setText("");
    onIds([...ids, id]);
  };
  return html`<div class="picker">
    ${ids.map((id) => html`<span class="chip" key=${id}>${visible(label(runs, id))}<button type="button" class="quiet"
      aria-label=${`without ${visible(label(runs, id))}`}
      onClick=${() => onIds(ids.filter((one) => one !== id))}>×</button></span>`)}
    ${ids.length < most && html`<span class="picker-add">
      <input type="search" aria-label=${name} placeholder=${name} value=${text}
        onInput=${(event) => setText(event.target.value)}
      onKeyDown=${(event) => event.key === "Enter" && found[0] && add(found[0])} />
      ${found.length > 0 && html`<span class="picker-found">${found.map((id) => html`<button type="button" class="item" key=${id}
        onClick=${() => add(id)}>${visible(label(runs, id))} <code class="dim">${id}</code></button>`)}</span>`}</span>`}
  </div>`;
}

/** The run beside this one, which stands in the address for all tabs of a run. */
export function AnotherRun({ runs, id, not, none = "" }) {
  return html`<div class="another">${!id && none && html`<span>${none}, or</span>`}
    <${RunPicker} runs=${runs} ids=${id ? [id] : []} onIds=${(ids) => change({ with: ids[0] ?? "", right: "" })} most=${1} not=${not} name="another run" /></div>`;
}
