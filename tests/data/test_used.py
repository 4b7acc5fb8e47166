"""Data that a training uses: described within bounds, and given back as the same type and bits."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from samebit import places
from samebit.capture import randomness
from samebit.data import fingerprints, generators
from samebit.data.recorded_data import RecordedData
from samebit.data.stowing import unstow
from samebit.data.used import Used, describe, path_of
from samebit.errors import NotFound, UsageError
from samebit.objects.store import Store
from samebit.states import storing

LARGE = 1 << 30
GOLDEN = "blake3:339d78093d943809fa15c2159d861089dc935393b2af36279d73760413111d5c"


class Pictures(Dataset[Any]):
    """Items of one shape, with everything that items have: arrays, numbers, texts."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, at: int) -> Any:
        random.random()
        np.random.random()
        torch.rand(1)
        return {
            "x": torch.full((2, 3), float(at)),
            "y": at,
            "name": f"{at}.png",
            "f": np.float32(at),
        }


class Ragged(Pictures):
    def __getitem__(self, at: int) -> Any:
        return np.arange(at), (None, b"bytes", [at > 3, 1 << 70])


class Random(Pictures):
    def __getitem__(self, at: int) -> Any:
        return torch.rand(2)


class Reused(Pictures):
    """Gives the same memory each time, as some fast readers do."""

    buffer = np.zeros(3)

    def __getitem__(self, at: int) -> Any:
        self.buffer[:] = at
        return self.buffer


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([(np.arange(3), "a"), (np.arange(3) + 1, "b")])


def used(value: Any, *, keep: bool = True, sample: int | None = 5, most: int = LARGE) -> Used:
    return describe(value, sample=sample, most_bytes=most, keep=keep)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(places.make_store(tmp_path / ".samebit"))


def kept(store: Store, found: Used) -> Any:
    """What a later program gets back out of the store."""
    assert found.stowed is not None, found.fingerprint.notes
    manifest = storing.save(store, found.stowed.state)
    fact: Any = {"name": "train", "what": found.what, "fingerprint": None, "kept": manifest}
    return RecordedData(store, "run", fact).value()


FRAME = pd.DataFrame(
    {
        "whole": [1, 2, 3],
        "text": ["x", None, "z"],
        "float": [1.5, np.nan, -0.0],
        "category": pd.Categorical(["u", "v", "u"], categories=["v", "u"], ordered=True),
        "time": pd.date_range("2020", periods=3, tz="Europe/Berlin"),
        "object": pd.Series(["q", "r", "s"], dtype=object),
        "perhaps": pd.array([1, None, 3], dtype="Int64"),
    },
    index=pd.Index([3, 1, 2], name="id"),
)
POLARS = pl.DataFrame({"a": [1, 2], "e": pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"]))})
HUGGING = datasets.Dataset.from_dict({"a": [1, 2, 3], "t": ["a", "b", "c"]}).select([2, 0])
TABLES = {
    "pandas": FRAME,
    "series": FRAME["text"].rename(None),
    "polars": POLARS,
    "polars series": pl.Series("q", [1.5, None]),
    "arrow": pa.table({"a": [1, 2], "l": [[1], None]}),
    "arrow array": pa.array(["a", None]),
    "chunks": pa.chunked_array([[1, 2], [3]]),
    "batch": pa.RecordBatch.from_pydict({"a": [1]}),
    "datasets": HUGGING,
}


@pytest.mark.parametrize("name", TABLES)
def test_a_frame_comes_back_with_its_types(store: Store, name: str) -> None:
    value = TABLES[name]
    back = kept(store, used(value))
    assert type(back) is type(value)
    for level in ("content", "strict"):
        ours, theirs = (fingerprints.fingerprint(one, level=level) for one in (value, back))
        assert ours == theirs
    if name == "pandas":
        pd.testing.assert_frame_equal(back, value)
    if name == "datasets":
        assert back.features == value.features
        assert back.to_list() == value.to_list()


ARRAYS = {
    "numpy": np.arange(6, dtype="f4").reshape(3, 2)[::-1],
    "bits": np.array([np.nan, -0.0]).view("u8").view("f8"),
    "times": np.array(["2020-01-01", "NaT"], dtype="M8[s]"),
    "texts": np.array(["a", "ü"]),
    "scalar": np.float64(3),
    "torch": torch.arange(6, dtype=torch.bfloat16).reshape(3, 2).T,
    "bool": torch.tensor([True, False]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_as_the_same_bits(store: Store, name: str) -> None:
    value = ARRAYS[name]
    back = kept(store, used({"x": value, "pair": (value, np.arange(2))}))
    assert isinstance(back["pair"], tuple)
    for one in (back["x"], back["pair"][0]):
        assert isinstance(one, torch.Tensor) == isinstance(value, torch.Tensor)
        assert one.dtype == value.dtype
        assert fingerprints.fingerprint(one) == fingerprints.fingerprint(value)


def test_rows_of_tensors_come_back_as_a_data_set_of_tensors(store: Store) -> None:
    whole = TensorDataset(torch.eye(4), torch.arange(4))
    rows = Subset(Subset(whole, [3, 2, 0]), [2, 1])
    back = kept(store, used(rows))
    assert type(back) is TensorDataset
    assert [item[1].item() for item in back] == [0, 2]
    assert used(rows).fingerprint == used(back).fingerprint


@pytest.mark.parametrize("data", [Pictures(), Ragged(), Stream()])
def test_items_come_back_as_a_list_of_them(store: Store, data: Any) -> None:
    found = used(data)
    assert found.fingerprint.is_whole  # whatever the sample: all of it was read
    back = kept(store, found)
    again = used(back, keep=False)
    if not isinstance(data, Stream):
        assert again.fingerprint.name == found.fingerprint.name
        assert len(DataLoader(back, batch_size=2, collate_fn=list)) == 4
    items = list(data) if isinstance(data, Stream) else [data[at] for at in range(len(data))]
    assert repr(back) == repr(items)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=6,
)


@settings(max_examples=40)
@given(st.lists(PLAIN, min_size=1, max_size=6))
def test_whatever_items_are_made_of_they_come_back_or_it_is_said(items: list[Any]) -> None:
    try:
        found = used(items)
    except UsageError:
        return  # a text that is no Unicode
    if found.stowed is None:
        assert any(note.startswith("not kept") for note in found.fingerprint.notes)
        return
    back = unstow(found.stowed)
    assert repr(back) == repr(items if isinstance(back, list) else tuple(items))


def test_what_comes_by_chance_is_not_kept_and_no_generator_moves() -> None:
    states = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().tolist()
    found = used(Random())
    assert found.fingerprint.name is None
    assert found.stowed is None
    assert any("random" in note for note in found.fingerprint.notes)
    used(Pictures())
    assert states == (
        random.getstate(),
        np.random.get_state()[1].tobytes(),
        torch.get_rng_state().tolist(),
    )


def test_items_that_do_not_come_back_are_not_kept() -> None:
    found = used(Reused())
    assert found.stowed is None
    assert found.fingerprint.name is not None
    assert "not kept: its items do not come back as they were" in found.fingerprint.notes


def test_of_several_data_sets_one_name_is_made_and_nothing_kept() -> None:
    found = used((Pictures(), np.arange(3)))
    assert found.fingerprint.name is not None
    assert found.fingerprint == used((Pictures(), np.arange(3))).fingerprint
    assert found.stowed is None
    assert "not kept: give each by a call of its own" in found.fingerprint.notes


def test_bounds_are_numbers_and_what_is_beyond_them_is_said() -> None:
    sampled = used(Pictures(), keep=False)
    assert sampled.fingerprint.kind == "items-sample"
    assert used(Pictures(), keep=False, sample=None).fingerprint.kind == "items"
    too_many = used(Pictures(), most=100)
    assert too_many.fingerprint.kind == "items-sample"
    assert too_many.stowed is None
    array = used(np.zeros(100), most=100)
    assert array.fingerprint.name is None
    assert "files.hash_budget_mb" in array.fingerprint.notes[0]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (DataLoader(Pictures()), "a loader"),
        (object(), "there is no fingerprint of"),
        (np.array([object()]), "dtype object"),
        ([], "a list of nothing"),
        (csr_array(np.eye(3)), "a sparse matrix"),
        ((csr_array(np.eye(3)), np.arange(3)), "a sparse matrix"),
    ],
)
def test_what_has_no_fingerprint_is_refused(value: Any, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        used(value)


def test_a_place_elsewhere_is_no_path() -> None:
    with pytest.raises(UsageError, match="s3:// is not read"):
        path_of("s3://bucket/train")
    assert path_of("data/train.csv") == Path("data/train.csv")


def test_what_was_not_kept_says_how_it_is(store: Store) -> None:
    fact: Any = {"name": "train", "what": "", "fingerprint": None}
    with pytest.raises(NotFound, match="save-data"):
        RecordedData(store, "run", fact).value()


def test_setting_generators_is_no_seeding_of_the_script() -> None:
    told: list[Any] = []
    randomness.report_seed_calls(told.append)
    with generators.kept(None):
        generators.set_to(3)
    assert not told
    random.seed(3)
    assert told


def test_what_is_kept_has_the_names_that_it_always_had(store: Store) -> None:
    """A later version reads what this one wrote: by the page of the format."""
    found = describe(
        [{"x": np.arange(2.0), "y": 1}, {"x": np.arange(2.0) + 1, "y": 2}],
        sample=None,
        most_bytes=LARGE,
        keep=True,
    )
    assert found.stowed is not None
    assert found.stowed.plan == {
        "items": 2,
        "each": {"dict": [["x", {"stacked": {"array": 0}}], ["y", {"numbers": 1}]]},
    }
    manifest = storing.save(store, found.stowed.state)
    assert manifest == GOLDEN
