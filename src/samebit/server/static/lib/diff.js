// Which lines of two texts differ, as a unified patch: by the shortest edit, for files of a few thousand lines.

const AROUND = 3;  // equal lines that are shown
const MOST_EDITS = 2000;  // more than that and one text is another one

/** A patch from one text to another; empty where they are equal. */
export function patch(before, after, names) {
  const [a, b] = [before.split("\n"), after.split("\n")];
  const edits = between(a, b);
  const shown = new Set();
  edits.forEach(([sign], at) => {
    if (sign !== " ") for (let near = at - AROUND; near <= at + AROUND; near++) shown.add(near);
  });
  if (shown.size === 0) return "";
  const lines = [`--- ${names[0]}`, `+++ ${names[1]}`];
  let [left, right] = [1, 1];
  edits.forEach(([sign, text], at) => {
    if (shown.has(at)) {
      if (!shown.has(at - 1)) lines.push(`@@ line ${left} and ${right} @@`);
      lines.push(sign + text);
    }
    if (sign !== "+") left += 1;
    if (sign !== "-") right += 1;
  });
  return lines.join("\n");
}

/** What leads from one list of texts to another, each with its sign: "-", "+", or " " in both. By Myers' greedy algorithm. */
export function between(a, b, mostEdits = MOST_EDITS) {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const same = (lines) => lines.map((line) => [" ", line]);
  const middle = middleOf(a.slice(head, a.length - tail), b.slice(head, b.length - tail), mostEdits);
  return [...same(a.slice(0, head)), ...middle, ...same(a.slice(a.length - tail))];
}

function middleOf(a, b, mostEdits) {
  const most = Math.min(mostEdits, a.length + b.length);
  let ends = new Map([[1, 0]]);
  const trail = [];
  for (let edits = 0; edits <= most; edits++) {
    trail.push(new Map(ends));
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      const down = diagonal === -edits || (diagonal !== edits && (ends.get(diagonal - 1) ?? -1) < (ends.get(diagonal + 1) ?? -1));
      let x = down ? ends.get(diagonal + 1) ?? 0 : (ends.get(diagonal - 1) ?? 0) + 1;
      let y = x - diagonal;
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x += 1;
        y += 1;
      }
      ends.set(diagonal, x);
      if (x >= a.length && y >= b.length) return walked(a, b, trail);
    }
  }
  return [...a.map((line) => ["-", line]), ...b.map((line) => ["+", line])];
}

function walked(a, b, trail) {
  const found = [];
  let [x, y] = [a.length, b.length];
  for (let edits = trail.length - 1; edits >= 0; edits--) {
    const ends = trail[edits];
    const diagonal = x - y;
    const down = diagonal === -edits || (diagonal !== edits && (ends.get(diagonal - 1) ?? -1) < (ends.get(diagonal + 1) ?? -1));
    const from = down ? diagonal + 1 : diagonal - 1;
    const startX = ends.get(from) ?? 0;
    const startY = startX - from;
    while (x > startX && y > startY && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
      found.push([" ", a[x - 1]]);
      x -= 1;
      y -= 1;
    }
    if (edits === 0) break;
    if (down) found.push(["+", b[y -= 1]]);
    else found.push(["-", a[x -= 1]]);
  }
  return found.reverse();
}
