"""A folder of a store's `tmp/` for what is written there before it gets its name."""

import contextlib
import os
import shutil
import time
from collections.abc import Generator
from pathlib import Path

__all__ = ["aside"]

_DAY_S = 86400


@contextlib.contextmanager
def aside(store: Path, purpose: str) -> Generator[Path]:
    """A path in `tmp/` that goes at the end; those of killed processes go after a day."""
    for path in (store / "tmp").glob(f"{purpose}-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _DAY_S:
                shutil.rmtree(path, ignore_errors=True)
    made = store / "tmp" / f"{purpose}-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
