// What a run wrote to its console: the end at first, what is before and after on demand and live.

import { change } from "../lib/address.js";
import { ask } from "../lib/api.js";
import { html, useCallback, useEffect, useLayoutEffect, useRef, useState } from "../lib/html.js";
import { useGrown } from "../lib/runs.js";
import { size, visibleLines } from "../lib/text.js";
import { Trouble } from "../parts/trouble.js";

const FIRST = 64_000;  // bytes of its end
const ASK_MS = 2000;
const ENDED = new Set(["finished", "stopped early", "failed", "killed"]);
const MOST = 2_000_000;  // letters that are kept in the page

export function Console({ run, params }) {
  if (run.consoles.length === 0) return html`<p class="dim">nothing was written to the console</p>`;
  const names = run.consoles.map(({ execution, rank }) => `${execution}.${rank}`);
  const chosen = Math.max(0, names.indexOf(params.console ?? names.at(-1)));
  return html`
    ${run.consoles.length > 1 && html`<p><label>console of <select value=${names[chosen]}
      onChange=${(event) => change({ console: event.target.value })}>
      ${run.consoles.map(({ execution, rank }, at) => html`<option key=${names[at]} value=${names[at]}>${`execution ${execution}, rank ${rank}`}</option>`)}</select></label></p>`}
    <${Stream} key=${names[chosen]} id=${run.id} isOpen=${!ENDED.has(run.status)} console=${run.consoles[chosen]} />`;
}

function Stream({ id, isOpen, console: { execution, rank } }) {
  const [state, setState] = useState({ text: "", at: 0, next: 0, size: 0, error: null, begun: false });
  const now = useRef(state);
  now.current = state;
  const busy = useRef(false);
  const box = useRef(null);
  const follow = useRef(true);
  const more = useCallback(async (after, before = false) => {
    if (busy.current) return;
    busy.current = true;
    try {
      let answer = await ask(`runs/${id}/console`, { execution, rank, after });
      for (;;) {
        const held = now.current;
        const text = before ? answer.text.slice(0, held.at - answer.at) + held.text : held.text + answer.text;
        setState(now.current = {
          text: before ? text : text.slice(-MOST), at: held.begun && !before ? held.at : answer.at,
          next: before ? held.next : answer.next, size: answer.size_bytes, error: null, begun: true,
        });
        if (before || answer.next >= answer.size_bytes || answer.text === "") break;
        answer = await ask(`runs/${id}/console`, { execution, rank, after: answer.next });
      }
    } catch (error) {
      setState({ ...now.current, error });
    } finally {
      busy.current = false;
    }
  }, [id, execution, rank]);
  useEffect(() => { more(-FIRST); }, [more]);
  // Its journal tells when it grows; a console of which nothing is logged meanwhile is asked.
  useEffect(() => {
    if (!isOpen) return undefined;
    const timer = setInterval(() => { if (now.current.begun && !document.hidden) more(now.current.next); }, ASK_MS);
    return () => clearInterval(timer);
  }, [more, isOpen]);
  useGrown(useCallback((ids) => { if (ids.includes(id) && now.current.begun) more(now.current.next); }, [more, id]));
  useLayoutEffect(() => {
    if (follow.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [state.text]);
  const onScroll = (event) => {
    const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
    follow.current = scrollTop + clientHeight > scrollHeight - 40;
  };
  return html`${state.error && html`<${Trouble} error=${state.error} />`}
    ${state.at > 0 && html`<p><button type="button"
      onClick=${() => { follow.current = false; more(Math.max(0, state.at - 250_000), true); }}>what was before</button>
      <span class="dim">${` ${size(state.at)} of ${size(state.size)}`}</span></p>`}
    <pre class="console" ref=${box} tabindex="0" role="log" aria-label="console"
      onScroll=${onScroll}>${visibleLines(plain(state.text))}</pre>`;
}

/** A text without the signs that colour it on a terminal; of a line that was written over, its last. */
function plain(text) {
  return text.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "").replace(/\r\n/g, "\n").replace(/^.*\r(?=.)/gm, "");
}
