// A canvas as large as its box, sharp on every screen, drawn anew when size or theme change.

import { html, useEffect, useRef } from "../lib/html.js";

/** @param {{draw: function(CanvasRenderingContext2D, number, number): void, label?: string}} props - without a label only for the eye. */
export function Canvas({ draw, label, children, kind = "", ...handlers }) {
  const canvas = useRef(null);
  const latest = useRef(draw);
  latest.current = draw;
  const paint = () => {
    const element = canvas.current;
    if (!element) return;
    const { width, height } = element.getBoundingClientRect();
    const scale = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    if (element.width !== wide || element.height !== high) [element.width, element.height] = [wide, high];
    const context = element.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    latest.current(context, width, height);
  };
  useEffect(() => {
    const observer = new ResizeObserver(paint);
    observer.observe(canvas.current);
    const scheme = window.matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", paint);
    window.addEventListener("themechange", paint);
    return () => {
      observer.disconnect();
      scheme.removeEventListener("change", paint);
      window.removeEventListener("themechange", paint);
    };
  }, []);
  useEffect(paint, [draw]);
  return html`<div class="canvas-box ${kind}"><canvas ref=${canvas} ...${label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }} ...${handlers}></canvas>${children}</div>`;
}

/** Colours between two, for numbers from 0 to 1. */
export function ramp(low, high) {
  const [from, to] = [low, high].map((color) => color.match(/[\d.]+/g).slice(0, 3).map(Number));
  const steps = Array.from({ length: 17 }, (_, at) => `rgb(${from.map((one, nth) => Math.round(one + ((to[nth] - one) * at) / 16)).join(",")})`);
  return (share) => steps[Math.max(0, Math.min(16, Math.round(share * 16)))];
}
