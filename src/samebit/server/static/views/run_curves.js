// The curves of one run.

import { html, useMemo } from "../lib/html.js";
import { useRuns } from "../lib/runs.js";
import { Waiting } from "../parts/trouble.js";
import { Charts } from "./curves.js";

export function RunCurves({ id, params }) {
  const runs = useRuns();
  const ids = useMemo(() => [id], [id]);
  if (runs.phase !== "here") return html`<${Waiting} what="reading the store…" />`;
  return html`<${Charts} runs=${runs} ids=${ids} params=${params} plain />`;
}
