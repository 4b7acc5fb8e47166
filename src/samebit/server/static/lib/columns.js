// Columns of runs as they arrive, and what is done with them: order, differences, keys to sort by.

/** Values of one key for every run, in the order of the runs. */
export class Column {
  /** @param {{same?, values?, texts?, at?}} packed @param {number} length */
  constructor(packed, length) {
    this.length = length;
    if (packed.texts) {
      this.values = packed.at.map((at) => (at === null || at < 0 ? null : packed.texts[at]));
    } else {
      this.values = packed.values ?? new Array(length).fill("same" in packed ? packed.same : null);
    }
    this._order = null;
    this._varies = undefined;
    this._numeric = undefined;
  }

  get(row) {
    return this.values[row] ?? null;
  }

  set(row, value) {
    this.values[row] = value;
    this._order = null;
    this._varies = undefined;
    this._numeric = undefined;
  }

  /** A copy for other rows: of each its place before, or -1. */
  taken(rows) {
    return new Column({ values: rows.map((row) => (row < 0 ? null : this.values[row] ?? null)) }, rows.length);
  }

  /** Whether two runs have something else here. A run that has nothing is no difference. */
  get varies() {
    this._varies ??= areApart(this.values);
    return this._varies;
  }

  /** What some rows have here. */
  at(rows) {
    return rows.length === this.length ? this.values : Array.from(rows, (row) => this.values[row] ?? null);
  }

  get isNumeric() {
    this._numeric ??= this.values.some(isNumber) && this.values.every((value) => (value ?? null) === null || isNumber(value));
    return this._numeric;
  }

  /** A number for each run by which runs are sorted; texts by their alphabet, after the numbers. */
  get order() {
    if (this._order !== null) return this._order;
    const order = new Float64Array(this.length);
    const texts = [...new Set(this.values.filter((value) => typeof value === "string"))].sort(compareTexts);
    const place = new Map(texts.map((text, at) => [text, at]));
    for (let row = 0; row < this.length; row++) {
      const value = this.values[row];
      if (value === null || value === undefined) order[row] = NaN;
      else if (typeof value === "number") order[row] = Number.isNaN(value) ? NaN : value;
      else if (typeof value === "string") order[row] = texts.length ? 1e300 + place.get(value) * 1e290 : NaN;
      else if (typeof value === "boolean") order[row] = Number(value);
      else order[row] = Number(value);
    }
    this._order = order;
    return order;
  }
}

/** Whether two of these are something else. */
export function areApart(values) {
  let first;
  return values.some((value) => {
    if (value === null || value === undefined) return false;
    if (first === undefined) first = value;
    return !Object.is(first, value) && String(first) !== String(value);
  });
}

const isNumber = (value) => typeof value === "number" || typeof value === "bigint";

function compareTexts(one, other) {
  return collator.compare(one, other);
}

const collator = new Intl.Collator("en", { numeric: true });

/** Plain values in an order: numbers, then anything else by its letters, then what is missing. */
export function compareValues(one, other) {
  const rank = (value) => ((value ?? null) === null ? 2 : isNumber(value) && value === value ? 0 : 1);
  if (rank(one) !== rank(other)) return rank(one) - rank(other);
  if (rank(one) === 0) return one < other ? -1 : Number(one > other);
  return rank(one) === 2 ? 0 : compareTexts(String(one), String(other));
}

/** Sort rows by a column; runs that have nothing there come last, whichever way. */
export function sorted(rows, column, descending) {
  if (!column) return rows;
  const order = column.order;
  const sign = descending ? -1 : 1;
  return Int32Array.from(rows).sort((one, other) => {
    const a = order[one];
    const b = order[other];
    if (a === b) return one - other;
    if (a !== a) return b !== b ? one - other : 1;
    if (b !== b) return -1;
    return (a < b ? -sign : sign);
  });
}

/** How a metric's best is told from its name: lower is better for what is lost. */
export function bestOf(name) {
  return /loss|err|perplex|ppl|nll|bpb|mse|mae|rmse|fid|regret|divergence/i.test(name) ? "min" : "max";
}

/** `metric.acc`, and the column that holds another of its points. */
export function taken(key, take) {
  const name = key.replace(/^(metric|min|max|first)\./, "");
  return `${{ last: "metric", first: "first", min: "min", max: "max" }[take]}.${name}`;
}

export const isMetric = (key) => /^(metric|min|max|first)\./.test(key);
