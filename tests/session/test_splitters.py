"""Splits that libraries make: recorded as they are, and neither result nor draw changed by it."""

from typing import Any

import pytest

from samebit.folders.splits import splits_of
from samebit.session.reading import RecordedRun
from tests.projects import Project

pytest.importorskip("torch")
pytest.importorskip("sklearn")
np = pytest.importorskip("numpy")

# Run plainly and recorded: what it prints must not differ.
SCRIPT = """
import json, sys, traceback
import numpy as np, torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV, GroupKFold, KFold, LeaveOneOut, RepeatedKFold, StratifiedKFold,
    TimeSeriesSplit, cross_val_score, train_test_split,
)
from torch.utils.data import Subset, TensorDataset, random_split

if sys.argv[1] == "recorded":
    import samebit
    samebit.init()
np.random.seed(5)
torch.manual_seed(6)
found = {}

def note(name, *lists):
    found[name] = [np.asarray(one).tolist() for one in lists]

data = TensorDataset(torch.arange(100.0).reshape(50, 2), torch.arange(50) % 2)
first, second = random_split(data, [40, 10])
note("random_split", first.indices, second.indices)
inner = random_split(first, [0.75, 0.25], generator=torch.Generator().manual_seed(3))
note("random_split 2", *([first.indices[at] for at in one.indices] for one in inner))
order = torch.randperm(50)
note("Subset", Subset(data, order[:30]).indices, Subset(data, order[30:]).indices)
x, y = np.random.rand(60, 3), np.arange(60) % 3
groups = np.arange(60) // 5
numbers = np.arange(60)
note("train_test_split", *train_test_split(x, y, numbers, random_state=7, stratify=y)[4:])
note("train_test_split 2", *train_test_split(numbers, shuffle=False))
note("train_test_split 3", *train_test_split(numbers, train_size=10, test_size=5))
for name, splitter, given in (
    ("KFold", KFold(4, shuffle=True, random_state=0), (x,)),
    ("GroupKFold", GroupKFold(3), (x, y, groups)),
    ("StratifiedKFold", StratifiedKFold(3, shuffle=True), (np.zeros(60), y)),
    ("RepeatedKFold", RepeatedKFold(n_splits=2, n_repeats=2, random_state=1), (x, y)),
    ("TimeSeriesSplit", TimeSeriesSplit(3), (x,)),
):
    for at, pair in enumerate(splitter.split(*given)):
        note(f"{name}/{at}", *pair)
note("LeaveOneOut/0", *next(LeaveOneOut().split(x[:5])))
note("KFold 2/0", *next(iter(KFold(2).split(X=list("abcdef")))))
GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=KFold(3)).fit(x, y)
scores = cross_val_score(LogisticRegression(), x, y, cv=KFold(3))
errors = []
for wrong in (
    lambda: random_split(data, [1, 2]),
    lambda: random_split(),
    lambda: Subset(data),
    lambda: train_test_split(x, y[1:]),
    lambda: train_test_split(),
    lambda: list(KFold(3).split(x[:2])),
    lambda: list(StratifiedKFold(3).split(x)),
):
    try:
        wrong()
    except Exception:
        errors.append(traceback.format_exc())
names = Subset(dict(a=1, b=2), ["a", "b"])  # items that are not numbered
print(json.dumps([found, scores.tolist(), errors, np.random.rand(), torch.rand(1).item()]))
"""
PARTS = {"random_split": ["0", "1"], "Subset": ["0", "1"]}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, RecordedRun, str]:
    """What the script printed without us, the run, and what was said."""
    project = Project(tmp_path_factory.mktemp("splits"))
    project.write("a.py", SCRIPT)
    plain = project.python("a.py", "plain", PYTHONHASHSEED="1")
    recorded = project.python("a.py", "recorded", PYTHONHASHSEED="1")
    assert (plain.code, recorded.code) == (0, 0), (plain, recorded)
    assert recorded.out == plain.out
    return plain.json, RecordedRun(project.view()), recorded.err


@pytest.mark.slow
def test_nothing_is_changed_and_nothing_said(ran: tuple[Any, RecordedRun, str]) -> None:
    found, _, said = ran
    assert said == ""
    assert len(found[2]) == 7  # errors, with their tracebacks


def test_every_call_of_the_script_is_a_split_and_no_other(
    ran: tuple[Any, RecordedRun, str],
) -> None:
    found, run, _ = ran
    assert set(run.splits) == set(found[0])
    for name, lists in found[0].items():
        split = run.split(name)
        assert [rows.tolist() for rows in split.indices().values()] == lists, name
        names = PARTS.get(name.partition(" ")[0], ["train", "test"])
        assert list(split.parts) == names
        assert split.at is not None
        assert "a.py:" in split.at


def test_method_parameters_seed_and_keys_are_those_of_the_call(
    ran: tuple[Any, RecordedRun, str],
) -> None:
    _, run, _ = ran
    one = {name: run.split(name).manifest for name in run.splits}
    assert one["random_split"].generator is not None
    assert one["random_split"].generator["of"] == "torch"
    assert one["random_split"].generator["seed"] == 6
    assert (one["random_split 2"].seed, one["random_split 2"].parameters) == (
        3,
        {"lengths": [0.75, 0.25]},
    )
    assert one["random_split 2"].covered == 40
    assert one["Subset"].covered == 50
    drawn = one["train_test_split"]
    assert (drawn.method, drawn.seed) == ("sklearn.model_selection.train_test_split", 7)
    assert drawn.parameters == {"shuffle": True, "test_size": None, "train_size": None}
    assert drawn.stratify is not None
    assert drawn.stratify.counts == {"0": 20, "1": 20, "2": 20}
    assert drawn.parts[1].labels == {"0": 5, "1": 5, "2": 5}
    assert drawn.data.ids is not None
    assert (one["train_test_split 2"].generator, one["train_test_split 2"].seed) == (None, None)
    assert one["train_test_split 3"].generator is not None
    assert one["train_test_split 3"].generator["of"] == "numpy"
    assert one["KFold/0"].parameters == {"n_splits": 4, "shuffle": True}
    assert one["KFold/0"].seed == 0
    assert one["GroupKFold/1"].groups is not None
    assert (one["GroupKFold/1"].groups.distinct, one["GroupKFold/1"].groups_shared) == (12, ())
    assert one["StratifiedKFold/0"].data.ids is None  # of np.zeros, which stands for the rows
    assert one["RepeatedKFold/3"].parameters == {"n_repeats": 2, "n_splits": 2, "cv": "KFold"}
    assert one["KFold 2/0"].data.what == "ids"


SMALL = """
import samebit, torch
samebit.init(seed=1)
parts = torch.utils.data.random_split(range(9), [6, 3])
print([list(part.indices) for part in parts], len(torch.utils.data.Subset(range(9), [1])))
"""


def test_a_hook_that_fails_is_said_once_and_the_script_goes_on(project: Project) -> None:
    project.write("a.py", SMALL)
    ended = project.python("a.py", SAMEBIT_FAULTS="hooks.splits=raise")
    assert (ended.code, ended.err.count("hooks.splits")) == (0, 1)
    assert splits_of(project.view()) == {}
    assert ended.out.endswith("] 1\n")


BOUNDS = """
import numpy as np, samebit
from sklearn.model_selection import LeaveOneOut
from torch.utils.data import Dataset, Subset
class Items(Dataset):
    def __len__(self): return 200
    def __getitem__(self, at): raise RuntimeError("nobody may ask")
run = samebit.init()
for pair in LeaveOneOut().split(np.arange(300.0)[:, None]):
    pass
data = Items()
for at in range(130):
    Subset(data, [at])
"""


@pytest.mark.slow
def test_of_very_many_folds_and_parts_the_first_are_kept_and_it_is_said(project: Project) -> None:
    project.write("a.py", BOUNDS)
    ended = project.python("a.py", PYTHONHASHSEED="1")
    assert ended.code == 0
    found = splits_of(project.view())
    assert len(found) == 256 + 1
    assert len(found["Subset"]["parts"]) == 128
    assert "split LeaveOneOut: more than 256 folds of one split" in ended.err
    assert "split Subset: more than 128 parts of one data set" in ended.err
    assert "Traceback" not in ended.err
