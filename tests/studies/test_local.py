"""Runs on this machine: each has processors and cards of its own, and leaves nothing behind."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from samebit.cli.main import main
from samebit.errors import UsageError
from samebit.folders.folder import RunFolder
from samebit.launch.families import in_session
from samebit.studies.places.local import CARDS, Local, processors, visible_cards
from samebit.studies.places.place import Handle, Job
from tests.projects import Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="affinity and /proc")

TELLS = f"""
import json, os, sys, time
with open(sys.argv[1] + ".part", "w") as f:
    json.dump([sorted(os.sched_getaffinity(0)), os.environ.get("{CARDS}")], f)
os.rename(sys.argv[1] + ".part", sys.argv[1])
while not os.path.exists("go"):
    time.sleep(0.02)
"""


def job(folder: Path, name: str, threads: int = 0) -> Job:
    words = (sys.executable, "-c", TELLS, str(folder / name))
    run = RunFolder(folder / "runs" / "aaaaaaaaaa")
    return Job(name, words, os.environ, folder, folder / "log", run, threads)


def told(folder: Path, name: str) -> Any:
    until = time.monotonic() + 60
    while not (folder / name).exists() and time.monotonic() < until:
        time.sleep(0.02)
    return json.loads((folder / name).read_text())


def wait(place: Local, handles: list[Handle]) -> None:
    until = time.monotonic() + 60
    while not all(look.is_over for look in place.look(handles)) and time.monotonic() < until:
        time.sleep(0.02)


@pytest.mark.skipif(len(processors()) < 2, reason="there is one processor")
def test_each_has_processors_of_its_own_and_we_keep_ours(tmp_path: Path) -> None:
    before = processors()
    place = Local(2)
    handles = list(place.submit([job(tmp_path, "a", 1), job(tmp_path, "b", 1)]))
    assert processors() == before
    a, b = told(tmp_path, "a")[0], told(tmp_path, "b")[0]
    assert [len(a), len(b), len({*a, *b})] == [1, 1, 2]
    handles += place.submit([job(tmp_path, "all", len(before) + 7), job(tmp_path, "free")])
    assert told(tmp_path, "all")[0] == before
    assert told(tmp_path, "free")[0] == before
    (tmp_path / "go").touch()
    wait(place, handles)
    (again,) = place.submit([job(tmp_path, "c", 1)])
    assert told(tmp_path, "c")[0] == before[:1]
    wait(place, [again])


def test_each_has_cards_of_its_own_of_those_that_are_visible(tmp_path: Path) -> None:
    place = Local(2, gpus=2, cards=["4", "5", "GPU-a1", "7"])
    assert "2 of the graphics cards 4,5,GPU-a1,7 for each" in place.where
    handles = list(place.submit([job(tmp_path, "a"), job(tmp_path, "b")]))
    assert told(tmp_path, "a")[1] == "4,5"
    assert told(tmp_path, "b")[1] == "GPU-a1,7"
    (tmp_path / "go").touch()
    wait(place, handles)
    (again,) = place.submit([job(tmp_path, "c")])
    assert told(tmp_path, "c")[1] == "4,5"
    wait(place, [again])


def test_which_cards_are_visible_is_what_cuda_would_say(tmp_path: Path) -> None:
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    assert visible_cards({}, tmp_path) == ["0", "1"]
    assert visible_cards({}, tmp_path / "none") == []
    assert visible_cards({CARDS: "3, 1"}, tmp_path) == ["3", "1"]
    assert visible_cards({CARDS: "3,-1,1"}, tmp_path) == ["3"]
    assert visible_cards({CARDS: ""}, tmp_path) == []


def test_too_few_cards_are_said_before_anything_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="too few graphics cards for 2 at once with 1 each"):
        Local(2, gpus=1, cards=["0"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CARDS, "6")
    (tmp_path / "t.py").touch()
    words = ["seeds", "t.py", "--n", "2", "--jobs", "2", "--plan"]
    assert main([*words, "--gpus", "1"]) == 2
    assert "visible: 6" in capsys.readouterr().err
    assert main([*words, "--gpus", "1", "--jobs", "1"]) == 0
    assert "1 of the graphics cards 6 for each" in capsys.readouterr().out
    assert main([*words, "--gpus", "1", "--jobs", "1", "--on", "inline"]) == 2


RUN = f"""
import json, os, time
open("began-" + os.environ["NAME"], "w").write(os.environ["{CARDS}"] + "\\n")
while not os.path.exists("go"):
    time.sleep(0.02)
"""


def a_run(project: Project, name: str) -> Job:
    run = RunFolder(project.store / "runs" / f"{name * 10}")
    trial = {"SAMEBIT_TRIAL": f"ssssssssss:0:{run.id}", "NAME": name}
    words = (sys.executable, "-m", "samebit.cli.main", "run", "--quiet", "t.py")
    return Job(name, words, project.environ(**trial), project.path, project.path / "log", run, 1)


def test_a_later_controller_gives_nobody_what_those_that_go_on_have(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("t.py", RUN)
    first = Local(2, gpus=1, cards=["0", "1"])
    jobs = [a_run(project, "a"), a_run(project, "b")]
    handles = list(first.submit(jobs))
    assert [project.wait_for(f"began-{name}") for name in "ab"] == ["0", "1"]
    first.cancel(handles[0])
    wait(first, handles[:1])
    second = Local(2, gpus=1, cards=["1", "0"])
    assert second.reconnect(jobs[0]) is None
    (found,) = [second.reconnect(jobs[1])]
    assert found is not None
    (third,) = second.submit([a_run(project, "c")])
    assert project.wait_for("began-c") == "0"
    (tmp_path / "go").touch()
    wait(second, [found, third])
    wait(first, handles)


LEAVES = """
import subprocess, sys
code = "import signal as s, time; s.signal(15, s.SIG_IGN); print('on', flush=True); time.sleep(90)"
for words in (["sleep", "90"], [sys.executable, "-c", code]):
    child = subprocess.Popen(words, stdout=subprocess.PIPE)
assert child.stdout.readline() == b"on\\n"
"""


@pytest.mark.slow
def test_what_a_run_leaves_behind_is_ended_before_it_counts_as_over(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("t.py", LEAVES)
    place = Local(1)
    (handle,) = place.submit([a_run(project, "d")])
    until = time.monotonic() + 60
    while project.store.exists() is False or not list(
        project.store.glob("runs/*/executions/1/end.json")
    ):
        assert time.monotonic() < until
        time.sleep(0.05)
    (start,) = [view.folder.start(1) for view in project.views()]
    assert len(in_session(start.pid)) >= 2  # nobody has looked yet
    assert not place.look([handle])[0].is_over
    wait(place, [handle])
    assert place.look([handle])[0].exit_code == 0
    assert in_session(start.pid) == set()
