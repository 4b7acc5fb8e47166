"""Runs as rows for documents (Markdown, CSV), and one value as people read it.

CSV holds data: numbers exact, texts as they are. A text that begins with `=`, `+`, `-` or `@`
stays so too, since a changed value would be another value; a spreadsheet that is given a
stranger's file must import such columns as text. Markdown is for reading: four significant
digits, numbers on the right, and nothing in a stranger's text can end a cell or become markup.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from samebit.errors import UsageError
from samebit.query.tabular.cells import exact
from samebit.query.where import resolve

__all__ = [
    "csv_field",
    "few",
    "markup_free",
    "number",
    "rows_to_csv",
    "rows_to_markdown",
    "runs_table",
    "shown",
    "visible",
]

_UNSEEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: a terminal obeys them
    "\u2028\u2029"  # line and paragraph separator
    "\u202a-\u202e\u2066-\u2069"  # bidi controls: text that reads other than it is
    "\ud800-\udfff"  # lone surrogates cannot be written at all
    "]"
)
# What opens markup in Markdown. An underscore inside a word, as in `val_acc`, does not.
_MARKUP = re.compile(r"[\\`*\[\]<>|~$&#]|(?<!\w)_|_(?!\w)")
_CSV_QUOTED = re.compile(r'[",\r\n]')

_LEADING = ("id", "name", "state")
_SEED = "seed"
_LARGEST_WITHOUT_EXPONENT = 1e7


def visible(text: str) -> str:
    r"""A stranger's text with its control characters escaped (`\x1b`, `\n`), safe on a screen."""
    if text.isprintable():
        return text
    # Most often it is lines: of a prompt of megabytes all at once.
    text = text.replace("\n", r"\n").replace("\t", r"\t")
    if text.isprintable():
        return text
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def few(texts: Sequence[str], most: int = 4) -> str:
    """The first ones in a line, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def number(value: float, digits: int = 4) -> str:
    """A number for people: four significant digits, or so many; integers whole."""
    if isinstance(value, int):
        return str(int(value))
    text = f"{value:.{digits}g}"
    if "e+" in text and abs(value) < _LARGEST_WITHOUT_EXPONENT:
        return f"{value:.0f}"
    return text


def shown(value: object) -> str:
    """Any plain value for people; None is an empty text."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    return visible(exact(value))


def rows_to_csv(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as RFC 4180 has it; None is an empty field, an empty text a quoted one."""
    lines = [",".join(csv_field(cell) for cell in row) for row in [headers, *rows]]
    # Readers skip an empty line, and with it the row. A lone surrogate could not be written.
    text = "".join((line or '""') + "\r\n" for line in lines)
    return text.encode("utf-8", "backslashreplace").decode()


def csv_field(value: object) -> str:
    """A value as a field of such a table."""
    text = exact(value)
    if _CSV_QUOTED.search(text) or (text == "" and value is not None):
        return '"' + text.replace('"', '""') + '"'
    return text


def rows_to_markdown(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; columns that hold numbers only stand on the right."""
    body = [list(row) for row in rows]
    columns = list(zip(*body, strict=True)) if body else [()] * len(headers)
    rule = ["---:" if _is_numeric(column) else "---" for column in columns]
    cells = [[markup_free(shown(cell)) for cell in row] for row in [headers, *body]]
    cells.insert(1, rule)
    return "".join("| " + " | ".join(row) + " |\n" for row in cells)


def _is_numeric(column: Iterable[object]) -> bool:
    filled = [cell for cell in column if cell is not None]
    return bool(filled) and all(
        isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in filled
    )


def markup_free(text: str) -> str:
    """A text in which Markdown finds nothing of its own."""
    return _MARKUP.sub(lambda found: "\\" + found[0], text)


def runs_table(
    rows: Sequence[Mapping[str, object]], names: Sequence[str] | None
) -> tuple[list[str], list[list[object]]]:
    """The columns of a table of runs, and its cells; None where a run has no such value.

    Args:
        rows: runs as flat rows with keys like `id`, `seed`, `config.lr`, `metric.acc`.
        names: the columns wanted, short or in full. Without them: id, name, state, the config
            entries in which the runs differ, the seed, and the last value of every metric.

    Raises:
        UsageError: no run has a column of that name.
    """
    keys = list(dict.fromkeys(key for row in rows for key in row))
    if names is not None:
        known = {*keys, *_LEADING, _SEED}
        # One name means one key in all rows, or a column would mix a metric and a setting.
        meant = [resolve(name, known) for name in names]
        if rows and None in meant:
            columns = ", ".join(visible(_header(key, known)) for key in keys)
            name = names[meant.index(None)]
            raise UsageError(f"no run here has a column {name!r}", columns=columns)
        return list(names), [[row.get(key) if key else None for key in meant] for row in rows]
    chosen = [
        *_LEADING,
        *(key for key in keys if key.startswith("config.") and _differs(rows, key)),
        _SEED,
        *(key for key in keys if key.startswith("metric.")),
    ]
    headers = [_header(key, {*keys, *chosen}) for key in chosen]
    return headers, [[row.get(key) for key in chosen] for row in rows]


def _header(key: str, keys: set[str]) -> str:
    """The short name of a key where it means this key, else the key in full."""
    short = key.removeprefix("config.") if key.startswith("config.") else key
    short = key.removeprefix("metric.") if key.startswith("metric.") else short
    return short if short and resolve(short, keys) == key else key


def _differs(rows: Sequence[Mapping[str, object]], key: str) -> bool:
    if not all(key in row for row in rows):
        return True
    first = rows[0][key]
    return not all(_alike(first, row[key]) for row in rows[1:])


def _alike(one: object, other: object) -> bool:
    if isinstance(one, bool) is not isinstance(other, bool):
        return False  # True == 1 in Python, but no user means them so
    return one == other or (one != one and other != other)
