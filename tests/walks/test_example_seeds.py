"""The study in `examples/seeds`: made by its own script; what is said of it computed again by hand.

Nothing here uses `samebit.stats`: the numbers are worked out from the accuracies of the runs.
"""

import itertools
import json
import math
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy

from tests.docs.blocks import ROOT
from tests.projects import Project

# 57 trainings of less than a second of processor each.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The example's folder after `run.sh`."""
    pytest.importorskip("sklearn")
    if shutil.which("git") is None:
        pytest.skip("the example needs git")
    folder = tmp_path_factory.mktemp("example") / "seeds"
    shutil.copytree(ROOT / "examples/seeds", folder, ignore=shutil.ignore_patterns(".samebit"))
    project = Project(folder)
    done = subprocess.run(
        ["./run.sh"], cwd=folder, env=environ(project), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    assert "5 pairs do not tell which is better; width-64 is ahead" in said
    assert said.index("5 pairs do not tell") < said.index("width-64 is better than width-32")
    return project


def environ(project: Project) -> dict[str, str]:
    own = project.environ()
    cache = str(project.path.parent / "cache")
    return own | {"PATH": f"{Path(sys.executable).parent}:{own['PATH']}", "SAMEBIT_CACHE": cache}


@cache
def told(project: Project, *words: str) -> Any:
    env = environ(project)
    command = [sys.executable, "-m", "samebit.cli.main", *words, "--json"]
    done = subprocess.run(command, cwd=project.path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def accuracies(found: Any) -> np.ndarray:
    """Of the runs that are no repeats."""
    runs = [run for run in found["runs"] if not run["repeat"]]
    return np.array([run["metrics"]["test/acc"] for run in runs])


def test_the_parts_of_the_variance_and_the_floor(made: Project) -> None:
    found = told(made, "seeds", "show", "crossed")
    cells = {
        (run["seeds"]["init"], run["seeds"]["order"]): run["metrics"]["test/acc"]
        for run in found["runs"]
        if not run["repeat"]
    }
    inits, orders = (sorted({cell[at] for cell in cells}) for at in (0, 1))
    table = np.array([[cells[init, order] for order in orders] for init in inits])
    rows, columns, grand = table.mean(axis=1), table.mean(axis=0), table.mean()
    rest = np.sum((table - rows[:, None] - columns + grand) ** 2) / 9
    by_rows, by_columns = (
        4 * np.sum((rows - grand) ** 2) / 3,
        4 * np.sum((columns - grand) ** 2) / 3,
    )
    variances = [max(0, (by_rows - rest) / 4), max(0, (by_columns - rest) / 4), rest]
    parts = found["result"]["crossing"]["parts"]
    assert [part["sd"] ** 2 for part in parts] == pytest.approx(variances)
    assert [part["share"] for part in parts] == pytest.approx(np.array(variances) / sum(variances))
    assert [part["test"]["p"] for part in parts[:2]] == pytest.approx(
        [scipy.f.sf(by / rest, 3, 9) for by in (by_rows, by_columns)]
    )
    assert parts[0]["share"] > parts[1]["share"]  # the first weights matter more than the order
    assert (found["result"]["floor"]["value"], found["result"]["floor"]["n"]) == (0, 2)


def test_the_mean_its_interval_and_the_best_of_n(made: Project) -> None:
    found = told(made, "seeds", "show", "crossed")
    values = np.sort(accuracies(found))
    n = len(values)
    assert n == 16
    half = scipy.t.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n)
    estimate = found["result"]["estimate"]
    assert [estimate[key] for key in ("value", "low", "high")] == pytest.approx(
        [values.mean(), values.mean() - half, values.mean() + half]
    )
    five = found["result"]["best"]["best"][4]
    every = [max(some) for some in itertools.combinations(values, 5)]
    assert (five["n"], five["value"]) == (5, pytest.approx(np.mean(every)))


def test_when_the_end_can_be_told(made: Project) -> None:
    found = told(made, "seeds", "show", "crossed")
    runs = found["result"]["group"]["runs"]
    logged = {view.record.id: view.points(np)["test/acc"].values for view in made.views()}
    curves = np.array([logged[run] for run in runs])
    endings = found["result"]["endings"]
    expected = [scipy.spearmanr(column, curves[:, -1])[0] for column in curves.T]
    assert endings["ranks"] == pytest.approx(expected)
    quarter = endings["stopped"][1]
    kept = sorted(curves, key=lambda curve: -curve[2])[:4]  # after 3 of 12 epochs
    assert quarter["cost"] == 16 * 0.25 + 4 * 0.75
    ties = [curve[-1] for curve in curves if curve[2] >= kept[-1][2]]
    assert quarter["found"] in ties


def test_twenty_pairs_tell_what_five_do_not(made: Project) -> None:
    found = told(made, "versus", "width-64", "width-32")
    values = np.array([pair["values"] for pair in found["pairs"]["pairs"]])
    off = np.round((values[:, 0] - values[:, 1]) * 797).astype(int)  # whole test digits
    assert len(off) == 20
    wins = (np.sum(off > 0) + np.sum(off == 0) / 2) / 20
    assert found["pairs"]["wins"]["value"] == pytest.approx(wins)
    half = scipy.t.ppf(0.975, 19) * (values[:, 0] - values[:, 1]).std(ddof=1) / math.sqrt(20)
    difference = found["pairs"]["difference"]
    assert difference["value"] == pytest.approx(np.mean(values[:, 0] - values[:, 1]))
    assert difference["high"] - difference["value"] == pytest.approx(half)
    assert found["pairs"]["tests"][0]["p"] == pytest.approx(flipped(off))
    assert found["pairs"]["tests"][0]["p"] < 0.05
    assert flipped(off[:5]) > 0.05
    assert found["verdict"].startswith("width-64 is better than width-32")
    assert any("test/acc was looked at 12 times" in one for one in found["warnings"])


def flipped(off: np.ndarray) -> float:
    """How many of all choices of signs give a sum as large; each difference counted in digits."""
    sums = np.zeros(1, dtype=int)
    for one in off:
        sums = np.concatenate([sums + one, sums - one])
    return float(np.mean(np.abs(sums) >= abs(off.sum())))
