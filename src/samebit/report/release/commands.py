"""The command of a run as a stranger gives it, from the folder of its code."""

import os
from collections.abc import Mapping
from pathlib import Path, PurePath

from samebit.capture.variables import variable_class
from samebit.report.anonymous import Wording
from samebit.report.release.bundle import Command
from samebit.report.release.given import GivenRun

__all__ = ["command_of"]


def command_of(run: GivenRun, wording: Wording) -> Command:
    """How it was started, with places in the project named from the folder of its code."""
    start = run.view.start
    cwd = PurePath(start.cwd) if start is not None else PurePath(run.root)
    inside = cwd.is_relative_to(run.root)
    here = cwd.relative_to(run.root) if inside else PurePath(".")
    recorded: Mapping[str, str] = run.view.facts.get("variables") or {}
    variables = {
        name: wording.text(value)
        for name, value in sorted(recorded.items())
        if variable_class(name) == "result" and not name.startswith("PYTHONPATH")
    }
    if start is not None and start.hash_seed is not None:
        variables["PYTHONHASHSEED"] = start.hash_seed
    if paths := _search_path(run, cwd):
        variables["PYTHONPATH"] = os.pathsep.join(paths)
    words = [_from_here(word, run.root, cwd) for word in run.words]
    asked = start if start is not None and start.how != "init" else None  # it seeds itself then
    return Command(
        run.how,
        tuple(wording.text(word) for word in words),
        here.as_posix(),
        variables,
        asked.seed if asked is not None else None,
        asked is not None and asked.deterministic,
    )


def _from_here(word: str, root: Path, cwd: PurePath) -> str:
    """A word that names something of the project, as it is named from the working directory."""
    option, equals, value = word.rpartition("=") if word.startswith("-") else ("", "", word)
    if not os.path.isabs(value) or not PurePath(os.path.normpath(value)).is_relative_to(root):
        return word
    return f"{option}{equals}{PurePath(os.path.relpath(value, cwd)).as_posix()}"


def _search_path(run: GivenRun, cwd: PurePath) -> list[str]:
    """What Python would not find by itself: the folder of the script is its own matter."""
    own = {str(cwd)}
    if run.how == "script" and run.words:
        own = {os.path.dirname(os.path.normpath(os.path.join(cwd, run.words[0])))}
    return [
        PurePath(os.path.relpath(path, cwd)).as_posix()
        for path in run.import_roots
        if path not in own
    ]
