"""`samebit export --tensorboard`: runs as event files, which TensorBoard opens."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from samebit.cli.words import ProgressLine, Screen, counted, visible
from samebit.compat.files.writing import groups_of_seeds, write_events
from samebit.errors import Exit, SamebitError, UsageError
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run

__all__ = ["export_events"]


def export_events(store: Path, rows: Sequence[Mapping[str, object]], folder: Path) -> int:
    """Write runs into a folder; exit code 7 where one could not be read, and the rest is there.

    Args:
        store: that they lie in.
        rows: of the index.
        folder: where to, made where it is not there.

    Raises:
        UsageError: there is a file in its place, or NumPy is not installed.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    screen, errors = Screen.of(sys.stdout), Screen.of(sys.stderr)
    failed: list[str] = []

    def views() -> Iterator[View]:
        for row in rows:
            try:
                yield read_run(RunFolder(store / "runs" / str(row["id"])))
            except SamebitError as error:
                failed.append(f"run {row['id']}: {error.what}")

    points = things = runs = 0
    left_out: dict[str, None] = {}
    with ProgressLine(errors, len(rows), "export") as line:
        for written in write_events(views(), folder, groups_of_seeds(rows)):
            line.advance()
            points, things, runs = points + written.points, things + written.things, runs + 1
            left_out |= dict.fromkeys(f"{written.run}: {what}" for what in written.left_out)
    for what in failed:
        errors.say(visible(f"samebit: left out, it cannot be read: {what}"))
    for what in left_out:
        errors.say(visible(f"not written of {what}"))
    amount = f"{counted(runs, 'run')}, {counted(points, 'point')}"
    amount += f", {counted(things, 'thing')} to look at" if things else ""
    screen.say(f"{visible(str(folder))}: {amount}; tensorboard --logdir {visible(str(folder))}")
    return Exit.NOT_FOUND if failed else Exit.DONE
