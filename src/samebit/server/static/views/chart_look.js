// What lies under the pointer of a chart, and the words for its axis and for what was done to it.

import { classes, html } from "../lib/html.js";
import { count, duration, number, visible } from "../lib/text.js";
import { LineKey } from "../parts/line_key.js";

const SHOWN = 8;  // values beside the pointer

export function Look({ look, how }) {
  const isRight = look.left > look.width / 2;
  const { curve: first, at: place } = look.found[0];
  const style = isRight ? { right: `${look.width - look.left + 24}px` } : { left: `${look.left + 70}px` };
  return html`<div class="look" style=${style} aria-hidden="true">
    <div class="dim">${xText(first.x[place], how)}</div>
    ${look.found.slice(0, SHOWN).map(({ curve, at }, nth) => html`<div key=${curve.id} class=${classes(nth === 0 && look.isNear && "near")}>
      <${LineKey} number=${curve.number} /><span class="name">${visible(curve.label)}</span>
        <b>${number(Number.isFinite(curve.y[at]) ? curve.y[at] : curve.last[at])}</b>${curve.count && html`<small>${`n = ${count(curve.count[at])}`}</small>`}</div>`)}
    ${look.found.length > SHOWN && html`<div class="dim">${`and ${look.found.length - SHOWN} more`}</div>`}
  </div>`;
}

export const xTitle = (how) => ({ __proto__: null, step: "step", time: "time", relative: "time since the start" }[how.x] ?? visible(how.x));
/** Whether x is another metric's value, rather than a step or a time. */
export const isOfMetric = (how) => !["step", "time", "relative"].includes(how.x);
const isOfTime = (how) => how.x === "relative" || how.x === "time";
const xText = (x, how) => xTicks(how)?.(x) ?? `${xTitle(how)} ${number(x)}`;
const secondsTick = (seconds) => duration(Math.round(seconds * 1000) / 1000);
const dateTick = (seconds) => new Date(seconds * 1000).toLocaleString("en-GB", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

/** How a place on the axis is told, where that is no number; the same function for the same axis. */
export const xTicks = (how) => ({ __proto__: null, relative: secondsTick, time: dateTick })[how.x];

/** A half-life in the unit of x. */
export const halfLife = (how) => (isOfTime(how) ? duration(how.smooth) : `${number(how.smooth)} ${how.x !== "step" ? `of ${visible(how.x)}` : how.smooth === 1 ? "step" : "steps"}`);

/** What was done to what is drawn. */
export function note(how) {
  return [
    how.by.length > 0 && "mean and 95 % interval over all runs of each group",
    how.smooth > 0 && `exponential mean, half-life ${halfLife(how)}`,
    how.yRange === "inner" && "outliers left outside",
  ].filter(Boolean).join(" · ");
}
