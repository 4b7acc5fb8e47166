"""A store with a run of every kind: those of the golden stores, side by side."""

import shutil
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden"


def golden_store(project: Path) -> Path:
    """States, a trace, a schedule, verdicts, media, versions of data; four runs and a replay."""
    store = project / ".samebit"
    for name in ("data-1", "media-1", "store-1"):
        shutil.copytree(GOLDEN / name, store, dirs_exist_ok=True)
    (store / "tmp").mkdir(exist_ok=True)  # git keeps no empty folder
    return store
