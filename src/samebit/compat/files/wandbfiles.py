"""Files of a run of wandb that lie on this machine: those in its folder, and those of artifacts.

`wandb.save` links a file into the run's folder, and `log_artifact` has copies in a folder `staging`
of wandb's own. Both are paths that anybody may have written: a link is followed only within the
project, past nothing hidden, and a copy is taken only from such a folder.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from samebit.capture.secret_names import is_secret_file

__all__ = ["Staged", "saved_files", "staged_file"]

# What comes as something else: config, summary, environment, console, packages.
_TOLD = frozenset(
    ("config.yaml", "wandb-summary.json", "wandb-metadata.json", "output.log", "requirements.txt")
)
_OF_PROJECT = "wandb"  # the folder of all runs, in that of the project
_STAGING = ("artifacts", "staging")  # the folders of copies, by their last names


class Staged(Struct, frozen=True):
    """A file of an artifact that was logged, as the run's file tells of it."""

    path: str  # in the version: the artifact's name, and its own there
    local: str  # where wandb had it on that machine; empty: nowhere
    md5: str  # of its content, in base64


def saved_files(run: Path) -> Iterator[tuple[str, Path]]:
    """The files in a run's folder by their paths in it; a link that is not followed is itself."""
    top = run / "files"
    project = run.parent.parent.resolve() if run.parent.name == _OF_PROJECT else None
    for folder, folders, names in os.walk(top):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in sorted([*links, *names]):
            path = Path(folder, name)
            inside = path.relative_to(top).as_posix()
            if inside in _TOLD:
                continue
            if path.is_symlink():
                yield inside, _followed(path, project) or path
            elif path.is_file():
                yield inside, path


def _followed(link: Path, project: Path | None) -> Path | None:
    try:
        target = link.resolve(strict=True)
        if project is None or not target.is_file() or not target.is_relative_to(project):
            return None
    except (OSError, RuntimeError):
        return None
    parts = target.relative_to(project).parts
    is_hidden = any(part.startswith(".") for part in parts)
    return None if is_hidden or is_secret_file(parts[-1]) else target


def staged_file(one: Staged) -> Path | None:
    """Where a file of an artifact lies, if it is there still."""
    path = Path(one.local)
    if "\0" in one.local or not path.is_absolute() or path.parts[-3:-1] != _STAGING:
        return None
    try:
        return path if path.is_file() and not path.is_symlink() else None
    except OSError:
        return None
