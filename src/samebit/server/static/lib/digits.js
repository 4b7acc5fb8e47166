// Texts of values beside each other, as short as they can be told apart.

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

/** A text in which digests are their beginnings. */
export const brief = (text) => text.replace(DIGEST, "$1");

function rounded(text, digits) {
  const short = Number(Number(text).toPrecision(digits)).toString();
  return short.length < text.length ? short : text;
}
