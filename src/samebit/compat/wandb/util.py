"""`wandb.util`: an id, by no generator that a training draws from."""

import os

__all__ = ["generate_id", "make_artifact_name_safe"]

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_FAIR = 256 - 256 % len(_LETTERS)  # bytes below it choose evenly


def generate_id(length: int = 8) -> str:
    """Small letters and digits by chance."""
    found = ""
    while len(found) < length:
        found += "".join(_LETTERS[b % len(_LETTERS)] for b in os.urandom(length) if b < _FAIR)
    return found[:length]


def make_artifact_name_safe(name: str) -> str:
    """A name that an artifact can have."""
    from samebit.compat.wandb.kept import data_name  # noqa: PLC0415  (an id needs no store)

    return data_name(name)
