// uPlot, wrapped: it has the axes, the cursor and the zoom; the curves are painted by charts/paint.js.

import uPlot from "../vendor/uPlot.js";
import { html, useEffect, useRef } from "../lib/html.js";
import { palette } from "./colors.js";
import { nearest, paint } from "./paint.js";
import { padded, span, tickLabels } from "./scales.js";

const FONT = '11px system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif';
const NEAR = 30;  // pixels from a curve within which it is the one under the pointer

/** What is drawn, and how it is looked at; made anew when its axes change, painted when its curves do. */
class Plot {
  constructor(root, props) {
    this.props = props;
    this.colors = palette();
    this.range = this.ranges();
    const { width, height } = root.getBoundingClientRect();
    this.chart = new uPlot(this.options(Math.max(80, width), Math.max(60, height)), [[...this.range.x], [null, null]], root);
  }

  options(width, height) {
    const { isXLog, isYLog, xTicks } = this.props;
    const axis = (side, more) => ({
      side, font: FONT, stroke: () => this.colors["--dim"], gap: 4,
      grid: { stroke: () => this.colors["--grid"], width: 1 }, ticks: { show: false },
      ...more,
    });
    return {
      width, height, legend: { show: false }, padding: [8, 12, 0, 0],
      scales: {
        x: { time: false, distr: isXLog ? 3 : 1, range: () => this.range.x },
        y: { distr: isYLog ? 3 : 1, range: () => this.range.y },
      },
      axes: [
        axis(2, { size: 24, space: 60, grid: { show: false }, border: { show: true, stroke: () => this.colors["--rule"], width: 1 },
          values: (_, splits) => (xTicks ? splits.map((value) => (value === null ? null : xTicks(value))) : labelled(splits, isXLog)) }),
        axis(3, { size: 54, space: 32, values: (_, splits) => labelled(splits, isYLog) }),
      ],
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      cursor: {
        points: { show: false }, y: false, drag: { x: true, y: false, setScale: false, dist: 6 },
        sync: { key: this.props.sync ?? "curves", scales: ["x", null], setSeries: false,
          filters: { pub: (type) => type === "mousemove" || type === "mouseleave", sub: (type) => type === "mousemove" || type === "mouseleave" } },
        bind: { dblclick: () => () => this.props.onZoom(null) },
      },
      hooks: {
        draw: [() => this.paint()],
        setCursor: [() => this.look()],
        setSelect: [() => this.zoom()],
      },
    };
  }

  /** From where to where the axes go: the zoom, else all that is drawn. */
  ranges() {
    const { curves, zoom, isXLog, isYLog } = this.props;
    const x = span(curves.map((curve) => curve.x), isXLog);
    const ys = curves.flatMap((curve) => {
      const [from, to] = zoom ? inside(curve.x, zoom) : [0, curve.x.length];
      return [curve.y, curve.low, curve.high].filter(Boolean).map((values) => values.slice(from, to));
    });
    const wide = x && x[0] !== x[1] ? x : padded(x, isXLog);
    return { x: zoom ?? wide, y: padded(span(ys, isYLog), isYLog) };
  }

  update(props) {
    this.props = props;
    this.range = this.ranges();
    this.chart.setData([[...this.range.x], [null, null]]);
  }

  paint() {
    const { ctx, bbox } = this.chart;
    const place = (name, from, size, isLog) => {
      const { min, max } = this.chart.scales[name];
      const to = isLog ? Math.log10 : (value) => value;
      const [low, high] = [to(min), to(max)];
      return (value) => {
        // What a logarithm does not have lies below everything.
        const share = isLog && value <= 0 ? -1 : (to(value) - low) / (high - low);
        return from + share * size;
      };
    };
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    paint(ctx, this.props.curves, {
      x: place("x", bbox.left, bbox.width, this.props.isXLog),
      y: place("y", bbox.top + bbox.height, -bbox.height, this.props.isYLog),
      colors: this.colors, scale: uPlot.pxRatio ?? devicePixelRatio, bright: this.props.bright,
    });
    ctx.restore();
  }

  /** Say what lies under the pointer: the values of all curves there, the nearest one first. */
  look() {
    const { left, top } = this.chart.cursor;
    const isOurs = this.chart.cursor.event !== null && this.chart.cursor.event !== undefined;
    if (left < 0 || !isOurs) {
      this.props.onLook(null);
      return;
    }
    const x = this.chart.posToVal(left, "x");
    const found = [];
    for (const curve of this.props.curves) {
      const at = nearest(curve.x, x);
      if (at < 0 || !Number.isFinite(curve.y[at])) continue;
      const away = Math.abs(this.chart.valToPos(curve.y[at], "y") - top);
      if (Math.abs(this.chart.valToPos(curve.x[at], "x") - left) < NEAR) found.push({ curve, at, away });
    }
    found.sort((one, other) => one.away - other.away);
    this.props.onLook({ x, left, found, isNear: found.length > 0 && found[0].away < NEAR, width: this.chart.over.clientWidth });
  }

  zoom() {
    const { left, width } = this.chart.select;
    if (width < 6) return;
    const zoom = [this.chart.posToVal(left, "x"), this.chart.posToVal(left + width, "x")];
    this.chart.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.props.onZoom(zoom);
  }

  resize(width, height) {
    if (width > 40 && height > 40) this.chart.setSize({ width, height });
  }

  recolor() {
    this.colors = palette();
    this.chart.redraw(false, true);
  }

  end() {
    this.chart.destroy();
  }
}

function labelled(splits, isLog) {
  const round = (value) => !isLog || Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9;
  const all = splits.filter((value) => value !== null && value !== undefined);
  const powers = all.filter(round);
  const values = powers.length > 1 ? powers : all.filter((_, at) => at % 2 === 0 || all.length < 6);
  const labels = new Map(tickLabels(values, isLog).map((text, at) => [values[at], text]));
  return splits.map((value) => labels.get(value) ?? null);
}

/** The places of a sorted array that lie within a range, and one more at each side. */
function inside(x, [low, high]) {
  let from = 0;
  while (from < x.length && x[from] < low) from += 1;
  let to = from;
  while (to < x.length && x[to] <= high) to += 1;
  return [Math.max(0, from - 1), Math.min(x.length, to + 1)];
}

/**
 * A chart of curves.
 * @param {{curves: import("./paint.js").Drawn[], zoom: number[]|null, isXLog: boolean, isYLog: boolean,
 *   bright: string|null, label: string, sync?: string, xTicks?: function(number): string, onZoom: function, onLook: function}} props
 */
export function Curves(props) {
  const root = useRef(null);
  const plot = useRef(null);
  useEffect(() => {
    plot.current = new Plot(root.current, props);
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      plot.current?.resize(Math.floor(width), Math.floor(height));
    });
    observer.observe(root.current);
    const recolor = () => plot.current?.recolor();
    const scheme = window.matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", recolor);
    window.addEventListener("themechange", recolor);
    return () => {
      scheme.removeEventListener("change", recolor);
      window.removeEventListener("themechange", recolor);
      observer.disconnect();
      plot.current.end();
      plot.current = null;
    };
  }, [props.isXLog, props.isYLog, props.xTicks]);
  useEffect(() => { if (plot.current) plot.current.props = props; });
  useEffect(() => { plot.current?.update(props); }, [props.curves, props.zoom, props.bright]);
  return html`<div class="plot" ref=${root} role="img" aria-label=${props.label}></div>`;
}
