"""Reading on: what was appended to a run's journal since it was read.

A journal is only ever appended to, so that of a run that goes on each byte need be read once,
however long it has become.
"""

from collections.abc import Mapping
from pathlib import Path

from samebit.errors import Damaged
from samebit.journal.frame import HEADER_BYTES, Apart, read_frames, read_header
from samebit.journal.reader import End, Found, Journal, Segment, follow, list_segments

__all__ = ["read_on"]


def read_on(folder: Path, run: str, ends: Mapping[str, End]) -> Journal | None:
    """The frames behind some ends; its own ends are those of the segments that had more.

    None where these are not simply more: a segment is gone, shorter or a stranger's, or a number
    is missing between two frames. Then the whole journal says what is to be said. What is not yet a
    whole frame comes the next time.

    Args:
        folder: the run's `journal` folder.
        run: its id.
        ends: of a `Journal` of this run.
    """
    segments = list_segments(folder)
    if not ends.keys() <= {segment.path.name for segment in segments}:
        return None
    found = Found()
    following: dict[str, int] = {}  # by writer, the number of its next frame
    for segment in segments:
        try:
            end = ends.get(segment.path.name)
            end = end or _begun(segment, run, following.get(segment.writer, 0))
            if end is None:
                continue
            following[segment.writer] = end.sequence
            size = segment.path.stat().st_size
            if size < end.size:
                return None
            if size == end.size:
                continue
            with segment.path.open("rb") as file:
                file.seek(end.size)
                data = file.read()
        except (OSError, Damaged):
            return None
        apart = Apart()
        frames, tail = read_frames(data, 0, apart=apart)
        following[segment.writer], missing = follow(data, frames, apart, end.sequence)
        if missing:
            return None
        now = End(end.size + tail.intact, following[segment.writer], end.offset_ns, end.schemas)
        found.take(segment, data, frames, apart, now)
    return found.journal([])


def _begun(segment: Segment, run: str, number: int) -> End | None:
    """Where a segment begins that was not there before; None while it has no whole header."""
    with segment.path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        return None
    header = read_header(head)
    if (header.run, header.writer, header.segment) != (run, segment.writer, segment.number):
        raise Damaged("a segment with the header of another")
    return End(HEADER_BYTES, number, None, {})
