// What people say of a run: a name, tags, a note, that it is archived; each a record of its own in the store.

import { post } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { visible } from "../lib/text.js";
import { Trouble } from "../parts/trouble.js";

const KINDS = [["tag", "tag"], ["name", "name"], ["text", "note"]];

export function Notes({ run, edit, again }) {
  const [text, setText] = useState("");
  const [kind, setKind] = useState("tag");
  const [error, setError] = useState(null);
  const said = (run.tags ?? []).length > 0 || run.note || run.archived;
  if (!edit && !said) return null;
  const send = async (what, value) => {
    try {
      await post(`notes/${run.id}`, { kind: what, value });
      setText("");
      setError(null);
      again();
    } catch (failed) {
      setError(failed);
    }
  };
  return html`<section class="card"><h2>Notes</h2>
    ${run.archived && html`<p class="dim">archived: left out of the table</p>`}
    ${(run.tags ?? []).length > 0 && html`<p class="picker">${run.tags.map((tag) => html`<span class="chip" key=${tag}>${visible(tag)}${edit && html`<button type="button" class="quiet"
      aria-label=${`without the tag ${visible(tag)}`} onClick=${() => send("untag", tag)}>×</button>`}</span>`)}</p>`}
    ${run.note && html`<p class="note-text">${visible(run.note)}</p>`}
    ${edit && html`<form class="notes"
      onSubmit=${(event) => { event.preventDefault(); if (text.trim()) send(kind, text.trim()); }}>
      <label class="unseen" for="note-kind">kind of note</label>
      <select id="note-kind" value=${kind}
        onChange=${(event) => setKind(event.target.value)}>${KINDS.map(([name, word]) => html`<option key=${name} value=${name}>${word}</option>`)}</select>
      <label class="unseen" for="note-text">text</label>
      <input id="note-text" type="text" maxlength="2000" autocomplete="off" value=${text}
        onInput=${(event) => setText(event.target.value)} />
      <button type="submit">add</button>
      <button type="button" onClick=${() => send("archived", !run.archived)}>${run.archived ? "take back" : "archive"}</button>
    </form>`}<${Trouble} error=${error} /></section>`;
}
