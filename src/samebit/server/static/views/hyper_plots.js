// Settings and results against each other: one scatter plot, or a matrix of them.

import { change, packed, unpacked } from "../lib/address.js";
import { html, useMemo } from "../lib/html.js";
import { shortNames } from "../lib/names.js";
import { several, title } from "../lib/text.js";
import { Matrix } from "../charts/matrix.js";
import { Scatter } from "../charts/scatter.js";
import { Menu } from "../parts/menu.js";
import { Select } from "../parts/select.js";
import { Choices } from "./runs_bar.js";

const FIRST_OF_MATRIX = 4;  // and the result
const MOST_OF_MATRIX = 10;
const LETTERS = 26;

export function Relations(props) {
  const { runs, params, keys, results, axes, metric, axisFor } = props;
  const isMatrix = params.plot === "matrix";
  const known = [...new Set([...keys, metric, ...results])].filter((key) => runs.columns.has(key));
  const x = known.includes(params.x ?? params.across) ? params.x ?? params.across : axes[0] ?? keys[0];
  const y = known.includes(params.y) ? params.y : metric;
  const chosen = params.of ? unpacked(params.of).filter((key) => known.includes(key)) : [...axes.slice(0, FIRST_OF_MATRIX), metric];
  const set = (name) => (one) => change({ [name]: one }, { replace: true });
  const options = known.map((key) => [key, title(key)]);
  const toggle = (key) => set("of")(packed(chosen.includes(key) ? chosen.filter((one) => one !== key) : [...chosen, key]));
  return html`<section aria-label="scatter plots"><div class="section-bar">
      <span class="switch" role="group" aria-label="kind of plot">${[["", "scatter"], ["matrix", "matrix"]].map(([one, said]) => html`<button key=${one} type="button"
        aria-pressed=${String(isMatrix === (one === "matrix"))} onClick=${() => set("plot")(one)}>${said}</button>`)}</span>
      ${isMatrix ? html`<${Menu} isPanel label=${`Keys (${chosen.length})`} name="keys of the matrix">${() => html`<${Choices}
        keys=${known.map((key) => ({ key, ...runs.keys.find((one) => one.key === key) }))} isOn=${(key) => chosen.includes(key)} what="keys" toggle=${toggle} />`}</${Menu}>`
        : html`<${Select} name="upward" value=${y} options=${options} onChoose=${set("y")} /><span class="dim">over</span><${Select} name="across" value=${x} options=${options}
          onChoose=${set("x")} />`}
    </div>
    ${isMatrix ? html`<${MatrixOf} ...${props} chosen=${chosen.slice(0, MOST_OF_MATRIX)} left=${chosen.length - MOST_OF_MATRIX} />`
      : html`<${Scatter} ...${props} x=${{ name: x, axis: axisFor(x) }} y=${{ name: y, axis: axisFor(y) }}
        label=${`${title(y)} over ${title(x)}, a point for each run; the table below has the same`} />
        <${Pointed} ...${props} />`}</section>`;
}

function MatrixOf(props) {
  const { chosen, axisFor, rows, runs, params, left } = props;
  const axes = useMemo(() => {
    const short = shortNames(chosen.map(title), LETTERS);
    return chosen.map((key) => ({ name: key, title: title(key), short: short.get(title(key)), axis: axisFor(key) }));
  }, [chosen.join(), rows, runs.columns, params.log, params.flip]);
  if (axes.length < 2) return html`<p class="dim">Choose two keys or more.</p>`;
  return html`<${Matrix} ...${props} axes=${axes} label=${`scatter plots of ${several(axes.length, "key")} with each other; the table below has the same`}>
    <${Pointed} ...${props} isTall /></${Matrix}>
    ${left > 0 && html`<p class="dim">${`the first ${MOST_OF_MATRIX} of them`}</p>`}`;
}

/** The run under the pointer. */
function Pointed({ bright, nameOf, told, isTall = false }) {
  const kind = isTall ? "pointed tall" : "pointed";
  if (bright < 0) return html`<p class=${kind} aria-hidden="true">Drag a box to keep its runs; click a point to select it.</p>`;
  return html`<p class=${kind} aria-hidden="true"><b>${nameOf(bright)}</b>
    ${told(bright).map(([key, value]) => html`<span key=${key}><i>${key}</i> ${value}</span>`)}</p>`;
}
