// Which curve is which: hover makes one stand out, a box takes it away, a section all of one value.

import { link } from "../lib/address.js";
import { classes, html, useEffect, useRef, useState } from "../lib/html.js";
import { count, several, visible } from "../lib/text.js";
import { usePointed } from "../charts/plot.js";
import { LineKey } from "../parts/line_key.js";

/**
 * @param {{sections: Array, title: string, hidden: Set<string>, setHidden: function(Set<string>): void,
 *   setBright: function(Set<string>|null): void, isOfGroups: boolean}} props
 */
export function Legend({ sections, title, hidden, setHidden, setBright, isOfGroups }) {
  const pointed = usePointed();
  const root = useRef(null);
  const [isOpen] = useState(() => window.innerWidth > 700);
  // The entry of the curve under the pointer is brought into the legend's own view, and the page stays.
  useEffect(() => {
    const entry = root.current?.querySelector(".pointed");
    if (!entry) return;
    const { top, bottom } = entry.getBoundingClientRect();
    const box = root.current.getBoundingClientRect();
    if (top < box.top) root.current.scrollTop -= box.top - top;
    else if (bottom > box.bottom) root.current.scrollTop += bottom - box.bottom;
  }, [pointed]);
  const all = sections.flatMap(({ entries }) => entries.map(({ id }) => id));
  const turn = (ids) => {
    const next = new Set(hidden);
    const isOn = ids.some((id) => !next.has(id));
    for (const id of ids) next[isOn ? "add" : "delete"](id);
    setHidden(next);
  };
  const stands = (ids) => ({ onMouseEnter: () => setBright(new Set(ids)), onMouseLeave: () => setBright(null) });
  const box = (ids, what) => html`<input type="checkbox" aria-label=${what} checked=${ids.some((id) => !hidden.has(id))}
    onChange=${() => turn(ids)} onFocus=${() => setBright(new Set(ids))} onBlur=${() => setBright(null)} />`;
  return html`<details class="legend" open=${isOpen} ref=${root}>
    <summary>${title}${hidden.size > 0 && html`<small>${`, ${count(all.filter((id) => hidden.has(id)).length)} left away`}</small>`}</summary>
    ${all.length > 2 && html`<p><button type="button" class="quiet" disabled=${all.every((id) => !hidden.has(id))} onClick=${() => setHidden(new Set())}>all</button>
      <button type="button" class="quiet" disabled=${all.every((id) => hidden.has(id))} onClick=${() => setHidden(new Set(all))}>none</button></p>`}
    ${sections.map((section) => html`<ul key=${section.title ?? ""}>
      ${section.title !== null && html`<li class="section" ...${stands(section.entries.map(({ id }) => id))}>
        <label>${box(section.entries.map(({ id }) => id), `all with ${visible(section.title)}`)}<${LineKey} number=${section.number} />
          <span>${visible(section.title)}</span></label><small>${several(section.entries.length, "run")}</small></li>`}
      ${section.entries.map(({ id, label, number, n }) => html`<li key=${id} class=${classes(hidden.has(id) && "off", pointed === id && "pointed", section.title !== null && "inside")}
          ...${stands([id])}>
        <label>${box([id], visible(label))}${section.title === null && html`<${LineKey} number=${number} />`}<span>${visible(label)}</span></label>
        ${isOfGroups ? html`<small>${several(n, "run")}</small>`
          : html`<a href=${link("run", {}, id)} aria-label=${`open ${visible(label)}`}>›</a>`}</li>`)}</ul>`)}
  </details>`;
}
