"""How a run's last execution ended, and whether it still goes on: pure but for a look at processes.

Nobody need have written it down. Who watched the command knows best, then what its first process
said at its own end; where neither is there, a living process or a growing journal tells.
"""

import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from samebit.folders.streams import FACE, LAUNCH
from samebit.journal import reader
from samebit.journal.reader import Journal
from samebit.launch import alive
from samebit.records import ExecutionEnd, ExecutionStart, Note

__all__ = [
    "ENDED",
    "GONE",
    "STOPPED_EARLY",
    "WENT_WRONG",
    "cause",
    "gone_ns",
    "is_alive",
    "last_word",
    "processes_alive",
    "raised",
    "status",
    "stopped_early",
]

ENDED = ("finished", "failed", "killed")
STOPPED_EARLY = "stopped early"  # also the kind of the note that says so
GONE = "gone"  # the kind of the note by which who had it run says that nothing of it is left
WENT_WRONG = ("failed", "killed", "broken off", "damaged")  # states of what came to nothing
_HEARTBEAT_S = 300.0
_SKEW_S = 30.0  # by which the clocks of a node and of who had it run may differ
# How libraries say it in exceptions of another kind: torch's allocators, JAX, a loader's worker.
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "RESOURCE_EXHAUSTED: Out of")
_NAMED = re.compile(r"[\w.]+(:|$)")  # `ValueError: …`, `KeyboardInterrupt`
_OF_A_FRAME = '  File "'  # begins what a traceback says of each frame

Said = Sequence[tuple[str, Any]]  # facts `end` with their ranks, oldest first


def status(starts: Sequence[ExecutionStart], end: ExecutionEnd | None, said: Said) -> str | None:
    """finished, failed or killed, as somebody wrote it down; None where nobody did.

    Where the face finished and another rank did not, the run ended as that one did.
    """
    if end is None:
        word = last_word(starts, said)
        return None if word is None else str(word["status"])
    if end.status != "finished" or not starts:
        return end.status
    ended = {
        (rank, rank == LAUNCH and at): value["status"]
        for at, (rank, value) in enumerate(said)
        if rank != FACE and value["execution"] == starts[-1].number
    }
    return next((other for other in ended.values() if other != "finished"), end.status)


def stopped_early(notes: Iterable[Note], execution: int) -> str | None:
    """By whom and why an execution was stopped early; None where nobody says that it was."""
    whys = [str(note.value.get("why")) for note in _of(notes, STOPPED_EARLY, execution)]
    return whys[-1] if whys else None


def gone_ns(notes: Iterable[Note], execution: int) -> int | None:
    """When it was said that nothing of an execution is left; None where nobody did."""
    return max((note.at_ns for note in _of(notes, GONE, execution)), default=None)


def _of(notes: Iterable[Note], kind: str, execution: int) -> Iterator[Note]:
    """Those of a kind that say it of an execution; anybody may have written them."""
    for note in notes:
        is_of_it = isinstance(note.value, dict) and note.value.get("execution") == execution
        if note.kind == kind and is_of_it:
            yield note


def last_word(starts: Sequence[ExecutionStart], said: Said) -> dict[str, Any] | None:
    """What the last execution's first process said at its own end; None where it said none.

    Another rank may end well while the run does not.
    """
    of_face = [value for rank, value in said if rank == FACE]
    if not of_face or not starts:
        return None
    return of_face[-1] if of_face[-1]["execution"] == starts[-1].number else None


def cause(
    end: ExecutionEnd | None, exception: str | None, word: Mapping[str, Any] | None
) -> str | None:
    """Why a run failed or was killed: `out of memory`, `ValueError`, `SIGTERM`; None if unknown."""
    if end is not None and end.cause:
        return end.cause
    told = exception or (end.exception if end is not None else None)
    if told:
        return _kind_of(told)
    return end.signal if end is not None else (word or {}).get("signal")


def processes_alive(start: ExecutionStart, processes: Sequence[Mapping[str, Any]]) -> list[int]:
    """Processes of an execution that are known to run on this machine.

    `processes` are the facts about them. The supervisor may be gone while what it started goes on.
    """
    if start.host != socket.gethostname():
        return []
    return [process[0] for process in _processes(start, processes) if alive.is_alive(*process)]


def is_alive(
    start: ExecutionStart,
    processes: Sequence[Mapping[str, Any]],
    journal: Journal,
    folder: Path,
    gone_ns: int | None = None,
) -> bool:
    """Whether an execution goes on: by its processes here, elsewhere by its journal's growth.

    Elsewhere it is taken as gone at once where that was said (`gone_ns`), until it grows again.
    """
    if start.host == socket.gethostname():
        known = [alive.is_alive(*process) for process in _processes(start, processes)]
        if True in known or None not in known:
            return True in known
    segments = reader.list_segments(folder)
    if not segments:
        return gone_ns is None and time.time() - start.started_ns / 1e9 < _HEARTBEAT_S
    grown = max(segment.path.stat().st_mtime for segment in segments)
    if gone_ns is not None and grown < gone_ns / 1e9 + _SKEW_S:
        return False
    times_ns = [int(rows.times_ns[-1]) for rows in journal.traced]
    times_ns += [rows.time_ns(-1) for rows in journal.logged]
    written_ns = max([journal.clock_ns, *times_ns, *(frame.time_ns for frame in journal.frames)])
    # A copy is as new as its copying, but what it holds is not: a journal that grows was changed
    # when its last frame was written.
    is_copy = grown - written_ns / 1e9 > _HEARTBEAT_S
    return time.time() - grown < _HEARTBEAT_S and not is_copy


def _processes(
    start: ExecutionStart, processes: Sequence[Mapping[str, Any]]
) -> list[tuple[int, int, str]]:
    """Pid, start time and boot of each."""
    return [(start.pid, start.pid_started, start.boot)] + [
        (process["pid"], process["pid_started"], process["boot"])
        for process in processes
        if process["execution"] == start.number
    ]


def raised(exception: object) -> str:
    """The line of a traceback that names the exception; empty where there is no text.

    It need not be the last: a message may have several lines, and notes stand behind it.
    """
    lines = exception.strip("\n").splitlines() if isinstance(exception, str) else []
    frames = [at for at, line in enumerate(lines) if line.startswith(_OF_A_FRAME)]
    if not frames:
        return next((line for line in lines[:1] if _NAMED.match(line)), lines[-1] if lines else "")
    behind = lines[frames[-1] + 1 :]
    return next((line for line in behind if not line.startswith(" ")), lines[-1])


def _kind_of(exception: str) -> str:
    """What kind of exception a traceback ends with; memory that did not suffice has many names."""
    line = raised(exception)
    kind = line.partition(":")[0].rpartition(".")[2].strip()
    is_memory = kind in ("OutOfMemoryError", "MemoryError", "_ArrayMemoryError")
    if is_memory or any(sign in line for sign in _OUT_OF_MEMORY):
        return "out of memory"
    return kind if kind.isidentifier() else "an exception"
