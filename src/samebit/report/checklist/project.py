"""The runs of a paper among all runs of its project, as rows, and a piece of evidence.

What evidence is made of is here: how often which value, from where to where, which runs are of one
configuration.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from statistics import median

from msgspec import Struct

from samebit.report.amounts import counted
from samebit.report.checklist.declared import Declared
from samebit.report.results import is_seed, same
from samebit.report.table import few, shown

__all__ = [
    "NOTHING",
    "SEEDED",
    "Evidence",
    "Project",
    "Row",
    "Split",
    "configurations",
    "each",
    "is_a_seed",
    "is_test",
    "missing_of",
    "names_under",
    "number_under",
    "numbers_under",
    "of",
    "spread",
    "validation_of",
    "with_package",
    "words_of",
]

Row = dict[str, object]

NOTHING = "No evidence recorded"
SEEDED = {"hash": "Python's hashes"}  # where the name of a seed says too little
_MOST = 4  # values in one sentence
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_TEST = frozenset({"test", "tests", "testing", "heldout", "holdout"})
_VALIDATION = frozenset({"val", "valid", "validation", "dev", "eval"})


class Evidence(Struct, frozen=True):
    """What records show about one thing.

    Attributes:
        about: the thing, in a few words.
        lines: what is shown, a sentence each; none where nothing about it is recorded.
        hint: what to do for it, or for more of it.
    """

    about: str
    lines: tuple[str, ...] = ()
    hint: str = ""


class Split(Struct, frozen=True):
    """One split that runs used: how it was made, and what its parts share."""

    name: str
    runs: int
    parts: tuple[tuple[str, int], ...]
    made: str  # by what, with which seed
    digest: str
    labels: str = ""  # how many of each, in the whole
    shared: tuple[str, ...] = ()  # rows in two parts, equal rows in two parts
    unknown: str = ""  # why that is not known


class Project(Struct, frozen=True):
    """What evidence is taken from; all of it was read, nothing is looked up any more.

    Attributes:
        runs: of the paper. None of them is damaged or a replay.
        others: every other run of the store that can be read: preliminary, failed, of another
            paper.
        replays: runs of recorded runs done again.
        unreadable: how many runs cannot be read.
        tests: names of metrics that are scores on a test set.
        test_rule: by which rule they are that.
        splits: that the paper's runs used.
        files: the names of all files of each version of their code.
        declared: what the authors say, where no record can know.
        searched: where settings were searched, as the authors or sweeps say.
        ignored: patterns of settings of which tables and checklists say nothing.
        chosen_by: by which rule each sweep chose.
    """

    runs: tuple[Row, ...]
    others: tuple[Row, ...] = ()
    replays: tuple[Row, ...] = ()
    unreadable: int = 0
    tests: tuple[str, ...] = ()
    test_rule: str = ""
    splits: tuple[Split, ...] = ()
    files: tuple[tuple[str, ...], ...] = ()
    declared: Declared = Declared()
    searched: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()
    chosen_by: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[Row, ...]:
        """Every run but replays."""
        return self.runs + self.others


def of(count: int, whole: int, what: str = "run") -> str:
    """`all 3 runs`, `2 of 3 runs`, `both runs`, `the only run`."""
    if count == whole:
        few_of = {1: f"the only {what}", 2: f"both {what}s"}
        return few_of.get(whole, f"all {counted(whole, what)}")
    return f"{count:,} of {counted(whole, what)}"


def each(rows: Sequence[Row], key: str, say: Callable[[object], str] = shown) -> str:
    """The values under a key with how many runs have each, the most frequent first."""
    counts: dict[str, int] = {}
    for row in rows:
        if row.get(key) is not None:
            text = say(row[key])
            counts[text] = counts.get(text, 0) + 1
    known = sum(counts.values())
    if len(counts) == 1 and known == len(rows):
        return next(iter(counts))
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    said = few([f"{text} ({counted(count, 'run')})" for text, count in ordered], _MOST)
    if counts and known < len(rows):
        said += f"; not recorded of {counted(len(rows) - known, 'run')}"
    return said


def names_under(rows: Iterable[Row], prefix: str) -> list[str]:
    """What stands behind a prefix in any row's keys, in order of appearance."""
    return [
        key.removeprefix(prefix)
        for key in dict.fromkeys(key for row in rows for key in row)
        if key.startswith(prefix)
    ]


def number_under(row: Row, key: str) -> float | None:
    """The finite number under a key, or None."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return number if math.isfinite(number) else None


def missing_of(row: Row) -> list[str]:
    """What the run's record lacks, in a word each."""
    return str(row.get("missing") or "").split(", ")


def numbers_under(rows: Iterable[Row], key: str) -> list[float]:
    """The finite numbers under a key."""
    return [number for row in rows if (number := number_under(row, key)) is not None]


def with_package(rows: Sequence[Row], package: str) -> list[Row]:
    """A package that only some of the runs need is not missing of the others."""
    return [row for row in rows if row.get(f"software.{package}") is not None]


def spread(values: Sequence[float], say: Callable[[float], str] = shown) -> str:
    """The median, and from where to where; of equal ones the value."""
    low, middle, high = (say(one) for one in (min(values), median(values), max(values)))
    return middle if low == high else f"{middle} (median; {low} to {high})"


def words_of(name: str) -> list[str]:
    """The words that a name is made of: `valAcc`, `val/acc` and `val_acc` have the same."""
    return [word.lower() for word in _WORD.findall(name)]


def is_test(name: str, patterns: Sequence[str] = ()) -> bool:
    """Whether a metric is a score on a test set: by patterns where given, else by its words."""
    if patterns:
        return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)
    return not _TEST.isdisjoint(words_of(name))


def is_a_seed(key: str, value: object) -> bool:
    """Whether a setting is a seed: by its name, and a switch like `forget_seed` is none."""
    return is_seed(key) and not isinstance(value, bool)


def validation_of(test: str, names: Iterable[str]) -> str | None:
    """The metric that is called like a test score but for the words that say of which data."""
    rest = [word for word in words_of(test) if word not in _TEST]
    for name in names:
        words = words_of(name)
        if not _VALIDATION.isdisjoint(words) and rest == [
            word for word in words if word not in _VALIDATION
        ]:
            return name
    return None


def configurations(rows: Iterable[Row]) -> list[list[Row]]:
    """Runs that differ in nothing but seeds, each group in its order.

    Of a run without a configuration its command stands for that.
    """
    found: dict[object, list[Row]] = {}
    for row in rows:
        settings = tuple(
            (key, same(value))
            for key, value in sorted(row.items())
            if key.startswith("config.") and not is_a_seed(key, value)
        )
        found.setdefault(settings or row.get("command"), []).append(row)
    return list(found.values())
