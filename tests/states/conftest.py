import pytest

from samebit import places
from samebit.objects.store import Store


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(places.make_store(tmp_path_factory.mktemp("states") / ".samebit"))
