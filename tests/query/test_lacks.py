"""What a record lacks is named with what to do about it; a whole record lacks nothing."""

from pathlib import Path
from typing import Any

import pytest

from samebit import places
from samebit.folders.read import View
from samebit.query.lacks import Lack, find_lacks
from tests.projects import SAMEBIT, Project
from tests.replay.conftest import Recorder, file_fact

LOCKED = ("lock", [{"path": "/p/uv.lock", "digest": "blake3:00", "size_bytes": 1}])
PACKAGES = ("packages", {"versions": {"numpy": "2.0"}})
GENERATOR = ("generator", {"rank": "0", "library": "torch", "state": {"seed": 5}})
UNSEEDED = {"rank": "0", "kind": "numpy", "what": "default_rng()", "through": "", "place": "a"}


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    (tmp_path / "p").mkdir()
    (tmp_path / "data.bin").write_bytes(b"x")
    return Recorder(places.make_store(tmp_path / "p" / ".samebit"))


def run_of(recorder: Recorder, *facts: tuple[str, Any]) -> View:
    code = recorder.code(recorder.store.parent, train="")
    return recorder.run([code, PACKAGES, *facts])


def test_a_whole_record_lacks_nothing(recorder: Recorder) -> None:
    assert find_lacks(run_of(recorder, LOCKED)) == []


def test_each_lack_is_named_with_what_to_do(recorder: Recorder, tmp_path: Path) -> None:
    plain = file_fact(tmp_path / "data.bin")
    beyond = (plain[0], {**plain[1], "digest": None})
    state = {"name": "final", "manifest": "blake3:00", "kept": False}
    own = {**UNSEEDED, "seed": 7, "at": "/p/data.py:41"}
    lost = {"what": "os.urandom()", "at": "/p/train.py:3", "through": "", "rank": "0"}
    edited = {"checked": 3, "edited": {"numpy/core.py": None}}
    for fact, key, words in (
        (("unseeded", own), "seed", "data.py:41 default_rng()"),
        (("entropy", lost), "randomness", "train.py:3 os.urandom()"),
        (beyond, "data", "data.bin"),
        (("unseen", ["DuckDB", "FFCV"]), "data", "files that DuckDB and FFCV read"),
        (("state", state), "states", "of final only digests are kept"),
        (("installed", edited), "installed", "numpy/core.py"),
        (("problem", {"what": "log", "detail": "refused"}), "log", "log: refused"),
    ):
        (lack,) = [one for one in find_lacks(run_of(recorder, LOCKED, fact)) if one.key == key]
        assert words in lack.what
        assert lack.fix or key == "log" or fact[0] == "unseen"
    assert [lack.key for lack in find_lacks(run_of(recorder))] == ["lock"]


def test_a_file_that_was_too_large_for_the_code_and_was_kept_is_not_missing(
    recorder: Recorder,
) -> None:
    folder = recorder.store.parent
    (folder / "large.bin").write_bytes(b"x")
    name, code = recorder.code(folder, train="")
    code = {**code, "left_out": ["large.bin: larger than 5 MB", "weights.bin: larger than 5 MB"]}
    read = file_fact(folder / "large.bin")
    kept = (read[0], {**read[1], "saved": read[1]["digest"]})
    for fact, said in ((read, "large.bin: larger than 5 MB, weights.bin"), (kept, "weights.bin")):
        (lack,) = find_lacks(recorder.run([(name, code), PACKAGES, LOCKED, fact]))
        assert lack.what.startswith(f"left out of the code: {said}")


def test_many_states_without_bytes_are_counted(recorder: Recorder) -> None:
    def lack_of(*names: str) -> Lack:
        facts = [
            ("state", {"name": name, "manifest": "blake3:00", "kept": False}) for name in names
        ]
        (lack,) = [
            one for one in find_lacks(run_of(recorder, LOCKED, *facts)) if one.key == "states"
        ]
        return lack

    lack = lack_of("step 0", *(f"checkpoint {step}" for step in range(5)), "final")
    assert lack.what == "of step 0, checkpoint 0, checkpoint 1 and 4 more only digests are kept"
    assert "states.budget_mb" in lack.fix
    assert lack_of("checkpoint 3").fix == "states.keep = all keeps the bytes"


def test_a_seeded_run_lacks_no_seed(recorder: Recorder) -> None:
    call = {"library": "torch", "value": 3, "at": "/p/train.py:1"}
    assert [one.key for one in find_lacks(run_of(recorder, LOCKED, GENERATOR))] == []  # it is 1
    given = run_of(recorder, LOCKED, GENERATOR, ("seed_call", call))
    assert find_lacks(given) == []


def test_a_lack_is_a_sentence() -> None:
    assert (
        str(Lack("lock", "environment not locked", "lock it")) == "environment not locked; lock it"
    )
    assert str(Lack("log", "log: refused")) == "log: refused"


@pytest.mark.slow
def test_it_is_shown_with_the_run_and_in_the_list(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("a.py", "import numpy\nprint(numpy.random.default_rng().random() >= 0)\n")
    assert project.run("a.py").code == 0
    shown = project.call(SAMEBIT, "show", "@last").out
    assert "1 unseeded generator: a.py:2 default_rng()" in shown
    assert "takes its seed there" in shown  # `--seed N` would not help
    assert "`samebit run --seed N`" not in shown
    assert "environment not locked" in shown
    assert "seed, lock" in project.call(SAMEBIT, "ls").out
