"""The frameworks that doors lead into, loaded once for all scripts behind a door."""

from collections.abc import Callable, Iterator

import pytest

from tests.contract.doors import DOORS
from tests.warm import Warm

WarmBehind = Callable[[str], Warm | None]


@pytest.fixture(scope="session")
def warm_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmBehind]:
    """A process that has the framework of a door; none of one that is loaded in no time.

    One at a time is there: tests of one door stand one behind the other.
    """
    held: dict[str, Warm] = {}

    def let_go() -> None:
        while held:
            held.popitem()[1].close()

    def find(name: str) -> Warm | None:
        if DOORS[name].loads and name not in held:
            let_go()
            held[name] = Warm(
                tmp_path_factory.mktemp("warm"),
                DOORS[name].loads,
                KERAS_BACKEND="torch",
                PYTHONHASHSEED="0",
            )
        return held.get(name)

    yield find
    let_go()
