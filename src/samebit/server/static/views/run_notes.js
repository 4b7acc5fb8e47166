// Saying something of a run: a name, tags, a note, that it is archived; each a record of its own in the store.

import { post } from "../lib/api.js";
import { html, useRef, useState } from "../lib/html.js";
import { useKeys } from "../lib/keys.js";
import { visible } from "../lib/text.js";
import { announce } from "../parts/announce.js";
import { Trouble } from "../parts/trouble.js";

const KINDS = [["tag", "tag"], ["name", "name"], ["text", "note"]];

export function Notes({ run, again }) {
  const [text, setText] = useState("");
  const [kind, setKind] = useState("tag");
  const [error, setError] = useState(null);
  const field = useRef(null);
  // What there is of a kind is what one goes on from; tags are added one by one.
  const choose = (next) => {
    setKind(next);
    setText(next === "text" ? run.note ?? "" : next === "name" && run.label !== run.id ? run.label : "");
  };
  const begin = (next) => {
    choose(next);
    field.current?.focus();
  };
  const send = async (what, value) => {
    try {
      await post(`notes/${run.id}`, { kind: what, value });
      setText("");
      setError(null);
      announce("kept");
      again();
    } catch (failed) {
      setError(failed);
    }
  };
  useKeys([["e", "say something of this run: a tag", () => begin("tag")], ["E", "change its note", () => begin("text")]]);
  return html`<section class="card"><h2>Notes <small><kbd>e</kbd></small></h2>
    ${run.tags.length > 0 && html`<p class="picker">${run.tags.map((tag) => html`<span class="chip" key=${tag}>${visible(tag)}<button type="button" class="quiet"
      aria-label=${`without the tag ${visible(tag)}`} onClick=${() => send("untag", tag)}>×</button></span>`)}</p>`}
    <form class="notes" onSubmit=${(event) => { event.preventDefault(); if (text.trim()) send(kind, text.trim()); }}>
      <label class="unseen" for="note-kind">kind of note</label>
      <select id="note-kind" value=${kind} onChange=${(event) => choose(event.target.value)}>${KINDS.map(([name, word]) => html`<option key=${name} value=${name}>${word}</option>`)}</select>
      <label class="unseen" for="note-text">text</label>
      <input id="note-text" type="text" maxlength="2000" autocomplete="off" value=${text} ref=${field}
        onInput=${(event) => setText(event.target.value)} onKeyDown=${(event) => { if (event.key === "Escape") event.currentTarget.blur(); }} />
      <button type="submit">${kind === "tag" ? "add" : "keep"}</button>
      <button type="button" onClick=${() => send("archived", !run.archived)}>${run.archived ? "take back" : "archive"}</button>
    </form><${Trouble} error=${error} /></section>`;
}
