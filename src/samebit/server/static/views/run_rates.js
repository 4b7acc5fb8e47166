// The learning rates that the optimizers of a run used, as curves.

import { ask } from "../lib/api.js";
import { html, useMemo, useState } from "../lib/html.js";
import { several, visible } from "../lib/text.js";
import { Curves } from "../charts/plot.js";
import { useAnswer } from "../parts/asking.js";
import { Trouble } from "../parts/trouble.js";

export function Rates({ run }) {
  const { answer, error } = useAnswer((signal) => ask(`runs/${run.id}/rates`, {}, { signal }), run.id);
  const curves = useMemo(() => (answer?.rates ?? []).map(({ title, points }, number) => {
    const [x, y] = [0, 1].map((at) => Float64Array.from(points, (point) => point[at]));
    return { id: title, label: visible(title), number, x, y, low: y, high: y };
  }), [answer]);
  const [look, setLook] = useState(null);
  if (error) return html`<${Trouble} error=${error} />`;
  if (curves.length === 0) return null;
  const at = look?.found[0];
  return html`<section class="card rates"><h2>Learning rate <small>as the optimizer used it, at each step</small></h2>
    <div class="plot-box"><${Curves} curves=${curves} zoom=${null} isXLog=${false} isYLog=${false} bright=${null} label=${`${several(curves.length, "learning rate")} over the steps`}
      onZoom=${() => {}} onLook=${setLook} /></div>
    <p class="dim small" aria-hidden="true">${at ? `step ${Math.round(at.curve.x[at.at])}: ${at.curve.y[at.at]}` : curves.map(({ label }) => label).join(", ")}</p></section>`;
}
