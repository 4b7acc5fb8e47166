"""Why a replay, or one execution of it, can prove nothing, whatever its bits say."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from samebit.errors import SamebitError
from samebit.folders.ending import raised
from samebit.folders.read import View
from samebit.objects.store import Store
from samebit.records import StateManifest
from samebit.replay.executions import Checkpoint, Part, bases_of
from samebit.replay.pairs import Pair, lacking, manifest_of
from samebit.replay.plan import Plan
from samebit.replay.rebuild import Layout
from samebit.replay.results import differs
from samebit.replay.verify import ended_otherwise
from samebit.states import storing

__all__ = [
    "began_elsewhere",
    "checkpoints_to_go_on_from",
    "doubts",
    "first_few",
    "what_to_do",
    "why_it_ended",
]

_NAMED = 5  # files in one sentence
# By what the last line of an exception says.
_REMEDIES = (
    (
        "EOF when reading a line",
        "it asks on its standard input, where a replay has nothing: `samebit verify RUN --stdin "
        "FILE` gives it what the run was answered",
    ),
    (
        "Address already in use",
        "a port that it takes is taken: end what holds it (`ss -ltnp` shows that), verify again",
    ),
    (
        "ModuleNotFoundError",
        "`samebit verify RUN --env rebuild` runs it with the packages that the run had",
    ),
    (
        "No space left on device",
        "the disk below the temporary folder is full: TMPDIR may name another",
    ),
)
_HELD_BACK = "Permission denied"
_LET_IT_WRITE = (
    "`samebit verify RUN --allow-writes` lets it write there, over what lies there now; a path "
    "that begins where the script lies, or runs, is in the replay's folder"
)
_BY_A_SIGNAL = "; what a script saves when it gets a signal is not saved again, for none is sent"


def doubts(plan: Plan, layout: Layout, replayed: View, printed: str) -> list[str]:
    """What was not as it was recorded, of code, data and what the script may write."""
    found = _nothing_joined(plan, replayed)
    found += [*_other_code(plan, layout, replayed), *_other_data(plan, layout, replayed)]
    if replayed.status != plan.view.status:
        found += _blocked_write(printed)
    return found


def first_few(lines: Sequence[str]) -> str:
    """The first few of some lines in one, and how many more there are."""
    more = len(lines) - _NAMED
    return "; ".join(lines[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _nothing_joined(plan: Plan, replayed: View) -> list[str]:
    """Said of a launcher that could not start the processes which were to record."""
    if replayed.ranks or not plan.view.ranks:
        return []
    program = Path(plan.words[0]).name if plan.how == "command" else "the command"
    end = replayed.end
    how = f" ended with exit code {end.exit_code}" if end and end.exit_code else " ended"
    return [f"the replay recorded nothing: {program}{how} before a process of the run began"]


def _other_code(plan: Plan, layout: Layout, replayed: View) -> list[str]:
    """Sources that the replay loaded and that are not the recorded ones."""
    by_file = {file: content for _, file, content in plan.sources}
    by_file.update({str(plan.root / entry.path): entry.digest for entry in plan.tree.entries})
    by_module = {module: file for module, file, _ in plan.sources if module}
    found = replayed.sources
    problems: list[str] = []
    for module, file, content in found["modules"]:
        original = layout.original(file)
        recorded = by_file.get(original, by_file.get(by_module.get(module, "")))
        if recorded != content and not file.startswith(str(layout.temporary) + os.sep):
            problems.append(f"ran other code: {module or 'a file'} from {original}")
    return [first_few(problems)] if problems else []


def _other_data(plan: Plan, layout: Layout, replayed: View) -> list[str]:
    """Files that the replay read in place and that are not what the run read there."""
    recorded = {str(item.path): item.kept or item.digest for item in plan.inputs}
    recorded |= {str(plan.root / entry.path): entry.digest for entry in plan.tree.entries}
    made = {str(path) for path in (*plan.outputs, *plan.made)}
    loaded = {file for _, file, _ in replayed.sources["modules"]}
    problems: list[str] = []
    for fact in replayed.all_facts("file"):
        path = fact["path"]
        if fact["how"] != "read" or layout.is_inside(path) or path in loaded:
            continue
        content = fact.get("kept") or fact.get("digest")
        wanted = recorded.get(path)
        if (content and wanted and content != wanted) or (path in made and wanted is None):
            problems.append(f"read other data: {path}")
    return [first_few(problems)] if problems else []


def _blocked_write(printed: str) -> list[str]:
    """The write that the sandbox held back, if a replay that failed speaks of one at its end."""
    for line in reversed(printed.splitlines()):
        if _HELD_BACK in line or "PermissionError" in line:
            return [f"a write outside the replay's folder was held back: {line.strip()[:200]}"]
    return []


def what_to_do(replayed: View, *, allow_writes: bool) -> tuple[str, ...]:
    """What helps where the command failed for a reason that is not the run's."""
    said = raised(replayed.facts.get("exception"))
    found = [text for sign, text in _REMEDIES if sign in said]
    if _HELD_BACK in said and not allow_writes:
        found.append(_LET_IT_WRITE)
    return tuple(found)


# Executions, one after the other -----------------------------------------------------------------


def why_it_ended(pair: Pair) -> list[str]:
    """Why the replay of an execution did not come to the step that a later one went on from.

    Empty where it did, or where it ended well and has fewer steps, which is a difference.
    """
    if lacking(pair) is None or pair.replayed.status == "finished":
        return []
    text = ended_otherwise(pair.recorded.status, pair.replayed)
    return [text.replace("the run", f"execution {pair.part.number}", 1)]


def began_elsewhere(pair: Pair) -> list[str]:
    """Said of an execution that went on from another step than the recorded one did."""
    then, now = pair.part.bases, bases_of(pair.replayed)
    if not then or not now or then == now:
        return []
    optimizer = next(index for index in {**then, **now} if then.get(index) != now.get(index))
    steps = [side.get(optimizer, 0) for side in (then, now)]
    return [f"it went on from step {steps[0]}, and its replay from step {steps[1]}{_BY_A_SIGNAL}"]


def checkpoints_to_go_on_from(
    part: Part, replayed: View
) -> tuple[Mapping[str, Checkpoint], list[str], list[str]]:
    """By rank, the replay's checkpoints that an execution goes on from.

    Where the replay could keep digests alone, and they are the recorded ones, it is the recorded
    checkpoint: one store holds both, so that the bytes are the same.

    Returns:
        the checkpoints; what stands in the way; what of them differs from the recorded ones.
    """
    store = Store(replayed.folder.store)
    found: dict[str, Checkpoint] = {}
    reasons: list[str] = []
    others: list[str] = []
    for rank, recorded in part.resumed.items():
        whence = f"{recorded.name}, from which execution {part.number} went on"
        view = replayed.at_rank(rank) if rank in replayed.ranks else None
        ours = manifest_of(view, recorded.name) if view is not None else None
        if view is None or ours is None:
            reasons.append(f"the replay has no {whence}{_BY_A_SIGNAL}")
            continue
        theirs = _manifest(store, recorded)
        if theirs is not None and (leaf := differs(theirs, ours)):
            others.append(f"{recorded.name}: {leaf}")
        if view.states[recorded.name].get("kept", True):
            found[rank] = Checkpoint(recorded.name, view.manifest(recorded.name), recorded.count)
        elif theirs is not None and not differs(theirs, ours) and _is_whole(store, theirs):
            found[rank] = recorded
        else:
            reasons.append(
                f"of {whence}, the replay could keep digests only, and the run's own bytes are "
                "not in the store; states.keep = all keeps them"
            )
    return found, reasons, others


def _manifest(store: Store, recorded: Checkpoint) -> StateManifest | None:
    """Its manifest, which stays when the checkpoint is let go of; None where it cannot be read."""
    try:
        return storing.read_manifest(store, recorded.manifest)
    except SamebitError:
        return None


def _is_whole(store: Store, manifest: StateManifest) -> bool:
    """Whether all of its arrays are in the store."""
    return all(store.has(name) for name in storing.names_of(manifest.leaves.values()))
