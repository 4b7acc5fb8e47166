// The page: what stands around every view, and which view an address shows.

import { followLinks, link, useAddress } from "./lib/address.js";
import { html, render, useEffect, useRef, useState } from "./lib/html.js";
import { known, listenToKeys, useKeys } from "./lib/keys.js";
import { begin, label, useRuns } from "./lib/runs.js";
import { applyTheme, keep, setting, THEMES } from "./lib/settings.js";
import { count, visible } from "./lib/text.js";
import { Announcer } from "./parts/announce.js";
import { later } from "./parts/later.js";
import { Empty, Trouble } from "./parts/trouble.js";
import { Runs } from "./views/runs.js";

const VIEWS = {
  __proto__: null,
  runs: Runs,
  run: later(() => import("./views/run.js"), "Run"),
  curves: later(() => import("./views/curves.js"), "Curves"),
  hyper: later(() => import("./views/hyper.js"), "Hyper"),
  compare: later(() => import("./views/compare.js"), "Compare"),
  trace: later(() => import("./views/trace.js"), "Trace"),
  seeds: later(() => import("./views/seeds.js"), "Seeds"),
  sweep: later(() => import("./views/sweep.js"), "Sweep"),
};
const PLACES = [["runs", "Runs"], ["curves", "Curves"], ["hyper", "Hyper-parameters"], ["compare", "Compare"], ["seeds", "Seeds"]];

function Page() {
  const here = useAddress();
  const runs = useRuns();
  const [help, setHelp] = useState(false);
  useKeys([["?", "this list", () => setHelp(true)]]);
  const View = VIEWS[here.view];
  const name = PLACES.find(([view]) => view === here.view)?.[1] ?? { run: label(runs, here.id), trace: "Trace", sweep: here.params.name ?? "Sweep" }[here.view] ?? "";
  useEffect(() => {
    document.title = [visible(name), visible(runs.store?.name ?? ""), "Samebit"].filter(Boolean).join(" · ");
  }, [name, runs.store]);
  const places = useRef(null);
  // On a phone the places do not fit, and the one where somebody is must be seen.
  useEffect(() => { places.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }); }, [here.view]);
  return html`
    <a class="skip" href="#main">skip to the content</a>
    <header class="top">
      <a class="brand" href="/"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3.5 6h9M3.5 10h9" /></svg>samebit</a>
      <nav aria-label="views" ref=${places}>${PLACES.map(([view, title]) => html`<a key=${view} href=${link(view, kept(here, view))}
        aria-current=${view === here.view ? "page" : null}>${title}</a>`)}</nav>
      <span class="grow"></span>
      ${runs.store && html`<span class="store" title=${visible(runs.store.folder ?? "")}>${visible(runs.store.name)}
        ${runs.store.shown !== "here" && html`<small>${` · ${visible(runs.store.shown)}`}</small>`}</span>`}
      ${runs.waiting > 0 && html`<${Reading} read=${runs.ids.length} all=${runs.ids.length + runs.waiting} />`}
      <${Live} live=${runs.live} />
      <${Theme} />
      <button type="button" class="quiet" aria-label="? keys" onClick=${() => setHelp(true)}><kbd>?</kbd></button>
    </header>
    ${View ? html`<${Guarded} key=${here.view + here.id} view=${View} here=${here} />`
      : html`<main id="main"><h1 class="unseen">Samebit</h1><${Empty} title="There is no such view"><p><a href="/">All runs</a></p></${Empty}></main>`}
    ${help && html`<${Help} close=${() => setHelp(false)} />`}
    <${Announcer} />`;
}

/** Chosen runs and the filter go along from view to view. */
function kept({ params, view, id }, to) {
  const ids = view === "run" ? id : params.ids;
  return to === "runs" ? { where: params.where, ids: params.ids } : { ids, where: ids ? "" : params.where };
}

/** A view that fails says so, and the rest of the page stays. */
function Guarded({ view: View, here }) {
  const runs = useRuns();
  if (runs.phase === "failed") return html`<main id="main"><${Trouble} error=${runs.error} /></main>`;
  return html`${here.view !== "runs" && html`<${Trouble} error=${runs.error} />`}<${View} params=${here.params} id=${here.id} />`;
}

const SAID = { live: "live", waiting: "reconnecting", gone: "not connected" };

function Live({ live }) {
  return html`<span class="connection ${live}" role="status"><i aria-hidden="true"></i>${SAID[live]}</span>`;
}

/** That runs are still being read: until then whatever is shown, counted or grouped is of some of them. */
function Reading({ read, all }) {
  return html`<span class="reading"><progress max=${all} value=${read} aria-label="runs that were read"></progress><span>${`reading ${count(read)} of ${count(all)}`}</span></span>`;
}

function Theme() {
  const [theme, setTheme] = useState(setting("theme", "auto"));
  const turn = () => {
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    keep("theme", next);
    applyTheme(next);
    setTheme(next);
  };
  return html`<button type="button" class="quiet" aria-label=${`theme: ${theme}`} title=${`theme: ${theme}`} onClick=${turn}>
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="5.5" />
      <path class="full" d=${{ auto: "M8 2.5a5.5 5.5 0 0 1 0 11z", light: "", dark: "M8 2.5a5.5 5.5 0 0 1 0 11a5.5 5.5 0 0 1 0-11z" }[theme]} /></svg></button>`;
}

function Help({ close }) {
  const dialog = useRef(null);
  useEffect(() => { dialog.current.showModal(); }, []);
  return html`<dialog ref=${dialog} aria-labelledby="help-title" onClose=${close}
    onClick=${(event) => event.target === dialog.current && dialog.current.close()}>
    <div class="dialog-body"><h2 id="help-title">Keys</h2>
    <dl class="keys">${known().map(([key, what]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    <p class="dim">In the table arrows, Page Up and Page Down move, Space selects, Enter opens. Every view is its address: copy it, and it is the same again.</p>
    <button type="button" autofocus onClick=${() => dialog.current.close()}>close</button></div>
  </dialog>`;
}

applyTheme();
listenToKeys();
const root = document.getElementById("page");
followLinks(root);
render(html`<${Page} />`, root);
begin();
