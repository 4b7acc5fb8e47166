"""Saves the states of some seeds one after the other, and says the name of each once it is saved.

A process of its own, for `test_states.py`: `python -m tests.crash.saving STORE KIND SEED …`.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from samebit.objects.store import Store
from samebit.states import storing

__all__ = ["small_parts", "state_of"]


def small_parts(change: Callable[[Any, str, int], object]) -> None:
    """Put leaves of less than half a megabyte in parts, for this process."""
    change(storing, "PART_BYTES", 80_000)
    change(storing, "_WHOLE_BYTES", 200_000)


def state_of(seed: int, kind: str) -> dict[str, Any]:
    """Leaves in a pack, in files, and in parts; of "many" the manifest needs a file, too."""
    chance = np.random.default_rng(seed)
    parts = np.random.default_rng(0).standard_normal(60_000)
    parts[seed] += 1  # all but one part are those of every other seed
    return {
        "model": {
            "in parts": parts,
            "large": [chance.standard_normal(size) for size in (9_000, 20_000, 15_000)],
            "encoded": np.full(90_000, seed, np.int16),
            "shared": np.random.default_rng(0).bytes(70_000),
            "small": [chance.standard_normal(3) for _ in range(400 if kind == "many" else 4)],
        },
        "step": seed,
    }


if __name__ == "__main__":
    small_parts(setattr)
    store = Store(Path(sys.argv[1]))
    for seed in map(int, sys.argv[3:]):
        os.write(1, storing.save(store, state_of(seed, sys.argv[2])).encode() + b"\n")
