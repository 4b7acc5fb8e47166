// A button that opens something: a list of things to do, or a panel. Escape and a click beside close it.

import { classes, html, useEffect, useLayoutEffect, useRef, useState } from "../lib/html.js";

/** A button, and what it opens; `children` may be a function that is given `close`. */
export function Menu({ label, name, kind = "", isPanel = false, children }) {
  const [open, setOpen] = useState(false);
  const root = useRef(null);
  const body = useRef(null);
  const close = (back = true) => {
    setOpen(false);
    if (back) root.current?.querySelector("button")?.focus();
  };
  useEffect(() => {
    if (!open) return undefined;
    const outside = (event) => { if (!root.current?.contains(event.target)) close(false); };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [open]);
  useLayoutEffect(() => {
    if (open) {
      place(root.current, body.current);
      first(body.current)?.focus();
      const observer = new ResizeObserver(() => place(root.current, body.current));
      observer.observe(body.current);  // what is in it may still be on its way
      return () => observer.disconnect();
    }
    return undefined;
  }, [open]);
  const onKeyDown = (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    } else if (!isPanel && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      step(body.current, event.key === "ArrowDown" ? 1 : -1);
    }
  };
  return html`<div class=${classes("menu", kind)} ref=${root} onKeyDown=${open ? onKeyDown : null}>
    <button type="button" aria-haspopup=${isPanel ? "dialog" : "menu"} aria-expanded=${String(open)}
      aria-label=${typeof label === "string" && name ? `${label}, ${name}` : name}
      onClick=${() => setOpen(!open)}>${label}</button>
    ${open && html`<div class="menu-body" ref=${body} role=${isPanel ? "dialog" : "menu"} aria-label=${name ?? label}>
      ${typeof children === "function" ? children(close) : children}</div>`}
  </div>`;
}

/** A thing to do, in a menu. */
export function Item({ onClick, checked, disabled, children }) {
  const role = checked === undefined ? "menuitem" : "menuitemradio";
  return html`<button type="button" class="item" role=${role} tabindex="-1" disabled=${disabled}
    aria-checked=${checked === undefined ? null : String(checked)} onClick=${onClick}>${children}</button>`;
}

const things = (body) => [...body.querySelectorAll("button, a[href], input, select")].filter((one) => !one.disabled);
const first = (body) => things(body)[0];

function step(body, by) {
  const all = things(body);
  all[(all.indexOf(document.activeElement) + by + all.length) % all.length]?.focus();
}

/** What is cut off by an edge of the window is moved; a table that scrolls would cut it off, too. */
function place(root, body) {
  const button = root.getBoundingClientRect();
  const { width, height } = body.getBoundingClientRect();
  const left = Math.max(8, Math.min(button.left, window.innerWidth - width - 8));
  const below = button.bottom + 4;
  const top = below + height > window.innerHeight - 8 ? Math.max(8, button.top - height - 4) : below;
  body.style.setProperty("left", `${left}px`);
  body.style.setProperty("top", `${top}px`);
}
