"""Runs of another tool become runs of the store: each once, and what comes later is added."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from samebit import disk, places
from samebit.compat.foreign import Execution, ForeignRun, Series, Thing
from samebit.compat.importing import Added, Importer, id_of
from samebit.errors import NotFound, SamebitError
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.media.given import Image, Text
from samebit.objects.store import Store
from samebit.query import index
from samebit.query.aspects import find_aspects
from samebit.query.lacks import find_lacks
from tests.compat import wandb_files as files

T0 = 1_700_000_000_123_456_789


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / ".samebit")


def made(
    *series: Series, things: Sequence[Thing] = (), tool: str = "tensorboard", **more: Any
) -> ForeignRun:
    executions = [Execution(T0, series=series, things=things)]
    return ForeignRun(tool, "its-id", "/logs/a", **{"executions": executions, **more})


def line(name: str, values: Sequence[Any], first: int = 0) -> Series:
    steps = list(range(first, first + len(values)))
    return Series(name, steps, [T0 + step for step in steps], list(values))


def add(store: Path, run: ForeignRun) -> Added:
    with Importer(store) as importer:
        return importer.add(run)


def view(store: Path, foreign: str = "its-id", tool: str = "tensorboard") -> View:
    return read_run(RunFolder(store / "runs" / id_of(tool, foreign)))


VALUES = st.one_of(
    st.floats(), st.booleans(), st.integers(-(1 << 80), 1 << 80), st.text(max_size=5)
)
NAMES = st.text(min_size=1, max_size=12)


@given(st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=12), max_size=4))
def test_every_value_comes_back_with_its_step_and_time(
    tmp_path_factory: pytest.TempPathFactory, given_: dict[str, list[Any]]
) -> None:
    store = places.make_store(tmp_path_factory.mktemp("p") / ".samebit")
    add(store, made(*(line(name, values) for name, values in given_.items())))
    found = view(store).metrics
    assert set(found) == {n.encode("utf-8", "backslashreplace").decode() for n in given_}
    for name, values in given_.items():
        mine = found[name.encode("utf-8", "backslashreplace").decode()]
        assert [repr(value) for value in mine.values] == [repr(value) for value in values]
        assert mine.steps == list(range(len(values)))
        assert mine.times_ns == [T0 + at for at in range(len(values))]
    assert not view(store).gaps


def test_lists_and_arrays_are_one_series(store: Path) -> None:
    add(store, made(line("loss", [1.0, 2.0])))
    whole = numpy.array([1.0, 2.0, 3.0])
    arrays = Series("loss", numpy.arange(3), numpy.arange(3) + T0, whole)
    assert add(store, made(arrays)).points == 1


def test_imported_twice_it_is_one_run(store: Path) -> None:
    run = made(line("loss", [1.0, 2.0]), config={"lr": 0.1}, name="a", tags=["x"], text="hm")
    first, second = add(store, run), add(store, run)
    assert (first.is_new, first.points) == (True, 2)
    assert (second.is_new, second.points, second.run) == (False, 0, first.run)
    before = sorted(path for path in (store / "runs").rglob("*") if path.is_file())
    add(store, run)
    assert sorted(path for path in (store / "runs").rglob("*") if path.is_file()) == before
    found = view(store)
    assert found.record.imported is not None
    assert (found.name, found.said.tags, found.said.text) == ("a", ("x",), "hm")


def test_what_has_come_since_is_added(store: Path) -> None:
    for size in (1, 3, 3, 7):
        add(store, made(line("loss", [float(at) for at in range(size)])))
    found = view(store)
    assert found.metrics["loss"].values == [float(at) for at in range(7)]
    rows = sum(len(part) for part in found.journal.logged)
    assert rows == 7


def test_a_series_that_is_another_now_is_written_again(store: Path) -> None:
    add(store, made(line("loss", [1.0, 3.0])))
    healed = Series("loss", [0, 1, 2], [T0, T0 + 1, T0 + 2], [1.0, 2.0, 3.0])
    assert add(store, made(healed)).points == 3
    assert view(store).metrics["loss"].values == [1.0, 2.0, 3.0]


def test_a_later_execution_counts_from_its_first_step(store: Path) -> None:
    executions = [
        Execution(T0, series=[line("loss", [0.0] * 10), line("acc", [5.0] * 10)]),
        Execution(T0 + 99, series=[line("loss", [1.0] * 3, first=6)]),
    ]
    add(store, made(executions=executions))
    found = view(store)
    assert [start.number for start in found.starts] == [1, 2]
    assert found.metrics["loss"].values == [0.0] * 6 + [1.0] * 3
    assert len(found.metrics["acc"].steps) == 10
    points = found.points(numpy)
    assert points["loss"].values.tolist() == [0.0] * 6 + [1.0] * 3


def test_media_are_objects_and_come_once(store: Path) -> None:
    reads: list[int] = []

    def picture() -> list[Image]:
        reads.append(1)
        return [Image(numpy.zeros((2, 3), numpy.uint8)), Image(numpy.ones((2, 3), numpy.uint8))]

    things = [Thing("p", 4, T0 + 5, picture), Thing("t", 4, T0, [Text("hi")])]
    assert add(store, made(things=things)).things == 3
    assert add(store, made(things=things)).things == 0
    assert reads == [1]
    assert add(store, made(things=[*things, Thing("t", 5, T0, [Text("ho")])])).things == 1
    facts = view(store).all_facts("media")
    named = [fact["object"] for fact in facts if "object" in fact]
    assert len(named) == 4
    assert all(Store(store).has(name) for name in named)
    assert not view(store).missing


def test_a_picture_that_is_none_is_told_and_the_rest_is_there(store: Path) -> None:
    def gone() -> list[Image]:
        raise SamebitError("it is gone")

    things = [
        Thing("bad", 1, T0, [Image(b"rubbish")]),
        Thing("gone", 1, T0, gone),
        Thing("good", 1, T0, [Text("x")]),
    ]
    done = add(store, made(line("loss", [1.0]), things=things))
    assert [what for what, _ in done.problems] == ["media 'bad'", "media 'gone'"]
    assert "good" in {fact["name"] for fact in view(store).all_facts("media")}


@pytest.mark.parametrize(
    ("said", "state"),
    [("finished", "finished"), ("failed", "failed"), ("killed", "killed"), ("", "unknown")],
)
def test_the_state_is_what_the_tool_said(store: Path, said: str, state: str) -> None:
    add(store, made(line("loss", [1.0]), status=said))
    assert view(store).status == state


def test_a_run_that_goes_on_elsewhere_is_not_said_to_run_here(store: Path) -> None:
    add(store, made(line("loss", [1.0]), status="running"))
    assert view(store).status == "unknown"
    add(store, made(line("loss", [1.0]), status="finished"))
    assert view(store).status == "finished"


def test_an_end_that_is_known_gives_the_time_it_took(store: Path) -> None:
    executions = [Execution(T0, T0 + 5 * 10**9, series=[line("loss", [1.0])])]
    add(store, made(executions=executions, status="finished"))
    (row,) = index.rows(store)
    assert (row["seconds"], row["state"]) == (5.0, "finished")


def test_nothing_is_invented(store: Path) -> None:
    add(store, made(line("loss", [1.0]), said={"host": "far"}))
    found = view(store)
    assert (found.seed, found.code, found.record.user, found.record.host) == (None, None, "", "")
    assert found.verdicts == []
    (lack,) = find_lacks(found)
    assert lack.key == "imported"
    assert lack.what.startswith("code, randomness, data, states and environment: TensorBoard")
    with pytest.raises(NotFound):
        found.manifest("final")


def test_of_each_aspect_it_is_said_what_is_not_there(store: Path) -> None:
    add(store, made(line("loss", [1.0])))
    found = {one.name: one for one in find_aspects(view(store))}
    missing = [name for name, one in found.items() if one.state == "missing"]
    assert missing == ["code", "data", "seeds", "environment", "states"]
    assert {found[name].what for name in missing} == {"TensorBoard did not record it"}
    assert [name for name, one in found.items() if one.state == "ok"] == ["metrics", "record"]
    assert found["end"].what == "TensorBoard tells of none"


def test_what_a_tool_recorded_is_not_said_to_be_missing(store: Path) -> None:
    facts = {"packages": {"versions": {"torch": "2.0"}}}
    add(store, made(line("loss", [1.0]), facts=facts, tool="wandb"))
    found = view(store, tool="wandb")
    assert found.facts["packages"] == facts["packages"]
    assert "environment" not in find_lacks(found)[0].what


def test_a_fact_of_another_shape_is_told(store: Path) -> None:
    done = add(store, made(line("loss", [1.0]), facts={"code": {"root": 3}}))
    assert [what for what, _ in done.problems] == ["code"]


def test_secrets_are_masked(store: Path) -> None:
    run = made(config={"api_key": "Zx8sdf7sdf", "lr": 1}, said={"password": "hunter2hunter2"})
    add(store, run)
    found = view(store)
    assert found.facts["config"] == {"api_key": "****", "lr": 1}
    assert found.facts["imported"]["said"] == {"password": "****"}


def test_a_run_of_ours_with_that_id_stays_as_it_is(store: Path) -> None:
    taken = RunFolder(store / "runs" / id_of("tensorboard", "its-id"))
    taken.path.mkdir()
    (taken.path / "run.json").write_text(
        f'{{"format":"samebit-run 1","id":"{taken.id}","started_ns":1}}'
    )
    before = (taken.path / "run.json").read_bytes()
    done = add(store, made(line("loss", [1.0])))
    assert done.run == id_of("tensorboard", "its-id", 1)
    assert (taken.path / "run.json").read_bytes() == before
    assert add(store, made(line("loss", [1.0]))).run == done.run


def test_two_tools_with_one_id_are_two_runs(store: Path) -> None:
    assert add(store, made()).run != add(store, made(tool="mlflow")).run


def test_an_import_that_was_killed_is_completed(store: Path) -> None:
    chosen = store / "runs" / id_of("tensorboard", "its-id")
    chosen.mkdir()  # before run.json
    assert add(store, made(line("loss", [1.0]))).points == 1
    (chosen / "executions" / "2").mkdir()
    assert view(store).metrics["loss"].values == [1.0]


def test_rows_that_a_killed_import_wrote_count_once(store: Path) -> None:
    add(store, made(line("loss", [1.0, 2.0])))
    segment = max((store / "runs").rglob("*.sbj"))
    data = segment.read_bytes()
    at = data.index(b"taken")
    segment.write_bytes(data[: at - 40])  # and what it said of them is lost
    assert add(store, made(line("loss", [1.0, 2.0]))).points == 2
    assert view(store).metrics["loss"].values == [1.0, 2.0]


def test_what_is_followed_is_listed_as_it_grows(store: Path) -> None:
    with Importer(store, follows=True) as importer:
        for size in range(1, 6):
            importer.add(made(line("loss", [float(at) for at in range(size)])))
            (row,) = index.rows(store)
            assert row["metric.loss"] == size - 1
        segments = list((store / "runs").rglob("*.sbj"))
    assert len(segments) == 1

    assert len(view(store).metrics["loss"].steps) == 5


def test_a_followed_run_is_listed_anew_also_when_the_index_knew_it(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_SETTLED_NS", 0)
    with Importer(store, follows=True) as importer:
        for size in range(1, 4):
            importer.add(made(line("loss", [float(at) for at in range(size)])))
            time.sleep(0.02)
            assert index.rows(store)[0]["metric.loss"] == size - 1


def test_a_name_beyond_all_measure_is_told(store: Path) -> None:
    done = add(store, made(line("x" * 20_000, [1.0]), line("y", [math.nan])))
    assert done.points == 1
    assert "20,000" in done.problems[0][1]


def test_a_parent_is_the_run_that_it_becomes(store: Path) -> None:
    add(store, made())
    add(store, replace(made(), id="child", parent="its-id"))
    assert view(store, "child").record.parent == view(store).id


def test_what_the_machine_did_is_no_metric(store: Path) -> None:
    executions = [Execution(T0, machine=[line("cpu_percent", [10.0, 20.0])])]
    add(store, made(executions=executions))
    found = view(store)
    assert found.metrics == {}
    assert found.machine["cpu_percent"].values == [10.0, 20.0]


@pytest.mark.parametrize("fault", ["disk.create=kill@9", "disk.fsync=kill@7", "disk.rename=kill@3"])
def test_killed_anywhere_there_are_whole_runs_alone(store: Path, fault: str) -> None:
    folder = store.parent / "wandb"
    for name in "abcd":
        files.write(folder, name, [files.run(name), files.history(0, {"x": 1.0}), files.ended()])
    words = [sys.executable, "-m", "samebit.cli.main", "import", "wandb", str(folder)]
    environ = {**os.environ, "SAMEBIT_DIR": str(store)}
    killed = subprocess.run(
        words, env={**environ, "SAMEBIT_FAULTS": fault}, capture_output=True, check=False
    )
    assert killed.returncode < 0
    there = [read_run(RunFolder(path)) for path in (store / "runs").iterdir()]
    assert [run.metrics["x"].values for run in there] == [[1.0]] * (2 if "rename" in fault else 0)
    subprocess.run(words, env=environ, capture_output=True, check=True)
    assert len(index.rows(store)) == 4
    for path in (store / "runs").iterdir():
        assert (read_run(RunFolder(path)).status, len(list(path.rglob("*.sbj")))) == ("finished", 1)


def test_of_a_run_that_cannot_be_written_nothing_is_there(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Importer(store) as importer:
        importer.add(made(line("loss", [1.0])))
        monkeypatch.setattr(disk, "FAULTS", disk._Faults("journal.open=full"))
        with pytest.raises(OSError, match="no space left"):
            importer.add(replace(made(line("loss", [1.0])), id="second"))
        monkeypatch.setattr(disk, "FAULTS", None)
    assert [path.name for path in (store / "runs").iterdir()] == [id_of("tensorboard", "its-id")]
    assert not list((store / "tmp").iterdir())


def test_a_run_that_somebody_else_imports_meanwhile_is_theirs(store: Path) -> None:
    run = made(line("loss", [1.0, 2.0]))
    with Importer(store) as ours:
        ours.add(run)
        add(store, run)
    assert len(list((store / "runs").rglob("*.sbj"))) == 1
    assert view(store).metrics["loss"].values == [1.0, 2.0]


def test_a_run_that_is_given_twice_at_once_is_one(store: Path) -> None:
    with Importer(store) as importer:
        first = importer.add(made(line("loss", [1.0])))
        second = importer.add(made(line("loss", [1.0, 2.0])))
    assert (first.is_new, second.is_new, second.points) == (True, False, 1)
    assert view(store).metrics["loss"].values == [1.0, 2.0]
