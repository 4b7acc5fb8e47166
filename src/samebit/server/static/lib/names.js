// Long names in little room: what names have in common goes, what tells them apart stays.

const DOTS = "…";

/**
 * A short form of each name, at most so many letters.
 * @param {string[]} names
 * @param {number} most
 * @param {RegExp} ends - where a word of them begins: of keys `a.b/c`, of values also `a-b_c`
 * @returns {Map<string, string>}
 */
export function shortNames(names, most, ends = /[./][^./]*$/) {
  const all = [...new Set(names)];
  return new Map(all.map((name) => [name, name.length <= most ? name : shortened(name, all.filter((other) => other !== name), most, ends)]));
}

/** Of values rather than keys. */
export const OF_VALUES = /[./_ -][^./_ -]*$/;

function shortened(name, others, most, ends) {
  const before = Math.max(0, ...others.map((other) => shared(name, other, ends)));
  const turned = reversed(name);
  const after = Math.max(0, ...others.map((other) => shared(turned, reversed(other), ends)));
  if (before + after >= name.length || (before === 0 && after === 0)) return ending(name, most);
  // What is told apart, and of what follows as much as there is room for.
  const rest = `${before ? DOTS : ""}${name.slice(before)}`;
  const core = rest.length - after;
  if (rest.length <= most) return rest;
  return core < most - 1 ? `${rest.slice(0, most - 1)}${DOTS}` : middle(rest, most);
}

const reversed = (text) => [...text].reverse().join("");

/** How many letters two names begin with, whole words of them. */
function shared(one, other, ends) {
  let many = 0;
  while (many < one.length && many < other.length && one[many] === other[many]) many += 1;
  return one.slice(0, many).search(ends) + 1;
}

/** Its last words: they say most. */
function ending(name, most) {
  const tail = name.slice(name.length - most + 1);
  const at = tail.search(/[./]/);
  if (at >= 0 && at < tail.length - 6) return `${DOTS}${tail.slice(at + 1)}`;
  return middle(name.slice(name.search(/[^./]*$/)), most);
}

function middle(name, most) {
  if (name.length <= most) return name;
  const end = Math.ceil((most - 1) / 2);
  return `${name.slice(0, most - 1 - end)}${DOTS}${name.slice(name.length - end)}`;
}
