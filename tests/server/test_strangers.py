"""Records that nobody of ours wrote: each fact of a real run, with something else in its place."""

import copy
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samebit.errors import SamebitError
from samebit.folders.facts import MANY
from samebit.folders.find import list_runs
from samebit.folders.read import View, read_run
from tests.projects import Project
from tests.server.asking import ask, opened
from tests.server.recorded import begin, finish

TRAINING = """
import numpy as np
import samebit, torch

run = samebit.init(config={"lr": 0.1, "deep": [1, {"a": 2}]}, seed=1)
model = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
run.watch(model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2))
open("data.txt").read()
for step in range(5):
    loss = model(torch.randn(4, 3)).sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    run.log({"loss": loss.item(), "h": samebit.Histogram(np.arange(9.0))})
run.finish()
"""
JUNK: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**70, -(2**63), float("nan"), float("inf"), 1e308),
    *("x", "", "\ud800\0", "blake3:" + "0" * 64, [], {}, [[]], [[1, 2]], {"a": []}, {"name": 5}),
)
AT_ONCE = 300
PARTS = ("", "/files", "/patch", "/schedule", "/verdicts", "/states", "/splits", "/environment")


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    project = Project(tmp_path_factory.mktemp("real"))
    (project.path / "train.py").write_text(TRAINING)
    (project.path / "data.txt").write_text("x")
    project.call("git", "init", "-q")
    project.python("train.py")
    (run,) = list_runs(project.path / ".samebit")
    return read_run(run)


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something may stand; of long lists the beginning."""
    yield path
    inner = value.items() if isinstance(value, dict) else ()
    if isinstance(value, (list, tuple)):
        inner = [*enumerate(value)][:3]
    for key, item in inner:
        yield from places_in(item, (*path, key))


def put(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    found = list(value) if isinstance(value, tuple) else copy.copy(value)
    found[path[0]] = put(found[path[0]], path[1:], junk)
    return found


@pytest.mark.slow
def test_a_fact_that_is_something_else_is_told_or_left_out_and_never_a_fault(
    view: View, store: Path
) -> None:
    facts = [
        (name, value)
        for name in sorted({*view.facts, *MANY})
        for value in view.all_facts(name) or [view.facts.get(name)]
        if value is not None
    ]
    assert {"training", "state", "machine", "sources", "use"} <= {name for name, _ in facts}
    changed: dict[str, Any] = {}
    while len(changed) < AT_ONCE:
        at = random.randrange(len(facts))
        name, value = facts[at]
        path, junk = random.choice([*places_in(value)]), random.choice(JUNK)
        run, writer = begin(store)
        try:
            for other, (known, its) in enumerate(facts):
                writer.fact(known, put(value, path, junk) if other == at else its)
        except SamebitError:  # no value that our own writer takes
            writer.close()
            shutil.rmtree(run.path)
            continue
        writer.row({"loss": 1.0}, 1)
        finish(run, writer)
        changed[run.id] = name, path, junk
    faults: list[Any] = []
    with opened(store) as browser:
        assert len(ask(browser, "runs", columns="id")["ids"]) == AT_ONCE
        for run_id, what in changed.items():
            asked = [f"runs/{run_id}{part}" for part in PARTS]
            for path in (*asked, f"compare?ids={run_id}", f"trace?ids={run_id},{run_id}"):
                answer = browser.get(f"/api/{path}")
                # A tree of no name is one that cannot be read.
                good = (200, 404, 409) if path.endswith(("/files", "/patch")) else (200, 404)
                if answer.status_code not in good:
                    faults.append((what, path.replace(run_id, "ID"), answer.text))
    assert faults == []
