"""Samples that are random each by itself: the same from any worker, and nothing drawn elsewhere."""

import pickle
import random
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import samebit  # noqa: E402
from samebit.errors import UsageError  # noqa: E402


class Noisy(torch.utils.data.Dataset[Any]):
    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        if index == 13:
            raise IndexError("no such sample")
        drawn = [random.random(), np.random.rand(), torch.rand(()).item()]
        return torch.tensor([float(index), *drawn], dtype=torch.float64)


def fetched(data: Any, **given: Any) -> Any:
    return torch.cat(list(torch.utils.data.DataLoader(data, batch_size=5, **given)))


def test_every_sample_is_the_same_whoever_fetches_it() -> None:
    data = samebit.per_sample(Noisy(), seed=7)
    whole = fetched(data)
    assert whole[:, 1:].unique().numel() == 3 * 12  # no two draw the same
    assert torch.equal(torch.stack([data[index] for index in reversed(range(12))]).flip(0), whole)
    assert torch.equal(data[np.int64(3)], whole[3])
    assert torch.equal(fetched(data, num_workers=2), whole)
    assert not torch.equal(fetched(samebit.per_sample(Noisy(), seed=8)), whole)


def test_each_epoch_draws_anew_also_in_workers_that_stay() -> None:
    data = samebit.per_sample(Noisy(), seed=7)
    loader = torch.utils.data.DataLoader(data, batch_size=5, num_workers=2, persistent_workers=True)
    epochs: list[Any] = []
    for epoch in (0, 1, 0):
        data.set_epoch(epoch)
        epochs.append(torch.cat(list(loader)))
    assert torch.equal(epochs[0], epochs[2])
    assert not (epochs[0] == epochs[1])[:, 1:].any()
    loader._iterator._shutdown_workers()  # type: ignore[union-attr]


@pytest.mark.slow
def test_spawned_workers_draw_the_same() -> None:
    data = samebit.per_sample(Noisy(), seed=7)
    data.set_epoch(3)
    spawned = fetched(data, num_workers=1, multiprocessing_context="spawn")
    assert torch.equal(spawned, fetched(data))


def test_it_is_pickled_with_its_epoch() -> None:
    data = samebit.per_sample(Noisy(), seed=7)
    data.set_epoch(3)
    again = pickle.loads(pickle.dumps(data))
    assert torch.equal(again[5], data[5])
    assert (again.epoch, len(again)) == (3, 12)


def test_nothing_is_drawn_from_the_generators_around_it() -> None:
    data = samebit.per_sample(Noisy(), seed=7)

    def states() -> Any:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    before = states()
    data[3]
    with pytest.raises(IndexError, match="no such sample"):
        data[13]
    assert states() == before


def test_what_has_no_index_is_refused() -> None:
    class Stream(torch.utils.data.IterableDataset[int]):
        def __iter__(self) -> Any:
            return iter(range(3))

    with pytest.raises(UsageError, match="takes a data set with indices, not a Stream"):
        samebit.per_sample(Stream(), seed=1)
    with pytest.raises(UsageError, match="a seed must be"):
        samebit.per_sample(Noisy(), seed=-1)
