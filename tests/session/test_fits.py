"""Transformers that a script fits: on which rows of its splits, and nothing changed by looking."""

import json
from typing import Any

import pytest

from samebit.data.fit_leaks import of_fits
from samebit.data.leaks import PREPROCESSING, SELECTION
from samebit.folders.read import View
from tests.projects import SAMEBIT, Project

np = pytest.importorskip("numpy")
pytest.importorskip("sklearn")
pytest.importorskip("pandas")
pytest.importorskip("torch")

# Run plainly and recorded: what it prints must not differ.
SCRIPT = """
import json, sys, traceback
import numpy as np, pandas as pd, torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, Normalizer, StandardScaler

if sys.argv[1] == "recorded":
    import samebit
    samebit.init()

class Mine(BaseEstimator, TransformerMixin):
    def fit(self, X, y=None):
        self.mean_ = np.mean(X, axis=0)
        return self
    def transform(self, X):
        return X - self.mean_

np.random.seed(5)
found = []
iris, y = load_iris(return_X_y=True)
frame = load_iris(as_frame=True).frame
names = list(frame.columns[:4])

def note(*arrays):
    found.append([float(np.asarray(one, "f8").sum()) for one in arrays])

def split(*arrays, seed=4):
    return train_test_split(*arrays, test_size=30, random_state=seed)

# Each of them has data of its own, for they are in one process.
# 0: the mistake. Scaled and selected on all, then split.
x = iris + 10
scaled = SelectKBest(k=2).fit_transform(StandardScaler().fit_transform(x), y)
note(*split(scaled, y))
# 1: rightly. On the training part alone, by copies of it.
x = iris + 20
a, b, c, d = split(x, y)
scaler = StandardScaler().fit(a.copy())
pca = PCA(2, random_state=0).fit(scaler.transform(a), c)
note(pca.transform(scaler.transform(b)))
# 2: in a frame, as columns of it; by a class of the script's own.
whole = frame + 30
whole[names] = Mine().fit_transform(whole[names])
train, test = split(whole)
note(train[names], test[names])
# 3: columns of the training part of a frame.
train, test = split(frame + 40)
note(StandardScaler().fit(train[names[:3]]).transform(test[names[:3]]))
# 4: a pipeline that is fitted on all, and then asked about a part.
x = iris + 50
pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
note(split(x)[1])
# 5: texts, whose features are sparse.
texts = [f"word{at % 7} and word{at % 5}" for at in range(60)]
sparse = TfidfVectorizer().fit_transform(texts)
note(*(one.sum() for one in train_test_split(sparse, random_state=1)))
# Folds, each with its own; behind them all of it, which is for no fold.
x = iris + 60
for rows, others in KFold(3, shuffle=True, random_state=0).split(x, y):
    note(StandardScaler().fit(x[rows]).transform(x[others]))
StandardScaler().fit(x)
# 6 and 7: a loop over seeds, each with its own.
x = iris + 70
for seed in (1, 2):
    a, b = split(x, seed=seed)
    note(StandardScaler().fit(a).transform(b))
# Handed to torch as float32, and split there; one part after the other; to another library.
more = iris**2 + 80
more = StandardScaler().fit(more).transform(more)
held = torch.utils.data.TensorDataset(torch.tensor(more).float())
a, b = torch.utils.data.random_split(held, [120, 30], torch.Generator().manual_seed(1))
note(torch.stack([row for (row,) in a]))
held = torch.utils.data.TensorDataset(torch.tensor(iris + 90).float())
a, b = torch.utils.data.random_split(held, [120, 30], torch.Generator().manual_seed(1))
a, b = (np.stack([row.numpy() for (row,) in part]) for part in (a, b))
note(StandardScaler().fit(a).transform(b))
torch.utils.data.Subset(held, range(100)), torch.utils.data.Subset(held, range(100, 150))
# Nothing of these counts.
note(cross_val_score(make_pipeline(StandardScaler(), LogisticRegression()), x, y))
note(LabelEncoder().fit_transform(frame["target"]), Normalizer().fit_transform(x))
errors = []
for wrong in (
    lambda: StandardScaler().fit(),
    lambda: StandardScaler().fit(["a"]),
    lambda: StandardScaler().transform(x),
    lambda: PCA(9).fit_transform(x),
    lambda: make_pipeline(LogisticRegression()).fit_transform(x),
):
    try:
        wrong()
    except Exception:
        errors.append(traceback.format_exc())
note(clone(scaler).fit_transform(X=iris))
print(json.dumps([found, errors, np.random.rand(), hasattr(pipe, "transform")]))
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, View, Project]:
    project = Project(tmp_path_factory.mktemp("fits"))
    project.write("a.py", SCRIPT)
    plain, recorded = (project.python("a.py", word) for word in ("plain", "recorded"))
    assert plain.code == 0, plain.err
    assert recorded.code == 0, recorded.err
    return plain.json, recorded.json, project.view(), project


def test_results_draws_and_tracebacks_are_those_of_a_plain_run(runs: Any) -> None:
    plain, recorded, view, _ = runs
    assert recorded == plain
    assert not [p for p in view.all_facts("problem") if p["what"] != "too late for PYTHONHASHSEED"]


def judged(view: View, split: str) -> list[tuple[str, dict[str, int]]]:
    """What was fitted, and on how many rows of each part of a split; none of it is a guess."""
    lines = {fact["number"]: fact["method"] for fact in view.all_facts("fit")}
    return [
        (lines[fact["number"]], {name: count for name, count, *_ in fact["parts"]})
        for fact in view.all_facts("fitted")
        if fact["split"] == split and fact["unknown"] is None
    ]


ALL, RIGHT = {"train": 120, "test": 30}, {"train": 120, "test": 0}
JUDGED = {
    "train_test_split": [
        ("StandardScaler.fit_transform", ALL),
        ("SelectKBest.fit_transform", ALL),
    ],
    "train_test_split 2": [("StandardScaler.fit", RIGHT), ("PCA.fit", RIGHT)],
    "train_test_split 3": [("Mine.fit_transform", ALL)],
    "train_test_split 4": [("StandardScaler.fit", RIGHT)],
    "train_test_split 5": [("Pipeline.fit", ALL)],
    "train_test_split 6": [("TfidfVectorizer.fit_transform", {"train": 45, "test": 15})],
    "KFold/0": [("StandardScaler.fit", {"train": 100, "test": 0})],
    "KFold/1": [("StandardScaler.fit", {"train": 100, "test": 0})],
    "KFold/2": [("StandardScaler.fit", {"train": 100, "test": 0})],
    "train_test_split 7": [("StandardScaler.fit", RIGHT)],
    "train_test_split 8": [("StandardScaler.fit", RIGHT)],
    "random_split": [("StandardScaler.fit", {"0": 120, "1": 30})],
    "random_split 2": [("StandardScaler.fit", {"0": 120, "1": 0})],
}


@pytest.mark.parametrize("split", JUDGED)
def test_it_is_known_on_which_rows_of_a_split_something_was_fitted(runs: Any, split: str) -> None:
    assert judged(runs[2], split) == JUDGED[split]


def test_only_rows_of_later_parts_are_findings(runs: Any) -> None:
    view = runs[2]
    headings = [one.heading for one in of_fits(view, "train_test_split").found]
    assert headings == [PREPROCESSING, SELECTION]
    (one,) = of_fits(view, "train_test_split 6").found
    assert (one.first, one.second, one.count, one.of) == ("train", "test", 15, 15)
    assert not of_fits(view, "train_test_split 2").found


def test_splits_that_are_not_judged_are_said_to_be_so(runs: Any, project: Project) -> None:
    said = runs[3].call(SAMEBIT, "data", "leaks", "@last:Subset")
    assert "not judged: what was fitted: the parts of torch.utils.data.Subset" in said.out
    project.write(
        "a.py",
        """
        import numpy as np, samebit
        from sklearn.preprocessing import StandardScaler
        run = samebit.init()
        x = StandardScaler().fit_transform(np.eye(9))
        run.splits(train=range(6), test=range(6, 9))
        """,
    )
    project.python("a.py")
    said = project.call(SAMEBIT, "data", "leaks", "@last")
    assert "not judged: what StandardScaler.fit_transform (a.py:5) learned" in said.out


def test_labels_and_what_learns_nothing_are_no_fits(runs: Any) -> None:
    view = runs[2]
    methods = [fact["method"] for fact in view.all_facts("fit")]
    assert not [one for one in methods if one.startswith(("LabelEncoder", "Normalizer"))]
    assert methods.count("StandardScaler.fit_transform") == 2  # not those of `cross_val_score`


def test_the_command_says_it_and_the_rows(runs: Any) -> None:
    project = runs[3]
    ended = project.call(SAMEBIT, "data", "leaks", "@last:train_test_split")
    assert ended.code == 5
    lines = ended.out.splitlines()
    at = lines.index("  feature selection on all")
    assert lines[at + 1].startswith(
        "    30 of 30 rows of test: among the 150 rows that SelectKBest"
    )
    assert lines[at + 2].startswith("      rows ")
    said = json.loads(project.call(SAMEBIT, "data", "leaks", "@last", "--json").out)
    assert {"method", "kind", "at", "rows", "number"} == set(said["fits"][0])


@pytest.mark.parametrize("fault", ["hooks.fits=raise", "hooks.fits=error"])
def test_our_own_trouble_never_stops_the_script(project: Project, fault: str) -> None:
    project.write(
        "a.py",
        """
        import numpy as np, samebit
        from sklearn.preprocessing import StandardScaler
        samebit.init()
        print(StandardScaler().fit_transform(np.eye(3)).sum().round())
        """,
    )
    ended = project.python("a.py", SAMEBIT_FAULTS=fault)
    assert (ended.code, ended.out.strip("-")) == (0, "0.0\n"), ended
    assert "hooks.fits" in ended.err
    assert "Traceback" not in ended.err
