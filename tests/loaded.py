"""A state as it lies in the store, loaded: what a test compares with what was saved."""

from typing import Any

from samebit.objects.store import Store
from samebit.states.stored import StoredState

__all__ = ["load"]


def load(store: Store, name: str, *, as_torch: bool) -> Any:
    """The state of that name, its arrays as torch tensors or as NumPy arrays; parts as parts."""
    return StoredState(store, name, apart=True).value("torch" if as_torch else "numpy")
