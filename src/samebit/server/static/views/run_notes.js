// What people write to a run, where the server was started with --edit: a record in the store each.

import { address, ApiError } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { Trouble } from "../parts/trouble.js";

const KINDS = [["tag", "tag"], ["name", "name"], ["note", "note"]];

export function Notes({ run, again }) {
  const [text, setText] = useState("");
  const [kind, setKind] = useState("tag");
  const [error, setError] = useState(null);
  const send = async (body) => {
    try {
      const response = await fetch(address(`notes/${run.id}`), {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      if (!response.ok) throw new ApiError(response.status, (await response.json()).error);
      setText("");
      setError(null);
      again();
    } catch (failed) {
      setError(failed);
    }
  };
  return html`<section class="card"><h2>Notes</h2>
    <form class="notes" onSubmit=${(event) => { event.preventDefault(); if (text.trim()) send({ kind, text: text.trim() }); }}>
      <label class="unseen" for="note-kind">kind of note</label>
      <select id="note-kind" value=${kind} onChange=${(event) => setKind(event.target.value)}>${KINDS.map(([name, said]) => html`<option key=${name} value=${name}>${said}</option>`)}</select>
      <label class="unseen" for="note-text">text</label>
      <input id="note-text" type="text" maxlength="2000" value=${text} onInput=${(event) => setText(event.target.value)} />
      <button type="submit">add</button>
      <button type="button" onClick=${() => send({ kind: "archive", text: "" })}>archive</button>
    </form><${Trouble} error=${error} /></section>`;
}
