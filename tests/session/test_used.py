"""`run.data`: what a training used is recorded, kept where asked, compared; nothing is harmed."""

from typing import Any

import pytest

from samebit.folders.used import data_of
from samebit.query.used import differences
from samebit.session.reading import RecordedRun
from tests.projects import SAMEBIT, Project

np = pytest.importorskip("numpy")

SCRIPT = """
import os, sys, random
import numpy as np
import samebit
run = samebit.init(seed=int(sys.argv[1]))
before = random.getstate()
x = np.arange(12.0).reshape(6, 2)
run.data("train", (x, x[:, 0] > 4), save=True)
run.data("test", x[:2])
class Items:
    def __len__(self):
        return 3
    def __getitem__(self, at):
        return np.full(2, random.random() * 0 + at), at
run.data("items", Items())
with open("table.csv", "w") as stream:
    stream.write("a,b")
run.data("file", "table.csv", save=True)
run.data("url", "s3://bucket/x")
run.data("train", {"x": np.arange(int(sys.argv[1]))})
x[:] = 0  # what was handed over is as it was then
assert random.getstate() == before
run.finish()
print("done")
"""


def test_data_is_recorded_as_it_was_and_given_back(project: Project) -> None:
    project.write("a.py", SCRIPT)
    ended = project.python("a.py", "3")
    assert (ended.code, ended.out) == (0, "done\n"), ended
    assert "s3:// is not read" in ended.err
    run = RecordedRun(project.view())
    assert run.data_names == ["train", "test", "items", "file", "train 2"]
    train = run.data("train")
    x, y = train.value()
    assert x.tolist() == np.arange(12.0).reshape(6, 2).tolist()
    assert y.tolist() == [False, False, False, True, True, True]
    assert (train.rows, train.is_kept, run.data("test").is_kept) == (6, True, False)
    facts: Any = data_of(project.view())
    assert facts["items"]["fingerprint"].startswith("fp1:items:")
    assert facts["train"]["at"].endswith("a.py:8")
    assert not project.view().seed_calls[1:]  # `init` alone has seeded
    version = facts["file"]["version"]
    assert project.call(SAMEBIT, "data", "checkout", version, "back.csv").code == 0
    assert (project.path / "back.csv").read_text() == "a,b"
    shown = project.call(SAMEBIT, "show", "@last").out
    assert "train    group:" in shown
    assert f"kept as {version}" in shown
    assert project.call(SAMEBIT, "check").code == 0
    project.python("a.py", "4")
    first, second = project.views()
    assert [line for _, line in differences(first, second)] == [
        f"train 2: group:{facts['train 2']['fingerprint'][10:18]} → "
        f"group:{data_of(second)['train 2']['fingerprint'][10:18]} (3 → 4 rows)"
    ]


@pytest.mark.parametrize("fault", ["run.data=raise", "run.data=error", "state.save=error"])
def test_our_own_trouble_never_stops_the_script(project: Project, fault: str) -> None:
    project.write("a.py", SCRIPT)
    ended = project.python("a.py", "3", SAMEBIT_FAULTS=fault)
    assert (ended.code, ended.out) == (0, "done\n")
    assert "Traceback" not in ended.err
    assert "training goes on" in ended.err


def test_only_a_wrong_name_or_sample_is_the_script_s_error(project: Project) -> None:
    project.write(
        "a.py",
        """
        import samebit
        run = samebit.init()
        for name, sample in ((3, 1), ("", 1), ("x", 0), ("x", True)):
            try:
                run.data(name, [1], sample=sample)
            except samebit.errors.UsageError as error:
                print(error.what)
        run.data("odd", object())
        run.data("gone", "no.csv", save=True)
        """,
    )
    ended = project.python("a.py")
    assert ended.code == 0, ended.err
    assert len(ended.out.splitlines()) == 4
    assert "data 'odd': there is no fingerprint of" in ended.err
    assert "data 'gone': there is nothing at that path" in ended.err


def test_trouble_with_items_is_said_of_each_data_by_its_name(project: Project) -> None:
    project.write(
        "a.py",
        """
        import samebit, torch
        class Broken(torch.utils.data.Dataset):
            def __len__(self):
                return 3
            def __getitem__(self, at):
                raise RuntimeError("no such picture")
        run = samebit.init()
        run.data("train", Broken())
        run.data("test", Broken())
        """,
    )
    ended = project.python("a.py")
    assert ended.code == 0, ended.err
    for name in ("train", "test"):
        assert f"data '{name}': RuntimeError: no such picture" in ended.err


def test_a_setting_keeps_what_the_script_did_not_ask_for(project: Project) -> None:
    project.write(
        "a.py",
        """
        import numpy, samebit
        run = samebit.init()
        run.data("kept", numpy.arange(3))
        run.data("not", numpy.arange(3), save=False)
        """,
    )
    assert project.python("a.py", SAMEBIT_DATA_SAVE="yes").code == 0
    run = RecordedRun(project.view())
    assert [run.data(name).is_kept for name in ("kept", "not")] == [True, False]
    assert run.data("kept").value().tolist() == [0, 1, 2]
