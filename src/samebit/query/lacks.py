"""What a record lacks for the run to be done again elsewhere, and how to get it the next time.

Pure over a run as it was read. A number of points would say less: what is missing decides whether
it matters.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePath

from msgspec import Struct

from samebit.capture.unseeded import Unseeded, find_unseeded, in_words
from samebit.folders.data_facts import FileFact
from samebit.folders.imported import tool_of, unread, unrecorded
from samebit.folders.read import View
from samebit.records import CodeRecord

__all__ = ["IMPORTED", "Lack", "find_lacks"]

IMPORTED = "imported"  # the key of what another tool did not record

_SEED_IT = "`samebit run --seed N` seeds Python, NumPy and PyTorch"
_NAMED = 3
_KEY_WORDS = 3
_GIT_FAILED = ("without git's word", "no commit was made")  # as capture/code.py says it


class Lack(Struct, frozen=True):
    """One thing that a record lacks."""

    key: str  # in a word or two, for a list of runs
    what: str
    fix: str = ""  # what to do the next time; empty where the text says it, or nothing helps

    def __str__(self) -> str:
        return f"{self.what}; {self.fix}" if self.fix else self.what


def find_lacks(view: View) -> list[Lack]:
    """Everything that is known to be missing, what weighs most first; of a replay only trouble."""
    troubles = [_of_trouble(line) for line in view.missing]
    if view.record.kind == "replay":
        return troubles
    if view.record.imported is not None:
        return [*_imported(view), *troubles]
    return [
        *troubles,
        *_ending(view),
        *_randomness(view),
        *_data(view),
        *_states(view),
        *_environment(view),
    ]


def _imported(view: View) -> Iterator[Lack]:
    """Of another tool's run all that is needed to run it again is missing, for one reason."""
    if lacking := unrecorded(view):
        *most, last = lacking
        what = f"{', '.join(most)} and {last}" if most else last
        text = f"{what}: {tool_of(view)} did not record them, and the run was imported from it"
        yield Lack(IMPORTED, text)
    yield from (Lack("record", line) for line in unread(view))


def _of_trouble(line: str) -> Lack:
    subject, colon, _ = line.partition(": ")
    subject = subject.removeprefix("too late for ")
    return Lack(subject if colon and len(subject.split()) <= _KEY_WORDS else "record", line)


def _ending(view: View) -> Iterator[Lack]:
    """A process that left without Python's own exit had no time to say what it knew."""
    end = view.end
    if end is None or end.signal or not view.starts:
        return  # it goes on, or a signal says it all
    number = view.starts[-1].number
    joined = any(f["execution"] == number for f in view.all_facts("joined"))
    if joined and not any(f["execution"] == number for f in view.all_facts("end")):
        text = "the process left before its record was complete: final state and outputs are not in"
        yield Lack(
            "end", text, "`os._exit` and `os.exec` leave no time for it, a full disk no room"
        )


def _randomness(view: View) -> Iterator[Lack]:
    sources = find_unseeded(view.all_facts, view.seed)
    lost = [s for s in sources if not s.given_back and s.matters != "unlikely"]
    known = [s for s in sources if s.given_back and s.matters == "likely"]
    if lost:
        text = f"random, and another in each run: {_shown(lost)}"
        yield Lack("randomness", text, "a fixed seed, or a replay draws other numbers")
    if known:
        text = f"{in_words(known)}; a replay gets back what they began from"
        fixes = [_SEED_IT] if any(not source.at for source in known) else []
        if any(source.at for source in known):
            fixes.append("a generator that the script makes takes its seed there")
        yield Lack("seed", text, "; ".join(fixes))


def _shown(sources: list[Unseeded]) -> str:
    more = f" and {len(sources) - _NAMED} more" if sources[_NAMED:] else ""
    return ", ".join(source.short for source in sources[:_NAMED]) + more


def _data(view: View) -> Iterator[Lack]:
    latest = {fact["path"]: fact for fact in view.files}
    unhashed = [
        fact
        for fact in latest.values()
        if fact["how"] == "read"
        and not (fact.get("digest") or fact.get("kept") or fact.get("changed"))
        and not fact.get("written")
    ]
    if closed := [fact for fact in unhashed if fact.get("unreadable")]:
        text = f"{_files(closed)} opened without the permission to read: {_names(closed)}"
        yield Lack("data", text, "what it opened all the same, as another user, is not known")
    if beyond := [fact for fact in unhashed if not fact.get("unreadable")]:
        text = f"{_files(beyond)} known by size and time alone: {_names(beyond)}"
        yield Lack("data", text, "a larger files.hash_budget_mb takes their digests")
    if unseen := view.facts.get("unseen"):
        text = f"files that {' and '.join(unseen)} read are known only where they were seen open"
        yield Lack("data", text)
    if view.code is not None and (left_out := _left_out(view.code, latest)):
        text = f"left out of the code: {', '.join(left_out[:_NAMED])}"
        yield Lack("code", text, "commit what the run needs")
    for notice in view.code.notices if view.code is not None else ():
        if any(words in notice for words in _GIT_FAILED):
            text = f"no commit of the code: {notice}"
            yield Lack("git", text, "the files are in the store; `git status` must work for more")
            break


def _left_out(code: CodeRecord, files: Mapping[str, FileFact]) -> list[str]:
    """What of its folder is in the store neither as its code nor as data that the run kept."""
    kept = {path for path, fact in files.items() if "saved" in fact}
    return [one for one in code.left_out if f"{code.root}/{one.partition(': ')[0]}" not in kept]


def _files(facts: list[FileFact]) -> str:
    return f"{len(facts)} data file{'s' if facts[1:] else ''}"


def _names(facts: list[FileFact]) -> str:
    some = ", ".join(PurePath(fact["path"]).name for fact in facts[:_NAMED])
    return some + (" …" if facts[_NAMED:] else "")


def _states(view: View) -> Iterator[Lack]:
    digests = [name for name, state in view.states.items() if not state.get("kept", True)]
    if digests:
        some = ", ".join(digests[:_NAMED])
        more = f" and {len(digests) - _NAMED} more" if len(digests) > _NAMED else ""
        # A budget is for what nobody asked for; a checkpoint needs room on the disk.
        asked = all(name.startswith("checkpoint ") for name in digests)
        way = "states.keep = all" if asked else "a larger states.budget_mb"
        text = f"of {some}{more} only digests are kept"
        yield Lack("states", text, f"{way} keeps the bytes")


def _environment(view: View) -> Iterator[Lack]:
    if view.all_facts("packages") and not view.facts.get("lock"):
        text = "environment not locked: no lock file in the project"
        yield Lack("lock", text, "`pip freeze > requirements.txt` is one, `uv lock` another")
    edited = list((view.facts.get("installed") or {}).get("edited") or {})
    if edited:
        text = f"installed files that were edited: {', '.join(edited[:_NAMED])}"
        yield Lack("installed", text, "install that package anew, or as editable")
