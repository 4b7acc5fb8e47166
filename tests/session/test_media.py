"""Media in `run.log`: there as they were, beside the training, and nothing of it is harmed."""

import json
from typing import Any

import pytest

from samebit.session.reading import RecordedRun
from tests.media.test_png import read_png
from tests.projects import Project

np = pytest.importorskip("numpy")

SCRIPT = """
import os, random
import numpy as np
import samebit
from samebit import disk
run = samebit.init(seed=1)
if "FAULT" in os.environ:
    disk.FAULTS = disk._Faults(os.environ["FAULT"])
before = random.getstate(), np.random.get_state()[1].tolist()
x = np.arange(24, dtype=np.uint8).reshape(4, 6)
for step in (1, 2):
    run.log({
        "loss": 1 / step,
        "one": samebit.Image(x + step, caption="as\\x1b it was"),
        "val": {"many": [samebit.Image(x), samebit.Image(x.T)], "acc": 0.5},
        "wrong": samebit.Image(x / 2),
        "worse": samebit.Video(x),
    }, step)
run.log({"table": samebit.Table(["n", "p"], [[1, samebit.Image(x)], [2, None]])}, 2)
run.log({"text": samebit.Text("é"), "count": samebit.Histogram(x), "mixed": [samebit.Text("a"), 3]})
run.log({"text": samebit.Text("again")})
x[:] = 0  # what was handed over is as it was then
assert before == (random.getstate(), np.random.get_state()[1].tolist())
run.finish()
run.log({"late": samebit.Text("a")})
print("done")
"""


def media_of(project: Project) -> dict[tuple[str, int, int], Any]:
    run = RecordedRun(project.view())
    return {(one.name, one.step, one.at): one for one in run.media()}


def test_media_are_recorded_as_they_were_and_given_back(project: Project) -> None:
    project.write("a.py", SCRIPT)
    ended = project.python("a.py")
    assert (ended.code, ended.out) == (0, "done\n"), ended
    run = RecordedRun(project.view())
    found = media_of(project)
    x = np.arange(24, dtype=np.uint8).reshape(4, 6)
    for step in (1, 2):
        one = found["one", step, 0]
        np.testing.assert_array_equal(read_png(one.read())[..., 0], x + step)
        assert (one.kind, one.type, one.caption) == ("image", "image/png", "as\x1b it was")
        assert one.about == {"width": 6, "height": 4, "channels": 1}
        assert (one.is_kept, one.is_exact, one.size_bytes) == (True, True, len(one.read()))
        np.testing.assert_array_equal(read_png(found["val.many", step, 1].read())[..., 0], x.T)
    assert json.loads(found["table", 2, 0].read())["rows"][0][0] == 1
    assert found["text", 0, 0].read() == b"again"  # of the same name and step the later counts
    assert (
        json.loads(found["count", 0, 0].read())["counts"]
        == [*[1 if at % 64 in {round(i * 64 / 23) for i in range(24)} else 0 for at in range(0)]]
        or sum(json.loads(found["count", 0, 0].read())["counts"]) == 24
    )
    assert run.media_names == ["one", "val.many", "table", "text", "count"]
    assert run.metrics()["loss"]["value"] == [1.0, 0.5]
    assert run.metrics()["val.acc"]["step"] == [1, 2]
    # Each said once, and the run is marked.
    for name in ("wrong", "worse", "mixed"):
        assert ended.err.count(f"log of '{name}': ") == 1
        assert any(f"log of '{name}'" in line for line in run.missing)
    assert "range=(lowest, highest) says which are black and white" in ended.err
    assert "until it is finished" in ended.err
    assert not any("not written" in line for line in run.missing)


@pytest.mark.parametrize(
    "fault",
    [
        "run.log=raise",
        "media.make=raise",
        "media.tell=error",
        "disk.create=full",
        "disk.fsync=error",
    ],
)
def test_our_own_trouble_never_stops_the_script(project: Project, fault: str) -> None:
    project.write("a.py", SCRIPT)
    ended = project.python("a.py", FAULT=fault)
    assert (ended.code, ended.out) == (0, "done\n"), ended
    assert "Traceback" not in ended.err
    run = RecordedRun(project.view())
    for one in run.media():  # no name stands for bytes that are not there
        assert len(one.read()) == one.size_bytes
    if fault != "run.log=raise":
        assert any("not written before the process ended" in line for line in run.missing)


def test_what_is_too_much_is_said_once_and_known_by_its_digest(project: Project) -> None:
    project.write(
        "a.py",
        """
        import numpy as np, samebit
        run = samebit.init()
        chance = np.random.default_rng(0)
        for step in range(12):
            run.log({"x": samebit.Image(chance.integers(0, 256, (400, 400, 3), np.uint8))}, step)
        """,
    )
    ended = project.python("a.py", SAMEBIT_MEDIA_BUDGET_MB="2", SAMEBIT_MEDIA_MOST="10")
    assert ended.code == 0
    found = media_of(project)
    assert [one.is_kept for one in found.values()] == [True] * 4 + [False] * 6
    assert len({one.digest for one in found.values()}) == 10
    for words in ("of later ones only digests are kept", "more than 10 things were logged"):
        assert ended.err.count(words) == 1
    with pytest.raises(Exception, match="only the digest was kept"):
        found["x", 9, 0].read()


def test_where_much_waits_log_lends_a_hand_and_loses_nothing(project: Project) -> None:
    project.write(
        "a.py",
        """
        import numpy as np, samebit, samebit.session.media as media
        media._SOON_BYTES, media._MOST_BYTES, media._EVERY_S = 10**9, 200_000, 3600.0
        run = samebit.init()
        for step in range(40):
            run.log({"x": samebit.Image(np.full((100, 100, 3), step, np.uint8))}, step)
            assert run._recording.media._held_bytes < 300_000
        """,
    )
    ended = project.python("a.py")
    assert ended.code == 0, ended.err
    assert len(media_of(project)) == 40


def test_a_script_that_logs_numbers_alone_loads_nothing_of_it(project: Project) -> None:
    project.write(
        "a.py",
        """
        import sys, threading, samebit
        run = samebit.init()
        run.log({"loss": 0.5, "val": {"acc": 1}})
        assert not [name for name in sys.modules if name.startswith("samebit.media")]
        assert "samebit-media" not in [thread.name for thread in threading.enumerate()]
        samebit.Image([[0.5]])
        assert "samebit.media.drafts" not in sys.modules
        """,
    )
    ended = project.python("a.py")
    assert ended.code == 0, ended.err


def test_a_forked_child_is_told_that_it_records_none(project: Project) -> None:
    project.write(
        "a.py",
        """
        import os, samebit
        run = samebit.init()
        run.log({"x": samebit.Text("parent")}, 1)
        if (child := os.fork()) == 0:
            run.log({"x": samebit.Text("child"), "acc": 0.5}, 2)
            os._exit(0)
        os.waitpid(child, 0)
        run.log({"x": samebit.Text("parent again")}, 3)
        """,
    )
    ended = project.python("a.py")
    assert ended.code == 0, ended.err
    assert [one.read() for one in media_of(project).values()] == [b"parent", b"parent again"]
    assert "by the process of the run" in ended.err
    assert RecordedRun(project.view()).metrics()["acc"]["value"] == [0.5]


def test_media_beside_a_number_on_a_device_wait_for_nothing(project: Project) -> None:
    # The device is a class that has no value before it is asked by the thread that logged.
    project.write(
        "a.py",
        """
        import threading
        import numpy as np, samebit
        from samebit.trace import cards
        asked = []
        class Far:
            is_cuda, shape = True, ()
            def dim(self): return 0
        def fetch(far):
            here = np.zeros(())
            def has_come():
                asked.append(threading.current_thread() is threading.main_thread())
                here[...] = 7.0
                return len(asked) > 3
            return here, has_come
        cards.is_there, cards.fetch = lambda value: isinstance(value, Far), fetch
        run = samebit.init()
        run._recording.arriving._fetch = fetch
        run.log({"loss": Far(), "x": samebit.Text("a"), "acc": 1.0}, 5)
        run.finish()
        assert all(asked) and len(asked) > 3
        """,
    )
    ended = project.python("a.py")
    assert ended.code == 0, ended.err
    assert list(media_of(project)) == [("x", 5, 0)]
    metrics = RecordedRun(project.view()).metrics()
    assert (metrics["loss"]["value"], metrics["acc"]["value"]) == ([7.0], [1.0])
