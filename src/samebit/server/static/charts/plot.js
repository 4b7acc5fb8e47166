// uPlot, wrapped: it has the axes, the cursor and the zoom; the curves are painted by charts/paint.js.

import uPlot from "../vendor/uPlot.js";
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { palette } from "./colors.js";
import { MOST_BANDS, nearest, paint } from "./paint.js";
import { ranges } from "./ranges.js";
import { tickLabels } from "./scales.js";

const FONT = '11px system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif';
const NEAR = 30;  // pixels from a curve within which it is the one under the pointer
const SOON_MS = 120;  // in which the server answers as a rule
const BEYOND = 5;  // pixels beside the axes in which a dot on the border is still whole

/** The curve under the pointer, of which other charts tell the value and the legend the place. */
const pointed = { id: null, listeners: new Set() };

function point(id) {
  if (pointed.id === id) return;
  pointed.id = id;
  for (const listener of [...pointed.listeners]) listener(id);
}

/** The id of the curve under the pointer, in whichever chart; null for none. */
export function usePointed() {
  const [id, setId] = useState(pointed.id);
  useEffect(() => {
    pointed.listeners.add(setId);
    return () => pointed.listeners.delete(setId);
  }, []);
  return id;
}

/** The chart under the pointer. */
let under = null;

/** What is drawn, and how it is looked at; made anew when its axes change, painted when its curves do. */
class Plot {
  constructor(root, props) {
    this.props = props;
    this.colors = palette();
    this.range = ranges(props);
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
          values: (_, splits) => (xTicks ? splits.map((value) => (value === null ? null : xTicks(value)))
            : labelled(splits, isXLog, this.range.isWhole)) }),
        axis(3, { size: 58, space: 32, gap: 8, values: (_, splits) => labelled(splits, isYLog) }),
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

  update(props) {
    this.props = props;
    this.range = ranges(props);
    this.chart.setData([[...this.range.x], [null, null]]);
    under?.tell();  // its place on this axis is another one now
  }

  /** Tell the other charts once more where the pointer is. */
  tell() {
    const { left, top } = this.chart.cursor;
    this.chart.setCursor({ left, top }, false, true);
  }

  /** The same curves, of which others stand out. */
  brighten(props) {
    this.props = props;
    this.chart.redraw(false, false);
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
    const beyond = BEYOND * (uPlot.pxRatio ?? devicePixelRatio);
    ctx.rect(bbox.left - beyond, bbox.top - beyond, bbox.width + 2 * beyond, bbox.height + 2 * beyond);
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
    const { left, top, event } = this.chart.cursor;
    if (left >= 0 && event) under = this;
    else if (under === this) under = null;
    if (left < 0) {
      if (event) point(null);
      this.props.onLook(null);
      return;
    }
    const isOurs = event !== null && event !== undefined;
    const x = this.chart.posToVal(left, "x");
    const found = [];
    for (const curve of this.props.curves) {
      if (!isOurs && curve.id !== pointed.id) continue;  // another chart's pointer: the one curve that it is at
      const at = nearest(curve.x, x);
      if (at < 0 || !(Number.isFinite(curve.y[at]) || isOdd(curve, at))) continue;
      const away = Number.isFinite(curve.y[at]) ? Math.abs(this.chart.valToPos(curve.y[at], "y") - top) : Infinity;
      if (Math.abs(this.chart.valToPos(curve.x[at], "x") - left) < NEAR) found.push({ curve, at, away });
    }
    found.sort((one, other) => one.away - other.away);
    const isNear = isOurs && found.length > 0 && found[0].away < NEAR;
    if (isOurs) point(isNear ? found[0].curve.id : null);
    this.props.onLook({ x, left, found, isOurs, isNear, width: this.chart.over.clientWidth });
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
    if (under === this) under = null;
    this.chart.destroy();
  }
}

function labelled(splits, isLog, isWhole = false) {
  const round = (value) => (isLog ? Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9 : !isWhole || Number.isInteger(value));
  const all = splits.filter((value) => value !== null && value !== undefined && (!isLog || isOneDigit(value)));
  const rounded = all.filter(round);
  const values = rounded.length > 1 || isWhole ? rounded : all.filter((_, at) => at % 2 === 0 || all.length < 6);
  const labels = new Map(tickLabels(values, isLog).map((text, at) => [values[at], text]));
  return splits.map((value) => labels.get(value) ?? null);
}

/** Whether a curve has something there that is not finite, rather than nothing. */
const isOdd = (curve, at) => curve.odd > 0 && !Number.isFinite(curve.last[at]);

/** 0.3 and 20, as logarithmic axes have them, and not the 0.221 at which one may end. */
function isOneDigit(value) {
  const digit = value / 10 ** Math.floor(Math.log10(value) + 1e-9);
  return Math.abs(digit - Math.round(digit)) < 1e-6;
}

/**
 * A chart of curves.
 * @param {{curves: import("./paint.js").Drawn[], zoom: number[]|null, isXLog: boolean, isYLog: boolean,
 *   yRange: "inner"|number[]|null, bright: Set<string>|null, label: string, sync?: string, xTicks?: function(number): string, onZoom: function, onLook: function}} props
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
  const isFirst = useRef(true);
  const drawn = useRef(props.curves);
  useEffect(() => {
    if (isFirst.current) return undefined;
    const draw = () => { plot.current?.update(plot.current.props); };
    // At a zoom the points of that part are on their way: many curves are not painted twice for it.
    const isSoonOthers = drawn.current === props.curves && props.curves.length > MOST_BANDS;
    drawn.current = props.curves;
    if (!isSoonOthers) return draw();
    const timer = setTimeout(draw, SOON_MS);
    return () => clearTimeout(timer);
  }, [props.curves, props.zoom, props.yRange]);
  useEffect(() => {
    if (!isFirst.current) plot.current?.brighten(props);
    isFirst.current = false;
  }, [props.bright]);
  return html`<div class="plot" ref=${root} role="img" aria-label=${props.label}></div>`;
}
