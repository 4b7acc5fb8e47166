"""A day with a leak: a split that a script drew has equal rows in both parts, and it is found."""

import json
from pathlib import Path

import pytest

from samebit.cli.main import main
from tests.projects import Project

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

TRAIN = """
import samebit
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

iris = load_iris(as_frame=True).frame
iris.to_csv("iris.csv", index=False)
run = samebit.init(name="flowers")
train, test = train_test_split(iris, test_size=30, random_state=4)
print(sorted({101, 142} & set(test.index)))
"""


def test_a_leak_of_a_split_that_the_script_drew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(tmp_path)
    project.write("train.py", TRAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAMEBIT_DIR", str(project.store))
    ran = project.run("train.py")
    assert ran.code == 0, ran
    (test,) = ran.json  # the other of the two equal flowers is in train
    train = 243 - test

    assert main(["show", "flowers"]) == 0
    assert "equal rows: 1 of test in train; samebit data leaks" in capsys.readouterr().out
    assert main(["data", "leaks", "flowers"]) == 5
    said = capsys.readouterr().out.splitlines()
    assert said[1:4] == [
        "  duplicates",
        "    1 of 30 rows of test: equal to rows of train, in all that was handed over",
        f"      row {test} (train {train})",
    ]
    assert main(["data", "leaks", "flowers", "--data", "iris.csv", "--label=target", "--json"]) == 5
    (split,) = json.loads(capsys.readouterr().out)["splits"]
    found = {one["kind"]: one["rows"] for one in split["found"]}
    assert found == {kind: [[train, test]] for kind in ("features", "features_and_label")}
