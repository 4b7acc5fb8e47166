"""Leaks between the parts of a split that its data tells, in every kind of file."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.data import leaks_in_data, near_rows, near_texts
from samebit.data.leak_columns import Columns
from samebit.data.leaks import Leak
from samebit.data.leaks_in_data import Meaning
from samebit.errors import NotFound, UsageError
from tests.data.test_splits import Keep, keep

__all__ = ["keep"]  # a fixture

ROWS = 60
TRAIN, TEST = [*range(40), 58, 59], range(40, 58)
WORDS = ["red", "cat", "sat", "mat", "tree", "wind", "sea", "fish", "moon"]
MEANING = Meaning("y", "patient", "when", "note", ("id",))


def frame() -> pd.DataFrame:
    """Distinct rows; of each patient two, one after the other; a day between rows."""
    chance = np.random.default_rng(0)
    notes = [" ".join(chance.choice(WORDS, 30)) for _ in range(ROWS)]
    columns = {"a": chance.normal(size=ROWS), "b": chance.normal(size=ROWS)}
    columns |= {"k": chance.integers(0, 5, ROWS), "y": chance.integers(0, 2, ROWS), "note": notes}
    columns |= {"patient": [f"p{(row + 1) // 2}" for row in range(ROWS)], "id": range(ROWS)}
    return pd.DataFrame({**columns, "when": pd.date_range("2026-01-01", periods=ROWS)})


def leaking() -> pd.DataFrame:
    """The same with a known positive of each kind, found in rows 50 to 54."""
    found, features = frame(), ["a", "b", "k", "note"]
    for row in (0, 1, 2):
        found.loc[50 + row, features] = found.loc[row, features].to_numpy()
    found.loc[50, "y"], found.loc[51, "y"] = found.loc[0, "y"], 1 - found.loc[1, "y"]
    found.loc[52, "a"] += 1e-6
    found.loc[53, "note"] = f"  {str(found.loc[3, 'note']).upper()}!"
    found.loc[54, "note"] = f"{found.loc[4, 'note']} moon"
    return found


WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    ".parquet": lambda data, path: data.to_parquet(path, index=False),
    ".arrow": lambda data, path: data.to_feather(path),
    ".csv": lambda data, path: data.to_csv(path, index=False),
}


def look(
    split: Any, data: pd.DataFrame, path: Path, meaning: Meaning = MEANING
) -> tuple[dict[str, Leak], str]:
    WRITERS[path.suffix](data, path)
    found, how = leaks_in_data.of_data(split, leaks_in_data.open_data(path, meaning))
    assert found.unknown == ()
    assert len({one.kind for one in found.found}) == len(found.found)
    return {one.kind: one for one in found.found}, how


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_known_positive_of_each_kind_is_found(keep: Keep, tmp_path: Path, suffix: str) -> None:
    data = leaking()
    split = keep({"train": TRAIN, "test": TEST}, of=data)
    found, how = look(split, data, tmp_path / f"data{suffix}")
    assert how.startswith("taken by their numbers" if suffix == ".csv" else "found by their ids")
    rows = {kind: list(one.rows) for kind, one in found.items()}
    assert rows.pop("time")[0] == (59, 40)
    assert rows.pop("group") == [(39, 40), (58, 57)]
    assert rows == {
        "features": [(0, 50), (1, 51)],
        "features_and_label": [(0, 50)],
        "conflicting_labels": [(1, 51)],
        "near_features": [(2, 52)],
        "same_words": [(3, 53)],
        "near_text": [(4, 54)],
    }
    assert found["group"].note == "values of patient in both: 2"
    assert found["time"].count == 18
    assert found["time"].note.startswith("train ends 2026-03-01")
    assert {one.heading for one in found.values()} == {
        "duplicates",
        "temporal",
        "dependence of train and test",
    }


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_clean_split_has_none(keep: Keep, tmp_path: Path, suffix: str) -> None:
    data = frame()
    split = keep({"train": range(39), "test": range(39, 60)}, of=data)
    assert look(split, data, tmp_path / f"data{suffix}")[0] == {}


@given(st.integers(0, 1000), st.integers(2, 6))
def test_distinct_rows_of_fractions_are_not_near(seed: int, columns: int) -> None:
    chance = np.random.default_rng(seed)
    values = chance.normal(size=(100, columns)) * 10.0 ** chance.integers(-9, 9, columns)
    parts = {"train": np.arange(60, dtype="u8"), "test": np.arange(60, 100, dtype="u8")}
    assert near_rows.find(Columns(100, {"x": values}, False), np.arange(100), parts) == []


@given(st.integers(0, 1000), st.floats(-4e-5, 4e-5))
def test_a_row_within_half_a_cell_is_near_wherever_it_lies(seed: int, by: float) -> None:
    values = np.random.default_rng(seed).normal(size=(100, 1))
    values = np.concatenate([values, np.arange(100)[:, None] // 2 * 50 + 0.5], axis=1)
    spread = values[:, 0].std()
    values[99] = values[3] + [by * spread, 0]
    parts = {"train": np.arange(60, dtype="u8"), "test": np.arange(60, 100, dtype="u8")}
    exact = np.arange(100)
    found = near_rows.find(Columns(100, {"x": values}, False), exact, parts)
    assert [(m.partner.tolist(), m.at.tolist()) for m in found] == [([3], [39])]


def test_of_too_few_columns_nothing_near_is_said() -> None:
    values = np.random.default_rng(0).normal(size=(2000, 1))
    parts = {"train": np.arange(1000, dtype="u8"), "test": np.arange(1000, 2000, dtype="u8")}
    found = near_rows.find(Columns(2000, {"x": values}, False), np.arange(2000), parts)
    assert isinstance(found, str)
    assert "agree by chance" in found


def test_whole_numbers_are_no_measures() -> None:
    """Of a hundred thousand ids in a row each is near the next by its spread alone."""
    parts = {"train": np.arange(0, 10**5, 2), "test": np.arange(1, 10**5, 2)}
    for values in (np.arange(10**5), np.arange(10.0**5)):
        columns = Columns(10**5, {"id": values[:, None]}, False)
        assert near_rows.find(columns, np.arange(10**5), parts) == []


words = st.lists(st.sampled_from(WORDS), min_size=0, max_size=40)


@given(st.lists(words, min_size=2, max_size=8), st.data())
def test_near_texts_are_those_of_a_jaccard_index(drawn: list[list[str]], data: Any) -> None:
    edited = [*drawn, *(one[: data.draw(st.integers(0, len(one)))] for one in drawn)]
    texts = list(dict.fromkeys(" ".join(one) for one in edited))

    def runs(text: str) -> set[tuple[str, ...]]:
        each = text.split()
        return {tuple(each[at : at + 5]) for at in range(max(len(each) - 4, 1))}

    half = len(texts) // 2
    parts = {"train": np.arange(half), "test": np.arange(half, len(texts))}
    found = near_texts.find(texts, np.arange(len(texts)), parts)
    near = {
        b
        for b in range(half, len(texts))
        if any(
            len(runs(texts[a]) & runs(texts[b])) >= 0.8 * len(runs(texts[a]) | runs(texts[b]))
            for a in range(half)
        )
    }
    assert {half + at for match in found for at in match.at.tolist()} == near


def test_the_equal_rows_of_iris_in_every_kind_of_file(keep: Keep, tmp_path: Path) -> None:
    x, y = pytest.importorskip("sklearn.datasets").load_iris(return_X_y=True)
    train = [row for row in range(150) if row != 142]
    split = keep({"train": train, "test": [142]}, of=(x, y))
    np.savez(tmp_path / "iris.npz", x=x, y=y)
    np.save(tmp_path / "iris.npy", x)
    pd.DataFrame(x).assign(y=y).to_csv(tmp_path / "iris.csv", index=False)
    for name, label, by in (("npz", "y", "found"), ("npy", "", "taken"), ("csv", "y", "taken")):
        data = leaks_in_data.open_data(tmp_path / f"iris.{name}", Meaning(label=label))
        found, how = leaks_in_data.of_data(split, data)
        assert how.startswith(by)
        kinds = {one.kind: one.rows for one in found.found}
        want = {"features", "features_and_label"} if label else {"features"}
        assert kinds == dict.fromkeys(want, ((101, 142),))


def test_rows_are_found_where_the_data_was_moved(keep: Keep, tmp_path: Path) -> None:
    data = leaking()
    split = keep({"train": data.iloc[:40], "test": data.iloc[40:]})
    found, how = look(split, data.iloc[::-1], tmp_path / "data.parquet")
    assert how == "found by their ids"
    assert set(found["features"].rows) == {(59, 9), (58, 8)}


def test_what_cannot_be_meant(keep: Keep, tmp_path: Path) -> None:
    data = frame()
    path = tmp_path / "data.parquet"
    data.to_parquet(path, index=False)
    split = keep({"train": TRAIN, "test": TEST}, of=data)
    data.assign(a=0.0).to_parquet(tmp_path / "other.parquet", index=False)
    other = leaks_in_data.open_data(tmp_path / "other.parquet", Meaning())
    with pytest.raises(NotFound, match="are not in this data"):
        leaks_in_data.of_data(split, other)
    data[["a"]].iloc[:5].to_parquet(tmp_path / "few.parquet", index=False)
    few = leaks_in_data.open_data(tmp_path / "few.parquet", Meaning())
    with pytest.raises(UsageError, match="which rows of this file are those of"):
        leaks_in_data.of_data(split, few)
    with pytest.raises(UsageError, match="there is no column 'q'"):
        leaks_in_data.open_data(path, Meaning(label="q"))
    with pytest.raises(UsageError, match="no column is left"):
        leaks_in_data.open_data(path, Meaning(ignored=tuple(data.columns)))
    for meaning, said in ((Meaning(time="note"), "is no time"), (Meaning(text="a"), "no texts")):
        with pytest.raises(UsageError, match=said):
            leaks_in_data.of_data(split, leaks_in_data.open_data(path, meaning))


def test_missing_groups_are_none_and_missing_labels_are_one(keep: Keep, tmp_path: Path) -> None:
    data = pd.DataFrame({"a": [1, 2, 1], "y": [None, "n", None], "g": [None, "u", None]})
    split = keep({"train": [0, 1], "test": [2]}, of=data)
    meaning = Meaning(label="y", group="g")
    found, _ = look(split, data, tmp_path / "data.parquet", meaning)
    assert set(found) == {"features", "features_and_label"}


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_an_empty_group_is_none(keep: Keep, tmp_path: Path, suffix: str) -> None:
    data = pd.DataFrame({"a": [1, 2, 3, 4], "g": ["", "u", "", "u"]})
    split = keep({"train": [0, 1], "test": [2, 3]}, of=data)
    found, _ = look(split, data, tmp_path / f"data{suffix}", Meaning(group="g"))
    assert found["group"].rows == ((1, 3),)


def test_columns_of_every_type_of_arrow(keep: Keep, tmp_path: Path) -> None:
    """Dictionaries are their values; what has no single values is no key."""
    path, values = tmp_path / "data.parquet", pa.array(["p", "q"])
    codes = pa.array([0, 1, 0, None], pa.uint8())
    columns = {"a": [1, 2, 3, 4], "g": pa.DictionaryArray.from_arrays(codes, values)}
    columns |= {
        "list": [[1], [2], [1], []],
        "day": [datetime.date(2026, 1, 4 - i) for i in range(4)],
    }
    pq.write_table(pa.table(columns), path)
    split = keep({"train": [0, 1], "test": [2, 3]}, of=np.arange(4.0)[:, None])
    data = leaks_in_data.open_data(path, Meaning(group="g", time="day"))
    found = {one.kind: one.rows for one in leaks_in_data.of_data(split, data)[0].found}
    assert found == {"group": ((0, 2),), "time": ((0, 3), (0, 2))}
    data = leaks_in_data.open_data(path, Meaning(group="list"))
    with pytest.raises(UsageError, match="no single values"):
        leaks_in_data.of_data(split, data)
