"""Asked by a job whose time is nearly over: ends with 0 where its run can go on in another one."""

import sys
from pathlib import Path

from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.session.resuming import came_further, can_go_on

__all__ = ["main"]


def main(run: RunFolder) -> int | str:
    """Whether to queue a run again; if not, says why."""
    if read_run(run).status == "running":
        why = "something of it goes on"
    elif not can_go_on(run):
        why = "no checkpoint to go on from"
    elif not came_further(run):
        why = "no newer checkpoint since the last time"
    else:
        return 0
    return f"samebit: not queued again: {why}"


if __name__ == "__main__":
    sys.exit(main(RunFolder(Path(sys.argv[1]))))
