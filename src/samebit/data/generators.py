"""The random generators that an item of a data set may draw from: set, and put back as they were.

Python's, NumPy's and torch's of the process, and those that hang on the data set itself: nothing
that looks at a data set may move the generators of the user's program.
"""

import contextlib
import random
import sys
from collections.abc import Callable, Generator
from typing import Any

from samebit.capture.randomness import unreported

__all__ = ["kept", "set_to"]

_MOST_OBJECTS = 10_000  # of a data set are searched for generators
_Restore = Callable[[], None]


@contextlib.contextmanager
def kept(dataset: Any) -> Generator[None]:
    """Whatever is drawn within, the generators are afterwards what they were."""
    restores = [_of_python(random)]
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        restores.append(_of_legacy(numpy.random))
    if torch is not None:
        restores += _of_torch(torch)
    restores += _own(dataset)
    try:
        yield
    finally:
        for restore in restores:
            restore()


def set_to(seed: int) -> None:
    """Put the generators of the process into a state of their own."""
    unreported(random, "seed")(seed)
    if (numpy := sys.modules.get("numpy")) is not None:
        unreported(numpy.random, "seed")(seed)
    if (torch := sys.modules.get("torch")) is not None:
        torch.default_generator.manual_seed(seed)  # of the CPU: nothing of ours wakes a device


def _of_python(generator: Any) -> _Restore:
    state = generator.getstate()
    return lambda: generator.setstate(state)


def _of_legacy(generator: Any) -> _Restore:
    state = generator.get_state()
    return lambda: generator.set_state(state)


def _of_torch(torch: Any) -> list[_Restore]:
    """Those of devices, too, where the program has begun to use any."""
    devices = torch.cuda.default_generators if torch.cuda.is_initialized() else ()
    return [_of_tensor(one) for one in (torch.default_generator, *devices)]


def _of_tensor(generator: Any) -> _Restore:
    state = generator.get_state()
    return lambda: generator.set_state(state)


def _of_bits(generator: Any) -> _Restore:
    bits = generator.bit_generator
    state = bits.state

    def restore() -> None:
        bits.state = state

    return restore


def _own(dataset: Any) -> list[_Restore]:
    """Of generators in the attributes of an object, and in the objects there."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    restores: list[_Restore] = []
    seen: set[int] = set()
    waiting = [dataset]
    while waiting and len(seen) < _MOST_OBJECTS:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, (str, bytes, int, float, type(None))):
            continue
        seen.add(id(value))
        if isinstance(value, random.Random):
            restores.append(_of_python(value))
        elif numpy is not None and isinstance(value, numpy.random.Generator):
            restores.append(_of_bits(value))
        elif numpy is not None and isinstance(value, numpy.random.RandomState):
            restores.append(_of_legacy(value))
        elif torch is not None and isinstance(value, torch.Generator):
            restores.append(_of_tensor(value))
        elif isinstance(value, dict):
            waiting += list(value.values())[:_MOST_OBJECTS]
        elif isinstance(value, (list, tuple)):
            waiting += list(value[:_MOST_OBJECTS])
        elif isinstance(held := getattr(value, "__dict__", None), dict):
            waiting += list(held.values())
    return restores
