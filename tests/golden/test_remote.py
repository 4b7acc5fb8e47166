"""A remote that was written once is listed, pulled and checked for ever."""

import json
import shutil
from pathlib import Path

import pytest

from samebit.data import placing, versions
from samebit.data.fingerprints import fingerprint
from samebit.folders.find import find_run
from samebit.folders.read import read_run
from samebit.objects.store import Store
from tests.golden.test_data_versions import FINGERPRINT
from tests.golden.test_golden import samebit
from tests.loaded import load

GOLDEN = Path(__file__).parent / "remote-1"
RUN = "tw0parts00"


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copied = tmp_path_factory.mktemp("golden") / "remote"
    shutil.copytree(GOLDEN, copied)
    return copied


@pytest.fixture(scope="module")
def clone(remote: Path) -> Path:
    said = samebit(remote.parent, "clone", str(remote), "clone")
    assert said.code == 0, said.errors
    assert "1 run" in said.out
    return remote.parent / "clone"


def test_a_golden_remote_is_listed_and_checked(clone: Path) -> None:
    (row,) = json.loads(samebit(clone, "ls", "--remote", "origin", "--json").out)
    assert (row["id"], row["name"], row["state"]) == (RUN, "brave otter", "finished")
    (here,) = json.loads(samebit(clone, "ls", "--json").out)
    assert here == row
    shown = json.loads(samebit(clone, "remote", "show", "origin", "--json").out)
    assert (shown["runs"], shown["data"]) == ([RUN], ["golden"])
    checked = samebit(clone, "remote", "check", "origin", "--full", "--json")
    found = json.loads(checked.out)
    assert (checked.code, found["damaged"], found["hurt"]) == (0, {}, {})


def test_a_golden_remote_is_pulled_whole(clone: Path, tmp_path: Path) -> None:
    assert samebit(clone, "check").code == 0
    view = read_run(find_run(clone / ".samebit", RUN))
    assert (view.status, view.name, view.gaps) == ("finished", "brave otter", [])
    assert view.folder.executions() == [1, 2]
    assert view.metrics["loss"].values == [1 / step for step in range(1, 10)]
    assert [row.count for row in view.trace] == list(range(1, 10))
    store = Store(clone / ".samebit")
    for name, step in (("step 0", 0), ("final", 9)):
        (manifest,) = {f["manifest"] for f in view.all_facts("state") if f["name"] == name}
        assert load(store, manifest, as_torch=False)["model"]["seen"] == step
    placing.lay_out(
        store,
        placing.make_plan(store, versions.find_version(store.path, "golden"), tmp_path / "place"),
    )
    assert str(fingerprint(tmp_path / "place")) == FINGERPRINT


def test_nothing_of_a_golden_remote_is_sent_again(clone: Path) -> None:
    """What is there is known by the same names that are given today."""
    before = sorted(path.name for path in (clone.parent / "remote").rglob("*") if path.is_file())
    assert samebit(clone, "push").out == "origin has everything\n"
    after = sorted(path.name for path in (clone.parent / "remote").rglob("*") if path.is_file())
    assert after == before
