"""How the randomness of two runs differs, and the order in which they met their data: in sentences.

Pure over two runs as they were read. Seeds that the scripts gave, how their data loaders were set
and seeded, and the order of listed folders are compared whatever came of them. That nobody seeded a
generator is said only where the runs came out otherwise: it differs between any two processes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from samebit.capture.callers import short_place
from samebit.capture.unseeded import find_unseeded
from samebit.folders.read import View

__all__ = ["differences"]

_WORDS = {
    "in_order": "batches in order",
    "drop_last": "the last batch dropped",
    "pin_memory": "pinned memory",
    "persistent_workers": "persistent workers",
    "prefetch_factor": "batches fetched ahead",
    "start_method": "start of workers",
    "batch_size": "batch size",
    "batch_sampler": "batch sampler",
    "timeout_s": "timeout",
    "dataset": "data set",
    "collate_fn": "collate function",
    "worker_init_fn": "worker init function",
}


def differences(first: View, second: View, *, parted: bool) -> list[str]:
    """One sentence for each difference.

    Args:
        first: a run; of several ranks, each is compared with the same of the other run.
        second: the other.
        parted: whether trace or results differ, or neither has a trace.
    """
    found: list[str] = []
    for rank in [rank for rank in first.ranks if rank in second.ranks]:
        ours, theirs = first.at_rank(rank), second.at_rank(rank)
        found += _seed_calls(ours, theirs)
        found += _loaders(ours, theirs)
    found += _listings(first, second)
    if parted:
        found += _unseeded(first, second)
    return list(dict.fromkeys(found))  # ranks mostly say the same


def _seed_calls(first: View, second: View) -> Iterator[str]:
    ours, theirs = ([_call(call) for call in view.seed_calls] for view in (first, second))
    for at in range(max(len(ours), len(theirs))):
        mine = ours[at] if at < len(ours) else None
        other = theirs[at] if at < len(theirs) else None
        if mine is None or other is None or mine[:2] != other[:2]:
            yield f"script seeds: {_seeded(mine)} → {_seeded(other)}"


def _call(call: Mapping[str, Any]) -> tuple[str, str, str]:
    value = call["value"] if call["value"] is not None else "a seed from the system"
    if call["value"] is None:
        return call["library"], "", f"{call['library']} with {value} ({short_place(call['at'])})"
    like = {"time": ", the time", "pid": ", the process's id"}.get(call.get("like", ""), "")
    shown = f"{call['library']} with {value}{like} ({short_place(call['at'])})"
    return call["library"], repr(value), shown


def _seeded(call: tuple[str, str, str] | None) -> str:
    return call[2] if call is not None else "nothing"


def _loaders(first: View, second: View) -> Iterator[str]:
    """Loaders are paired as they came: an edited script has them at other lines."""
    ours, theirs = _first_epochs(first), _first_epochs(second)
    for mine, other in zip(ours, theirs, strict=False):
        name = f"data loader {short_place(mine.get('at', ''))}"
        before, after = mine.get("loader") or {}, other.get("loader") or {}
        for key in dict.fromkeys((*before, *after)):
            if before and after and before.get(key) != after.get(key):
                word = _WORDS.get(key, key)
                yield f"{name}: {word} {_shown(before.get(key))} → {_shown(after.get(key))}"
        if mine.get("order") != other.get("order"):
            yield f"{name}: its order is from {mine.get('order')} → {other.get('order')}"
        for role in dict.fromkeys((*mine["seeds"], *other["seeds"])):
            seeds = mine["seeds"].get(role), other["seeds"].get(role)
            if seeds[0] != seeds[1]:
                yield f"{name}: {role} seeded with {_shown(seeds[0])} → {_shown(seeds[1])}"
    if len(ours) != len(theirs):
        yield f"data loaders that began an epoch: {len(ours)} → {len(theirs)}"


def _first_epochs(view: View) -> list[Mapping[str, Any]]:
    return [fact for fact in view.all_facts("epoch") if fact.get("epoch") == 1]


def _listings(first: View, second: View) -> Iterator[str]:
    ours, theirs = _listed(first), _listed(second)
    for name in sorted(ours.keys() & theirs.keys()):
        mine, other = ours[name], theirs[name]
        orders = mine.get("order"), other.get("order")
        same_names = mine.get("names") == other.get("names") and mine["count"] == other["count"]
        if same_names and None not in orders and orders[0] != orders[1]:
            yield f"folder {name}: its {mine['count']} names were listed in another order"


def _listed(view: View) -> dict[str, Mapping[str, Any]]:
    """The folders that were listed, by their paths below the project."""
    root = f"{view.code.root}/" if view.code is not None else ""
    found: dict[str, Mapping[str, Any]] = {}
    for fact in view.files:
        if fact["how"] == "list":
            found.setdefault(fact["path"].removeprefix(root), fact)
    return found


def _unseeded(first: View, second: View) -> Iterator[str]:
    """What nobody seeded, in either; a replay was given the seeds back, and has its verdict."""
    if "replay" in (first.record.kind, second.record.kind):
        return
    for view in (first, second):
        for source in find_unseeded(view.all_facts, view.seed):
            if source.matters == "likely":
                yield f"seeded by nobody: {source.short}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "nothing" if value is None else str(value)
