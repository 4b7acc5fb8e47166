"""A day with splits: drawn, looked at, used where the data moved, compared, verified."""

import json
from pathlib import Path

import pytest

from samebit.cli.main import main
from tests.projects import SAMEBIT, Project

pytest.importorskip("sklearn")
pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

MAKE = """
import numpy as np, pandas as pd
chance = np.random.default_rng(0)
frame = pd.DataFrame({"a": chance.normal(size=90), "b": chance.normal(size=90)})
frame["y"] = (frame.a + frame.b > 0).astype("int64")
frame.to_parquet("data.parquet", index=False)
frame.sample(frac=1, random_state=1).to_parquet("moved.parquet", index=False)
"""
TRAIN = """
import os
import pandas as pd
import samebit
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

run = samebit.init()
frame = pd.read_parquet("data.parquet")
seed = int(os.environ.get("SPLIT_SEED", 0))
train, test = train_test_split(frame, test_size=30, stratify=frame.y, random_state=seed)
model = SGDClassifier(random_state=0)
for step in range(4):
    model.partial_fit(train[["a", "b"]].to_numpy(), train.y.to_numpy(), classes=[0, 1])
    run.trace(batch=train.to_numpy(), params=model)
run.log({"acc": model.score(test[["a", "b"]].to_numpy(), test.y.to_numpy())})
print(sorted(test.a.round(6).tolist()))
"""
# Another script, another framework, the data in another order: the same rows.
AGAIN = """
import pandas as pd, samebit

split = samebit.open_run("baseline").split()
frame = pd.read_parquet("moved.parquet")
rows = split.indices(frame)
with samebit.init(name="again") as run:
    run.splits(split, of=frame)
print(sorted(frame.iloc[rows["test"]].a.round(6).tolist()))
"""
# A script that has never heard of Samebit.
ALONE = """
import numpy as np, pandas as pd

rows = np.load("rows.npz")
print(sorted(pd.read_parquet("data.parquet").iloc[rows["test"]].a.round(6).tolist()))
"""


@pytest.mark.slow
def test_a_day_with_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(tmp_path)
    for name, text in (("make", MAKE), ("train", TRAIN), ("again", AGAIN), ("alone", ALONE)):
        project.write(f"{name}.py", text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAMEBIT_DIR", str(project.store))

    def samebit(*words: str, ends: int = 0) -> str:
        code, found = main(list(words)), capsys.readouterr()
        assert code == ends, found
        return found.out

    assert project.python("make.py").code == 0
    first = project.run("--name", "baseline", "train.py")
    assert first.code == 0, first
    assert "train_test_split  train 60, test 30, disjoint (train.py:11)" in samebit("show", "@last")
    said = samebit("split", "show", "baseline")
    for line in ("seed           0", "disjoint  yes", "coverage  90 of 90 rows"):
        assert line in said.splitlines()

    samebit("split", "export", "baseline", "-o", "rows.npz")
    assert project.python("alone.py").json == first.json
    again = project.python("again.py")
    assert again.json == first.json, again
    found = json.loads(samebit("split", "use", "baseline", "moved.parquet"))
    assert {name: len(rows) for name, rows in found["parts"].items()} == {"train": 60, "test": 30}

    verified = project.call(SAMEBIT, "verify", "baseline")
    assert verified.code == 0, verified
    assert "splits identical: 1 of 1" in verified.out
    assert project.run("--name", "other", "train.py", SPLIT_SEED="1").code == 0
    differs = samebit("diff", "baseline", "other", ends=5)
    assert "splits\n  train_test_split: train has other rows, " in differs
    assert "(seed 0 → 1)" in differs
    assert "splits  the same" in samebit("diff", "baseline", "baseline")
