"""What a run needs to be run again, what of it is here, and what differs.

Making a plan runs nothing and changes nothing. A `blocker` means that the verdict would be
`unknown`; a `difference` is reported, most effective first, and the replay goes on.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit import digest
from samebit.capture import environment, installed, machine
from samebit.capture.listings import summary
from samebit.capture.variables import for_replay
from samebit.errors import Damaged, SamebitError, UsageError
from samebit.folders.read import View
from samebit.objects.store import Store
from samebit.objects.tree import read_tree
from samebit.records import ExecutionStart, TreeEntry, TreeRecord
from samebit.replay.recipe import Rebuilt

__all__ = [
    "Input",
    "Listing",
    "Plan",
    "edited_before_import",
    "environment_differences",
    "is_found",
    "make_plan",
]


class Input(Struct, frozen=True):
    """A file that the run read and that is not part of its code."""

    path: Path  # where it was
    size_bytes: int
    mtime_ns: int
    digest: str | None  # None: recorded by size and time only
    kept: str | None  # the object that holds the bytes it had, where the run overwrote it
    written: bool
    is_absolute: bool  # how the script named it


class Listing(Struct, frozen=True):
    """A folder that the run listed, or read too many files of to tell of each."""

    path: Path
    names: tuple[str, ...]  # without what the run made itself
    count: int = 0  # of files that were read, and known by name, size and time only


class Plan(Struct, frozen=True):
    """Everything that a replay is made from."""

    view: View
    start: ExecutionStart
    how: str  # script | module | command
    words: tuple[str, ...]  # the script, module or program, and its arguments, as recorded
    root: Path  # the folder that the code was taken from
    tree: TreeRecord
    inputs: tuple[Input, ...]
    sources: tuple[tuple[str, str, str], ...]  # module, file, digest: as it ran
    import_roots: tuple[str, ...]  # entries of the search path inside `root`
    outputs: tuple[Path, ...]  # files that the run wrote first
    folders: tuple[Path, ...]  # folders that it made
    listings: tuple[Listing, ...]
    environ: Mapping[str, str]
    changed_variables: tuple[str, ...]
    differences: tuple[str, ...]
    blockers: tuple[str, ...]
    rebuilt: Rebuilt | None = None  # the environment that it runs in; None: this process's own


def make_plan(view: View, environ: Mapping[str, str], *, elsewhere: bool = False) -> Plan:
    """Find out what is needed and what is here.

    Args:
        view: the recorded run.
        environ: the environment of whoever verifies.
        elsewhere: whether it is to run in an environment that is still to be made; whether its
            command is there is then seen later.

    Raises:
        UsageError: the run is a replay itself, or is still going on.
        Damaged: its record cannot be read.
    """
    if view.record.kind == "replay":
        raise UsageError(
            f"{view.id} is itself a replay, of run {view.record.of}",
            hint=f"samebit verify {view.record.of}",
        )
    if view.status == "running":
        raise UsageError(f"run {view.id} is still going on", hint="verify it when it has ended")
    start = view.start
    if start is None:
        raise Damaged(f"run {view.id} has no execution", path=view.folder.path)
    blockers: list[str] = list(view.odd)
    if len(view.starts) > 1:
        blockers.append(
            f"it has {len(view.starts)} executions: the later ones began from what the earlier "
            "ones left, which is no part of the record"
        )
    elif view.restarts:
        blockers.append("its launcher started ranks again after a failure, which is not repeated")
    if start.ranks > 1:
        blockers.append(
            f"it ran as {start.ranks} processes of {start.job}, and a replay starts only one; "
            "begun as one command, such as `samebit run -- srun …`, a run can be verified"
        )
    store = Store(view.folder.store)
    root, tree = _code(view, store, blockers)
    if start.masked:
        blockers.append("its command holds a secret, which was not recorded")
    how, words = _command(view, start, blockers)
    if not elsewhere and how == "command" and not is_found(words[:1], environ):
        blockers.append(f"its command is not on this machine: {' '.join(words[:1])}")
    found = view.sources
    sources = tuple((name, file, content) for name, file, content in found["modules"])
    blockers += [f"its code is not complete: {line}" for line in found.get("left_out", [])]
    tree = _as_it_ran(root, tree, sources, store)
    _need_sources(sources, root, tree, store, blockers)
    inputs = _inputs(view, root, tree, sources, store, blockers)
    recorded = view.facts.get("variables") or {}
    replay_environ, changed = for_replay(recorded, environ)
    if start.hash_seed is not None:
        replay_environ["PYTHONHASHSEED"] = start.hash_seed
    return Plan(
        view=view,
        start=start,
        how=how,
        words=words,
        root=root,
        tree=tree,
        inputs=inputs,
        sources=sources,
        import_roots=tuple(p for p in found["path"] if Path(p).is_relative_to(root)),
        outputs=_paths(view, "write"),
        folders=_paths(view, "folder"),
        listings=(*_listings(view, root, tree, blockers), *_whole(view, blockers)),
        environ=replay_environ,
        changed_variables=tuple(changed),
        differences=tuple(environment_differences(view)),
        blockers=tuple(blockers),
    )


def _code(view: View, store: Store, blockers: list[str]) -> tuple[Path, TreeRecord]:
    code = view.code
    if code is None:
        blockers.append("its code was not recorded")
        return Path(view.start.cwd if view.start else "."), TreeRecord(())
    root = Path(code.root)
    try:
        tree = read_tree(store, code.tree)
    except SamebitError as error:
        blockers.append(f"its code cannot be read: {error.what}")
        return root, TreeRecord(())
    for entry in tree.entries:
        if not store.has(entry.digest):
            blockers.append(f"its code is not complete: {entry.path} is not in the store")
    return root, tree


def is_found(words: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether a program without a folder, such as `srun`, is found; others are laid out."""
    name = words[0] if words else ""
    return os.sep in name or shutil.which(name, path=environ.get("PATH")) is not None


def _command(view: View, start: ExecutionStart, blockers: list[str]) -> tuple[str, tuple[str, ...]]:
    """What was run, as a launch takes it."""
    script = start.argv[0] if start.argv else ""
    if start.how != "init":
        return start.how, start.argv
    if script in ("", "-c", "-") or Path(script).name == "ipykernel_launcher.py":
        blockers.append("it was begun in an interactive session: there is no script to run again")
    # With the interpreter's own options, which `sys.argv` does not have (`-O`, `-X`, `-m`).
    for process in view.all_facts("process"):
        if len(words := process.get("argv", ())) > 1:
            return "command", (sys.executable, *words[1:])
    return "script", start.argv


def edited_before_import(
    root: Path, tree: TreeRecord, sources: Iterable[Sequence[str]]
) -> dict[str, str]:
    """Files of the code that ran otherwise than they had been taken: path, digest as it ran."""
    ran = {file: content for _, file, content in sources}
    return {
        entry.path: ran[file]
        for entry in tree.entries
        if entry.kind != "link"
        and (file := str(root / entry.path)) in ran
        and ran[file] != entry.digest
    }


def _as_it_ran(
    root: Path, tree: TreeRecord, sources: tuple[tuple[str, str, str], ...], store: Store
) -> TreeRecord:
    edited = edited_before_import(root, tree, sources)
    entries: list[TreeEntry] = []
    for entry in tree.entries:
        content = edited.get(entry.path)
        if content is not None and store.has(content):
            entry = replace(entry, digest=content, size_bytes=len(store.read(content)))
        entries.append(entry)
    return TreeRecord(tuple(entries))


def _need_sources(
    sources: tuple[tuple[str, str, str], ...],
    root: Path,
    tree: TreeRecord,
    store: Store,
    blockers: list[str],
) -> None:
    taken = {str(root / entry.path) for entry in tree.entries}
    for module, file, content in sources:
        if file not in taken and not store.has(content) and not _has_digest(file, content):
            name = f"{module} from {file}" if module else file
            blockers.append(f"its code is not complete: {name} is not in the store")


def _has_digest(file: str, wanted: str) -> bool:
    """Whether a file that was too large for the store still lies there as it was."""
    try:
        return digest.of_file(file)[0] == wanted
    except OSError:
        return False


def _listings(view: View, root: Path, tree: TreeRecord, blockers: list[str]) -> tuple[Listing, ...]:
    """Folders that the run listed: the same names must be found in them again."""
    made = {*_paths(view, "write"), *_paths(view, "folder")}
    code = {root / entry.path for entry in tree.entries}
    code |= {parent for path in code for parent in path.parents}
    found: list[Listing] = []
    for fact in view.all_facts("file"):
        path = Path(fact["path"])
        is_absolute = fact.get("given") == "absolute"
        if fact["how"] != "list" or (is_absolute and not path.is_relative_to(root)):
            continue  # listed in place: caches and shared folders change without meaning
        if "names" not in fact:
            blockers.append(f"the run listed {path}, whose {fact['count']} names were not kept")
            continue
        names = [name for name in fact["names"] if path / name not in made]
        gone = [n for n in names if path / n not in code and not os.path.lexists(path / n)]
        if gone:
            more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
            blockers.append(f"the run listed {path}, where {gone[0]}{more} is not there any more")
        found.append(Listing(path, tuple(names)))
    return tuple(found)


def _whole(view: View, blockers: list[str]) -> tuple[Listing, ...]:
    """Folders of which too many files were read: as a whole they must be what they were."""
    latest = {fact["path"]: fact for fact in view.all_facts("file") if fact["how"] == "many"}
    found: list[Listing] = []
    for name, fact in sorted(latest.items()):
        if fact.get("listing") is None:
            blockers.append(f"the run read more files of {name} than could be recorded")
        elif summary(name).get("listing") != fact["listing"]:
            blockers.append(f"the run read files of {name}, where some are others now")
        else:
            names = sorted(entry.name for entry in os.scandir(name) if entry.is_file())
            found.append(Listing(Path(name), tuple(names), fact["count"]))
    return tuple(found)


def _inputs(
    view: View,
    root: Path,
    tree: TreeRecord,
    sources: tuple[tuple[str, str, str], ...],
    store: Store,
    blockers: list[str],
) -> tuple[Input, ...]:
    code = {str(root / entry.path) for entry in tree.entries}
    modules = {file for _, file, _ in sources}  # whether they are the same is seen afterwards
    latest: dict[str, dict[str, Any]] = {}
    for rank in view.ranks:
        made: set[str] = set()  # by one Python of the command, and read by a later one
        for fact in view.at_rank(rank).files:
            path = fact["path"]
            if fact["how"] == "write" and path not in latest:
                made.add(path)
            elif fact["how"] == "read" and path not in made:
                latest[path] = {**latest.get(path, {}), **fact}
    found: list[Input] = []
    for name, fact in sorted(latest.items()):
        item = Input(
            path=Path(name),
            size_bytes=fact["size_bytes"],
            mtime_ns=fact["mtime_ns"],
            digest=fact.get("digest"),
            kept=fact.get("kept"),
            written=bool(fact.get("written")),
            is_absolute=fact.get("given") == "absolute",
        )
        if name in code | modules and not item.written:
            continue
        if fact.get("unreadable"):
            continue  # the script could not read it either
        if item.kept is not None and store.has(item.kept):
            pass
        elif item.written and name not in code:
            blockers.append(f"the run overwrote {name}, and what it had read was too large to keep")
        elif fact.get("changed"):
            blockers.append(f"{name} was changed while the run was going on")
        elif name not in code and (problem := _unlike(item)) is not None:
            blockers.append(problem)
        found.append(item)
    return tuple(found)


def _paths(view: View, how: str) -> tuple[Path, ...]:
    found = (Path(fact["path"]) for fact in view.all_facts("file") if fact["how"] == how)
    return tuple(dict.fromkeys(found))


def _unlike(item: Input) -> str | None:
    """Why a file that was read cannot stand in for what it was; None where it can."""
    try:
        now = os.stat(item.path)
        if now.st_size == item.size_bytes:
            if item.digest is None and now.st_mtime_ns == item.mtime_ns:
                return None
            if item.digest is not None and digest.of_file(item.path)[0] == item.digest:
                return None
    except FileNotFoundError:
        return f"the run read {item.path}, which is not there any more"
    except OSError as error:
        return f"the run read {item.path}, which cannot be read: {error.strerror}"
    if item.digest is None and now.st_size == item.size_bytes:
        return f"the run read {item.path}, which was written since; no digest of it was taken"
    return f"the run read {item.path}, whose content is another now"


def environment_differences(view: View, current: Mapping[str, Any] | None = None) -> list[str]:
    """How packages, interpreter and machine differ from the run's, most effective first.

    Args:
        view: the recorded run.
        current: the facts of another run; those of this process where left out.
    """
    sections: Mapping[str, Callable[[], Any]] = {
        "packages": environment.packages,
        "interpreter": environment.interpreter,
        "machine": machine.describe,
    }
    recorded = {name: view.facts[name] for name in sections if name in view.facts}
    if current is None:
        current = {name: sections[name]() for name in recorded}
    else:
        recorded |= installed.not_as_installed(view.facts)
        known = {name: current[name] for name in sections if name in current}
        current = known | installed.not_as_installed(current)
    return environment.differences(recorded, current)
