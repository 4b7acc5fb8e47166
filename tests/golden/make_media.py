"""Makes the golden store of media; was run once for `media-1`, which never changes.

    python -m tests.golden.make_media FOLDER

As `make_store`, whose clock and chance it has. One run, killed, with a thing of every kind, some
things of which only the digest is known, one that was not written, and one of a later version.
"""

import shutil
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from samebit import disk, places
from samebit.errors import SamebitError
from samebit.journal.writer import Writer
from samebit.media import given as shown
from samebit.objects.store import Store
from samebit.records import ExecutionEnd
from samebit.session.media import SessionMedia
from tests.golden import make_store

RUN = "p1ctvres00"
ROWS, COLUMNS = np.mgrid[:160, :170]
PICTURE = np.stack([ROWS, COLUMNS, ROWS ^ COLUMNS], 2).astype(np.uint8)
SAMPLES = np.stack([np.arange(300), np.arange(300) ** 2 % 997], 1)
FILM = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(range(200))
MARK = b"GIF89a\1\0\1\0\0\0\0;"


def things() -> list[tuple[int, dict[str, Any]]]:
    """What is logged, by step."""
    small = PICTURE[:9, :7]
    return [
        (1, {"large": shown.Image(PICTURE, caption="a \x1b[31mcaption ✓")}),
        (1, {"grey": shown.Image(small[..., 0].astype(np.uint16) * 300)}),
        (1, {"val/many": [shown.Image(small[..., :n]) for n in (1, 2, 3)]}),
        (2, {"val/many": [shown.Image(small / 255), shown.Image(MARK)]}),
        (2, {"counts": shown.Histogram(np.array([1.0, 2.0, 2.5, np.nan, np.inf]), 3)}),
        (2, {"given": shown.Histogram(counts=[1, 0, 2], edges=[0.0, 1.0, 2.0, 4.0])}),
        (2, {"text": shown.Text("héllo\r\n" * 3)}),
        (2, {"sound": shown.Audio(SAMPLES.astype(np.int16), 8000)}),
        (2, {"music": shown.Audio(SAMPLES[:, :1] / 1000, 44100)}),
        (2, {"film": shown.Video(FILM)}),
        (
            2,
            {
                "table": shown.Table(
                    ["n", "x", "$t", "p"],
                    [[1, float("nan"), "a", shown.Image(small, caption="in a cell")], [None] * 4],
                )
            },
        ),
    ]


def make(store: Path) -> None:
    """Write the store."""
    with make_store._fixed():
        places.make_store(store)
        folder = make_store._begin(store, RUN, name="pictures")
        record = folder.path / "run.json"
        record.write_bytes(record.read_bytes().replace(bytes(store.parent), b"/project"))
        writer = Writer(folder.journal, folder.id)
        for step in (1, 2):
            writer.row({"loss": 1 / step}, step)
        _log(Store(store), writer, 64 << 20, things())
        later = [(3, {"text": shown.Text("a digest alone")})]
        _log(Store(store), writer, None, later)
        writer.fact("media", {"name": "lost", "step": 3, "kind": "image", "of": 2})
        odd = {"name": "odd", "step": 3, "kind": "hologram", "of": 1}
        name = Store(store).put(b"of a later version")
        writer.fact("media", odd)
        said = {"at": 0, "type": "model/later", "object": name, "size_bytes": 18}
        writer.fact("media", {**odd, **said, "turns": [1, 2.5]})
        writer.fact("media", {"name": "why", "step": 3, "kind": "image", "of": 1})
        why = {"at": 0, "why": "a picture with NaN in it"}
        writer.fact("media", {"name": "why", "step": 3, "kind": "image", "of": 1, **why})
        writer.close()
        folder.end_execution(1, ExecutionEnd(time.time_ns(), "killed", signal="SIGKILL"))
    shutil.rmtree(store / ".git")
    (store / "tmp").rmdir()


def _log(store: Store, writer: Writer, budget: int | None, logged: Any) -> None:
    def refuse(*said: object) -> None:
        raise AssertionError(said)

    arriving: Any = None
    media = SessionMedia(
        store,
        lambda fact, _: writer.fact("media", fact),
        refuse,
        refuse,
        arriving,
        lambda: 1 << 40,
        budget_bytes=budget,
        most=100,
    )
    with mock.patch.object(media._helper, "begin"):
        for step, values in logged:
            found, _ = shown.apart(values)
            media.take(found, step)
    media._write_waiting()


if __name__ == "__main__":
    if disk.FAULTS is not None:
        raise SamebitError("not with fault points armed")
    make(Path(sys.argv[1]))
