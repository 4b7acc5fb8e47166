"""The same logical table has one fingerprint from every library; of an index what the page says."""

import datetime as dt
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.data import frames
from samebit.data.fingerprints import fingerprint
from samebit.errors import NotFound
from tests.data import examples

LEVELS = ("content", "set")
COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "b": (pa.bool_(), st.booleans()),
    "i8": (pa.int8(), st.integers(-128, 127)),
    "u64": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "f4": (pa.float32(), st.floats(width=32, allow_nan=False)),
    "f8": (pa.float64(), st.floats()),
    "s": (pa.string(), st.text(st.characters(codec="utf-8"), max_size=8)),
    "raw": (pa.binary(), st.binary(max_size=5)),
    "day": (pa.date32(), st.dates()),
    "us": (pa.timestamp("us"), st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))),
    "span": (pa.duration("us"), st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999))),
    "texts": (pa.list_(pa.string()), st.lists(st.text("ab", max_size=3), max_size=3)),
}
# What pandas turns into floats or objects when something is missing is given whole.
WHOLE = {"b", "i8", "u64"}


def name(value: Any, level: str = "content") -> str:
    return str(fingerprint(value, level=level))


@st.composite
def arrow_tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(0, 6))
    made: dict[str, pa.Array] = {}
    for key, (kind, values) in COLUMNS.items():
        values = values if key in WHOLE else st.none() | values
        made[key] = pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), kind)
    return pa.table(made)


@pytest.mark.slow
@given(arrow_tables())
def test_pandas_polars_arrow_and_datasets_say_the_same(table: pa.Table) -> None:
    for level in LEVELS:
        expected = name(table, level)
        assert name(table.to_pandas(), level) == expected
        assert name(table.to_pandas(types_mapper=pd.ArrowDtype), level) == expected
        assert name(pl.from_arrow(table), level) == expected
        assert name(datasets.Dataset(datasets.table.InMemoryTable(table)), level) == expected


@pytest.mark.parametrize(
    "dtype", [object, "string[python]", "string[pyarrow]", "category", pd.ArrowDtype(pa.string())]
)
def test_how_pandas_holds_texts_is_no_content(dtype: Any) -> None:
    texts = ["a", None, "", "é"]
    frame = pd.DataFrame({"c": pd.Series(texts, dtype=dtype)})
    for level in LEVELS:
        assert name(frame, level) == name(pa.table({"c": texts}), level)
    strict = {
        name(pd.DataFrame({"c": pd.Series(texts, dtype=one)}), "strict") for one in (dtype, object)
    }
    assert len(strict) == 1 + (dtype is not object)


def test_how_pandas_holds_numbers_is_no_content() -> None:
    whole = pd.Series([1, 2, 3])
    for dtype in ("Int64", "int64[pyarrow]", "Sparse[int64]", object):
        assert name(pd.DataFrame({"c": whole.astype(dtype)})) == name(pd.DataFrame({"c": whole}))
    missing = pa.table({"c": pa.array([1, None], pa.int64())})
    assert name(pd.DataFrame({"c": pd.array([1, None], "Int64")})) == name(missing)
    assert name(pd.DataFrame({"c": [1, None]})) != name(missing)  # pandas made floats of it


def test_columns_of_one_block_and_rows_of_a_selection() -> None:
    grid = np.arange(12.0).reshape(4, 3)
    by_rows = pd.DataFrame(grid, columns=list("abc"))
    by_columns = pd.DataFrame({key: grid[:, at].copy() for at, key in enumerate("abc")})
    assert name(by_rows, "strict") == name(by_columns, "strict")
    assert name(by_rows.iloc[::-2]) == name(by_columns.iloc[[3, 1]])


def test_only_an_index_that_counts_is_no_content() -> None:
    frame = pd.DataFrame({"a": [10, 20, 30]})
    counted = frame.set_axis([7, 5, 9], axis=0)
    assert name(counted) == name(frame)
    assert name(counted, "strict") != name(frame, "strict")
    named = frame.set_axis(pd.Index([7, 5, 9], name="id"), axis=0)
    assert name(named) == name(pa.table({"a": [10, 20, 30], "id": [7, 5, 9]}))
    assert name(named, "strict") != name(named.reset_index()[["a", "id"]], "strict")
    words = frame.set_axis(["x", "y", "z"], axis=0)
    assert name(words) == name(pa.table({"a": [10, 20, 30], "__index_level_0__": ["x", "y", "z"]}))
    pairs = frame.set_axis(pd.MultiIndex.from_tuples([(0, "x"), (1, "y"), (2, "z")]), axis=0)
    assert name(pairs) == name(pa.table({"a": [10, 20, 30], "__index_level_1__": ["x", "y", "z"]}))


def test_what_a_frame_becomes_in_parquet_has_its_fingerprint(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [10, 20, 30], "s": ["x", None, "y"]}).iloc[[2, 0, 1]]
    for held in (frame, frame.rename_axis("id"), frame.set_axis(["p", "q", "r"], axis=0)):
        held.to_parquet(tmp_path / "f.parquet")
        assert name(pa.parquet.read_table(tmp_path / "f.parquet")) == name(held)
        assert name(pl.read_parquet(tmp_path / "f.parquet")) == name(held)
        assert name(pd.read_parquet(tmp_path / "f.parquet"), "strict") == name(held, "strict")


def test_labels_that_are_no_texts() -> None:
    frame = pd.DataFrame({0: [1], ("a", 1): [2]})
    assert name(frame) == name(pa.table({"0": [1], "('a', 1)": [2]}))
    assert name(frame, "strict") != name(frame.rename(columns=str), "strict")


def test_the_order_of_categories_is_of_strict() -> None:
    one = pd.DataFrame({"c": pd.Categorical(["a", "b"], categories=["a", "b", "z"])})
    other = pd.DataFrame({"c": pd.Categorical(["a", "b"], categories=["b", "a"])})
    ordered = pd.DataFrame({"c": one["c"].cat.as_ordered()})
    assert name(one) == name(other) == name(ordered)
    assert len({name(frame, "strict") for frame in (one, other, ordered)}) == 3
    enums = [
        pl.DataFrame({"c": pl.Series(["a"], dtype=pl.Enum(kinds))}) for kinds in (["a"], ["a", "b"])
    ]
    assert name(enums[0]) == name(enums[1]) == name(pl.DataFrame({"c": ["a"]}))
    assert name(enums[0], "strict") != name(enums[1], "strict")


def test_categories_of_any_type_are_their_values() -> None:
    for values in ([1.5, None, 1.5], list(pd.date_range("2024", periods=3)), [True, False, True]):
        plain = pd.DataFrame({"c": values})
        assert name(plain.astype("category")) == name(plain)
        assert name(plain.astype("category"), "set") == name(plain, "set")


def test_what_polars_met_before_does_not_number_its_categories() -> None:
    first = pl.DataFrame({"c": pl.Series(["x", "y"], dtype=pl.Categorical)})
    before = name(first, "strict")
    pl.Series(["q", "y"], dtype=pl.Categorical)
    again = pl.DataFrame({"c": pl.Series(["q", "y", "x"], dtype=pl.Categorical)})[[2, 1]]
    assert name(again, "strict") == before


def test_a_series_is_a_table_of_one_column() -> None:
    table = pa.table({"a": [1, 2]})
    assert name(pd.Series([1, 2], name="a")) == name(pl.Series("a", [1, 2])) == name(table)
    assert name(pa.array([1, 2])) == name(pa.chunked_array([[1], [2]])) == name(pd.Series([1, 2]))
    assert name(table.to_batches()[0]) == name(table)
    assert name(pa.chunked_array([], pa.int64())) == name(pl.Series("", [], dtype=pl.Int64))


def test_complex_numbers_are_of_pandas_alone() -> None:
    frame = pd.DataFrame({"c": np.array([1 + 2j, 3])})
    assert name(frame) != name(pd.DataFrame({"c": np.array([1 - 2j, 3])}))


def test_rows_that_indices_choose_of_a_dataset() -> None:
    data = datasets.Dataset.from_dict({"a": list(range(100)), "t": [str(n) for n in range(100)]})
    chosen = data.shuffle(seed=3).select(range(7))
    assert name(chosen) == name(pa.table({"a": chosen["a"][:], "t": chosen["t"][:]}))
    assert name(data.select([5, 6])) == name(pa.table({"a": [5, 6], "t": ["5", "6"]}))
    assert name(data.with_format("numpy")) == name(data)
    assert name(data.shuffle(seed=1), "set") == name(data, "set") != name(chosen, "set")


def test_of_images_the_bytes_are_hashed_and_not_the_path(tmp_path: Path) -> None:
    def held(**image: Any) -> datasets.Dataset:
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        info = datasets.DatasetInfo(features=datasets.Features({"i": datasets.Image()}))
        table = datasets.table.InMemoryTable(pa.table({"i": pa.array([image], kind)}))
        return datasets.Dataset(table, info=info)

    found: list[str] = []
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(b"not really a picture")
        found.append(name(held(path=str(tmp_path / folder / "a.png"))))
    found.append(name(held(bytes=b"not really a picture", path="elsewhere.png")))
    assert set(found) == {name(pa.table({"i": [b"not really a picture"]}))}
    with pytest.raises(NotFound, match=r"none\.png"):
        fingerprint(held(path=str(tmp_path / "none.png")))


def test_a_dataset_that_streams_is_known_by_its_items() -> None:
    data = datasets.Dataset.from_dict({"a": [1, 2, 3]})
    streamed = fingerprint(data.to_iterable_dataset())
    assert (streamed.kind, streamed.counts) == ("stream", {"items": 3})
    assert fingerprint(data.to_iterable_dataset(), sample=2).kind == "stream-sample"


def test_a_module_of_the_users_by_the_name_of_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    own = types.ModuleType("datasets")
    own.Dataset = examples.Items  # pyright: ignore
    monkeypatch.setitem(sys.modules, "datasets", own)
    assert fingerprint(examples.Items()).kind == "items"


def test_several_by_name_are_one() -> None:
    train, test = (datasets.Dataset.from_dict({"a": values}) for values in ([1, 2], [3]))
    both = fingerprint(datasets.DatasetDict(test=test, train=train))
    assert both == fingerprint({"train": train, "test": test}) != fingerprint({"train": train})
    assert both.parts == {"train": name(train), "test": name(test)}


def test_numbers_of_pandas_need_no_arrow_and_what_does_says_so() -> None:
    script = (
        "import sys\nsys.modules['pyarrow'] = None\nimport numpy as np\nimport pandas as pd\n"
        "from samebit.data.fingerprints import fingerprint\n"
        "frame = pd.DataFrame({'a': [1.0, np.nan], 'b': [1, 2]})\n"
        "print(fingerprint(frame), fingerprint(frame, level='strict'))\n"
        "for level in ('set', 'content'):\n"
        "    try:\n        fingerprint(frame.assign(c=['x', None]), level=level)\n"
        "        print('done')\n"
        "    except Exception as error:\n        print(type(error).__name__, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": [1, 2]})
    said = [f"{name(frame)} {name(frame, 'strict')}"]
    said += ["UsageError pip install pyarrow numpy"] * 2
    assert done.stdout.splitlines() == said, done.stderr


def test_rows_of_many_bytes_are_looked_at_in_smaller_numbers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = pa.table({"t": ["x" * 1000] * 50 + [None], "n": list(range(51))})
    data = datasets.Dataset(datasets.table.InMemoryTable(table))
    values = [table, table.to_pandas(), pl.from_arrow(table), data, data.select(range(51))]
    before = {level: name(table, level) for level in LEVELS}
    monkeypatch.setattr(frames, "_TOGETHER_BYTES", 5_000)
    assert frames.rows_together(51, 51 * 1000) == 5
    assert frames.rows_together(51, 51 * 10_000) == 1
    assert frames.rows_together(0, 0) == 1
    for value in values:
        found = frames.find_table(value, strict=False)
        assert found is not None
        assert max(batch.rows for batch in found.batches) < 10
        assert {level: name(value, level) for level in LEVELS} == before


def test_the_users_frame_is_not_changed() -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan], "s": ["x", None]})
    before = frame.copy(deep=True)
    for level in ("content", "strict", "set"):
        fingerprint(frame, level=level)
    pd.testing.assert_frame_equal(frame, before)
