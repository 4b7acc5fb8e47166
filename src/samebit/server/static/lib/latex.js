// A table for a paper: booktabs, every letter of a name as itself.

import { visible } from "./text.js";

const SIGNS = { "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#", "_": "\\_",
  "%": "\\%", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}" };

/** @param {string[]} heads @param {string[][]} rows @param {boolean[]} numeric - which columns stand at the right */
export function latex(heads, rows, numeric) {
  const line = (cells) => `  ${cells.map(cell).join(" & ")} \\\\`;
  return ["% \\usepackage{booktabs}", `\\begin{tabular}{${numeric.map((one) => (one ? "r" : "l")).join("")}}`, "  \\toprule", line(heads), "  \\midrule",
    ...rows.map(line), "  \\bottomrule", "\\end{tabular}", ""].join("\n");
}

/** Quotes are no ligatures, and a minus is one. */
function cell(text) {
  const safe = visible(text).replace(/[\\{}$&#_%~^<>|]/g, (sign) => SIGNS[sign]).replace(/"/g, "\\textquotedbl{}").replace(/`/g, "\\textasciigrave{}");
  return /^-[\d.]/.test(text) ? `$-$${safe.slice(1)}` : safe;
}
