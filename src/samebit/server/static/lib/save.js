// Files that the page gives: what was made here, or what the server rendered.

import { address } from "./api.js";

/** Let the browser keep a text as a file. */
export function saveText(text, name, kind) {
  const href = URL.createObjectURL(new Blob([text], { type: kind }));
  saveFrom(href, name);
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

/** Let it fetch an answer of the server as a file. */
export function saveAnswer(path, params, name) {
  saveFrom(address(path, params), name);
}

function saveFrom(href, name) {
  const anchor = document.createElement("a");
  anchor.href = href;
  anchor.download = name;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}

/** Rows of values as CSV, in the form of `samebit ls --csv`: nothing is an empty field. */
export function csv(rows) {
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number" || typeof value === "bigint") return String(value);
    const text = String(value);
    return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}
