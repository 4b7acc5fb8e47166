"""Asked by a job whose time is nearly over: ends with 0 where its run can go on in another one."""

import sys
from pathlib import Path

from samebit.folders.folder import RunFolder
from samebit.session.resuming import can_go_on


def main() -> int:
    """Whether the run of the folder that is named has a checkpoint, and has not finished."""
    return 0 if can_go_on(RunFolder(Path(sys.argv[1]))) else 1


if __name__ == "__main__":
    sys.exit(main())
