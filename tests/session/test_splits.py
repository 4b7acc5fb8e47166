"""`run.splits`: recorded beside the training, read again in another run; nothing harmed by it."""

from typing import Any, cast

import pytest

from samebit.data.splitting import Draft
from samebit.folders.splits import splits_of
from samebit.session.fitted import Fitted
from samebit.session.reading import RecordedRun
from samebit.session.splits import Splits
from samebit.session.splitters import Call
from tests.projects import Project

np = pytest.importorskip("numpy")

SCRIPT = """
import numpy as np, sys
import samebit
run = samebit.init()
x = np.arange(40.0).reshape(20, 2)
order = np.random.default_rng(int(sys.argv[1])).permutation(20)
run.splits(train=order[:15], test=order[15:], of=x, labels=np.arange(20) % 2)
order[:] = 0  # what was handed over is as it was then
run.splits({"all of them": range(20)}, name="again")
run.finish()
print("done")
"""
AGAIN = """
import numpy as np
import samebit
run = samebit.init()
split = samebit.open_run("@last-1").split("splits")
x = np.arange(40.0).reshape(20, 2)[::-1]
run.splits(split, of=x)
run.finish()
print(split.indices(x)["train"].tolist())
"""


def test_splits_are_recorded_and_used_in_another_run(project: Project) -> None:
    project.write("a.py", SCRIPT)
    assert project.python("a.py", "3").code == 0
    run = RecordedRun(project.view())
    order = np.random.default_rng(3).permutation(20)
    assert run.splits == ["splits", "again"]
    split = run.split("splits")
    assert {name: rows.tolist() for name, rows in split.indices().items()} == {
        "train": order[:15].tolist(),
        "test": order[15:].tolist(),
    }
    assert split.at is not None
    assert split.at.endswith("a.py:7")
    assert split.manifest.parts[1].labels == {
        str(label): int((order[15:] % 2 == label).sum()) for label in (0, 1)
    }
    project.write("b.py", AGAIN)
    ended = project.python("b.py")
    assert ended.json == [19 - at for at in order[:15].tolist()]
    fact = splits_of(project.views()[-1])["splits"]
    assert fact["from"] == {"run": run.id, "name": "splits", "manifest": split.digest}
    theirs = RecordedRun(project.views()[-1]).split().manifest
    ours = split.manifest
    assert theirs.method == "recorded"
    assert [p.ids_order for p in theirs.parts] == [p.ids_order for p in ours.parts]
    assert [p.set for p in theirs.parts] != [p.set for p in ours.parts]


@pytest.mark.parametrize("fault", ["run.splits=raise", "run.splits=error"])
def test_our_own_trouble_never_stops_the_script(project: Project, fault: str) -> None:
    project.write("a.py", SCRIPT)
    ended = project.python("a.py", "3", SAMEBIT_FAULTS=fault)
    assert (ended.code, ended.out) == (0, "done\n")
    assert "Traceback" not in ended.err
    assert "training goes on" in ended.err


FITTED = Fitted(lambda name, fact: None, lambda what, detail: None)


class Idle:
    """A keeper whose thread never comes to anything."""

    def later(self, job: object) -> None:
        pass


def test_of_very_many_splits_the_first_are_kept_and_it_is_said() -> None:
    said: list[str] = []
    splits = Splits(
        cast(Any, Idle()), said.append, lambda what, detail: said.append(detail), FITTED
    )
    draft = Draft("given", {"0": np.arange(3, dtype="u8")})
    for _ in range(1_000):
        splits.take(splits.name("Subset"), draft, None)
    assert not said
    splits.take("Subset", draft, None)  # one that is there is only written anew
    assert not said
    splits.take(splits.name("Subset"), draft, None)
    call = Call("torch.utils.data.Subset", "a.py:1", {})
    assert splits.met.describe(call) is None
    assert (
        said == ["more than 1,000 splits or 100,000,000 row numbers: later ones are not kept"] * 2
    )


def test_what_cannot_be_meant_is_said_at_the_call(project: Project) -> None:
    project.write("a.py", "import samebit\nsamebit.init().splits(train=[1, -1])\n")
    ended = project.python("a.py")
    assert ended.code == 1
    assert "samebit.errors.UsageError: a row number is below 0: -1" in ended.err
