"""Environments that are really built, by pip and by uv, from wheels on the disk."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from samebit.capture import environment
from samebit.errors import SamebitError
from samebit.replay import environments, installers
from samebit.replay.environments import CannotRebuild, Choice
from samebit.replay.installers import Tool
from samebit.replay.recipe import Mapped, Pin, Rebuilt, Recipe, make_recipe
from tests.replay import wheels

UV = installers.find_uv(os.environ)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.fill(tmp_path_factory.mktemp("wheels") / "shelf")


@pytest.fixture(autouse=True)
def _from_the_shelf(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in wheels.environ(shelf).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["pip", "uv"])
def uv(request: pytest.FixtureRequest) -> Tool | None:
    if request.param == "uv" and UV is None:
        pytest.skip("uv is not installed")
    return UV if request.param == "uv" else None


def choose(**versions: str) -> Choice:
    """The choice for a run that had these on this very Python."""
    here = environment.packages()["versions"]
    needed = {name: here[name] for name in map(environment.normalised, wheels.NEEDED)}
    packages = {"versions": {**needed, **versions}, "origins": {}, "installers": {}, "broken": []}
    facts = {"packages": packages, "interpreter": environment.interpreter()}
    recipe = make_recipe(facts, Path("/nowhere"), (), here)
    return environments.choose(recipe, facts["interpreter"], None, os.environ)


def build(cache: Path, choice: Choice, uv: Tool | None = None) -> Rebuilt:
    return environments.build(cache, choice, uv, lambda name: None)


def folders(cache: Path) -> list[Path]:
    return [path for path in (cache / "environments").iterdir() if path.is_dir()]


def test_it_has_the_versions_and_nothing_else_and_is_used_again(
    tmp_path: Path, uv: Tool | None
) -> None:
    choice = choose(leaf="1.0")
    assert environments.reuse(tmp_path, choice) is None
    begun: list[str] = []
    made = environments.build(tmp_path, choice, uv, begun.append)
    assert "leaf" in begun
    asked = "import leaf, sys; print(leaf.VALUE, sys.prefix)"
    done = subprocess.run([made.executable, "-c", asked], capture_output=True, text=True)
    assert done.stdout.split() == ["1.0", str(made.folder)]
    assert subprocess.run([made.executable, "-c", "import pip"], capture_output=True).returncode
    assert environments.reuse(tmp_path, choice) == made
    assert environments.reuse(tmp_path, choose(leaf="2.0")) is None
    count = len(wheels.NEEDED) + 1
    number, installer = environment.interpreter()["version"], "uv" if uv else "pip"
    assert made.sentence == (
        f"environment rebuilt: {count} packages, Python {number}, by {installer}"
    )
    ((kept, folder),) = environments.kept(tmp_path)
    assert made.folder.is_relative_to(folder)
    environments.remove(tmp_path, kept)
    assert (folders(tmp_path), environments.reuse(tmp_path, choice)) == ([], None)


def test_everything_that_cannot_be_had_is_named_at_once_and_nothing_is_kept(
    tmp_path: Path, shelf: Path, uv: Tool | None
) -> None:
    wheels.make_wheel(shelf, "later", "1.0", python="cp27", later="")
    choice = choose(leaf="9.9", absent="1.0", later="1.0", cuda="2.0+cu124")
    with pytest.raises(CannotRebuild) as raised:
        build(tmp_path, choice, uv)
    nowhere = "no index that is configured has it for this Python and platform"
    said = sorted(raised.value.reasons)
    assert [line.partition(":")[0] for line in said] == [
        "absent 1.0",
        "cuda 2.0+cu124",
        "later 1.0",
        "leaf 9.9",
    ]
    assert "no index has the local version +cu124" in said[1]
    assert said[0::2] == [f"absent 1.0: {nowhere}", f"later 1.0: {nowhere}"]
    assert folders(tmp_path) == []
    assert environments.kept(tmp_path) == []


@pytest.mark.skipif(UV is None, reason="uv is not installed")
def test_what_uv_does_not_find_pip_may(
    tmp_path: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = shelf.parent / "small"
    small.mkdir()
    for wheel in shelf.glob("*.whl"):
        if "leaf" not in wheel.name:
            (small / wheel.name).hardlink_to(wheel)
    monkeypatch.setenv("UV_FIND_LINKS", str(small))
    made = build(tmp_path, choose(leaf="2.0"), UV)
    assert made.sentence.endswith(", by uv and pip")
    assert made.by.startswith("uv ")


def test_no_index_that_answers_is_one_sentence(
    tmp_path: Path, uv: Tool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.delenv(name)
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.setenv(name, "http://me:hidden@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")  # with none, pip does not say why
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(CannotRebuild) as raised:
        build(tmp_path, choose(leaf="1.0"), uv)
    kind = "uv" if uv else "pip"
    assert raised.value.reasons == [f"{kind} reaches no index: this machine may be offline"]


def test_what_installs_more_than_its_name_says_is_refused(tmp_path: Path, shelf: Path) -> None:
    inside = {"two-1.0.data__purelib__guest-3.dist-info__METADATA": "Name: guest\nVersion: 3\n"}
    wheels.make_wheel(shelf, "two", "1.0", two="", **inside)
    with pytest.raises(CannotRebuild) as raised:
        build(tmp_path, choose(two="1.0"))
    assert raised.value.reasons == ["guest 3: the run had none"]


def test_a_recorder_that_does_not_work_there_is_said_before_anything_runs(
    tmp_path: Path, shelf: Path
) -> None:
    wheels.make_wheel(shelf, "xxhash", "0.1", xxhash="raise ImportError('too old')\n")
    with pytest.raises(CannotRebuild) as raised:
        build(tmp_path, choose(xxhash="0.1"))
    (reason,) = raised.value.reasons
    assert reason == "the recorder does not work with what the run had: ImportError: too old"


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.replay.test_environments import choose, environments
def begun(name): os.kill(os.getpid(), signal.SIGKILL)
environments.build(Path(sys.argv[1]), choose(leaf="1.0"), None, begun)
"""


def test_a_killed_build_leaves_nothing_that_counts_and_the_next_one_tidies_up(
    tmp_path: Path,
) -> None:
    root = str(Path(__file__).parent.parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], env={**os.environ, "PYTHONPATH": root}
    )
    assert done.returncode == -signal.SIGKILL
    (left,) = folders(tmp_path)
    choice = choose(leaf="1.0")
    assert environments.kept(tmp_path) == []
    assert environments.reuse(tmp_path, choice) is None
    made = build(tmp_path, choice)
    assert not left.exists()
    assert folders(tmp_path) == [made.folder.parent]


def test_two_builders_at_once_give_one_environment(tmp_path: Path) -> None:
    choice = choose(leaf="1.0")
    made: list[Rebuilt] = []
    both = threading.Barrier(2)

    def one() -> None:
        both.wait()
        made.append(build(tmp_path, choice))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made[0] == made[1]
    assert folders(tmp_path) == [made[0].folder.parent]


def test_one_whose_python_is_gone_is_made_again(tmp_path: Path) -> None:
    choice = choose(leaf="1.0")
    made = build(tmp_path, choice)
    Path(made.executable).unlink()
    assert environments.reuse(tmp_path, choice) is None
    again = build(tmp_path, choice)
    assert again.folder != made.folder
    assert os.access(again.executable, os.X_OK)


def test_without_a_fitting_python_the_version_is_named(tmp_path: Path) -> None:
    recipe = Recipe("3.99.2", "cpython-399", (Pin("x", "1", "x==1"),), problems=("y is not here",))
    with pytest.raises(CannotRebuild) as raised:
        environments.choose(recipe, {}, None, {"PATH": str(tmp_path)})
    other, python = raised.value.reasons
    assert other == "y is not here"
    assert "no Python 3.99 (cpython-399) is here; it ran on 3.99.2" in python
    assert isinstance(raised.value, SamebitError)


def test_beside_it_lie_this_samebit_and_the_names_of_what_is_mapped(tmp_path: Path) -> None:
    mapped = Mapped("my-lib", "0.3", "editable", "file:///home/me/lib", "/home/me/lib")
    environments.lay_beside(tmp_path / "beside", Recipe("3.11", "", (), (mapped,)))
    assert (tmp_path / "beside/samebit/replay/recipe.py").is_file()
    asked = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); "
        "from samebit.capture import environment; "
        "print(json.dumps(environment.packages()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked, str(tmp_path / "beside")], capture_output=True, text=True
    )
    told = json.loads(done.stdout)
    assert told["versions"]["my-lib"] == "0.3"
    assert told["origins"]["my-lib"] == {"kind": "editable", "url": "file:///home/me/lib"}
