// A chart as SVG, drawn from the same curves: for papers and slides, in light colours.

import { visible } from "../lib/text.js";
import { colorName, dashes } from "./colors.js";
import { DOT, MOST_BANDS, besideEachOther, breaks, dots, markOf, unbroken } from "./paint.js";
import { ranges } from "./ranges.js";
import { tickLabels, ticks } from "./scales.js";

const NAMES = "http://www.w3.org/2000/svg";
const WIDE = 640;
const HIGH = 400;
const BOX = { left: 64, top: 40, right: 620, bottom: 340 };

/**
 * @param {{title: string, xTitle: string, note: string, curves: import("./paint.js").Drawn[],
 *   zoom: number[]|null, isXLog: boolean, isYLog: boolean, yRange: "inner"|number[]|null, colors: object}} what
 * @returns {string}
 */
export function svg({ title, xTitle, note, curves, colors, ...how }) {
  const { isXLog, isYLog } = how;
  const rows = Math.ceil(curves.length / 3);
  const high = HIGH + 16 * rows;
  const root = element("svg", { viewBox: `0 0 ${WIDE} ${high}`, width: WIDE, height: high, "font-family": "sans-serif", "font-size": 11 });
  const range = ranges({ curves, ...how });
  const across = scale(range.x, BOX.left, BOX.right, isXLog);
  const y = scale(range.y, BOX.bottom, BOX.top, isYLog);
  root.append(words("title", {}, title), element("rect", { width: WIDE, height: high, fill: colors["--paper"] }),
    words("text", { x: BOX.left, y: 22, "font-size": 14, "font-weight": 600, fill: colors["--ink"] }, title),
    words("text", { x: BOX.right, y: 22, "text-anchor": "end", fill: colors["--dim"] }, note));
  const places = ticks(...across.domain, 6, isXLog).filter((tick) => !range.isWhole || Number.isInteger(tick));
  tickLabels(places, isXLog).forEach((label, at) => root.append(words("text", { x: across(places[at]), y: BOX.bottom + 18, "text-anchor": "middle", fill: colors["--dim"] }, label)));
  const upward = ticks(...y.domain, 5, isYLog);
  tickLabels(upward, isYLog).forEach((label, at) => root.append(
    element("path", { d: `M${BOX.left} ${y(upward[at]).toFixed(1)}H${BOX.right}`, stroke: colors["--grid"] }),
    words("text", { x: BOX.left - 8, y: y(upward[at]) + 4, "text-anchor": "end", fill: colors["--dim"] }, label)));
  root.append(element("path", { d: `M${BOX.left} ${BOX.bottom}H${BOX.right}`, stroke: colors["--dim"] }),
    words("text", { x: BOX.right, y: BOX.bottom + 36, "text-anchor": "end", fill: colors["--dim"] }, xTitle));
  const clip = element("clipPath", { id: "box" });
  clip.append(element("rect", { x: BOX.left - DOT, y: BOX.top - DOT, width: BOX.right - BOX.left + 2 * DOT, height: BOX.bottom - BOX.top + 2 * DOT }));
  const inside = element("g", { "clip-path": "url(#box)", fill: "none", "stroke-linejoin": "round" });
  root.append(clip, inside);
  const apart = besideEachOther(curves);
  curves.forEach((curve, at) => {
    const color = colors[colorName(curve.number)];
    const { x } = apart(curve, { x: across });
    if (curve.low && curves.length <= MOST_BANDS) inside.append(element("path", { d: area(curve, x, y), fill: color, "fill-opacity": 0.14 }),
      element("path", { d: bars(curve, x, y), stroke: color, "stroke-width": 1.5, "stroke-opacity": 0.6 }));
    inside.append(element("path", { d: path(curve.x, curve.y, x, y), stroke: color, "stroke-width": 1.4,
      "stroke-dasharray": dashes(curve.number).join(" ") }));
    for (const place of dots(curve, x)) inside.append(element("circle", { cx: x(curve.x[place]).toFixed(1), cy: y(curve.y[place]).toFixed(1), r: DOT, fill: color }));
    for (const { at: place, value } of breaks(curve)) inside.append(element("path", { stroke: color, "stroke-width": 1.8,
      d: markOf(value).map((stroke) => `M${stroke.map(([right, down]) => `${(x(curve.x[place]) + right).toFixed(1)} ${(y(curve.y[place]) + down).toFixed(1)}`).join("L")}`).join("") }));
    const [left, top] = [BOX.left + (at % 3) * 190, HIGH - 8 + 16 * Math.floor(at / 3)];
    root.append(element("path", { d: `M${left} ${top - 4}h18`, stroke: color, "stroke-width": 2, "stroke-dasharray": dashes(curve.number).join(" ") }),
      words("text", { x: left + 24, y: top, fill: colors["--ink"] }, curve.label.length > 28 ? `${curve.label.slice(0, 27)}…` : curve.label));
  });
  return new XMLSerializer().serializeToString(root);
}

function element(name, attributes) {
  const made = document.createElementNS(NAMES, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== "") made.setAttribute(key, value);
  return made;
}

function words(name, attributes, text) {
  const made = element(name, attributes);
  made.textContent = visible(text);  // XML has no place for most controls: no program would open the file
  return made;
}

/** Where a value lies; what a logarithm does not have lies below. */
export function scale(domain, from, to, isLog) {
  const of = isLog ? Math.log10 : (value) => value;
  const [low, high] = domain.map(of);
  const place = (value) => (isLog && value <= 0 ? from + (from - to) : from + ((of(value) - low) / (high - low || 1)) * (to - from));
  place.domain = domain;
  place.back = (at) => {
    const value = low + ((at - from) / (to - from)) * (high - low);
    return isLog ? 10 ** value : value;
  };
  return place;
}

function path(xs, ys, x, y) {
  let d = "";
  for (const [from, to] of unbroken(ys)) {
    for (let at = from; at < to; at++) d += `${at === from ? "M" : "L"}${x(xs[at]).toFixed(1)} ${y(ys[at]).toFixed(1)}`;
  }
  return d;
}

function area({ x: xs, low, high }, x, y) {
  let d = "";
  for (const [from, to] of unbroken(low)) {
    for (let at = from; at < to; at++) d += `${at === from ? "M" : "L"}${x(xs[at]).toFixed(1)} ${y(high[at]).toFixed(1)}`;
    for (let at = to - 1; at >= from; at--) d += `L${x(xs[at]).toFixed(1)} ${y(low[at]).toFixed(1)}`;
    d += "Z";
  }
  return d;
}

/** Intervals that have no width: of places with no neighbour. */
function bars({ x: xs, low, high }, x, y) {
  let d = "";
  for (const [from, to] of unbroken(low)) {
    if (to - from === 1 && high[from] > low[from]) d += `M${x(xs[from]).toFixed(1)} ${y(low[from]).toFixed(1)}V${y(high[from]).toFixed(1)}`;
  }
  return d;
}
