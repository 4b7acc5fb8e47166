"""Everything that is made of runs for a paper: the same for who writes it and who checks it."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from samebit import digest
from samebit.errors import SamebitError
from samebit.folders.folder import RunFolder
from samebit.report.certificate import record_digests, record_of
from samebit.report.paper import claims as claiming
from samebit.report.paper import drawing
from samebit.report.paper.claims import Claim
from samebit.report.paper.lock import NAME, Lock, as_text
from samebit.report.paper.macros import values_tex
from samebit.report.paper.settings import Paper
from samebit.report.paper.values import Problem, Row, Selected, derive, explained, select

__all__ = ["Made", "make"]


class Made(Struct, frozen=True):
    """What `generated` holds, by name below it; and what could not be made."""

    files: dict[str, str]
    lock: Lock
    selected: dict[str, Selected]
    claims: dict[str, Claim]
    problems: tuple[Problem, ...]


def make(store: Path, paper: Paper, rows: Sequence[Row]) -> Made:
    """Derive values, tables, figures and claims from rows of `report.facts`."""
    selected = select(store, rows, paper.selections)
    values, problems = derive(paper, selected)
    files: dict[str, str] = {}
    drawn: dict[str, tuple[str, ...]] = {}
    for kind, name, draw in drawing.wanted(store, paper, selected):
        where = paper.where(f"paper.{kind}", name)
        try:
            one = draw()
        except SamebitError as error:
            problems.append(Problem(where, f"{name}: {explained(error)}", error.hint or ""))
            continue
        files[f"{kind}/{name}.tex"] = one.text
        drawn[f"{kind}/{name}.tex"] = one.runs
    claims = claiming.read_claims(paper)
    judged = {key: claiming.judge(claim, selected) for key, claim in claims.items()}
    named = [run for value in values.values() for run in value.runs]
    named += [run for runs in drawn.values() for run in runs]
    named += [run for one in judged.values() for run in one.runs]
    records = _records(store, named)
    files["values.tex"] = values_tex(values, claims, records)
    digests = {name: digest.of_bytes(text.encode()) for name, text in files.items()}
    lock = Lock(values, drawn, judged, records, digests)
    files[NAME] = as_text(lock)
    return Made(files, lock, selected, claims, tuple(problems))


def _records(store: Path, runs: Sequence[str]) -> dict[str, str]:
    """The digest of each run's record, which is that of its certificates, too."""
    folders = {run: RunFolder(store / "runs" / run) for run in dict.fromkeys(runs)}
    return {
        run: f"{digest.ALGORITHM}:{record_digests(record_of(one))[digest.ALGORITHM]}"
        for run, one in folders.items()
    }
