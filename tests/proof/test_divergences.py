"""At the right step, for the right cause, at the right operation: every injected divergence."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samebit.folders.read import View
from samebit.replay.pairs import compare_traces
from tests.projects import SAMEBIT, Project
from tests.proof.injected import ALIKE, CASES, Case

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

STILL = {"OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "1"}


class Pair:
    """The run that all others are compared with, and a folder for these."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder)
        source = Path(__file__).with_name("divergent.py").read_text()
        self.project.write("divergent.py", source)
        chance = np.random.default_rng(0)
        for name in ("table", "table-2"):
            np.save(folder / f"{name}.npy", chance.normal(size=(1600, 64)).astype(np.float32))
        self._first: dict[int, View] = {}

    def first(self, ranks: int) -> View:
        """The run without a change."""
        if ranks not in self._first:
            self._first[ranks] = self.run("none", ranks)
        return self._first[ranks]

    def run(self, what: str, ranks: int, **environ: str) -> View:
        before = {view.id for view in self.project.views()}
        words = ["divergent.py", what]
        if ranks > 1:
            torchrun = str(Path(sys.executable).with_name("torchrun"))
            words = ["--", torchrun, f"--nproc-per-node={ranks}", "--standalone", *words]
        ended = self.project.run(*words, **{**STILL, **environ})
        assert ended.code == 0, ended
        (new,) = (v for v in self.project.views() if v.id not in before and v.record.kind == "run")
        return new


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(tmp_path_factory.mktemp("pair"))


@pytest.mark.parametrize("case", CASES, ids=[case.what for case in CASES])
def test_an_injected_divergence_is_found(pair: Pair, case: Case) -> None:
    first, second = pair.first(case.ranks), pair.run(case.what, case.ranks, **dict(case.environ))
    found = compare_traces(first, second).divergence
    assert found is not None, "the two are the same"
    assert (found.step, found.cause) == (case.step, case.cause or found.cause), found
    assert (found.optimizer, found.rank) == (case.optimizer, case.rank), found
    assert case.array in " ".join(found.facts), found.facts
    ended = pair.project.call(
        SAMEBIT, "diff", first.id, second.id, "--trace", "--op", "--json", **STILL
    )
    assert ended.code == 5, ended
    told: dict[str, Any] = ended.json["op"]
    assert told["remarks"] == [case.remark] * bool(case.remark), told
    assert (told["kind"] or "") == case.kind, told
    assert re.search(case.says, told["what"] or ""), told


def test_the_score_in_the_readme_is_that_of_these_tests() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    assert f"Of {len(CASES)} injected" in text
    assert f"**{len(CASES)} of {len(CASES)}**" in text
    assert f"**{len(ALIKE)} of {len(ALIKE)}** identical" in text
    assert f"of {len(ALIKE)} pairs" in text
