// A long name, which may go on in the next line after a sign in it.

import { html } from "../lib/html.js";

/** @param {{of: string}} props - as people see it */
export function Name({ of }) {
  const parts = of.split(/(?<=[./_-])(?=.)/);
  return parts.map((part, at) => (at === 0 ? part : html`<wbr key=${at} />${part}`));
}
