"""Who is told what the hooks met."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from samebit.session import telling


class Heard:
    """A listener that keeps what it hears of batches, and of numbers of a `SummaryWriter`."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def batch(self, value: Any, iterator: Any) -> None:
        self.all.append(value)

    def summary_scalar(self, *given: Any) -> None:
        self.all.append(given[2])


@pytest.fixture
def heard() -> Iterator[Heard]:
    found: Any = Heard()
    before = telling.Guard.current
    telling.listen(found)
    yield found
    telling.Guard.current = before


def tell_both(value: Any) -> None:
    telling.tell("hooks.batch", "batch", value, None)
    telling.tell_of_scalars(None, "loss", value, 1, None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks")
def test_a_forked_child_tells_nothing_and_its_parent_goes_on(heard: Heard) -> None:
    tell_both(1)
    with telling.unheard():
        tell_both(2)
        child = os.fork()
    if not child:
        tell_both(3)
        os._exit(len(heard.all))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    tell_both(4)
    assert heard.all == [1, 1, 4, 4]
