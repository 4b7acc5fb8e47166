from tests.cli.conftest import store

__all__ = ["store"]
