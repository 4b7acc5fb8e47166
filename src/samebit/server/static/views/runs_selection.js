// What can be done with the runs that are selected: look at them together, tag them, put them away.

import { link } from "../lib/address.js";
import { post } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { value } from "../lib/runs.js";
import { count, several, visible } from "../lib/text.js";
import { Menu } from "../parts/menu.js";
import { Trouble } from "../parts/trouble.js";

const MOST_OVERLAID = 100;
const AT_ONCE = 4;  // notes that are on their way together

/** @param {{ids: string[], unseen: number, runs, clear: function}} props - `unseen`: of them are not in the table now. */
export function SelectionBar({ ids, unseen, runs, clear }) {
  if (ids.length === 0) return null;
  const some = ids.slice(0, MOST_OVERLAID).join(",");
  return html`<div class="selection" role="region" aria-label="selected runs">
    <strong>${several(ids.length, "run")} selected</strong>
    ${unseen > 0 && html`<small>${`${count(unseen)} of them not in the table now`}</small>`}
    <a class="button" href=${link("curves", { ids: some })}>Curves</a>
    <a class="button" href=${link("hyper", { ids: some })}>Hyper-parameters</a>
    ${ids.length > 1 && html`<a class="button" href=${link("compare", { ids: some })}>Compare</a>`}
    ${ids.length === 2 && html`<a class="button" href=${link("trace", { ids: some })}>Where they part</a>`}
    ${runs.store?.edit && html`<${Said} ids=${ids} runs=${runs} />`}
    <span class="grow"></span>
    <button type="button" class="quiet" onClick=${clear}>clear</button>
  </div>`;
}

/** The same note to each of them. */
function Said({ ids, runs }) {
  const [left, setLeft] = useState(0);
  const [error, setError] = useState(null);
  const [tag, setTag] = useState("");
  const [said, setSaid] = useState("");
  const isAllArchived = ids.every((id) => value(runs, id, "archived") === true);
  const send = async (kind, what, done) => {
    setError(null);
    setSaid("");
    const rest = [...ids];
    setLeft(rest.length);
    const some = async () => {
      while (rest.length > 0) {
        await post(`notes/${rest.pop()}`, { kind, value: what });
        setLeft((before) => before - 1);
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, some));
      setSaid(`${several(ids.length, "run")} ${done}`);
    } catch (failed) {
      rest.length = 0;
      setError(failed);
    }
    setLeft(0);
  };
  const add = (kind, done) => (event) => {
    event.preventDefault();
    if (tag.trim()) send(kind, tag.trim(), `${done} ${visible(tag.trim())}`);
  };
  return html`<${Menu} isPanel label="Tag" name="tag what is selected">${() => html`<form class="notes" onSubmit=${add("tag", "tagged")}>
      <input type="text" aria-label="tag" placeholder="tag" maxlength="200" autocomplete="off" value=${tag} onInput=${(event) => setTag(event.target.value)} />
      <button type="submit">add</button><button type="button" onClick=${add("untag", "without")}>take away</button></form>`}</${Menu}>
    <button type="button" onClick=${() => send("archived", !isAllArchived, isAllArchived ? "taken back" : "archived")}>${isAllArchived ? "Take back" : "Archive"}</button>
    <small role="status">${left > 0 ? `${count(left)} to go` : said}</small>
    <${Trouble} error=${error} />`;
}
