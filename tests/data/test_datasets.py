"""Fingerprints of torch's data sets, and none of what would not come again."""

import random
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from samebit.data.datasets import sampled_positions
from samebit.data.fingerprints import fingerprint
from samebit.errors import UsageError
from tests.data import by_the_page


class Pictures(Dataset[Any]):
    """Positions and a tensor, through a transform as torchvision's data sets have it."""

    def __init__(self, count: int = 40, transform: Callable[[Any], Any] | None = None) -> None:
        self.count, self.transform = count, transform
        self.dice = np.random.default_rng(1)
        self.reads = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, at: int) -> Any:
        self.reads += 1
        picture = torch.full((2, 2), float(at))
        return (self.transform(picture) if self.transform else picture), at % 3


def name(value: Any, **options: Any) -> str | None:
    return fingerprint(value, **options).name


def test_items_are_known_by_their_content_and_place() -> None:
    found = fingerprint(Pictures())
    assert (found.kind, found.counts, found.notes) == ("items", {"items": 40}, ())
    assert found.is_whole
    assert name(Pictures()) == found.name
    assert name(Pictures(41)) != found.name
    assert name(Pictures(transform=lambda picture: picture + 1)) != found.name
    assert name(Subset(Pictures(), range(40))) == found.name
    assert name(Subset(Pictures(), [1, 0, *range(2, 40)])) != found.name


RANDOM: dict[str, Callable[[Any], Any]] = {
    "torch": lambda picture: picture + torch.randn(()),
    "numpy": lambda picture: picture + np.random.rand(),
    "python": lambda picture: picture + random.random(),
    "one in ten": lambda picture: picture + (random.random() < 0.1),
    "the system": lambda picture: picture + secrets.randbits(30),
    "a new generator": lambda picture: picture + float(np.random.default_rng().random()),
}


@pytest.mark.parametrize("source", RANDOM)
def test_of_random_transforms_only_the_source_has_a_fingerprint(source: str) -> None:
    found = fingerprint(Pictures(transform=RANDOM[source]))
    assert found.kind == "items-source"
    assert not found.is_whole
    assert "random" in found.notes[0]
    assert "its transforms off" in found.notes[1]
    assert fingerprint(Pictures(transform=RANDOM[source])).name == found.name
    plain = fingerprint(Pictures()).name
    assert found.name is not None
    assert plain is not None
    assert found.name.split(":")[1] == "items-source" != plain.split(":")[1]
    inside = fingerprint(Subset(Pictures(transform=RANDOM[source]), range(40)))
    assert inside.name == found.name


def test_the_transform_of_the_users_data_set_stays_on() -> None:
    data = Pictures(transform=RANDOM["torch"])
    fingerprint(data)
    assert data.transform is RANDOM["torch"]


class Rolls(Pictures):
    def __getitem__(self, at: int) -> Any:
        return self.dice.random()


def test_what_is_random_at_its_source_has_none_and_says_so() -> None:
    found = fingerprint(Rolls(transform=RANDOM["torch"]))
    assert found.name is None
    assert str(found) == "no fingerprint"
    assert not found.is_whole
    assert "random" in found.notes[0]
    assert "take one of its files" in found.notes[-1]
    with pytest.raises(UsageError, match="a member has no fingerprint"):
        fingerprint({"train": Rolls()})


def test_a_data_set_that_counts_its_reads_into_its_items_has_none() -> None:
    class Counted(Pictures):
        def __getitem__(self, at: int) -> Any:
            super().__getitem__(at)
            return self.reads

    assert name(Counted()) is None


@pytest.mark.parametrize("kind", [Pictures, Rolls])
def test_no_generator_of_the_users_is_moved(kind: type[Pictures]) -> None:
    data = kind(transform=lambda p: RANDOM["torch"](RANDOM["numpy"](RANDOM["python"](p))))
    own = random.Random(4)
    data.nested = {"deep": [torch.Generator().manual_seed(1), own, np.random.RandomState(2)]}  # pyright: ignore
    expected = [
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
    ]
    expected += [data.dice.bit_generator.state, own.getstate()]
    fingerprint(data)
    now = [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]
    assert [*now, data.dice.bit_generator.state, own.getstate()] == expected


def test_generators_are_put_back_when_an_item_fails() -> None:
    class Broken(Pictures):
        def __getitem__(self, at: int) -> Any:
            random.random()
            raise ZeroDivisionError

    before = random.getstate()
    with pytest.raises(ZeroDivisionError):
        fingerprint(Broken())
    assert random.getstate() == before


def test_a_sample_is_labelled_and_never_equal_to_the_whole() -> None:
    data = Pictures(500)
    found = fingerprint(data, sample=20)
    assert data.reads == 40  # each item twice
    assert (found.kind, found.counts) == ("items-sample", {"items": 500, "taken": 20})
    assert found.notes == ("a sample: 20 of 500 items were read",)
    assert not found.is_whole
    assert len({found.name, name(data), name(data, sample=21), name(Pictures(501), sample=20)}) == 4
    assert name(Pictures(10), sample=10) == name(Pictures(10))
    mixed = fingerprint({"a": Pictures(500), "b": np.ones(2)}, sample=20)
    assert (mixed.kind, mixed.is_whole) == ("group-sample", False)
    with pytest.raises(UsageError, match="at least one"):
        fingerprint(data, sample=0)


def test_the_positions_of_a_sample_are_spread_and_always_the_same() -> None:
    taken = sampled_positions(1000, 100)
    assert taken == sampled_positions(1000, 100) == sorted(set(taken))
    assert len(taken) == 100
    assert (taken[0], taken[-1]) == (0, 999)
    assert all(sum(low <= at < low + 250 for at in taken) > 10 for low in range(0, 1000, 250))
    headers = [{"count": count, "items": 1000} for count in range(5)]
    chosen = [by_the_page.form("choice", header, b"")[:8] for header in headers]
    places = {int.from_bytes(one, "little") % 1000 for one in chosen}
    assert sampled_positions(1000, 7) == sorted({0, 999, *places})
    assert sampled_positions(3, 5) == [0, 1, 2]
    assert sampled_positions(9, 1) == [0]


def test_tensors_are_hashed_as_arrays_and_rows_of_them_as_those() -> None:
    x, y = torch.arange(60.0).reshape(20, 3), torch.arange(20)
    whole = TensorDataset(x, y)
    assert fingerprint(whole).kind == "arrays"
    rows = [7, 3, 3, 19]
    chosen = TensorDataset(x[rows], y[rows])
    assert fingerprint(Subset(whole, rows)) == fingerprint(chosen) != fingerprint(whole)
    assert name(Subset(Subset(whole, rows), [2, 0])) == name(TensorDataset(x[[3, 7]], y[[3, 7]]))
    train, _ = torch.utils.data.random_split(whole, [15, 5], torch.Generator().manual_seed(0))
    assert name(train) == name(TensorDataset(x[train.indices], y[train.indices]))
    assert name(Subset(whole, [])) == name(TensorDataset(x[:0], y[:0]))


def test_rows_are_gathered_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.arange(3000.0).reshape(1000, 3)
    rows = [int(n) for n in torch.randperm(1000)]
    monkeypatch.setattr("samebit.data.arrays._GATHERED_BYTES", 100)
    assert name(Subset(TensorDataset(x), rows)) == name(TensorDataset(x[rows]))


class Stream(IterableDataset[Any]):
    def __init__(self, values: list[Any], shuffled: bool = False) -> None:
        self.values, self.shuffled = values, shuffled

    def __iter__(self) -> Iterator[Any]:
        values = list(self.values)
        if self.shuffled:
            random.shuffle(values)
        yield from values


def test_a_stream_is_known_by_what_comes_in_its_order() -> None:
    found = fingerprint(Stream([1, 2, 3]))
    assert (found.kind, found.counts, found.is_whole) == ("stream", {"items": 3}, True)
    assert name(Stream([2, 1, 3])) != found.name != name(Stream([1, 2]))
    first = fingerprint(Stream([1, 2, 3]), sample=2)
    assert (first.kind, first.counts) == ("stream-sample", {"taken": 2})
    assert first.notes == ("a sample: the first 2 items were read",)
    assert name(Stream([1, 2, 9]), sample=2) == first.name != name(Stream([1, 2]))
    assert name(Stream([1, 2, 3]), sample=3) == found.name


def test_a_stream_in_random_order_has_none() -> None:
    before = random.getstate()
    found = fingerprint(Stream(list(range(50)), shuffled=True))
    assert found.name is None
    assert "two reads differ" in found.notes[0]
    assert random.getstate() == before


ITEMS: list[Any] = [
    None, True, False, 0, 1, 2**70, 1.0, 0.0, -0.0, "", "1", b"", b"1",
    [], (), {}, [1], (1,), [[1]], [1, 1], {"a": 1}, {"a": None}, {1: "a"},
    np.int64(1), np.float32(1), np.ones(1), torch.ones(1, dtype=torch.float64)[None],
    pd.DataFrame({"a": [1]}), ["ab", "c"], ["a", "bc"], {"a": {"b": 1}}, {"a": 1, "b": 2},
]  # fmt: skip


def test_different_items_have_different_bytes() -> None:
    from samebit.data.items import digest_of_item

    assert len({digest_of_item(item) for item in ITEMS}) == len(ITEMS)
    assert digest_of_item({"b": 2, "a": 1}) == digest_of_item({"a": 1, "b": 2})
    assert digest_of_item(torch.ones(2)) == digest_of_item(np.ones(2, "f4"))


def test_items_without_bytes_are_refused_with_their_place() -> None:
    loop: list[Any] = []
    loop.append(loop)
    for item, said in ((object(), "builtins.object"), (loop, "nested"), (lambda: 1, "function")):
        with pytest.raises(UsageError, match=said) as caught:
            fingerprint(Subset(Pictures(3, transform=lambda _, item=item: item), [2]))
        assert caught.value.facts == {"item": 0}


def test_what_cannot_be_read_twice_is_refused_with_what_to_do() -> None:
    for value, said in (
        (DataLoader(Pictures()), "its dataset"),
        (iter([1]), "arrays"),
        ([1], "of_indices"),
        ("a.csv", "pathlib"),
    ):
        with pytest.raises(UsageError, match=said):
            fingerprint(value)
