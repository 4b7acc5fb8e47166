"""What a run needs to be run again, what of it is here, and what differs.

Making a plan runs nothing and changes nothing. A `blocker` means that the verdict would be
`unknown`; a `difference` is reported, most effective first, and the replay goes on.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebit import digest
from samebit.capture import environment, machine
from samebit.errors import Damaged, SamebitError, UsageError
from samebit.objects.store import Store
from samebit.objects.tree import read_tree
from samebit.records import ExecutionStart, TreeRecord
from samebit.runs.read import View

__all__ = ["Input", "Plan", "make_plan"]


@dataclass(frozen=True)
class Input:
    """A file that the run read and that is not part of its code."""

    path: Path  # where it was
    size_bytes: int
    digest: str | None  # None: recorded by size and time only
    kept: str | None = None  # the object that holds the bytes it had, where the run overwrote it
    written: bool = False


@dataclass(frozen=True)
class Plan:
    """Everything that a replay is made from."""

    view: View
    start: ExecutionStart
    root: Path  # the folder that the code was taken from
    tree: TreeRecord
    inputs: tuple[Input, ...]
    sources: tuple[tuple[str, str, str], ...]  # module, file, digest: as loaded at the end
    import_roots: tuple[str, ...]  # entries of the search path inside `root`
    outputs: tuple[Path, ...]  # files that the run wrote first
    environ: Mapping[str, str]
    changed_variables: tuple[str, ...]
    differences: tuple[str, ...]
    blockers: tuple[str, ...]


def make_plan(view: View, environ: Mapping[str, str]) -> Plan:
    """Find out what is needed and what is here.

    Args:
        view: the recorded run.
        environ: the environment of whoever verifies.

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
    blockers: list[str] = []
    store = Store(view.folder.store)
    root, tree = _code(view, store, blockers)
    if start.masked:
        blockers.append("its command holds a secret, which was not recorded")
    if not start.argv or not start.argv[0]:
        blockers.append("it was begun in an interactive session: there is no script to run again")
    inputs = _inputs(view, root, tree, store, blockers)
    sources = view.facts.get("sources") or {"path": [], "modules": []}
    recorded = view.facts.get("variables") or {}
    replay_environ, changed = environment.for_replay(recorded, environ)
    if start.hash_seed is not None:
        replay_environ["PYTHONHASHSEED"] = start.hash_seed
    return Plan(
        view=view,
        start=start,
        root=root,
        tree=tree,
        inputs=inputs,
        sources=tuple((m[0], m[1], m[2]) for m in sources["modules"]),
        import_roots=tuple(p for p in sources["path"] if _is_below(p, root)),
        outputs=tuple(Path(f["path"]) for f in view.all_facts("file") if f["how"] == "write"),
        environ=replay_environ,
        changed_variables=tuple(changed),
        differences=tuple(_differences(view)),
        blockers=tuple(blockers),
    )


def _code(view: View, store: Store, blockers: list[str]) -> tuple[Path, TreeRecord]:
    fact = view.facts.get("code")
    if not isinstance(fact, dict):
        blockers.append("its code was not recorded")
        return Path(view.start.cwd if view.start else "."), TreeRecord(())
    root = Path(fact["root"])
    try:
        tree = read_tree(store, fact["tree"])
    except SamebitError as error:
        blockers.append(f"its code cannot be read: {error.what}")
        return root, TreeRecord(())
    for entry in tree.entries:
        if not store.has(entry.digest):
            blockers.append(f"its code is not complete: {entry.path} is not in the store")
    return root, tree


def _inputs(
    view: View, root: Path, tree: TreeRecord, store: Store, blockers: list[str]
) -> tuple[Input, ...]:
    code = {str(root / entry.path): entry.digest for entry in tree.entries}
    latest: dict[str, dict[str, Any]] = {}
    for fact in view.all_facts("file"):
        if fact["how"] == "read":
            latest[fact["path"]] = {**latest.get(fact["path"], {}), **fact}
    found: list[Input] = []
    for name, fact in sorted(latest.items()):
        if code.get(name) is not None and not fact.get("written"):
            continue
        kept = fact.get("kept")
        wanted = fact.get("digest") or kept
        item = Input(
            Path(name), fact["size_bytes"], fact.get("digest"), kept, bool(fact.get("written"))
        )
        if item.written and kept is None and code.get(name) is None:
            blockers.append(f"the run overwrote {name}, and what it had read was too large to keep")
        elif kept is not None and store.has(kept):
            pass
        elif fact.get("changed"):
            blockers.append(f"{name} changed while the run read it")
        elif (problem := _unlike(item, wanted)) is not None:
            blockers.append(problem)
        found.append(item)
    return tuple(found)


def _unlike(item: Input, wanted: str | None) -> str | None:
    """Why a file that was read cannot stand in for what it was; None where it can."""
    try:
        size = os.stat(item.path).st_size
        if size == item.size_bytes and (wanted is None or digest.of_file(item.path)[0] == wanted):
            return None
    except FileNotFoundError:
        return f"the run read {item.path}, which is not there any more"
    except OSError as error:
        return f"the run read {item.path}, which cannot be read: {error.strerror}"
    return f"the run read {item.path}, whose content is another now"


def _differences(view: View) -> list[str]:
    sections = {
        "packages": environment.packages,
        "interpreter": environment.interpreter,
        "machine": machine.describe,
    }
    recorded = {name: view.facts[name] for name in sections if name in view.facts}
    return environment.differences(recorded, {name: sections[name]() for name in recorded})


def _is_below(path: str, root: Path) -> bool:
    return path == str(root) or path.startswith(str(root) + os.sep)
