"""What every place promises (`studies/places/place.py`), kept by each that there is."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from samebit.errors import CannotStart
from samebit.folders.folder import RunFolder
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


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow) if name in NEEDS_A_SERVER else name
        for name in sorted([*PLACES, "ray"])
    ]
)
def place(request: pytest.FixtureRequest) -> Place:
    if request.param in NEEDS_A_SERVER:
        request.getfixturevalue(f"a_{request.param}")
    if request.param == "ray":
        return request.getfixturevalue("ray_place")
    return PLACES[request.param]()


def a_job(folder: Path, code: str, *argv: str) -> Job:
    words = argv or (sys.executable, "-c", code)
    run = RunFolder(folder / "runs" / "aaaaaaaaaa")
    return Job(
        f"k-{next(_KEYS)}", words, {**os.environ, "GIVEN": "yes"}, folder, folder / "log", run
    )


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
    code = "import os; open('ran', 'a').write(os.environ['GIVEN']); raise SystemExit(3)"
    job = a_job(tmp_path, code)
    (handle,) = started(place, job)
    assert over(place, handle) == 3
    assert (tmp_path / "ran").read_text() == "yes"
    assert handle.job == job
    place.cancel(handle)  # what is over is left alone
    place.cancel(handle, at_once=True)


def test_what_cannot_be_started_is_said(place: Place, tmp_path: Path) -> None:
    job = a_job(tmp_path, "", str(tmp_path / "nothing"))
    if place.name in NEEDS_A_SERVER:  # it is known only where it was to run
        assert over(place, started(place, job)[0]) == 127
        assert "nothing" in (tmp_path / "log").read_text()
        return
    with pytest.raises(CannotStart, match="cannot start a run"):
        started(place, job)


def test_where_nothing_was_submitted_nothing_is_found_again(place: Place, tmp_path: Path) -> None:
    assert place.reconnect(a_job(tmp_path, "")) is None


def test_several_are_looked_at_in_their_order(place: Place, tmp_path: Path) -> None:
    jobs = [a_job(tmp_path, f"raise SystemExit({code})") for code in (0, 4)]
    handles = started(place, *jobs)
    assert [over(place, handle) for handle in handles] == [0, 4]
    assert [look.exit_code for look in place.look(handles)] == [0, 4]


def test_whoever_waits_for_jobs_here_is_woken_by_the_first_that_ends(tmp_path: Path) -> None:
    place, began = Local(2), time.monotonic()
    handles = started(place, a_job(tmp_path, "", "sleep", "1000"), a_job(tmp_path, ""))
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
    job = a_job(tmp_path, code)
    handles = started(place, job, job)
    until = time.monotonic() + 60
    while (tmp_path / "log").read_text().count("True") < 2 and time.monotonic() < until:
        time.sleep(0.02)
    assert [look.is_over for look in place.look(handles)] == [False, False]
    place.cancel(handles[0])
    place.cancel(handles[1], at_once=True)
    assert [over(place, one) for one in handles] == [-signal.SIGTERM, -signal.SIGKILL]
