"""What a record has of each aspect of a run, and what it lacks there: the whole list, for people.

`query.lacks` knows what is missing; this says of the rest that it is there, or was nothing to have.
"""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from samebit.folders.imported import tool_of, unrecorded
from samebit.folders.read import View
from samebit.folders.splits import splits_of
from samebit.folders.steps import last_counts
from samebit.folders.used import data_of
from samebit.query.lacks import IMPORTED, Lack, find_lacks

__all__ = ["Aspect", "find_aspects"]

Has = tuple[bool | None, str]  # None: there was nothing to record; and a few words

# Of which aspect a lack is, by its key; what nobody names is the record's own.
_OF = {
    **dict.fromkeys(("code", "git"), "code"),
    **dict.fromkeys(("randomness", "seed"), "seeds"),
    **dict.fromkeys(("data", "files"), "data"),
    **dict.fromkeys(("states", "no final state"), "states"),
    "lock": "lock",
    "installed": "environment",
    "not traced": "trace",
    "end": "end",
    "media": "media",
}


_AS_ASPECTS = {"randomness": "seeds"}


class Aspect(Struct, frozen=True):
    """One thing that a record is to have.

    Attributes:
        name: in a word.
        state: `ok`; `missing` where something is lacked; `none` where there was nothing to record.
        what: what is there, or why there is nothing, in a few words.
        lacks: what is missing of it, what weighs most first.
    """

    name: str
    state: Literal["ok", "missing", "none"]
    what: str
    lacks: tuple[Lack, ...] = ()


def find_aspects(view: View) -> list[Aspect]:
    """Every aspect in the order in which a run is told; the record itself comes last."""
    lacks: dict[str, list[Lack]] = {}
    for lack in find_lacks(view):
        if lack.key == IMPORTED:
            continue  # it is told below, of each aspect
        lacks.setdefault(_OF.get(lack.key, "record"), []).append(lack)
    found: list[Aspect] = []
    untold = {_AS_ASPECTS.get(name, name) for name in unrecorded(view)}
    for name, (has, what) in _aspects(view):
        if view.record.imported is not None and (name in untold or not has):
            has, what = _of_imported(view, is_missing=name in untold)
        mine = tuple(lacks.pop(name, ()))
        state = "missing" if mine or has is False else "ok" if has else "none"
        found.append(Aspect(name, state, what, mine))
    return found


def _aspects(view: View) -> Iterator[tuple[str, Has]]:
    yield "code", _code(view)
    yield "configuration", _configuration(view)
    yield "data", _data(view)
    yield "splits", _counted(len(splits_of(view)), "split", "none was handed over or seen")
    yield "seeds", _seeds(view)
    yield "determinism", _determinism(view)
    yield "environment", _environment(view)
    yield "lock", _lock(view)
    yield "machine", _machine(view)
    yield "states", _states(view)
    yield "trace", _trace(view)
    yield "schedule", _schedule(view)
    yield "metrics", _counted(len(view.metrics), "metric", "none was logged")
    kinds = {(fact["name"], fact["step"]) for fact in view.all_facts("media")}
    yield "media", _counted(len(kinds), "thing", "none was logged", " beside numbers")
    yield "end", _end(view)
    yield "record", (True, "nothing of it was lost")


def _of_imported(view: View, *, is_missing: bool) -> Has:
    """Of another tool's run nobody looked whether there was something."""
    tool = tool_of(view)
    return (False, f"{tool} did not record it") if is_missing else (None, f"{tool} tells of none")


def _counted(number: int, thing: str, nothing: str, more: str = "") -> Has:
    if not number:
        return None, nothing
    return True, f"{number:,} {thing}{'' if number == 1 else 's'}{more}"


def _code(view: View) -> Has:
    if view.code is None:
        return (None if view.record.kind == "replay" else False), "it was not recorded"
    _, files = _counted(view.code.files, "file", "no files")
    commit = f", commit {view.code.head[:12]}" if view.code.head else ", no commit yet"
    changed = ", with changes that it lacks" if view.code.changed else ""
    return True, files + commit + changed


def _configuration(view: View) -> Has:
    config = view.facts.get("config")
    if config is None:
        return None, "none was given or found"
    return (
        _counted(len(config), "setting", "it is empty") if isinstance(config, dict) else (True, "")
    )


def _data(view: View) -> Has:
    named = len(data_of(view))
    read = {f["path"] for f in view.files if f["how"] == "read" and not f["path"].endswith(".py")}
    words = [
        _counted(named, "data set", "", " named")[1],
        _counted(len(read), "file", "", " read")[1],
    ]
    said = ", ".join(word for word in words if word)
    return (True, said) if said else (None, "no file was seen to be read, and none was named")


def _seeds(view: View) -> Has:
    if view.seed is not None:
        return True, f"seed {view.seed}"
    if view.seed_calls:
        return True, _counted(len(view.seed_calls), "seed call", "", " of the script")[1]
    return True, "none was given; what the generators began from is kept"


def _determinism(view: View) -> Has:
    settings = view.facts.get("settings") or {}
    strict = settings.get("torch.deterministic_algorithms")
    if strict is None:
        return None, "no library that has such modes was loaded"
    threads = settings.get("torch.threads")
    words = f"deterministic algorithms are {'on' if strict else 'off'}"
    if isinstance(threads, int) and threads > 0:
        words += f", {_counted(threads, 'thread', '')[1]}"
    return True, words


def _environment(view: View) -> Has:
    versions = (view.facts.get("packages") or {}).get("versions")
    interpreter = view.facts.get("interpreter") or {}
    if not versions and not interpreter:
        return None, "no Python joined the run"
    python = f"{interpreter.get('implementation', 'python')} {interpreter.get('version', '')}"
    return True, f"{python.strip()}, {_counted(len(versions or ()), 'package', 'no packages')[1]}"


def _lock(view: View) -> Has:
    locks = view.facts.get("lock") or []
    if locks:
        return True, ", ".join(str(lock["path"]).rpartition("/")[2] for lock in locks)
    return None, "no lock file" if view.all_facts("packages") else "no packages to lock"


def _machine(view: View) -> Has:
    machine = view.facts.get("machine")
    if not machine:
        return None, "no Python joined the run"
    samples = max((len(column.steps) for column in view.machine.values()), default=0)
    return True, f"described, {_counted(samples, 'sample', 'no samples')[1]} of its use"


def _states(view: View) -> Has:
    if not view.states:
        return None, "nothing was trained that has a state"
    kept = [name for name, state in view.states.items() if not state.get("dropped")]
    ends = [name for name in kept if name == "step 0" or name.startswith("final")]
    others = len(kept) - len(ends)
    words = [*ends, *([f"{others} more"] if others else [])]
    return True, ", ".join(words) or "all were let go of"


def _trace(view: View) -> Has:
    steps = sum(last_counts(view.trace).values())
    return _counted(steps, "step", "no optimizer was seen", ", each with fingerprints")


def _schedule(view: View) -> Has:
    names = {key[2] for schedule in view.schedules for key in schedule.scalars}
    return _counted(len(names), "setting", "no optimizer was seen", " of optimizers, at each step")


def _end(view: View) -> Has:
    if view.status == "unknown":
        return None, "nobody knows"
    if view.status == "broken off":
        return False, "broken off: nothing came that says how"
    return (None, "it goes on") if view.status == "running" else (True, view.status)
