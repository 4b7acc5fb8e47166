"""Jobs of a study on a real Slurm: arrays, signals, what is found again, what is refused."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from samebit.errors import CannotStart
from samebit.folders.folder import RunFolder
from samebit.studies.places.place import Handle, Job, Look
from samebit.studies.places.slurm import Slurm
from tests import clusters

pytestmark = pytest.mark.slow

TEXT = "it's\n$HOME"
TOO_MANY = "to be submitted: Slurm temporarily unable to accept job"


@pytest.fixture(autouse=True)
def cluster(a_slurm: clusters.Slurm) -> clusters.Slurm:
    return a_slurm


def jobs(folder: Path, code: str, count: int = 1) -> list[Job]:
    words = (sys.executable, "-c", code)
    return [
        Job(
            f"k-{number}",
            words,
            {**os.environ, "NUMBER": str(number), "TEXT": TEXT},
            folder,
            folder / f"{number}.log",
            RunFolder(folder / "runs" / "aaaaaaaaaa"),
        )
        for number in range(count)
    ]


def wait(place: Slurm, handles: list[Handle], until: Callable[[list[Look]], bool]) -> list[Look]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        looks = place.look(handles)
        if until(looks):
            return looks
        time.sleep(0.05)
    raise AssertionError(f"never: {place.look(handles)}")


def all_over(looks: list[Look]) -> bool:
    return all(look.is_over for look in looks)


def all_run(looks: list[Look]) -> bool:
    return not any(look.is_over or look.said for look in looks)


def names(cluster: clusters.Slurm) -> list[str]:
    return cluster.call("squeue", "--noheader", "--array", "--format=%j").split()


def test_jobs_that_come_together_are_one_array_with_variables_and_logs_of_their_own(
    tmp_path: Path, cluster: clusters.Slurm
) -> None:
    at_once = """
import os, time
open("begun-" + os.environ["NUMBER"], "w").close()
print(os.environ["NUMBER"], repr(os.environ["TEXT"]), "SLURM_ARRAY_TASK_ID" in os.environ)
time.sleep(1)
running = [name for name in os.listdir() if name.startswith("begun-")]
os.remove("begun-" + os.environ["NUMBER"])
raise SystemExit(len(running))
"""
    place = Slurm(2, look_s=0.1)
    handles = list(place.submit(jobs(tmp_path, at_once, 5)))
    (name,) = [path.stem for path in tmp_path.glob("samebit-*.sh")]
    assert set(names(cluster)) >= {name}
    looks = wait(place, handles, all_over)
    assert {look.exit_code for look in looks} <= {1, 2}
    assert [look.said for look in looks] == [""] * 5
    for number in range(5):
        log = (tmp_path / f"{number}.log").read_text()
        assert log == f"{number} {TEXT!r} True\n"
    assert not list(tmp_path.glob("*.out"))  # which had nothing in them


def test_what_goes_on_is_found_again_by_another_process_and_ends_when_it_is_told(
    tmp_path: Path,
) -> None:
    wanted = jobs(tmp_path, "import time; time.sleep(100)", 2)
    first = Slurm(look_s=0.1)
    handles = list(first.submit(wanted))
    wait(first, handles, all_run)
    second = Slurm(look_s=0.1)
    found = [second.reconnect(job) for job in wanted]
    assert all(found)
    again = [handle for handle in found if handle is not None]
    assert not any(look.is_over for look in second.look(again))
    second.cancel(again[0])
    looks = wait(second, again[:1], all_over)
    assert looks[0].said == ""  # we did that
    second.cancel(again[1], at_once=True)
    wait(second, again, all_over)
    looks = wait(first, handles, all_over)
    assert looks[0].said.startswith("CANCELLED, Slurm job ")  # somebody else did
    assert Slurm().reconnect(wanted[0]) is None


def test_what_slurm_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    place = Slurm(None, ["--partition=nowhere"])
    with pytest.raises(CannotStart, match="Slurm does not take the jobs") as refused:
        list(place.submit(jobs(tmp_path, "")))
    assert "nowhere" in str(refused.value.facts["it_said"])


def test_a_job_that_waits_says_for_what(tmp_path: Path) -> None:
    place = Slurm(None, ["--cpus-per-task=99"], look_s=0.1)
    handles = list(place.submit(jobs(tmp_path, "")))
    looks = wait(place, handles, lambda looks: "PartitionConfig" in looks[0].said)
    assert looks == [Look(False, said="because of PartitionConfig")]
    place.cancel(handles[0])
    wait(place, handles, all_over)


def test_where_there_is_no_slurm_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotStart, match="there is no sbatch on this machine"):
        list(Slurm().submit(jobs(tmp_path, "")))


@pytest.mark.parametrize(
    ("was", "instead", "error", "said"),
    [
        ("SelectType=", "SelectTypo=", "no configuration of Slurm works here", "SelectTypo"),
        ("socket=", "socket=/nowhere", "Slurm cannot be reached here", "Did you start munged?"),
    ],
)
def test_where_no_slurm_can_be_asked_one_line_says_why(
    tmp_path: Path,
    cluster: clusters.Slurm,
    monkeypatch: pytest.MonkeyPatch,
    was: str,
    instead: str,
    error: str,
    said: str,
) -> None:
    conf = tmp_path / "slurm.conf"
    conf.write_text((cluster.folder / "slurm.conf").read_text().replace(was, instead))
    monkeypatch.setenv("SLURM_CONF", str(conf))
    with pytest.raises(CannotStart, match=error) as refused:
        list(Slurm().submit(jobs(tmp_path, "")))
    assert said in str(refused.value.facts["it_said"])
    assert "login node" in str(refused.value.hint)


def test_a_job_that_is_to_end_at_its_time_limit_is_ended_before_and_says_why(
    tmp_path: Path, cluster: clusters.Slurm
) -> None:
    place = Slurm(look_s=0.1)
    code = "import time; print('begun', flush=True); time.sleep(100)"
    handles = list(place.submit(jobs(tmp_path, code)))
    log = tmp_path / "0.log"
    end = time.monotonic() + 60
    while not (log.exists() and log.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    (name,) = [path.stem for path in tmp_path.glob("samebit-*.sh")]
    cluster.call("scancel", "--batch", "--signal=USR1", f"--name={name}")  # as --signal=B:USR1 does
    (look,) = wait(place, handles, all_over)
    assert look.said.startswith("TIMEOUT, Slurm job ")
    assert "the time limit is near" in log.read_text()
    assert look.exit_code == 128 + 15


def test_a_job_whose_folder_is_not_seen_where_it_runs_says_so(
    tmp_path: Path, cluster: clusters.Slurm
) -> None:
    place = Slurm(None, ["--hold"], look_s=0.1)
    folder = tmp_path / "there"
    folder.mkdir()
    handles = list(place.submit(jobs(folder, "")))
    (name,) = [path.stem for path in folder.glob("samebit-*.sh")]
    folder.rename(tmp_path / "elsewhere")
    cluster.call("scontrol", "release", f"jobname={name}")
    (look,) = wait(place, handles, all_over)
    assert look.said == ""
    assert look.exit_code != 0


@pytest.fixture
def small_arrays(monkeypatch: pytest.MonkeyPatch) -> Iterator[clusters.Slurm]:
    """A cluster of its own, whose arrays have three tasks at most, and which knows 12 jobs."""
    with clusters.start_slurm("MaxArraySize=4\nMaxJobCount=12\n") as cluster:
        for name, value in cluster.environ.items():
            monkeypatch.setenv(name, value)
        yield cluster


def test_more_than_an_array_may_have_are_several_and_a_controller_that_is_away_is_waited_for(
    tmp_path: Path, small_arrays: clusters.Slurm
) -> None:
    place = Slurm(look_s=0.1)
    handles = list(place.submit(jobs(tmp_path, "open('ran', 'a').write('x')", 7)))
    wait(place, handles, all_over)
    assert (tmp_path / "ran").read_text() == "x" * 7
    assert len(list(tmp_path.glob("samebit-*.sh"))) >= 3

    slow = jobs(tmp_path, "import time; time.sleep(1); open('ran', 'a').write('x')", 2)
    before = list(place.submit(slow[:1]))
    with small_arrays.away("slurmctld"):
        during = list(place.submit(slow[1:]))
        assert "to be submitted" in place.look(during)[0].said
        assert not place.look(before)[0].is_over
    wait(place, [*before, *during], all_over)
    assert (tmp_path / "ran").read_text() == "x" * 9
    assert subprocess.run(["squeue", "--noheader"], capture_output=True, check=True).stdout == b""

    many = list(place.submit(jobs(tmp_path, "", 3)))  # of which it takes two

    def are_full(looks: list[Look]) -> bool:
        return looks[0].said != TOO_MANY and looks[-1].said == TOO_MANY

    wait(place, many, are_full)
    for handle in many:
        place.cancel(handle)
    wait(place, many, all_over)
