"""What every place promises (`studies/places/place.py`), kept by each that there is."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from samebit import places, records
from samebit.errors import CannotStart
from samebit.folders.folder import RunFolder, run_id
from samebit.objects.store import Store
from samebit.objects.tree import save_tree
from samebit.records import CodeRecord, CodeSent
from samebit.remotes import named
from samebit.remotes.named import Remote
from samebit.session.studied import TRIAL
from samebit.studies.declared import Study, join_or_declare
from samebit.studies.places.away import Away
from samebit.studies.places.inline import Inline
from samebit.studies.places.local import Local
from samebit.studies.places.place import Handle, Job, Place
from samebit.studies.places.slurm import Slurm

PLACES: dict[str, Callable[[], Place]] = {
    "local": lambda: Local(2),
    "inline": Inline,
    "slurm": lambda: Slurm(2, look_s=0.2),
}
_KEYS = itertools.count(time.time_ns())  # no two jobs have one
NEEDS_A_SERVER = ("slurm", "ray")
SLOW = (*NEEDS_A_SERVER, "away")
STUDY = "aaaaaaaaaa"


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
        for name in sorted([*PLACES, "ray", "away"])
    ]
)
def place(request: pytest.FixtureRequest) -> Place:
    if request.param in NEEDS_A_SERVER:
        request.getfixturevalue(f"a_{request.param}")
    if request.param == "ray":
        return request.getfixturevalue("ray_place")
    if request.param == "away":
        return request.getfixturevalue("away")
    return PLACES[request.param]()


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Away:
    """Over processes of this machine, which have everything from a folder's remote."""
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "remote").mkdir()
    store = Store(places.make_store(tmp_path / ".samebit"))
    study = Study(STUDY, "g", "command", (), str(tmp_path), (), False, 0)
    join_or_declare(store.path, study)
    remote = Remote("lab", f"file://{tmp_path}/remote")
    named.save(store.path, remote)

    def code() -> str:
        tree, _ = save_tree(store, [])
        return store.put(records.encode(CodeSent(CodeRecord(str(tmp_path), tree, 0, 0))))

    return Away(Local(2), store.path, remote, STUDY, code)


def a_job(place: Place, folder: Path, code: str, *argv: str) -> Job:
    words = argv or (sys.executable, "-c", code)
    environ = {**os.environ, "GIVEN": "yes"}
    number = next(_KEYS)
    run = RunFolder(folder / ".samebit" / "runs" / run_id(str(number)[::-1].encode()))
    if isinstance(place, Away):  # what it has made are runs
        words = (sys.executable, "-m", "samebit.cli.main", "run", "--quiet", "--", *words)
        environ[TRIAL] = f"{STUDY}:0:{run.id}"
    return Job(f"k-{number}", words, environ, folder, folder / "log", run)


def started(place: Place, *jobs: Job) -> list[Handle]:
    return list(place.submit(jobs))


def over(place: Place, handle: Handle) -> int | None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        (look,) = place.look([handle])
        if look.is_over:
            return look.exit_code
        time.sleep(0.02)
    raise AssertionError("it never ended")


def test_a_job_is_started_once_in_its_folder_with_its_variables(
    place: Place, tmp_path: Path
) -> None:
    told = "os.environ['GIVEN'], os.getcwd(), file=file"
    code = (
        f"import os\nwith open('{tmp_path}/ran', 'a') as file: print({told})\nraise SystemExit(3)"
    )
    job = a_job(place, tmp_path, code)
    (handle,) = started(place, job)
    assert over(place, handle) == 3
    given, folder = (tmp_path / "ran").read_text().split()
    assert given == "yes"
    assert folder.endswith(str(tmp_path))  # where that is not seen, in one like it
    assert handle.job == job
    place.cancel(handle)  # what is over is left alone
    place.cancel(handle, at_once=True)


def test_what_cannot_be_started_is_said(place: Place, tmp_path: Path) -> None:
    job = a_job(place, tmp_path, "", str(tmp_path / "nothing"))
    if place.name in NEEDS_A_SERVER or isinstance(place, Away):  # known only where it was to run
        code = 125 if isinstance(place, Away) else 127  # as `samebit run` says it, and a shell
        assert over(place, started(place, job)[0]) == code
        assert "nothing" in (tmp_path / "log").read_text()
        return
    with pytest.raises(CannotStart, match="cannot start a run"):
        started(place, job)


def test_where_nothing_was_submitted_nothing_is_found_again(place: Place, tmp_path: Path) -> None:
    assert place.reconnect(a_job(place, tmp_path, "")) is None


def test_several_are_looked_at_in_their_order(place: Place, tmp_path: Path) -> None:
    jobs = [a_job(place, tmp_path, f"raise SystemExit({code})") for code in (0, 4)]
    handles = started(place, *jobs)
    assert [over(place, handle) for handle in handles] == [0, 4]
    assert [look.exit_code for look in place.look(handles)] == [0, 4]


def test_whoever_waits_for_jobs_here_is_woken_by_the_first_that_ends(tmp_path: Path) -> None:
    place, began = Local(2), time.monotonic()
    handles = started(
        place, a_job(place, tmp_path, "", "sleep", "1000"), a_job(place, tmp_path, "")
    )
    place.wait(handles, 500)
    assert time.monotonic() < began + 500
    assert [look.is_over for look in place.look(handles)] == [False, True]
    place.cancel(handles[0], at_once=True)
    place.wait(handles, 500)
    assert time.monotonic() < began + 500
    assert over(place, handles[0]) == -signal.SIGKILL


def test_here_jobs_are_sessions_of_their_own_and_end_when_they_are_told(tmp_path: Path) -> None:
    place = Local(2)
    code = "import os, time; print(os.getsid(0) == os.getpid(), flush=True); time.sleep(60)"
    job = a_job(place, tmp_path, code)
    handles = started(place, job, job)
    until = time.monotonic() + 60
    while (tmp_path / "log").read_text().count("True") < 2 and time.monotonic() < until:
        time.sleep(0.02)
    assert [look.is_over for look in place.look(handles)] == [False, False]
    place.cancel(handles[0])
    place.cancel(handles[1], at_once=True)
    assert [over(place, one) for one in handles] == [-signal.SIGTERM, -signal.SIGKILL]
