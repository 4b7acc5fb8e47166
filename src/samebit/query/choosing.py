"""Which runs somebody means: by words, by a condition, in an order.

A name that no run has is an error wherever it is asked for, and never an empty answer.
"""

from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import TypeVar

from samebit.errors import NotFound, UsageError
from samebit.query import index, where

__all__ = ["check_names", "choose", "fitting", "keys_of", "sorted_by"]

AnyRow = TypeVar("AnyRow", bound=where.Row)

_NAMES_SHOWN = 20


def choose(
    store: Path,
    rows: Sequence[AnyRow],
    references: Sequence[str] = (),
    condition: str | None = None,
    order: str | None = None,
) -> list[AnyRow]:
    """The rows that were asked for, each once: those named, then those that fit the condition.

    Args:
        store: where references (an id, its beginning, a name, `@last`) are looked up.
        rows: to choose from. Without references and condition all of them are meant.
        references: runs by word, in this order.
        condition: as in `--where`.
        order: as in `--sort`; without it the rows stay as they were found.

    Raises:
        RunNotFound, AmbiguousRun: a reference names no run, or several.
        NotFound: a reference names a run that is not among the rows, such as a replay.
        UsageError: condition or order cannot be read, or no row has a name in it.
    """
    found = list(rows) if not references and condition is None else _named(store, rows, references)
    if condition is not None:
        taken = {row["id"] for row in found}
        found += [row for row in fitting(rows, condition) if row["id"] not in taken]
    return sorted_by(found, order, keys_of(rows)) if order is not None else found


def fitting(rows: Sequence[AnyRow], condition: str) -> list[AnyRow]:
    """The rows for which a condition holds, in their order."""
    parsed = where.parse(condition)
    known = keys_of(rows)
    if rows:
        check_names(sorted(parsed.names()), known)
    return parsed.among(rows, known)


def sorted_by(rows: Sequence[AnyRow], order: str, known: Set[str]) -> list[AnyRow]:
    """Rows in an order like `acc:desc,seed`."""
    parsed = where.parse_sort(order)
    if rows:
        check_names([sort.name for sort in parsed], known)
    return where.sort_rows(rows, parsed, known)


def keys_of(rows: Iterable[where.Row]) -> set[str]:
    """Every key that can be asked for: what all rows have, and what some of these do."""
    return {"damage", *index.COLUMNS}.union(*rows)


def check_names(names: Iterable[str], known: Set[str]) -> None:
    """Raise UsageError for a name that no run has, with those that are near."""
    for name in names:
        if where.resolve(name, known) is not None:
            continue
        import difflib  # noqa: PLC0415  (seldom needed)

        short = {key.removeprefix("metric.").removeprefix("config.") for key in known}
        near = difflib.get_close_matches(name, sorted(known | short))
        raise UsageError(
            f"no run here has {name!r}",
            **{
                "near_names" if near else "some_names": ", ".join(
                    near or sorted(known)[:_NAMES_SHOWN]
                )
            },
            hint="`samebit ls --json` shows everything that can be asked for",
        )


def _named(store: Path, rows: Sequence[AnyRow], references: Sequence[str]) -> list[AnyRow]:
    if not references:
        return []
    from samebit.folders.find import find_run  # noqa: PLC0415  (as long to import as all of `ls`)

    by_id = {row["id"]: row for row in rows}
    found: dict[str, AnyRow] = {}
    for reference in references:
        run = find_run(store, reference).id
        if run not in by_id:
            hint = "a replay is taken with --replays only"
            raise NotFound(f"run {run} is not among the runs asked for", hint=hint)
        found[run] = by_id[run]
    return list(found.values())
