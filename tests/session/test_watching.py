"""Workers and child processes tell which files they opened, and the run has their digests."""

import os
from pathlib import Path
from typing import Any

import pytest

from samebit import digest
from samebit.folders.read import View
from tests.projects import SAMEBIT, TOLD, Project

LOADER = """
import sys, torch
from pathlib import Path

class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 6
    def __getitem__(self, at):
        from safetensors.torch import load_file  # in the worker, where it is loaded late
        with open(f"data/{at}.txt") as file:
            return load_file(f"data/{at}.safetensors")["x"] * float(file.read())

if __name__ == "__main__":
    torch.set_num_threads(1)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(
        Numbers(), batch_size=3, num_workers=2, multiprocessing_context=sys.argv[1])
    for _ in range(2):
        for batch in loader:
            model(batch).sum().backward()
            optimizer.step()
"""


def told(view: View) -> dict[str, dict[str, Any]]:
    """By the end of the path, what all facts of it say together."""
    found: dict[str, dict[str, Any]] = {}
    for fact in view.all_facts("file"):
        name = "/".join(Path(fact["path"]).parts[-2:])
        found[name] = {**found.get(name, {}), **fact}
    return found


@pytest.fixture
def data(project: Project) -> Path:
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    folder = project.path / "data"
    folder.mkdir()
    for at in range(6):
        (folder / f"{at}.txt").write_text(str(at))
        safetensors.save_file({"x": torch.ones(1) * at}, folder / f"{at}.safetensors")
        for end in ("txt", "safetensors"):
            os.utime(folder / f"{at}.{end}", ns=(10**18, 10**18))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_what_loader_workers_read_is_in_the_run(project: Project, data: Path, method: str) -> None:
    project.write("train.py", LOADER)
    ended = project.run("train.py", method)
    assert (ended.code, ended.err) == (0, "")
    view = project.view()
    found = told(view)
    for at in range(6):
        for name in (f"{at}.txt", f"{at}.safetensors"):
            assert found[f"data/{name}"]["how"] == "read"
            assert found[f"data/{name}"]["digest"] == digest.of_file(data / name)[0]
            by_workers = [
                fact
                for fact in view.all_facts("file")
                if fact["path"] == str(data / name) and "pid" in fact
            ]
            assert len(by_workers) == 1  # and not once each epoch
    assert view.all_facts("child") == []
    assert view.missing == []


CHILDREN = """
import subprocess, sys
open("raw.txt").close()
subprocess.run([sys.executable, "prepare.py", "--token", "hunter2hunter2"], check=True)
subprocess.run(["sh", "-c", "cat raw.txt > copy.txt"], check=True)
assert open("made.txt").read() == "made"
open("copy.txt").close()
"""


def test_a_python_that_the_run_starts_tells_what_it_opened(project: Project) -> None:
    for name in ("raw.txt", "deep.txt"):
        (project.path / name).write_text("raw")
        os.utime(project.path / name, ns=(10**18, 10**18))
    project.write("prepare.py", "open('deep.txt').read(); open('made.txt', 'w').write('made')")
    project.write("train.py", CHILDREN)
    ended = project.run("train.py")
    assert (ended.code, ended.err) == (0, "")
    view = project.view()
    found = {name.rpartition("/")[2]: fact for name, fact in told(view).items()}
    assert found["deep.txt"]["how"] == "read"
    assert found["deep.txt"]["digest"] == digest.of_bytes(b"raw")
    assert found["made.txt"]["how"] == "write"
    assert found["made.txt"]["digest"] == digest.of_bytes(b"made")
    assert found["copy.txt"]["how"] == "write"  # of `sh`, by its time of change
    told_itself = [fact for fact in view.all_facts("child") if fact.get("watched")]
    assert [fact["command"][1] for fact in told_itself] == ["prepare.py"]
    assert found["deep.txt"]["pid"] == told_itself[0]["pid"]
    commands = [fact["command"] for fact in view.all_facts("child") if "pid" not in fact]
    assert [command[0].rpartition("/")[2][:6] for command in commands] == ["python", "sh"]
    assert "hunter2" not in repr(view.all_facts("child"))


def test_a_second_python_of_a_shell_tells_what_it_opened(project: Project) -> None:
    (project.path / "data.txt").write_text("x")
    project.write("second.py", "open('data.txt').read()")
    ended = project.run("--", "sh", "-c", "python3 -c pass; python3 second.py", PATH=_path())
    assert (ended.code, ended.err) == (0, "")
    found = {Path(fact["path"]).name: fact for fact in project.view().all_facts("file")}
    assert found["data.txt"]["how"] == "read"


def _path() -> str:
    import sys

    return os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]


SPAWNING = """
import multiprocessing, samebit
def work():
    open("data.txt").read()
if __name__ == "__main__":
    run = samebit.init()
    for _ in range(2):
        process = multiprocessing.get_context("{method}").Process(target=work)
        process.start()
        process.join()
"""


@pytest.mark.parametrize(("method", "is_said"), [("spawn", True), ("fork", False)])
def test_workers_that_are_not_watched_are_said(
    project: Project, method: str, is_said: bool
) -> None:
    """Begun by `init()`, nothing of us is in a spawned worker."""
    (project.path / "data.txt").write_text("x")
    project.write("train.py", SPAWNING.format(method=method))
    ended = project.python("train.py", PYTHONHASHSEED="0")
    assert ended.code == 0
    assert ended.err.count("spawned workers") == is_said
    assert any("spawned workers" in line for line in project.view().missing) == is_said


def test_a_file_that_changed_meanwhile_is_missing(project: Project) -> None:
    (project.path / "data.txt").write_text("x")
    project.write("train.py", "import os; open('data.txt').read(); os.system('echo y > data.txt')")
    project.run("train.py")
    view = project.view()
    assert any("changed while the run used them" in line for line in view.missing)
    assert str(project.path / "data.txt") in " ".join(view.missing)


def test_what_was_used_is_said_apart_from_the_metrics(project: Project) -> None:
    project.write("train.py", "sum(range(3_000_000))")
    project.run("train.py")
    view = project.view()
    (used,) = view.all_facts("use")
    assert used["wall_s"] > 0
    assert used["peak_rss_bytes"] > 1_000_000
    assert view.metrics == {}
    assert view.machine["cpu_s"].values[-1] == used["cpu_s"]
    assert len(view.machine["cpu_s"].values) == used["samples"]
    project.run("train.py", SAMEBIT_MACHINE_S="0")
    assert project.views()[-1].all_facts("use") == []


@pytest.mark.slow
def test_digests_are_taken_once_for_many_runs(project: Project, tmp_path: Path) -> None:
    """The second run has no budget, and knows the digest all the same."""
    (project.path / "data.txt").write_text("x")
    import time

    time.sleep(2.1)  # before, it might still be changed without a trace
    project.write("train.py", "open('data.txt').read()")
    cache = {"SAMEBIT_CACHE": str(tmp_path / "cache")}
    project.run("train.py", **cache)
    project.run("train.py", SAMEBIT_FILES_HASH_BUDGET_MB="0", **cache)
    for view in project.views():
        found = {Path(fact["path"]).name: fact for fact in view.all_facts("file")}
        assert found["data.txt"]["digest"] == digest.of_bytes(b"x")


def test_a_library_whose_files_cannot_be_seen_is_named_as_missing(project: Project) -> None:
    project.write("ffcv.py", "")
    project.write("a.py", "import ffcv\n")
    assert project.run("a.py").code == 0
    view = project.view()
    assert view.facts["unseen"] == ["FFCV"]
    shown = project.call(SAMEBIT, "show", view.id).out
    assert "files that FFCV read are known only where they were seen open" in shown


@pytest.mark.slow
def test_what_is_held_open_when_a_loader_begins_is_seen(project: Project) -> None:
    pytest.importorskip("pyarrow")
    project.write("held.bin", "x" * 1000)
    project.write("told.py", TOLD)
    project.write(
        "a.py",
        """
        import pyarrow, torch
        from told import wait_until_told
        loader = torch.utils.data.DataLoader(torch.ones(2, 1))
        list(loader)
        held = pyarrow.OSFile("held.bin")  # of no class that can be wrapped
        for batch in loader:
            wait_until_told("/held.bin")
        held.close()
        """,
    )
    assert project.run("a.py").code == 0
    (fact,) = [f for f in project.view().files if f["path"].endswith("held.bin")]
    assert (fact["how"], fact["seen"]) == ("read", "mapped")
