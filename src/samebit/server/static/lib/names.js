// Long names in little room: what names have in common goes, what tells them apart stays.

const DOTS = "…";

/**
 * A short form of each name, at most so many letters.
 * @param {string[]} names
 * @param {number} most
 * @returns {Map<string, string>}
 */
export function shortNames(names, most) {
  const long = [...new Set(names.filter((name) => name.length > most))];
  const before = long.length > 1 ? shared(long) : 0;
  const after = long.length > 1 ? shared(long.map(reversed)) : 0;
  return new Map(names.map((name) => [name, name.length <= most ? name : cut(name, before, after, most)]));
}

const reversed = (text) => [...text].reverse().join("");

/** How many letters all begin with, up to the end of a word, and no whole name of it. */
function shared(names) {
  let many = 0;
  while (many < names[0].length && names.every((name) => name[many] === names[0][many])) many += 1;
  const whole = Math.min(many, Math.min(...names.map((name) => name.length)) - 1);
  return names[0].slice(0, whole).search(/[./_-][^./_-]*$/) + 1;
}

function cut(name, before, after, most) {
  const core = before + after < name.length ? name.slice(before, name.length - after) : name;
  const short = `${core === name || !before ? "" : DOTS}${core}${core === name || !after ? "" : DOTS}`;
  if (short.length <= most && short.length > 4) return withMore(name, before, after, most);
  return middle(short.length > 4 ? short : name, most);
}

/** As much of the end as there is room for: a name's last word says most. */
function withMore(name, before, after, most) {
  const core = name.slice(before, name.length - after);
  const room = most - core.length - (before ? 1 : 0);
  const tail = name.slice(name.length - after);
  if (tail.length <= room) return `${before ? DOTS : ""}${core}${tail}`;
  return `${before ? DOTS : ""}${core}${room > 1 ? tail.slice(0, room - 1) : ""}${DOTS}`;
}

function middle(name, most) {
  if (name.length <= most) return name;
  const end = Math.ceil((most - 1) / 2);
  return `${name.slice(0, most - 1 - end)}${DOTS}${name.slice(name.length - end)}`;
}
