"""The server's memory is bounded: asked hundreds of times it holds what it held after the first."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from samebit import places
from tests.projects import Project
from tests.server.recorded import begin, finish, record
from tests.server.ui import Ui, listening, started

MB = 1_000_000
RUNS, POINTS, COLUMNS = 60, 2_000, 30
REQUESTS, PAGES = 400, 50


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    project = tmp_path_factory.mktemp("memory") / "project"
    store = places.make_store(project / places.STORE_NAME)
    for at in range(RUNS):
        config = {f"key{key}": at * key for key in range(COLUMNS)} | {"text": "x" * 5_000}
        rows = [({"loss": (at + 1) / step, "acc": 0.5}, step) for step in range(1, POINTS)]
        record(store, config=config, rows=rows)
    with started(Project(project)) as found:
        yield found


def held(ui: Ui) -> int:
    """Bytes of its memory, now."""
    status = Path(f"/proc/{ui.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1000


def large(ui: Ui) -> list[str]:
    """Addresses whose answers are long, or take much to make."""
    found = ui.ask("runs")
    ids = found["ids"]
    keys = ",".join(key["key"] for key in found["keys"])
    every = ",".join(ids)
    return [
        f"runs?columns={keys}",
        f"runs.csv?columns={keys}",
        f"curves?metric=loss&columns=2000&ids={every}",
        f"curves/points?metric=loss&id={ids[0]}",
        "curves/groups?metric=loss&by=key1&columns=500",
        f"compare?ids={ids[0]},{ids[1]}",
        *(f"runs/{run}" for run in ids[:10]),
    ]


@pytest.mark.slow
def test_hundreds_of_long_answers_leave_nothing_behind(ui: Ui) -> None:
    addresses = large(ui)
    for _ in range(5):
        for address in addresses:
            assert ui.get(f"/api/{address}").status == 200
    first = held(ui)
    sent = 0
    for at in range(REQUESTS):
        sent += len(ui.get(f"/api/{addresses[at % len(addresses)]}").body)
    assert sent > 80 * MB
    grown = held(ui) - first
    assert grown < 40 * MB, f"{grown / MB:.0f} MB more after {sent / MB:.0f} MB of answers"


@pytest.mark.slow
def test_pages_that_listen_cost_little_and_nothing_when_they_have_gone(ui: Ui) -> None:
    ui.ask("runs")
    first = held(ui)
    with ExitStack() as stack:
        streams = [stack.enter_context(listening(ui)) for _ in range(PAGES)]
        run, writer = begin(Path(ui.ask("store")["folder"]))
        for step in range(20):
            writer.row({"loss": 1.0}, step)
        finish(run, writer)
        for stream in streams:
            assert next(event for event in stream if run.id in str(event))
        assert held(ui) - first < 30 * MB
    ui.ask("runs")
    assert held(ui) - first < 30 * MB
