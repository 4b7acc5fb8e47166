"""A data set each of whose samples draws from generators of its own, whoever fetches it and when.

What a sample draws then depends on nothing but seed, epoch and index: not on how many workers there
are, whether they stay from one epoch to the next, or what was fetched before.
"""

import operator
import sys
from typing import Any

from samebit import digest
from samebit.capture import randomness
from samebit.errors import UsageError
from samebit.states import torch as torch_states

__all__ = ["PerSample", "per_sample"]


class PerSample:
    """A map-style data set around another; `dataset` is that one."""

    _samebit_seeds_samples = True  # a checkpoint needs nothing of its workers

    def __init__(self, dataset: Any, seed: int) -> None:
        import torch  # noqa: PLC0415  (who has a data set for a loader has loaded it)

        self.dataset = dataset
        self.seed = seed
        # Shared: workers that stay from one epoch to the next see it change.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        """The epoch that samples are drawn for."""
        return int(self._epoch[0])

    def set_epoch(self, epoch: int) -> None:
        """Draw other numbers from now on; to be called before an epoch's iterator is made."""
        self._epoch[0] = operator.index(epoch)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Any:
        before = torch_states.generator_states()
        try:
            _seed(self.seed, self.epoch, index)
            return self.dataset[index]
        finally:
            torch_states.restore_generators(before)


def per_sample(dataset: Any, seed: int) -> PerSample:
    """A data set whose samples are random each by itself: from seed, epoch, and index.

        data = samebit.per_sample(data, seed=1)
        for epoch in range(epochs):
            data.set_epoch(epoch)
            for batch in loader:
                ...

    Around each `dataset[index]` the generators of Python, NumPy and torch (CPU) are seeded, and put
    back afterwards. The same samples come with any number of workers, and a resumed training needs
    no loader to be as it was. Without `set_epoch` each epoch draws the same.

    Args:
        dataset: map-style. Generators of its own (`default_rng()`) are not touched.
        seed: a whole number from 0 to 2^32 - 1.

    Raises:
        UsageError: it is an iterable data set, whose samples have no index; or the seed is none.
    """
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise UsageError(
            f"per_sample() takes a data set with indices, not a {type(dataset).__name__}",
            hint="one with `__getitem__` and `__len__`",
        )
    return PerSample(dataset, randomness.check_seed(seed))


def _seed(seed: int, epoch: int, index: Any) -> None:
    """Seed every library that is loaded, each from a hash of its own.

    Python and NumPy would draw the same numbers from the same words.
    """
    try:
        index = operator.index(index)
    except TypeError:
        index = repr(index)

    def words(library: str) -> int:
        text = digest.canonical_json(["samebit-sample 1", seed, epoch, index, library])
        return int(digest.of_bytes(text).partition(":")[2], 16)

    if (python := sys.modules.get("random")) is not None:
        randomness.unreported(python, "seed")(words("python"))
    if (numpy := sys.modules.get("numpy.random")) is not None:
        number = words("numpy")
        parts: Any = [number >> 32 * at & 0xFFFFFFFF for at in range(8)]
        randomness.unreported(numpy, "seed")(parts)
    # Not torch.manual_seed, which seeds the devices, too.
    sys.modules["torch"].default_generator.manual_seed(words("torch") & 0x7FFFFFFFFFFFFFFF)
