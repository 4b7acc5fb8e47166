"""What a run could not write down: said where it still can be, so that no record looks whole.

A journal that takes no frames takes no `problem` either. Whoever writes `end.json` puts such
problems there; a process of `samebit run`, which does not, leaves them in a file of its own.
"""

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

from samebit import digest, disk, records
from samebit.capture import secrets
from samebit.errors import in_a_line
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd

__all__ = ["Problem", "abandon", "leave", "take_over", "unwritten_problems"]

Problem = dict[str, str]  # what, detail: as the fact `problem` has them

_PREFIX = "unwritten-"


def unwritten_problems(writer: Writer) -> tuple[Problem, ...]:
    """The problems that a journal never took; one more names the other facts that it never took."""
    facts = writer.unwritten
    problems: list[Any] = [value for name, value in facts if name == "problem"]
    lost = dict.fromkeys(name for name, _ in facts if name != "problem")
    if lost:
        problems.append({"what": "facts", "detail": f"never written: {', '.join(lost)}"})
    if writer.dropped:
        detail = f"{writer.dropped} more were not kept while the journal could not be written"
        problems.append({"what": "facts that were dropped", "detail": detail})
    return tuple(problems)


def leave(folder: RunFolder, execution: int, rank: str, problems: Iterable[Problem]) -> None:
    """Leave problems for the supervisor; OSError where no file can be made either."""
    path = folder.path / "executions" / str(execution) / f"{_PREFIX}{rank}.json"
    disk.create(path, digest.canonical_json(list(problems)), folder.store / "tmp")


def take_over(folder: RunFolder, execution: int) -> Iterator[Problem]:
    """What the processes of an execution left for the supervisor."""
    place = folder.path / "executions" / str(execution)
    for path in sorted(place.glob(f"{_PREFIX}*.json")):
        try:
            yield from records.decode(path.read_bytes(), list[Problem], where=path)
        except Exception as error:
            yield {"what": path.stem, "detail": in_a_line(error)}


def abandon(folder: RunFolder, execution: int | None, error: BaseException) -> None:
    """End a run that could not be begun, with the reason; or let nothing of it remain."""
    reason = secrets.mask_text(in_a_line(error))
    try:
        if execution is not None:
            end = ExecutionEnd(time.time_ns(), "failed", exception=f"could not begin: {reason}")
            folder.end_execution(execution, end)
            return
    except Exception:
        pass  # what it would have said, whoever called this says
    import shutil  # noqa: PLC0415  (not in init's time)

    shutil.rmtree(os.fspath(folder.path), ignore_errors=True)
