// Values as words: the forms of the command line, so that page and terminal say the same.

// Controls, marks that turn the direction of writing, and what is invisible: a name may hold them.
const UNSEEN = new RegExp(
  "[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e" +
  "\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb]|[\\ud800-\\udbff](?![\\udc00-\\udfff])" +
  "|(?<![\\ud800-\\udbff])[\\udc00-\\udfff]", "g");

/** A stranger's text with everything escaped that is not seen as itself. */
export function visible(text) {
  return String(text).replace(UNSEEN, escaped);
}

/** The same for texts of several lines, whose ends and tabs stay. */
export function visibleLines(text) {
  return String(text).replace(UNSEEN, (char) => (char === "\n" || char === "\t" ? char : escaped(char)));
}

function escaped(char) {
  const code = char.charCodeAt(0);
  if (char === "\n") return "\\n";
  if (char === "\t") return "\\t";
  return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** A number with four significant digits, or as many as are asked for; integers whole. */
export function number(value, digits = 4) {
  if (typeof value === "bigint") return value.toString();
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toString();
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  const size = Math.abs(value);
  const rounded = Number(size.toPrecision(digits));
  if (size !== 0 && (rounded < 1e-4 || size >= 1e7)) return exponential(value, digits);
  if (rounded >= 10 ** digits) return value.toFixed(0);
  return String(Number(value.toPrecision(digits)));
}

/** `2.5e-05`: as Python has it, without zeros at the end. */
export function exponential(value, digits = 4) {
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  return `${mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa}e${power[0]}${Math.abs(Number(power)).toString().padStart(2, "0")}`;
}

/** A difference: a number with its sign. */
export const signed = (value, written = number) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${written(Math.abs(value))}`;

/** Any plain value for people; nothing is an empty text. */
export function shown(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "bigint") return number(value);
  if (typeof value === "boolean") return value ? "true" : "false";
  return visible(typeof value === "string" ? value : JSON.stringify(value));
}

const thousands = new Intl.NumberFormat("en-US");

/** A count with its thousands apart. */
export function count(value) {
  return thousands.format(Number(value));
}

/** `1 run`, `2 runs`. */
export function several(many, noun, nouns = `${noun}s`) {
  return `${count(many)} ${many === 1 ? noun : nouns}`;
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  let amount = bytes;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    amount /= 1000;
    if (amount < 999.95) return `${amount.toFixed(1)} ${unit}`;
  }
  return `${(amount / 1000).toFixed(1)} PB`;
}

/** A length of time in at most two units. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 0) return `-${duration(-seconds)}`;
  if (!Number.isFinite(seconds)) return `${number(seconds)} s`;
  if (seconds > 0 && seconds < 0.9995) return `${Number((seconds * 1000).toPrecision(3))} ms`;
  if (seconds < 59.95) return `${Number(seconds.toPrecision(3))} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return two(whole, 60, "min", "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return two(minutes, 60, "h", "min");
  return two(Math.round(seconds / 3600), 24, "d", "h");
}

function two(amount, many, large, small) {
  const rest = amount % many;
  return `${Math.floor(amount / many)} ${large}${rest ? ` ${rest} ${small}` : ""}`;
}

/** A time of the index (nanoseconds) as the reader's clock has it. */
export function moment(nanoseconds) {
  const date = new Date(milliseconds(nanoseconds));
  if (Number.isNaN(date.getTime())) return shown(nanoseconds);
  const two_ = (part) => String(part).padStart(2, "0");
  return `${date.getFullYear()}-${two_(date.getMonth() + 1)}-${two_(date.getDate())} ` +
    `${two_(date.getHours())}:${two_(date.getMinutes())}`;
}

/** How far the reader's clock is from UTC at a time: `UTC`, `UTC−5`, `UTC+5:30`. */
export function zone(nanoseconds) {
  const minutes = -new Date(milliseconds(nanoseconds)).getTimezoneOffset();
  if (!minutes) return "UTC";
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `UTC${minutes < 0 ? "−" : "+"}${hours}${rest ? `:${String(rest).padStart(2, "0")}` : ""}`;
}

/** Nanoseconds as a text, a number or a large integer, in milliseconds. */
function milliseconds(nanoseconds) {
  return Number(nanoseconds) / 1e6;
}

/** What a column is called: its last words say it, `config.` and `metric.` go without saying. */
export function title(key) {
  const short = key.replace(/^(config|metric)\./, "");
  const taken = /^(min|max|first)\.(.+)$/.exec(short);
  return visible(taken && short === key ? `${taken[2]} ${{ min: "lowest", max: "highest", first: "first" }[taken[1]]}` : short);
}
