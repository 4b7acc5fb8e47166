"""`samebit.runs`: the runs that are meant, as runs, rows and frames, the same as the commands."""

import sys
from pathlib import Path
from typing import Any

import pytest

import samebit
from samebit import places
from samebit.cli.main import main
from samebit.digest import from_json
from samebit.errors import RunNotFound, UsageError
from samebit.folders.folder import RunFolder
from samebit.query.tabular.shapes import SHAPES
from tests.cli.everything import golden_store
from tests.query.test_index import record

FRAMES = ("pandas", "polars", "pyarrow")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SAMEBIT_DIR", raising=False)
    made = places.make_store(tmp_path / "project" / ".samebit")
    monkeypatch.chdir(made.parent)
    return made


@pytest.fixture
def sweep(store: Path) -> list[RunFolder]:
    """Three runs and a replay of the first."""
    found = [
        record(
            store,
            config={"lr": lr},
            rows=[{"acc": 1 - lr, "loss": 2.0}, {"acc": 1 - lr / 2, "loss": float("nan")}],
            name=name,
            group=group,
        )
        for lr, name, group in [(0.1, "a", "one"), (0.01, "b", "two"), (0.001, "c", "two")]
    ]
    record(store, config={"lr": 0.1}, kind="replay", of=found[0].id)
    return found


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert main(["ls", "--json", *words]) == 0
    return from_json(capsys.readouterr().out.encode())


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({}, []),
        ({"where": "acc > 0.96"}, ["--where", "acc > 0.96"]),
        ({"sort": "lr"}, ["--sort", "lr"]),
        ({"replays": True}, ["--replays"]),
        ({"group": "two"}, ["--where", "group == two"]),
        ({"where": "lr < 5", "group": "one"}, ["--where", "lr < 5 and group == one"]),
    ],
)
def test_they_are_those_of_ls_in_its_order(
    sweep: list[RunFolder],
    how: dict[str, Any],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = listed(capsys, *words)
    found = samebit.runs(**how)
    assert found.ids == [run.id for run in found] == [row["id"] for row in expected]
    assert len(found) == len(expected) > 0
    for row, ours in zip(expected, found.rows(), strict=True):
        assert repr({name: ours[name] for name in row}) == repr(row)


def test_by_word_slice_and_place_they_are_runs(sweep: list[RunFolder]) -> None:
    found = samebit.runs("c", sweep[0].id, sort="lr")
    assert [run.name for run in found] == ["c", "a"]
    assert found[-1].metrics()["acc"]["value"] == [0.9, 0.95]
    assert [run.name for run in found[1:]] == ["a"]
    assert repr(found[:1]) == "<1 recorded run>"
    with pytest.raises(RunNotFound):
        samebit.runs("nobody")
    with pytest.raises(UsageError, match="no run here has 'nothing'"):
        samebit.runs(where="nothing > 1")


@pytest.mark.parametrize("table", list(SHAPES))
def test_frames_of_each_library_hold_the_same_rows(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FRAMES:
        pytest.importorskip(name)
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(golden_store(tmp_path).parent)
    found = samebit.runs(replays=True)
    pandas, polars, arrow = (found.frame(table, to=name) for name in FRAMES)
    rows = found.rows(table)
    assert list(pandas.columns) == polars.columns == arrow.column_names
    assert len(pandas) == len(polars) == arrow.num_rows == len(rows)
    assert repr(polars.to_arrow().to_pylist()) == repr(arrow.to_pylist())
    for at, row in enumerate(arrow.to_pylist()):
        for name, value in row.items():
            told = pandas[name].iloc[at]
            if value is None:
                assert pandas[name].isna().iloc[at]
            elif isinstance(value, (str, int, bool)):
                assert told == value
            if isinstance(value, (int, float, bool)):
                assert repr(rows[at][name]) == repr(value) or float(rows[at][name]) == value


def test_types_do_not_depend_on_what_is_in_the_rows(sweep: list[RunFolder], store: Path) -> None:
    pandas = pytest.importorskip("pandas")
    types = {
        "run": "str",
        "name": "str",
        "step": "Int64",
        "time": "datetime64[ns, UTC]",
        "value": "float64",
        "text": "str",
        "odd_step": "str",
    }
    if int(pandas.__version__.partition(".")[0]) < 3:
        types = {name: kind.replace("str", "string") for name, kind in types.items()}
    before = samebit.runs().frame("metrics")
    none = samebit.runs(where="acc > 5").frame("metrics")
    assert len(none) == 0
    record(store, rows=[{"acc": "text"}, {"acc": True}])
    mixed = samebit.runs().frame("metrics")
    for frame in (before, none, mixed):
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == types
    assert len(mixed) == len(before) + 2


def test_a_library_that_is_missing_is_named_with_how_to_get_it(
    sweep: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(UsageError, match=r"needs polars.*\n.*pip install polars"):
        samebit.runs().frame(to="polars")
    with pytest.raises(UsageError, match="pandas, polars, pyarrow"):
        samebit.runs().frame(to="spark")
    with pytest.raises(UsageError, match="no table 'rnus'"):
        samebit.runs().frame("rnus")


def test_rows_are_there_without_numpy_and_any_library(
    sweep: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_numpy = samebit.runs().rows("metrics")
    for name in ("numpy", *FRAMES):
        monkeypatch.setitem(sys.modules, name, None)
    assert repr(samebit.runs().rows("metrics")) == repr(with_numpy)
    assert len(with_numpy) == 12


def test_a_run_that_is_gone_meanwhile_is_said_and_left_out(
    sweep: list[RunFolder], recwarn: pytest.WarningsRecorder
) -> None:
    found = samebit.runs(sort="lr")
    (sweep[0].path / "run.json").unlink()
    with pytest.warns(UserWarning, match=f"1 run folders cannot be read.*{sweep[0].id}") as said:
        rows = found.rows("config")
    assert {row["run"] for row in rows} == {sweep[1].id, sweep[2].id}
    assert said[0].filename == __file__
