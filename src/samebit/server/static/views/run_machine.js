// The machine that a run had: what it is, and what was used of it while the run went on.

import { ask } from "../lib/api.js";
import { change, unpacked } from "../lib/address.js";
import { html, useCallback, useMemo, useState } from "../lib/html.js";
import { useAnswer } from "../parts/asking.js";
import { useFullScreen } from "../parts/full_screen.js";
import { Trouble } from "../parts/trouble.js";
import { ChartCard } from "./chart_card.js";

const MACHINE = "machine:";  // begins the metrics that are samples
const FIRST = /(^|\/)(cpu_percent|rss_bytes|free_bytes|gpu\w*(percent|memory_bytes|watts))$/;  // what people look for
const WORDS = { __proto__: null, cpu_percent: "processor in use, % of one", rss_bytes: "memory of the process, bytes", free_bytes: "memory free on the machine, bytes",
  children_rss_bytes: "memory of its children, bytes", cpu_s: "processor time, seconds" };
const EMPTY = new Set();
const nothing = () => {};

/** `1/cpu_percent` is that of rank 1. */
function titleOf(name) {
  const [, rank, value] = /^(?:(.+)\/)?(.+)$/.exec(name);
  return `${rank ? `rank ${rank}: ` : ""}${WORDS[value] ?? value.replaceAll("_", " ")}`;
}

export function Samples({ run, params }) {
  const { answer, error } = useAnswer((signal) => ask(`runs/${run.id}/machine`, {}, { signal }), run.id);
  const [all, setAll] = useState(false);
  const ids = useMemo(() => [run.id], [run.id]);
  const lines = useMemo(() => new Map([[run.id, { label: run.label, number: 0 }]]), [run.id, run.label]);
  const how = useMemo(() => {
    const [from, to] = (params.zoom ?? "").split("~").map(Number);
    return { x: "relative", zoom: from < to ? [from, to] : null, smooth: 0, isXLog: false, isYLog: false, by: [] };
  }, [params.zoom]);
  const onZoom = useCallback((zoom) => change({ zoom: zoom ? zoom.map((one) => Number(one.toPrecision(10))).join("~") : "" }), []);
  const names = (answer?.values ?? []).map(([name]) => name).sort((one, other) => FIRST.test(other) - FIRST.test(one));
  const shown = all ? names : names.filter((name) => FIRST.test(name));
  const large = params.large ?? "";
  useFullScreen(large);
  if (error) return html`<${Trouble} error=${error} />`;
  if (!answer) return null;
  return html`<section class="card"><h2>${run.status === "running" ? "While it runs" : "While it ran"} <small>sampled every second at first, later every ten</small></h2>
    ${names.length === 0 ? html`<p class="dim">Nothing was sampled.</p>` : html`<div class=${large ? "charts one" : "charts"}>
      ${shown.filter((name) => !large || MACHINE + name === large).map((name) => html`<${ChartCard} key=${name} metric=${MACHINE + name} title=${titleOf(name)} ids=${ids} scope=${{ ids: run.id }}
        lines=${lines} hidden=${EMPTY} how=${how} bright=${null} isLarge=${large === MACHINE + name} onZoom=${onZoom} onSpan=${nothing}
        tables=${unpacked(params.tables)} />`)}</div>
      ${shown.length < names.length && html`<p><button type="button" onClick=${() => setAll(true)}>${`all ${names.length} values`}</button></p>`}`}</section>`;
}
