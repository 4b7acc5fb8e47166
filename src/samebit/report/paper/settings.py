"""What a paper takes from which runs: the `[paper]` of its `samebit.toml`, read and checked.

A fault is told with its line. The file is the author's own; nothing in it is run.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from samebit.errors import NotFound, UsageError
from samebit.report.pairing import Test
from samebit.report.tables import SHAPES
from samebit.report.tables.testing import TESTS

__all__ = [
    "CLAIMS",
    "GENERATED",
    "NAME",
    "Aggregate",
    "Figure",
    "Paper",
    "Selector",
    "TableOf",
    "ValueOf",
    "convert",
    "find_paper",
    "line_of",
    "load_toml",
    "read_paper",
]

NAME = "samebit.toml"
CLAIMS = "claims.toml"
GENERATED = "generated"

Selector = str | tuple[str, ...]  # a condition as in --where, or runs by word
Aggregate = Literal["mean", "median", "min", "max", "sd", "count"]
T = TypeVar("T")

# What \detokenize, a TOML key and a line of `paper check` all read as it is written.
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,119}")
_MAIN = re.compile(r"[A-Za-z0-9_][^\\\x00-\x1f]*")  # no option of latexmk's
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class ValueOf(Struct, frozen=True, forbid_unknown_fields=True):
    """One value: of which runs, what of them, and how it is written."""

    of: str  # a selection
    metric: str = ""
    fact: str = ""  # anything else of a run, such as config.lr; the same in all of them
    take: Literal["last", "first", "min", "max"] = "last"
    aggregate: Aggregate = "mean"
    minus: str = ""  # another selection: the difference of both means
    test: Test | None = None  # of the difference; without it as the pairs allow
    interval: Literal["t", "sd", "sem", "percentile", "bca"] = "t"
    confidence: float = 0.95
    digits: int | None = None  # decimals; without them by how sure the value is
    percent: bool = False  # times 100, and the sign behind it
    sci: bool = False  # with an exponent


class TableOf(Struct, frozen=True, forbid_unknown_fields=True):
    """One table: of which runs, and what `samebit table` would be asked for."""

    of: str | tuple[str, ...]
    shape: str = "results"
    group: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    metrics: tuple[str, ...] | None = None
    take: Literal["last", "first", "min", "max"] = "last"
    interval: Literal["t", "sd", "sem", "percentile", "bca"] = "t"
    confidence: float = 0.95
    test: str | None = None
    against: str | None = None
    direction: tuple[str, ...] = ()  # "loss=lower"
    transpose: bool = False
    caption: str = ""  # with it the file is a whole float
    label: str = ""

    @property
    def selections(self) -> tuple[str, ...]:
        """Whose runs."""
        return (self.of,) if isinstance(self.of, str) else self.of


class Figure(Struct, frozen=True, forbid_unknown_fields=True):
    """Curves of a metric, one for each selection: the mean over its runs, and a band."""

    of: str | tuple[str, ...]
    metric: str
    band: Literal["t", "sd", "sem", "range", "none"] = "t"
    labels: dict[str, str] = field(default_factory=dict[str, str])
    x: str = "step"
    y: str = ""
    log: bool = False
    height: str = r"0.6\linewidth"

    @property
    def selections(self) -> tuple[str, ...]:
        """Whose curves."""
        return (self.of,) if isinstance(self.of, str) else self.of


class Paper(Struct, frozen=True):
    """A paper as its folder says it."""

    folder: Path
    main: str  # TeX, or a template of it where it ends in .j2
    selections: dict[str, Selector]
    values: dict[str, ValueOf]
    tables: dict[str, TableOf]
    figures: dict[str, Figure]
    template: bool = False  # `main` is one
    engine: str = "pdflatex"
    siunitx: bool = False  # numbers as \num{…}
    text: str = ""  # of the file, for the line of a fault

    @property
    def file(self) -> Path:
        """Where all this is set."""
        return self.folder / NAME

    @property
    def generated(self) -> Path:
        """The folder of what is made from runs."""
        return self.folder / GENERATED

    def where(self, table: str, key: str) -> str:
        """A place in the file, as `samebit.toml:12`."""
        return f"{NAME}:{line_of(self.text, table, key)}"


class _Options(Struct, frozen=True, forbid_unknown_fields=True):
    main: str = "main.tex"
    template: bool = False
    engine: Literal["pdflatex", "lualatex", "xelatex"] = "pdflatex"
    siunitx: bool = False
    selections: dict[str, Any] = field(default_factory=dict[str, Any])
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    tables: dict[str, Any] = field(default_factory=dict[str, Any])
    figures: dict[str, Any] = field(default_factory=dict[str, Any])


def find_paper(start: Path) -> Path:
    """The folder of the paper that a file or folder belongs to.

    A folder's own settings come first, then those of `paper` in it, then those above.
    """
    start = start.absolute()
    if not start.exists():
        raise NotFound("there is no such file or folder", path=start)
    folder = start if start.is_dir() else start.parent
    for one in (folder, folder / "paper", *folder.parents):
        if "paper" in _sections(one / NAME):
            return one
        if one != folder and (one / ".git").exists():
            break
    raise NotFound(
        f"there is no paper in {folder}: no {NAME} with a [paper]",
        hint="`samebit paper init` makes one",
    )


def _sections(path: Path) -> Mapping[str, Any]:
    return load_toml(path) if path.is_file() else {}


def load_toml(path: Path) -> dict[str, Any]:
    """A TOML file; UsageError with the line where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"cannot read {path.name}: {error}", path=path) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path.name} is not UTF-8: {error}", path=path) from error


def read_paper(folder: Path) -> Paper:
    """What a paper's folder says; UsageError names the line of what cannot be meant so."""
    path = folder / NAME
    found = load_toml(path).get("paper", {})
    text = path.read_text(encoding="utf-8")
    if not isinstance(found, dict):
        raise UsageError(f"[paper] of {NAME} must be a table", path=path)
    options = convert(found, _Options, f"{NAME}:{line_of(text, 'paper', '')}: [paper]")
    main = Path(options.main)
    if not _MAIN.fullmatch(options.main) or main.is_absolute() or ".." in main.parts:
        raise UsageError(
            f"{NAME}:{line_of(text, 'paper', 'main')}: main must be a file of the paper's folder",
            main=repr(options.main),
        )
    selections = {
        name: _selector(name, value, _at(text, "selections", name))
        for name, value in options.selections.items()
    }
    paper = Paper(
        folder,
        options.main,
        selections,
        {k: _value(k, v, _at(text, "values", k)) for k, v in options.values.items()},
        {k: _table(k, v, _at(text, "tables", k)) for k, v in options.tables.items()},
        {k: _figure(k, v, _at(text, "figures", k)) for k, v in options.figures.items()},
        options.template or options.main.endswith(".j2"),
        options.engine,
        options.siunitx,
        text,
    )
    _check_selections(paper)
    return paper


def _at(text: str, table: str, key: str) -> str:
    return f"{NAME}:{line_of(text, f'paper.{table}', key)}: {key}"


def convert(value: Any, kind: type[T], where: str) -> T:
    """A value of the file as what it must be; UsageError says what does not fit."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        what = str(error).replace(" - at `$.", " at `").replace("Object contains ", "")
        raise UsageError(
            f"{where}: {what}", known=", ".join(getattr(kind, "__struct_fields__", ()))
        ) from error


def _selector(name: str, value: Any, where: str) -> Selector:
    if not _FILE.fullmatch(name):
        raise UsageError(f"{where}: a selection cannot have this name", allowed="letters, . _ -")
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise UsageError(
        f"{where}: a selection is a condition or a list of runs",
        value=repr(value),
        hint='ours = "group = ours", or ours = ["name", "3f9ah2k1c0"]',
    )


def _value(key: str, value: Any, where: str) -> ValueOf:
    if not _KEY.fullmatch(key):
        raise UsageError(f"{where}: not a key", allowed="letters, digits and . _ + - /")
    found = convert(value, ValueOf, where)
    if found.metric and found.fact:
        raise UsageError(f"{where}: of metric and fact it can be only one")
    if not (found.metric or found.fact or found.aggregate == "count"):
        raise UsageError(f"{where}: which metric, or which fact?")
    if found.minus and (found.fact or found.aggregate != "mean"):
        raise UsageError(f"{where}: a difference is one of means of a metric")
    if found.test and not found.minus:
        raise UsageError(f"{where}: a test needs a difference: minus = SELECTION")
    if not 0 < found.confidence < 1:
        raise UsageError(f"{where}: a confidence lies between 0 and 1, not at {found.confidence}")
    if found.digits is not None and not 0 <= found.digits <= 15:
        raise UsageError(f"{where}: digits are from 0 to 15, not {found.digits}")
    return found


def _figure(name: str, value: Any, where: str) -> Figure:
    _check_file(name, where)
    found = convert(value, Figure, where)
    if not found.selections:
        raise UsageError(f"{where}: curves of which selections?")
    return found


def _table(name: str, value: Any, where: str) -> TableOf:
    _check_file(name, where)
    found = convert(value, TableOf, where)
    if found.shape not in SHAPES:
        raise UsageError(f"{where}: no shape {found.shape!r}", known=", ".join(SHAPES))
    if found.test not in (None, *TESTS):
        raise UsageError(f"{where}: no test {found.test!r}", known=", ".join(TESTS))
    if not found.selections:
        raise UsageError(f"{where}: a table of which selections?")
    return found


def _check_file(name: str, where: str) -> None:
    if not _FILE.fullmatch(name):
        raise UsageError(f"{where}: no name for a file", allowed="letters, digits and . _ -")


def _check_selections(paper: Paper) -> None:
    asked = [("values", key, (one.of, one.minus)) for key, one in paper.values.items()]
    asked += [("tables", name, one.selections) for name, one in paper.tables.items()]
    asked += [("figures", name, one.selections) for name, one in paper.figures.items()]
    for table, key, names in asked:
        for name in filter(None, names):
            if name not in paper.selections:
                raise UsageError(
                    f"{_at(paper.text, table, key)}: there is no selection {name!r}",
                    known=", ".join(paper.selections) or "none",
                )


def line_of(text: str, table: str, key: str) -> int:
    """The line where a key of a table is set; that of the table where the key is not found."""
    quoted = re.escape(key)
    setting = re.compile(rf"""\s*(?:"{quoted}"|'{quoted}'|{quoted})\s*=""")
    own = re.compile(rf"""\s*\[{re.escape(table)}\.(?:"{quoted}"|'{quoted}'|{quoted})\]""")
    inside, header = False, 1
    for number, line in enumerate(text.splitlines(), 1):
        if own.match(line):
            return number
        if line.lstrip().startswith("["):
            inside = line.strip().startswith(f"[{table}]")
            header = number if inside else header
        elif inside and key and setting.match(line):
            return number
    return header
