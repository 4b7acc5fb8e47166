"""The descriptors that this process has open: what a test compares that must leave none behind."""

import os

__all__ = ["opened"]


def opened() -> dict[int, str]:
    """Each by its number, and what it leads to.

    Those of tests before may be closed at any time, when Python finds that nobody holds them: what
    was there is `<=`, by its items, what was there before.
    """
    found: dict[int, str] = {}
    for name in os.listdir("/dev/fd"):
        try:
            found[int(name)] = os.readlink(f"/dev/fd/{name}")
        except OSError:
            pass  # the one by which the list was made
    return found
