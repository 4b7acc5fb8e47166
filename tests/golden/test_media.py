"""Media that were written once are listed, read, checked and exported for ever."""

import io
import json
import os
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from samebit.session.reading import RecordedRun, open_run
from tests.golden import make_media
from tests.golden.make_media import FILM, MARK, PICTURE, RUN, SAMPLES
from tests.golden.test_golden import samebit
from tests.media.test_png import read_png

GOLDEN = Path(__file__).parent / "media-1"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    copied = tmp_path / "project" / ".samebit"
    shutil.copytree(GOLDEN, copied)
    return copied


@pytest.fixture
def run(store: Path) -> RecordedRun:
    return open_run(RUN, store=store)


def test_every_thing_is_as_it_was_logged(run: RecordedRun) -> None:
    found = {(one.name, one.step, one.at): one for one in run.media()}
    read = {key: one.read() for key, one in found.items() if one.is_kept and one.kind != "hologram"}
    np.testing.assert_array_equal(read_png(read["large", 1, 0]), PICTURE)
    small = PICTURE[:9, :7]
    grey = small[..., :1].astype(np.uint16) * 300
    np.testing.assert_array_equal(read_png(read["grey", 1, 0]), grey)
    for at in range(3):
        np.testing.assert_array_equal(read_png(read["val/many", 1, at]), small[..., : at + 1])
    np.testing.assert_array_equal(read_png(read["val/many", 2, 0]), small)
    assert read["val/many", 2, 1] == MARK
    assert read["film", 2, 0] == FILM
    assert read["text", 2, 0] == "héllo\r\n".encode() * 3
    with wave.open(io.BytesIO(read["sound", 2, 0])) as sound:
        frames = np.frombuffer(sound.readframes(300), "<i2").reshape(300, 2)
        assert sound.getframerate() == 8000
    np.testing.assert_array_equal(frames, SAMPLES)
    assert json.loads(read["counts", 2, 0]) == {
        "above": 1,
        "below": 0,
        "counts": [1, 0, 2],
        "edges": [1.0, 1.5, 2.0, 2.5],
        "format": "samebit-histogram 1",
        "nan": 1,
    }
    table = json.loads(read["table", 2, 0])
    assert table["columns"] == ["n", "x", "$t", "p"]
    assert table["rows"][1] == [None] * 4
    assert found["large", 1, 0].caption == "a \x1b[31mcaption ✓"
    assert not found["text", 3, 0].is_kept
    assert found["odd", 3, 0].type == "model/later"
    assert ("lost", 3, 0) not in found
    assert run.missing[0] == (
        "media: 2 things were logged and not written before the process ended: 'lost' at step 3"
    )


def test_the_same_media_have_the_same_bytes_today(run: RecordedRun, tmp_path: Path) -> None:
    """What a later version writes is compared with it: a replay would differ otherwise."""
    make_media.make(tmp_path / "now")
    again = open_run(RUN, store=tmp_path / "now")
    assert [(one.name, one.step, one.at, one.digest, one.is_exact) for one in again.media()] == [
        (one.name, one.step, one.at, one.digest, one.is_exact) for one in run.media()
    ]


def test_every_command_knows_them(store: Path) -> None:
    assert samebit(store.parent, "check").out.endswith("every byte is what its name says\n")
    assert samebit(store.parent, "media", "ls", RUN, "large", "text", "odd").out == (
        """\
name   step  kind      what          size  object       caption
large     1  image     170 × 160  81.8 kB  677a7745     a \\x1b[31mcaption ✓
text      2  text      plain         24 B  4763ad93
text      3  text      plain         14 B  digest only
odd       3  hologram  later         18 B  9b63eb7a
"""
    )
    exported = samebit(store.parent, "media", "export", RUN, "-o", "out")
    assert exported.code == 7  # what is of a later version, and what is a digest alone
    assert exported.out.startswith("out: 15 files")
    assert sum(len(files) for _, _, files in os.walk(store.parent / "out")) == 15
