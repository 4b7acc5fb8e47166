"""`--via REMOTE`: studies on machines that do not see their folder; what goes there, what not."""

import argparse
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from samebit import places, records
from samebit.cli.words import Screen, few, say_wrapped, size, visible
from samebit.data import placing, versions
from samebit.errors import CannotStart, SamebitError, in_a_line
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.objects.store import Store
from samebit.objects.tree import read_tree
from samebit.query import index
from samebit.records import CodeRecord, CodeSent, DataRecord
from samebit.remotes import named
from samebit.remotes.named import Remote
from samebit.session.request import code_start
from samebit.session.snapshot import find_locks, take_code
from samebit.session.taking import refuse_changes
from samebit.studies.declared import Study, folder_of
from samebit.studies.places.away import Away
from samebit.studies.places.place import Place
from samebit.studies.trials import read_history

__all__ = ["remote_of", "sent_from"]

_NAMED = 3
_NEWEST = 20  # runs that are looked through for one of the same script


def remote_of(options: argparse.Namespace) -> Remote | None:
    """The remote that is asked for; None where runs are made in the study's own folder."""
    if options.via is None:
        return None
    return named.choose(places.choose_store(Path.cwd()), options.via)


@contextmanager
def sent_from(
    screen: Screen, store: Path, study: Study, place: Place, remote: Remote | None
) -> Generator[Place]:
    """The place as it is to be used: where a remote is given, runs come home by that.

    What was begun before comes home first. At the end the remote has the study as it is here.
    """
    if remote is None:
        yield place
        return
    away = Away(place, store, remote, study.id, lambda: _code(screen, store, study))
    begun = [
        start.run
        for trial in read_history(folder_of(store, study.id), study.id).trials
        for start in trial.starts
        if not RunFolder(store / "runs" / start.run).has_ended()
    ]
    away.fetch(begun)
    yield away
    try:
        troubles = [*away.send_study().values()]
    except SamebitError as error:
        troubles = [in_a_line(error)]
    for why in troubles:
        say_wrapped(screen, [f"samebit: not at {remote.name}: {why}"])


def _code(screen: Screen, store: Path, study: Study) -> str:
    """Put the code as it is now into the store; the object that says which it is."""
    settings = places.read_settings(store)
    start, script = code_start(study.how, study.words, Path(study.cwd))
    refuse_changes(store, start)
    objects = Store(store)
    try:
        code, files = take_code(objects, study.id, start, script, settings)
        locks = find_locks(start, files, objects)
    except OSError as error:
        raise CannotStart(f"the code cannot be taken: {error.strerror}", folder=start) from error
    data, stays = _kept(objects, study, _missing(objects, study, code))
    for one in data:
        told = f"{one.path} goes there, too: {versions.short_name(one)}, {size(one.size_bytes)}"
        say_wrapped(screen, [f"samebit: {visible(told)}"])
    for line in _stays(code, stays):
        say_wrapped(screen, [f"samebit: mind: {line}"])
    return objects.put(records.encode(CodeSent(code, tuple(locks), tuple(data))))


def _missing(store: Store, study: Study, code: CodeRecord) -> list[str]:
    """What the command names, or its newest run has read, that is no part of the code."""
    known = {entry.path for entry in read_tree(store, code.tree).entries}
    words = [word.rpartition("=")[2] for word in study.words]
    words += _read_before(store.path, study)
    return [one for one in dict.fromkeys(words) if _is_left(study, Path(code.root), known, one)]


def _kept(store: Store, study: Study, words: list[str]) -> tuple[list[DataRecord], list[str]]:
    """The versions of data that have what words name as it lies there now; the words left over."""
    paths = {word: (Path(study.cwd) / word).resolve() for word in words}
    found: list[DataRecord] = []
    for name in versions.list_names(store.path) if words else ():
        for one in versions.read_versions(store.path, name):
            here = [
                word for word, path in paths.items() if one.path and path.is_relative_to(one.path)
            ]
            if here and one.kept and _is_as_it_lies(store, one):
                found.append(one)
                paths = {word: path for word, path in paths.items() if word not in here}
    return found, list(paths)


def _is_as_it_lies(store: Store, version: DataRecord) -> bool:
    try:
        plan = placing.make_plan(store, version, Path(version.path))
    except SamebitError:
        return False  # it cannot be told, and so is not sent
    return not (plan.write or plan.remove or plan.others)


def _stays(code: CodeRecord, missing: list[str]) -> list[str]:
    """What a run may miss on another machine, in words."""
    root = Path(code.root)
    said = []
    if places.git_top_level(root) is None:
        said.append(
            f"{root} is no git repository: the script alone goes there; `git init` has all go"
        )
    if code.left_out:
        left = few([line.partition(":")[0] for line in code.left_out], _NAMED)
        said.append(f"too large for code, or secret, and stays here: {left}")
    if missing:
        said.append(
            f"no part of the code, and stays here: {few(missing, _NAMED)}; "
            "the machines must have it, or the script fetch it; "
            "what `samebit data add` has kept as it is goes there"
        )
    return said


def _read_before(store: Path, study: Study) -> list[str]:
    """The files that the newest run of the same command has read below its folder, as seen there.

    Nothing where no such run is among the newest.
    """
    for row in reversed(index.rows(store)[-_NEWEST:]):
        with suppress(SamebitError, ValueError):
            view = read_run(RunFolder(store / "runs" / str(row["id"])))
            start = view.start
            if start and (start.how, start.cwd, *start.argv[:1]) == (
                study.how, study.cwd, *study.words[:1]
            ):  # fmt: skip
                read = [Path(fact["path"]) for fact in view.files if fact["how"] == "read"]
                below = [path for path in read if path.is_relative_to(study.cwd)]
                return [str(path.relative_to(study.cwd)) for path in below]
    return []


def _is_left(study: Study, root: Path, known: set[str], word: str) -> bool:
    """Whether a word of the command names what is here, and does not travel."""
    path = Path(os.path.normpath(Path(study.cwd) / word))
    if not word or not path.exists() or path in (root, *root.parents):
        return False
    if not path.is_relative_to(root):
        return not Path(word).is_absolute()  # else it may be everywhere, as /data is
    own = path.relative_to(root).as_posix()
    return own not in known and not any(one.startswith(f"{own}/") for one in known)
