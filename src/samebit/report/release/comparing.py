"""What a bundle states of a run, against a run of its documented command: results and digests."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from msgspec import Struct, field

from samebit.folders.read import View
from samebit.report.release.bundle import ReleasedRun
from samebit.report.release.contents import HEADER, metrics_csv
from samebit.report.release.opening import read_small

__all__ = ["ENDED", "Compared", "compare", "points_of"]

ENDED = "it ended"


class Compared(Struct):
    """What agrees and what does not, a line each."""

    same: list[str] = field(default_factory=list[str])
    other: list[str] = field(default_factory=list[str])
    absent: list[str] = field(default_factory=list[str])  # of the second, so nobody can tell

    @property
    def grade(self) -> str:
        """As a verdict has it: doubt is never a pass."""
        if self.other:
            return "different"
        return "identical" if self.same and not self.absent else "unknown"


def compare(stated: ReleasedRun, top: Path, found: View, folder: Path) -> Compared:
    """Compare every number and digest.

    Args:
        stated: what the bundle says of a run.
        top: the bundle.
        found: the run of the same command.
        folder: where the code lay in which that ran.
    """
    compared = Compared()
    if found.status != stated.status:
        compared.other.append(f"{ENDED} {found.status}, and had ended {stated.status}")
    _metrics(stated, top, found, compared)
    _states(stated, found, compared)
    _files(stated, found, folder, compared)
    return compared


def _metrics(stated: ReleasedRun, top: Path, found: View, compared: Compared) -> None:
    theirs = points_of(read_small(top / stated.metrics).decode("utf-8", "replace"))
    ours = points_of(metrics_csv(found))
    points = 0
    for name, rows in theirs.items():
        if name in stated.volatile:
            continue
        if name not in ours:
            compared.absent.append(f"metric {name}")
        elif ours[name] != rows:
            at = next(_parting(rows, ours[name]))
            compared.other.append(f"metric {name}: {at}")
        else:
            points += len(rows)
    if points:
        compared.same.append(f"metrics: {points:,} values")


def points_of(text: str) -> dict[str, list[tuple[str, str]]]:
    """By metric the step and value of each point, as a `metrics.csv` has them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for row in [*csv.reader(io.StringIO(text, newline=""))][1:]:
        if len(row) == len(HEADER):
            found.setdefault(row[0], []).append((row[1], row[2]))
    return found


def _parting(theirs: list[tuple[str, str]], ours: list[tuple[str, str]]) -> Iterator[str]:
    for (step, then), (_, now) in zip(theirs, ours, strict=False):
        if then != now:
            yield f"{now} at step {step}, where {then} is stated"
    yield f"{len(ours)} points, where {len(theirs)} are stated"


def _states(stated: ReleasedRun, found: View, compared: Compared) -> None:
    for state in stated.states:
        called = "initial state" if state.name == "step 0" else f"state {state.name}"
        now = found.states.get(state.name)
        if now is None:
            compared.absent.append(called)
        elif now["manifest"] == state.manifest:
            compared.same.append(called)
        else:
            compared.other.append(f"{called} has other bits")


def _files(stated: ReleasedRun, found: View, folder: Path, compared: Compared) -> None:
    """Files are told and not judged, but for those whose replay is known to have been the same."""
    ours: dict[str, str | None] = {}
    for fact in found.files:
        path = PurePath(fact["path"])
        if fact["how"] == "write" and path.is_relative_to(folder):
            ours[PurePath(os.path.relpath(path, folder)).as_posix()] = fact.get("digest")
    same = [one for one in stated.written if one.digest and ours.get(one.path) == one.digest]
    if stated.written:
        compared.same.append(
            f"files written: {len(same)} of {len(stated.written)} have the same bytes (not judged)"
        )
