// Texts of values beside each other, as short as they can be told apart.

import { number } from "./text.js";

const LONG_FLOAT = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;
const DIGEST = /([0-9a-f]{8})[0-9a-f]{56}(?![0-9a-f])/g;
const LEAST = 4;
const MOST = 17;  // digits by which every float differs from the next

/**
 * Numbers with as many digits as they differ in, at least four; everything else as it is, with the beginnings of digests.
 * @param {Array<string|null|undefined>} texts - exact ones
 */
export function apart(texts) {
  const floats = [...new Set(texts.filter((text) => typeof text === "string" && LONG_FLOAT.test(text) && /[.e]/i.test(text)))];
  let digits = LEAST;
  while (digits < MOST && new Set(floats.map((text) => rounded(text, digits))).size < new Set(floats.map(Number)).size) digits += 1;
  return texts.map((text) => (floats.includes(text) ? rounded(text, digits) : typeof text === "string" ? brief(text) : text));
}

/**
 * How the numbers of a column are written: all with as many decimals as give the largest four digits.
 * @param {Array<number|null|undefined>} values - where they are too far apart for that, each is written by itself
 * @returns {function(number): string}
 */
export function column(values) {
  const sizes = values.filter(Number.isFinite).map(Math.abs).filter((size) => size > 0);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  if (!(most < 1e4 && most >= 1e-3) || least < most / 1000 || values.every(Number.isInteger)) return number;
  const decimals = Math.max(0, LEAST - 1 - Math.floor(Math.log10(most)));
  return (value) => (Number.isFinite(value) ? value.toFixed(decimals) : number(value));
}

/** A text in which digests are their beginnings. */
export const brief = (text) => text.replace(DIGEST, "$1");

function rounded(text, digits) {
  const short = Number(Number(text).toPrecision(digits)).toString();
  return short.length < text.length ? short : text;
}
