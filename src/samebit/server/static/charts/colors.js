// How a curve looks: one of eight colours, and dashes from the ninth on; as on published pages.

const COLORS = 8;
const DASHES = [[], [7, 4], [1.5, 4], [9, 4, 1.5, 4]];

/** The colour of a curve as a name of the styles. */
export const colorName = (number) => `--c${number % COLORS}`;

/** Its dashes, in pixels. */
export const dashes = (number) => DASHES[Math.floor(number / COLORS) % DASHES.length];

/**
 * What names of the styles are now, in the theme that is shown.
 * A property may hold `light-dark(…)`; only an element that uses it knows which.
 * @param {string[]} names @param {string} [scheme] - "light" or "dark", whichever is shown.
 */
export function resolved(names, scheme) {
  const probe = document.createElement("span");
  if (scheme) probe.style.setProperty("color-scheme", scheme);
  document.body.append(probe);
  const found = {};
  for (const name of names) {
    probe.style.setProperty("color", `var(${name})`);
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

/** All colours that charts use. */
export function palette(scheme) {
  return resolved(["--ink", "--dim", "--rule", "--grid", "--paper", "--accent", "--strong-rule",
    ...Array.from({ length: COLORS }, (_, at) => `--c${at}`)], scheme);
}
