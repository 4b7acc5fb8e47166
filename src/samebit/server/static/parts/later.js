// A view whose module is loaded when it is first shown: the table of runs need not wait for it.

import { unanswered } from "../lib/api.js";
import { html, useEffect, useState } from "../lib/html.js";
import { Trouble } from "./trouble.js";

/** @param {function(): Promise<object>} load @param {string} name - of the view in its module */
export function later(load, name) {
  let view = null;
  return function Later(props) {
    const [found, setFound] = useState(() => view);
    const [error, setError] = useState(null);
    useEffect(() => {
      if (view) return;
      load().then((module) => { view = module[name]; setFound(() => view); },
        (failed) => setError(failed instanceof TypeError ? unanswered() : failed));
    }, []);
    if (error) return html`<main id="main"><${Trouble} error=${error} /></main>`;
    return found ? html`<${found} ...${props} />` : html`<main id="main"></main>`;
  };
}
