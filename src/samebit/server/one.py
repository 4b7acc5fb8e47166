"""One run: what it is in one screen, and what its processes printed."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from samebit.errors import NotFound
from samebit.folders.folder import RunFolder
from samebit.folders.read import View
from samebit.query.aspects import find_aspects
from samebit.query.hazards import find_hazards
from samebit.query.lacks import Lack
from samebit.server import long, media
from samebit.server.answers import Aspect, Console, ConsoleText, Lacking, RunAnswer, Sampled
from samebit.server.given import Given

__all__ = ["console", "machine", "summary", "value"]

_MOST_BYTES = 256_000  # of a console in one answer
_LONGEST_CHARACTER = 4  # bytes in UTF-8


def summary(view: View, given: Given) -> RunAnswer:
    """A run on one screen."""
    told = given.tell(view)
    return RunAnswer(
        id=view.id,
        label=told.label,
        status=view.status,
        marks=told.marks,
        lead=told.lead,
        parts=long.of_parts(told.parts),
        aspects=[
            Aspect(one.name, one.state, one.what, _lacking(one.lacks)) for one in find_aspects(view)
        ],
        hazards=_lacking(find_hazards(view)),
        gaps=[f"{gap.segment}: {gap.what}" for gap in view.gaps],
        commands=told.commands,
        consoles=list(_consoles(view.folder)),
        metrics=list(view.summaries),
        media=media.listed(view),
        tags=list(view.said.tags),
        note=view.said.text,
        archived=view.said.archived,
    )


def value(view: View, given: Given, part: str, name: str, at: int) -> str:
    """All of one value that is told of a run."""
    return long.whole(given.tell(view).parts, part, name, at)


def machine(view: View) -> Sampled:
    """What its processes used while they ran: which values were sampled, and how often."""
    return Sampled(view.id, [[name, len(one.steps)] for name, one in view.machine.items()])


def _lacking(lacks: Iterable[Lack]) -> list[Lacking]:
    return [Lacking(lack.key, lack.what, lack.fix) for lack in lacks]


def _consoles(run: RunFolder) -> Iterator[Console]:
    for execution in run.executions():
        logs = [(len(log.name), log.name, log) for log in run.console(execution).glob("*.log")]
        for _, _, log in sorted(logs):
            found = log.lstat()
            if stat.S_ISREG(found.st_mode):
                yield Console(execution, log.stem, found.st_size)


def console(run: RunFolder, execution: int | None, rank: str | None, after: int) -> ConsoleText:
    """What was printed, from a byte on; a negative one counts from the end.

    Without an execution or a rank it is that of the first console there is.
    """
    there = list(_consoles(run))
    fitting = [
        one for one in there if execution in (None, one.execution) and rank in (None, one.rank)
    ]
    if not fitting:
        known = ", ".join(f"execution {one.execution}, rank {one.rank}" for one in there)
        raise NotFound("nothing was printed there, or it was not kept", known=known or "none")
    chosen = fitting[0]
    return _read(run.console(chosen.execution) / f"{chosen.rank}.log", after)


def _read(path: Path, after: int) -> ConsoleText:
    # What was a file a moment ago may be a link or a pipe now.
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        at = min(after, size) if after >= 0 else max(0, size + after)
        stream.seek(at)
        data = stream.read(_MOST_BYTES)
    begin = 0
    while at and begin < min(len(data), _LONGEST_CHARACTER) and data[begin] & 0xC0 == 0x80:
        begin += 1  # in the middle of a character, whose beginning was cut off
    end = _whole(data)
    text = data[begin:end].decode("utf-8", "replace")
    return ConsoleText(text, at + begin, at + end, size)


def _whole(data: bytes) -> int:
    """Where the last character ends that is there as a whole."""
    for back in range(1, min(len(data), _LONGEST_CHARACTER) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        needed = 2 if byte >> 5 == 6 else 3 if byte >> 4 == 14 else 4 if byte >> 3 == 30 else 1
        return len(data) - back if needed > back else len(data)
    return len(data)
