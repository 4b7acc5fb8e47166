// The curves of one chart: what is asked for, and what of the answer is drawn.

import { packed } from "../lib/address.js";
import { ask, askCurves } from "../lib/api.js";
import { LEAD, smoothed } from "../charts/smoothing.js";
import { groupName, said } from "./curves_lines.js";

/** Ask for a metric of runs, or for its means over groups. */
export async function asked({ metric, ids, scope, how }, columns, signal) {
  const [from, to] = how.zoom ?? [null, null];
  const begin = from === null ? null : from - LEAD * how.smooth;
  if (how.by.length > 0) {
    return { groups: (await ask("curves/groups", { ...scope, metric, by: packed(how.by), x: how.x, from: begin, to, columns }, { signal })).groups };
  }
  return askCurves({ ids: ids.join(","), metric, x: how.x, from: begin, to, columns }, { signal });
}

/** What is drawn of an answer, in the looks of `lines` and without those that were taken away. */
export function drawn(answer, { lines, hidden, how }) {
  if (answer.groups) return answer.groups.map((group, at) => ofGroup(group, at, lines, how)).filter(({ id }) => !hidden.has(id));
  const found = [];
  for (const [id, curve] of answer.curves) {
    const line = lines.get(id);
    if (!line || hidden.has(id) || curve.x.length === 0) continue;
    const y = how.smooth > 0 ? smoothed(curve.x, curve.mean, how.smooth) : curve.last;
    found.push({ ...curve, ...line, y, raw: how.smooth > 0 ? curve.mean : null });
  }
  return found;
}

function ofGroup(group, at, lines, how) {
  const floats = (values) => Float64Array.from(values, (value) => value ?? NaN);
  const mean = floats(group.mean);
  const x = floats(group.x);
  const id = groupName(group.values);
  return { id, number: lines.get(id)?.number ?? lines.size + at, x, low: floats(group.low), high: floats(group.high), last: mean, mean,
    y: how.smooth > 0 ? smoothed(x, mean, how.smooth) : mean, raw: how.smooth > 0 ? mean : null, count: group.count, n: group.n,
    label: `${group.values.map(said).join(", ")} (n = ${group.n})` };
}

/** How many values a chart cannot show, and why; and what it says where nothing is left. */
export function unseen(curves, how) {
  const odd = curves.reduce((sum, curve) => sum + (curve.odd ?? 0), 0);
  let [drawnOnes, below] = [0, 0];
  for (const { x, y } of curves) {
    for (let at = 0; at < x.length; at++) {
      if (!Number.isFinite(y[at])) continue;
      if ((how.isYLog && y[at] <= 0) || (how.isXLog && x[at] <= 0)) below += 1;
      else drawnOnes += 1;
    }
  }
  return { odd, below, isEmpty: curves.length > 0 && drawnOnes === 0 };
}

/** What is drawn as rows of a file. */
export function rowsOf(curves, how, xName) {
  const isSmooth = how.smooth > 0;
  const smooth = (curve, at) => (isSmooth ? [curve.y[at]] : []);
  const of = how.by.length > 0 ? ["group", xName, "mean", "low", "high", "n"] : ["run", xName, "lowest", "highest", "last", "mean"];
  const row = how.by.length > 0 ? (curve, x, at) => [curve.label, x, curve.mean[at], curve.low[at], curve.high[at], curve.count[at]]
    : (curve, x, at) => [curve.label, x, curve.low?.[at], curve.high?.[at], curve.last[at], curve.mean[at]];
  return [[...of, ...(isSmooth ? ["smoothed"] : [])], ...curves.flatMap((curve) => Array.from(curve.x, (x, at) => [...row(curve, x, at), ...smooth(curve, at)]))];
}
