"""Splits: what may be handed over, what is known of it, and finding the rows again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samebit import digest, places
from samebit.data import row_ids
from samebit.data.parts import draft_of
from samebit.data.recorded import RecordedSplit
from samebit.data.row_ids import ASKED, BY_ITSELF, find_rows, match
from samebit.data.splitting import build
from samebit.errors import Damaged, NotFound, UsageError
from samebit.objects.store import Store

Keep = Callable[..., RecordedSplit]
LETTERS = list("abcdefghij")
FRAME = pd.DataFrame({"a": np.arange(10), "t": LETTERS, "y": np.arange(10) % 3})


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Records a split as `run.splits` does, and opens it."""
    store = Store(places.make_store(tmp_path / ".samebit"))

    def kept(parts: Any, **options: Any) -> RecordedSplit:
        built = build(draft_of(parts, most=ASKED, **options))
        store.put_all(list(built.objects))
        return RecordedSplit(store, "0123456789", "splits", built.name, None)

    return kept


def rows_of(found: RecordedSplit, data: Any = None) -> dict[str, list[int]]:
    return {name: rows.tolist() for name, rows in found.indices(data).items()}


BASE = torch.utils.data.TensorDataset(torch.arange(10.0), torch.arange(10) % 3)


@pytest.mark.parametrize(
    "part",
    [
        [4, 2, 7],
        (4, 2, 7),
        np.array([4, 2, 7], "i2"),
        torch.tensor([4, 2, 7]),
        pd.Series([4, 2, 7], index=[9, 9, 9]),
        FRAME.iloc[[4, 2, 7]],
        pa.Table.from_pandas(FRAME.iloc[[4, 2, 7]], preserve_index=False),
        pl.DataFrame(FRAME.iloc[[4, 2, 7]].to_dict("list")),
    ],
    ids=lambda part: type(part).__module__,
)
def test_a_part_may_be_numbers_or_rows_of_any_library(keep: Keep, part: Any) -> None:
    found = keep({"train": part}, of=FRAME)
    assert rows_of(found) == {"train": [4, 2, 7]}
    assert found.manifest == keep({"train": [4, 2, 7]}, of=FRAME).manifest


def test_masks_ranges_and_subsets_are_numbers(keep: Keep) -> None:
    mask = FRAME["a"] > 6
    of_base = torch.utils.data.Subset(BASE, [5, 3, 1])
    assert rows_of(keep({"a": mask, "b": list(~mask)})) == {"a": [7, 8, 9], "b": [*range(7)]}
    assert rows_of(keep({"a": range(8, 2, -3)}, of=FRAME)) == {"a": [8, 5]}
    nested = torch.utils.data.Subset(of_base, [2, 0])
    found = keep({"train": nested, "test": torch.utils.data.Subset(BASE, range(6, 10))})
    assert rows_of(found) == {"train": [1, 5], "test": [6, 7, 8, 9]}
    assert (found.manifest.data.rows, found.manifest.covered) == (10, 6)


def test_counts_overlaps_and_coverage_are_those_of_the_lists(keep: Keep) -> None:
    parts = {"train": [0, 1, 2, 2], "val": [2, 3], "test": [9, 0, 1]}
    found = keep(parts, of=FRAME, labels=FRAME["y"], groups=[0, 0, 1, 2, 3, 4, 5, 6, 7, 8]).manifest
    assert found.overlaps == (("train", "val", 1), ("train", "test", 2))
    assert found.groups_shared == (("train", "val", 1), ("train", "test", 1))
    assert (found.covered, [part.repeated for part in found.parts]) == (5, [1, 0, 0])
    assert found.parts[0].labels == {"0": 1, "1": 1, "2": 2}
    assert found.labels is not None
    assert found.labels.counts == {"0": 4, "1": 3, "2": 3}


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
    st.randoms(use_true_random=False),
)
def test_the_same_rows_are_found_in_reordered_data(values: list[int], chance: Any) -> None:
    """Rows of equal content may take each other's place, and nothing else may."""
    there = list(values)
    chance.shuffle(there)
    before, after = (find_rows(np.array(v)[:, None], ASKED) for v in (values, there))
    assert not isinstance(before, str)
    assert not isinstance(after, str)
    found = match(before.ids, after.ids).tolist()
    assert [there[at] for at in found] == values
    assert sorted(found) == list(range(len(values)))


def test_a_split_goes_with_its_rows_wherever_they_stand(keep: Keep) -> None:
    found = keep({"train": [8, 1, 4], "test": [0, 2]}, of=FRAME)
    shuffled = FRAME.sample(frac=1, random_state=1)
    there = found.indices(shuffled)
    assert shuffled.iloc[there["train"]]["a"].tolist() == [8, 1, 4]
    assert rows_of(found, shuffled) != rows_of(found)
    more = pd.concat([pd.DataFrame({"a": [99], "t": ["z"], "y": [0]}), FRAME])
    assert rows_of(found, more) == {"train": [9, 2, 5], "test": [1, 3]}  # new rows are in no part


def test_rows_that_are_gone_are_named(keep: Keep) -> None:
    found = keep({"train": [8, 1, 4], "test": [0, 2]}, of=FRAME)
    with pytest.raises(NotFound) as raised:
        found.indices(FRAME[~FRAME["a"].isin([1, 8])])
    assert raised.value.what == "2 of 3 rows of part 'train' are not in this data"
    assert raised.value.facts == {"rows": "row 8, row 1"}
    with pytest.raises(UsageError, match="other columns") as other:
        found.indices(FRAME.astype({"a": "i4"}))
    assert other.value.facts == {"columns": "a: int64 → int32"}


def test_ids_of_the_script_are_given_back(keep: Keep) -> None:
    found = keep({"train": ["b.png", "a.png"], "test": ["c.png", "a.png"]})
    assert found.ids() == {"train": ["b.png", "a.png"], "test": ["c.png", "a.png"]}
    assert found.manifest.overlaps == (("train", "test", 1),)
    files = ["a.png", "new.png", "c.png", "b.png", "a.png"]
    assert rows_of(found, files) == {"train": [3, 0], "test": [2, 4]}
    of = keep({"train": ["b", "d"]}, of=LETTERS)
    assert (rows_of(of), of.ids()) == ({"train": [1, 3]}, {"train": ["b", "d"]})
    with pytest.raises(NotFound) as raised:
        found.indices(["c.png"])
    assert raised.value.facts["rows"] == "'b.png', 'a.png'"


def test_parts_alone_are_known_by_their_rows(keep: Keep) -> None:
    train, test = FRAME.iloc[:7], FRAME.iloc[6:]
    found = keep({"train": train, "test": test}, labels={"train": train["y"], "test": test["y"]})
    assert found.manifest.data.made_of_parts
    assert found.manifest.overlaps == (("train", "test", 1),)
    assert found.manifest.parts[1].labels == {"0": 2, "1": 1, "2": 1}
    with pytest.raises(UsageError, match="rows, not numbers of rows"):
        found.indices()
    twice = pd.concat([FRAME, FRAME.iloc[6:7]])
    assert rows_of(found, twice) == {"train": [*range(7)], "test": [10, 7, 8, 9]}


def test_what_belongs_together_is_one_row(keep: Keep) -> None:
    x, y = np.arange(20.0).reshape(10, 2), np.array(LETTERS)
    found = keep({"train": [1, 2]}, of=(x, y))
    order = np.random.default_rng(0).permutation(10)
    assert order[found.indices((x[order], y[order]))["train"]].tolist() == [1, 2]
    with pytest.raises(UsageError, match="other columns"):
        found.indices(x)
    alike = np.zeros((3, 2))  # equal features, other labels: no two rows are the same
    found = keep({"train": [2]}, of=(alike, np.array([0, 1, 2])))
    assert rows_of(found, (alike, np.array([2, 0, 1]))) == {"train": [0]}


class Folder:
    """A data set as torchvision's `ImageFolder`."""

    def __init__(self, root: str, names: list[str]) -> None:
        self.root = root
        self.samples = [(f"{root}/{name}", 0) for name in names]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, at: int) -> object:
        raise AssertionError("nobody may ask")


def test_files_are_known_by_their_paths_below_the_root(keep: Keep) -> None:
    here = Folder("/data/here", ["cat/1.png", "cat/2.png", "dog/1.png"])
    there = Folder("/mnt/x", ["cat/2.png", "cat/3.png", "dog/1.png", "cat/1.png"])
    found = keep({"train": [0, 2]}, of=here)
    assert found.ids() == {"train": ["cat/1.png", "dog/1.png"]}
    assert rows_of(found, there) == {"train": [3, 2]}


def test_row_ids_are_what_the_page_says() -> None:
    """Bytes put together by hand, of an array, of a tuple, of texts."""

    def row(*cells: bytes) -> bytes:
        head = b"samebit-fp/1\0row\0" + (2).to_bytes(8, "little") + b"{}"
        return digest.raw(head + b"".join(b"\1" + cell for cell in cells))

    array = np.arange(6, dtype="i4").reshape(3, 2)
    found = find_rows(array, ASKED)
    assert not isinstance(found, str)
    assert found.ids == b"".join(row(one.tobytes())[:16] for one in array)
    labels = np.array([7, 8, 9], "u1")
    alike = find_rows((array, labels), ASKED)
    assert not isinstance(alike, str)
    cells = [(one.tobytes(), bytes([label])) for one, label in zip(array, labels, strict=True)]
    assert alike.ids == b"".join(row(*pair)[:16] for pair in cells)
    texts = ["x", "y", "z"]
    both = find_rows((array, texts), ASKED)
    assert not isinstance(both, str)
    inner = [
        (row(a.tobytes()), digest.raw(f'"{t}"'.encode())) for a, t in zip(array, texts, strict=True)
    ]
    assert both.ids == b"".join(row(*cells)[:16] for cells in inner)
    given_ids = find_rows(texts, ASKED)
    assert not isinstance(given_ids, str)
    assert given_ids.ids[:16] == digest.raw(b'"x"')[:16]
    assert row_ids.of_given([7]).ids == digest.raw(b"7")[:16]


def test_much_data_has_no_ids_and_says_so(keep: Keep) -> None:
    large = np.zeros((BY_ITSELF.rows + 1, 1))
    assert "100,000 rows" in str(find_rows(large, BY_ITSELF))
    assert not isinstance(find_rows(large, ASKED), str)
    assert "on a device" in str(find_rows(torch.empty(3, 1, device="meta"), BY_ITSELF))
    built = build(draft_of({"train": [1]}, of=np.zeros((2_000_001, 1), "u1"), most=ASKED))
    assert built.manifest.data.ids is None
    assert built.manifest.data.fingerprint is not None
    assert "2,000,000 rows" in built.manifest.notes[0]


@pytest.mark.parametrize(
    ("parts", "options", "said"),
    [
        ({}, {}, "no parts"),
        ({"train": [10]}, {"of": FRAME}, "row 10 of data that has 10 rows"),
        ({"train": [-1]}, {}, "below 0"),
        ({"train": [0.5]}, {}, "whole numbers"),
        ({"train": np.ones(3)}, {}, "neither row numbers nor a mask"),
        ({"train": [True] * 9}, {"of": FRAME}, "9 rows, and the data has 10"),
        ({"train": "a.png"}, {}, "no part of data"),
        ({"train": None}, {}, "no part of data"),
        ({"train": 7}, {}, "no part of data"),
        ({"train": FRAME.index}, {}, "an index of pandas"),
        ({"train": FRAME.assign(a=99)}, {"of": FRAME}, "10 of 10 rows that the data lacks"),
        ({"train": FRAME, "test": [1]}, {}, "no ids to find them by"),
        ({"train": [1]}, {"of": FRAME, "labels": [1, 2]}, "2 labels or groups for 10 rows"),
        ({"train": ["a"]}, {"of": FRAME}, "not alike"),
        ({"a": torch.utils.data.Subset(BASE, [1]), "b": [1]}, {"of": FRAME}, "different data"),
        ({3: [1]}, {}, "named by a text"),
    ],
)
def test_what_cannot_be_meant_is_said(parts: Any, options: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        draft_of(parts, most=ASKED, **options)


def test_a_list_that_was_changed_is_damaged(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    found = keep({"train": [3, 1]}, of=FRAME)
    read = Store.read
    monkeypatch.setattr(
        Store,
        "read",
        lambda self, name: (
            bytes([1, 3, 2]) if name == found.manifest.parts[0].sequence else read(self, name)
        ),
    )
    with pytest.raises(Damaged, match="not what its name says"):
        found.indices()


def test_equal_splits_are_one_object_and_another_order_shares_the_members(keep: Keep) -> None:
    first, same = keep({"train": [3, 1, 2]}, of=FRAME), keep({"train": (3, 1, 2)}, of=FRAME)
    other = keep({"train": [1, 2, 3]}, of=FRAME)
    assert first.digest == same.digest != other.digest
    ours, theirs = first.manifest.parts[0], other.manifest.parts[0]
    assert (ours.members, ours.set) == (theirs.members, theirs.set)
    assert ours.order != theirs.order
    assert theirs.sequence is None
