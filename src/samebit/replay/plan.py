"""What a run needs to be run again, what of it is here, and what differs.

Making a plan runs nothing and changes nothing. A `blocker` means that the verdict would be
`unknown`; a `difference` is reported, most effective first, and the replay goes on.
"""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from samebit.capture import environment, installed, machine
from samebit.capture.variables import for_replay
from samebit.errors import Damaged, SamebitError, UsageError
from samebit.folders.imported import tool_of, unrecorded
from samebit.folders.read import View
from samebit.objects.store import Store
from samebit.objects.tree import read_tree
from samebit.records import ExecutionStart, TreeEntry, TreeRecord
from samebit.remotes import named
from samebit.replay.executions import Found, Part, parts_of
from samebit.replay.inputs import (
    Input,
    Listing,
    has_digest,
    made_before,
    read_inputs,
    read_listings,
    written,
)
from samebit.replay.recipe import Rebuilt

__all__ = [
    "Plan",
    "edited_before_import",
    "environment_differences",
    "is_found",
    "make_plan",
]


_CACHE = "DVC's cache"

T = TypeVar("T")


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
    # Of a run that was resumed: each execution that is run again, with a view of it alone. What
    # the plan itself has is then the first one's, or of all together.
    parts: tuple["Plan", ...] = ()
    part: Part | None = None
    made: frozenset[Path] = frozenset()  # files that earlier executions of the replay have left
    left_out: tuple[str, ...] = ()  # executions that are not run again, and why

    @property
    def left_behind(self) -> tuple[Path, ...]:
        """What is there when it has ended that was not, or was otherwise, when it began."""
        written = (item.path for item in self.inputs if item.written)
        return (*self.outputs, *self.folders, *written)

    @property
    def laid_out(self) -> dict[str, int]:
        """How many of the inputs come from elsewhere, by what has them: the store, DVC's cache."""
        found = [item.stored.name for item in self.inputs if item.stored is not None]
        found += [_CACHE for item in self.inputs if item.cached is not None]
        return dict(Counter(found))

    @property
    def remedies(self) -> tuple[str, ...]:
        """Where else there may be what is missing: a remote of this project's."""
        remotes = sorted(named.read_all(self.view.folder.store)) if self.blockers else []
        pull = f"samebit pull {self.view.id} --remote"
        return tuple(f"`{pull} {name}` gets what is kept there of it" for name in remotes)

    @property
    def executions(self) -> tuple["Plan", ...]:
        """What is run, one after the other."""
        return self.parts or (self,)


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
    if view.start is None:
        raise Damaged(f"run {view.id} has no execution", path=view.folder.path)
    if view.record.imported is not None:
        return _of_imported(view, view.start)
    if len(view.starts) == 1:
        return _plan_one(view, environ, elsewhere=elsewhere)
    found = parts_of(view)
    plans: list[Plan] = []
    for part in found.parts:
        one = _plan_one(part.view, environ, elsewhere=elsewhere, before=plans)
        plans.append(replace(one, part=part))
    return _together(view, plans, found)


def _of_imported(view: View, start: ExecutionStart) -> Plan:
    """A plan by which nothing is run: another tool recorded the run, and not what it takes."""
    return Plan(
        view=view,
        start=start,
        how=start.how,
        words=(),
        root=Path(start.cwd),
        tree=TreeRecord(()),
        inputs=(),
        sources=(),
        import_roots=(),
        outputs=(),
        folders=(),
        listings=(),
        environ={},
        changed_variables=(),
        differences=(),
        blockers=(
            f"it was imported from {tool_of(view)}, which did not record what it takes to run it "
            f"again: {', '.join(unrecorded(view)) or 'its code'}",
        ),
    )


def _together(view: View, plans: Sequence[Plan], found: Found) -> Plan:
    """The plan of a run that was resumed, of which `plans` has each execution's."""
    first = plans[0]
    if len(plans) == 1:
        labelled = first.blockers
    else:
        labelled = tuple(
            f"execution {one.part.number if one.part else 0}: {line}"
            for one in plans
            for line in one.blockers
        )
    return replace(
        first,
        view=view,
        part=None,
        parts=tuple(plans),
        left_out=found.left_out,
        # By what tells them apart: the version that one comes out of has no hash.
        inputs=tuple({(i.path, i.digest, i.kept): i for one in plans for i in one.inputs}.values()),
        sources=_all(one.sources for one in plans),
        outputs=_all(one.outputs for one in plans),
        folders=_all(one.folders for one in plans),
        listings=_all(one.listings for one in plans),
        changed_variables=_all(one.changed_variables for one in plans),
        differences=_all(one.differences for one in plans),
        blockers=(*found.blockers, *labelled),
    )


def _all(each: Iterable[Iterable[T]]) -> tuple[T, ...]:
    """What any of these has, once."""
    return tuple(dict.fromkeys(item for one in each for item in one))


def _plan_one(
    view: View, environ: Mapping[str, str], *, elsewhere: bool, before: Sequence[Plan] = ()
) -> Plan:
    """The plan of one execution; what those `before` it wrote is there when it begins."""
    start = view.start
    if start is None:
        raise Damaged(f"run {view.id} has no execution", path=view.folder.path)
    blockers: list[str] = list(view.odd)
    if view.restarts:
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
    made = made_before(view, root, tree, [(one.view, one.left_behind) for one in before])
    inputs = read_inputs(view, root, tree, sources, store, blockers, made)
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
        outputs=written(view, "write"),
        folders=written(view, "folder"),
        listings=read_listings(view, root, tree, blockers, made, inputs),
        made=made,
        environ=replay_environ,
        changed_variables=tuple(changed),
        differences=(*_other_code(root, sources), *environment_differences(view)),
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
    """What was run, as a launch takes it; of a sweep in one process the run's own job alone."""
    how, words = _whole_command(view, start, blockers)
    job = view.facts.get("job")
    if job is None:
        return how, words
    return how, (*words[: max(len(words) - job["replaces"], 1)], *job["arguments"])


def _whole_command(
    view: View, start: ExecutionStart, blockers: list[str]
) -> tuple[str, tuple[str, ...]]:
    script = start.argv[0] if start.argv else ""
    if start.how != "init":
        return start.how, start.argv
    if script in ("", "-c", "-") or Path(script).name == "ipykernel_launcher.py":
        blockers.append("it was begun in an interactive session: there is no script to run again")
    if "job" in view.facts and Path(script).name == "_submit.py":
        blockers.append("submitit began its job and does not say what the sweep's command was")
    # With the interpreter's own options, which `sys.argv` does not have (`-O`, `-X`, `-m`).
    for process in view.all_facts("process"):
        words = process.get("argv", ())
        # A job of a sweep may have been done by a process that a launcher made.
        is_its_own = "job" not in view.facts or words[-1:] == [*start.argv][-1:]
        if len(words) > 1 and is_its_own:
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


def _other_code(root: Path, sources: Iterable[Sequence[str]]) -> Iterator[str]:
    """Code that a replay takes from where it lies, as it is outside of the project, and is another.

    Laid out alone it would lack the data and the compiled modules that lie beside it.
    """
    for module, file, content in sources:
        if not Path(file).is_relative_to(root) and not has_digest(file, content):
            yield f"{module or 'code'} from {file}: " + (
                "another code now" if os.path.exists(file) else "not there any more"
            )


def _need_sources(
    sources: tuple[tuple[str, str, str], ...],
    root: Path,
    tree: TreeRecord,
    store: Store,
    blockers: list[str],
) -> None:
    taken = {str(root / entry.path) for entry in tree.entries}
    for module, file, content in sources:
        if file not in taken and not store.has(content) and not has_digest(file, content):
            name = f"{module} from {file}" if module else file
            blockers.append(f"its code is not complete: {name} is not in the store")


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
