"""The verdicts on a run, as its notes have them."""

from collections.abc import Iterable
from pathlib import Path
from typing import NotRequired, TypedDict

import msgspec
from msgspec.structs import replace

from samebit import records
from samebit.errors import Damaged
from samebit.records import Note, Verdict

__all__ = ["verdicts_of"]


class _Divergence(TypedDict):
    where: str
    facts: list[str]


class _Evidence(TypedDict):
    """What the readers here rely on; a stranger may have written it."""

    divergence: NotRequired[_Divergence]


def verdicts_of(notes: Iterable[Note], run: Path) -> list[Verdict]:
    """Every verdict among the notes of a run, in their order; one without a time has its note's.

    Args:
        notes: of any kind.
        run: the run's folder, which an error names.

    Raises:
        Damaged: a note says of itself that it is a verdict, and is none, or its evidence cannot be
            shown.
    """
    found: list[Verdict] = []
    for note in (note for note in notes if note.kind == "verdict"):
        verdict = records.decode(records.encode(note.value), Verdict, run)
        try:
            msgspec.convert(verdict.evidence, _Evidence)
        except msgspec.ValidationError as error:
            raise Damaged(f"a damaged record (Verdict): {error}") from error
        found.append(replace(verdict, at_ns=verdict.at_ns or note.at_ns))
    return found
