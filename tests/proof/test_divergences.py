"""At the right step, for the right cause, at the right operation: every injected divergence."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samebit.folders.read import View
from samebit.replay.pairs import compare_traces
from tests.projects import SAMEBIT, Project
from tests.proof.injected import CASES, Case

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
        self.first = self.run("none")

    def run(self, what: str, **environ: str) -> View:
        before = {view.id for view in self.project.views()}
        ended = self.project.run("divergent.py", what, **{**STILL, **environ})
        assert ended.code == 0, ended
        (new,) = (v for v in self.project.views() if v.id not in before and v.record.kind == "run")
        return new


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(tmp_path_factory.mktemp("pair"))


@pytest.mark.parametrize("case", CASES, ids=[case.what for case in CASES])
def test_an_injected_divergence_is_found(pair: Pair, case: Case) -> None:
    second = pair.run(case.what, **dict(case.environ))
    found = compare_traces(pair.first, second).divergence
    assert found is not None, "the two are the same"
    assert (found.step, found.cause) == (case.step, case.cause or found.cause), found
    assert case.array in " ".join(found.facts), found.facts
    ended = pair.project.call(
        SAMEBIT, "diff", pair.first.id, second.id, "--trace", "--op", "--json", **STILL
    )
    assert ended.code == 5, ended
    told: dict[str, Any] = ended.json["op"]
    assert told["remarks"] == [], told
    assert (told["kind"] or "") == case.kind, told
    assert re.search(case.says, told["what"] or ""), told
