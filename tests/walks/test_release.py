"""Runs are recorded, verified and released; a stranger with nothing but the zip runs them."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.projects import SAMEBIT, Ended, Project

pytest.importorskip("numpy")
pytestmark = pytest.mark.slow  # a stranger's runs, each as a process of its own

TRAIN = """
    import argparse, json, os
    import numpy as np
    import samebit

    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    rows = np.loadtxt("data/digits.csv", delimiter=",")
    order = rng.permutation(len(rows))
    train, test = order[:60], order[60:]
    run = samebit.init(config=vars(args), seed=args.seed)
    run.splits(of=rows, train=train, test=test)
    w = rng.normal(0, 0.01, (8, 4))
    run.trace(params={"w": w})
    for step in range(1, 13):
        x, y = rows[train, :8], rows[train, 8].astype(int)
        p = np.exp(x @ w)
        p /= p.sum(1, keepdims=True)
        loss = float(-np.log(p[np.arange(len(y)), y]).mean())
        p[np.arange(len(y)), y] -= 1
        w -= args.lr * x.T @ p / len(y)
        run.trace(loss=loss, params={"w": w}, hyper={"lr": args.lr})
        run.log({"loss": loss})
    run.log({"acc": float(((rows[test, :8] @ w).argmax(1) == rows[test, 8]).mean())})
    os.makedirs("out", exist_ok=True)
    with open("out/weights.json", "w") as stream:
        json.dump(w.tolist(), stream)
    run.finish()
"""


RESUMED = """
    import sys
    import numpy as np
    import samebit

    rows = np.loadtxt("data/digits.csv", delimiter=",")
    run = samebit.init(seed=1)
    w, begin = np.zeros(9), 0
    if (went := run.resume_state()) is not None:
        w, begin = went.extra["w"], went.extra["at"]
    run.trace(params={"w": w})
    for at in range(begin, 12):
        w = w + 0.1 * rows[at]
        run.trace(at + 1, params={"w": w}, loss=float(w.sum()))
        run.log({"loss": float(w.sum())}, step=at + 1)
        if begin == 0 and at == 5:
            run.checkpoint(extra={"w": w, "at": at + 1})
        if begin == 0 and at == 7:
            sys.exit(3)
"""


class Walk:
    """A project with two runs, one verified, and its zip in another home."""

    def __init__(self, top: Path) -> None:
        self.project = Project(top / "project")
        self.project.path.mkdir()
        self.away = top / "away"
        self.away.mkdir()
        self.project.write("train.py", TRAIN)
        self.project.write("LICENSE", "MIT License\n")
        self.project.write(".gitignore", "data/\nout/\n")  # or they were part of the code
        rows = [[(i * j) % 7 / 7 for j in range(1, 9)] + [i % 4] for i in range(1, 81)]
        text = "\n".join(",".join(map(str, row)) for row in rows)
        self.project.write("data/digits.csv", text + "\n")
        for words in (["init", "-q"], ["add", "-A"]):
            assert self.project.call("git", *words).code == 0
        for seed in ("1", "2"):
            done = self.project.run("train.py", "--seed", seed)
            assert done.code == 0, done.err
        verified = self.project.call(SAMEBIT, "verify", "@last", "--json")
        assert verified.json["grade"] == "identical", verified.out
        self.ids = [v.id for v in self.project.views() if v.record.kind == "run"]
        self.words = ("release", *self.ids, "--no-lock")

    def make(self, *words: str) -> Ended:
        config = str(self.away.parent / "config")
        return self.project.call(SAMEBIT, *self.words, *words, XDG_CONFIG_HOME=config)

    def stranger(self, *words: str) -> Ended:
        """Somebody else at another place, from where the project cannot be seen."""
        home = str(self.away)
        return self.project.call(
            SAMEBIT,
            "release",
            *words,
            cwd=self.away,
            HOME=home,
            XDG_CONFIG_HOME=home,
            SAMEBIT_DIR=str(self.away / "none"),
            SAMEBIT_CACHE=str(self.away / "cache"),
        )


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    return Walk(tmp_path_factory.mktemp("release"))


def data_of(ended: Ended, code: int) -> dict[str, Any]:
    assert ended.code == code, ended.out + ended.err
    return ended.json


def test_a_stranger_runs_the_zip_and_gets_the_same_bits(walk: Walk) -> None:
    made = walk.make("--to", str(walk.away / "given.zip"), "--with", "data", "--json")
    assert made.code == 0, made.err
    hidden = walk.project.path.rename(walk.project.path.with_name("hidden"))
    try:
        read = walk.stranger("check", "given.zip", "--json")
        assert read.code == 6  # every byte is right, and nobody knows the key
        found = json.loads(read.out)
        assert found["wrong"] == []
        assert "signed by an unknown key" in found["unclear"][0]
        asked = walk.stranger("test", "given.zip", "--env", "here")
        assert asked.code == 2
        assert "--yes runs it" in asked.err
        found = data_of(walk.stranger("test", "given.zip", "--env", "here", "--yes", "--json"), 0)
    finally:
        hidden.rename(walk.project.path)
    assert [one["grade"] for one in found["runs"]] == ["identical", "identical"]
    for one in found["runs"]:
        assert "steps 1 to 12" in one["verdict"]["scope"][0]
        assert "final state identical: 1 array" in one["verdict"]["scope"]
        assert "metrics: 13 values" in one["compared"]["same"]
        assert any("1 of 1 have the same bytes" in line for line in one["compared"]["same"])
    assert all(item["good"] for item in found["complete"])
    assert not any("missing data" in hit for hit in found["hits"])
    assert any("Samebit itself is needed" in hit for hit in found["hits"])


def test_one_byte_that_was_changed_is_named_and_nothing_is_run(walk: Walk) -> None:
    walk.make("--to", str(walk.away / "whole"), "--with", "data")
    (walk.away / "whole/code/extra.py").write_text("")
    path = walk.away / "whole/data/data/digits.csv"
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    for words in (("check", "whole"), ("test", "whole", "--env", "here", "--yes")):
        ended = walk.stranger(*words)
        assert ended.code == 7
        assert "data/data/digits.csv has other bytes than were released" in ended.out
        assert "code/extra.py was not released" in ended.out
        assert "identical  run" not in ended.out


def test_other_numbers_are_different_and_missing_data_is_told(walk: Walk, tmp_path: Path) -> None:
    walk.make("--to", str(tmp_path / "bare"))
    found = data_of(
        walk.stranger(
            "test",
            str(tmp_path / "bare"),
            "--env",
            "here",
            "--yes",
            "--json",
            "--only",
            walk.ids[0],
        ),
        6,
    )
    assert any("missing data: 1 files" in hit for hit in found["hits"])
    good = {item["name"]: item["good"] for item in found["complete"]}
    assert good["dependencies"]
    assert not good["training code"]
    assert not good["evaluation code"]
    (only,) = found["runs"]
    assert "data/digits.csv not found" in only["console"]
    # Somebody who makes up results has to sum and sign them, too: and then the run shows it.
    walk.make("--to", str(tmp_path / "lie"), "--with", "data")
    lie = tmp_path / "lie"
    (run, _) = json.loads((lie / "release.json").read_text())["runs"]
    metrics = lie / run["metrics"]
    last = metrics.read_text().splitlines()[1]
    lied = metrics.read_text().replace(last, last.rpartition(",")[0] + ",0.99")
    metrics.write_text(lied)
    shutil.copy(lie / "SHA256SUMS", tmp_path / "old")
    from samebit.report.release.writing import Draft, sums_of

    (lie / "statement.dsse.json").unlink()
    (lie / "SHA256SUMS").unlink()
    (lie / "SHA256SUMS").write_text(sums_of(Draft(lie)))
    found = data_of(
        walk.stranger("test", str(lie), "--env", "here", "--yes", "--json", "--only", run["id"]), 5
    )
    assert "where 0.99 is stated" in found["runs"][0]["why"]


def test_an_anonymous_zip_is_run_by_its_readme_alone(walk: Walk) -> None:
    made = walk.make(
        "--to", str(walk.away / "hidden.zip"), "--with", "data", "--anonymous", "--json"
    )
    assert made.code == 0, made.err
    with zipfile.ZipFile(walk.away / "hidden.zip") as archive:
        assert not any(name.startswith("samebit/") for name in archive.namelist())
    found = data_of(walk.stranger("test", "hidden.zip", "--env", "here", "--yes", "--json"), 0)
    for one in found["runs"]:
        assert one["grade"] == "identical"
        assert one["verdict"] is None
        assert one["compared"]["same"][:3] == ["metrics: 13 values", "initial state", "state final"]


def test_the_code_of_a_bundle_writes_nowhere_else(walk: Walk, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    walk.project.write("write.py", f"open({str(outside)!r}, 'w').write('x')\n")
    assert walk.project.run("write.py").code == 0
    outside.unlink()
    assert (
        walk.project.call(
            SAMEBIT, "release", "@last", "--no-lock", "--to", str(tmp_path / "w")
        ).code
        == 0
    )
    found = walk.stranger("test", str(tmp_path / "w"), "--env", "here", "--yes", "--json")
    assert not outside.exists()
    assert found.code in (5, 6)
    assert "Permission denied" in found.json["runs"][0]["console"]


def test_a_run_that_was_resumed_is_run_again_from_its_record(walk: Walk, tmp_path: Path) -> None:
    project = Project(tmp_path / "resumed")
    project.path.mkdir()
    project.write("train.py", RESUMED)
    shutil.copytree(walk.project.path / "data", project.path / "data")
    assert project.run("train.py").code == 3
    assert project.run("--resume", "@last", "train.py").code == 0
    words = ("release", "@last", "--no-lock", "--with", "data")
    done = project.call(SAMEBIT, *words, "--to", str(tmp_path / "given.zip"))
    assert done.code == 0, done.err
    project.path.rename(tmp_path / "hidden")  # what it read comes from the bundle alone
    given = str(tmp_path / "given.zip")
    found = data_of(walk.stranger("test", given, "--env", "here", "--yes", "--json"), 0)
    scope = found["runs"][0]["verdict"]["scope"]
    assert scope[0].startswith("2 executions, steps 1 to ")
    assert any("1 of them laid out from released-data@" in line for line in scope)
