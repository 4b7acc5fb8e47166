"""What a stranger would hit who has nothing but a bundle; and the five items of completeness.

Both are read off the bundle alone: whatever happens to lie on this machine does not count.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from samebit.capture.secrets import MASK
from samebit.errors import SamebitError
from samebit.report.release.bundle import Release
from samebit.report.release.comparing import ENDED, Compared, points_of
from samebit.report.release.opening import read_small
from samebit.report.release.readme import training_commands
from samebit.report.table import few
from samebit.states import storing
from samebit.states.containers import read_container

__all__ = ["Item", "completeness", "hurdles", "when_tried"]

_ABSOLUTE = re.compile(r"^(?:-[^=]*=)?(?:/|~|[A-Za-z]:[\\/]|<path>|<home>)")


class Item(Struct, frozen=True):
    """One of the five: whether it is there, and what was found."""

    name: str
    good: bool
    said: str


def hurdles(release: Release, top: Path) -> Iterator[str]:
    """Each thing that stands between a stranger and the result, as a sentence."""
    gone = [one for one in release.data if not one.place]
    if gone:
        unknown = sum(one.digest is None for one in gone)
        how = f", {unknown} of them without a digest" if unknown else ""
        some = few([one.path for one in gone], 3)
        yield f"missing data: {len(gone)} files are not in the bundle{how}: {some}"
    outside = [one.path for one in release.data if not one.is_inside]
    if outside:
        yield f"absolute paths: the script reads {few(outside, 3)} where it lay on another machine"
    for run in release.runs:
        if not (top / run.code / run.command.cwd).is_dir():
            place = f"{run.code}/{run.command.cwd}"
            yield f"folders: run {run.id} began in {place}, in which no code lies: make it first"
        found = [word for word in run.command.words if _ABSOLUTE.search(word)]
        if found:
            yield f"absolute paths: the command of run {run.id} names {few(found, 3)}"
        masked = [word for word in run.command.words if MASK in word]
        masked += [name for name, value in run.command.variables.items() if MASK in value]
        if masked:
            yield f"secrets: the command of run {run.id} needs {few(masked, 3)}"
        if run.late:
            yield (
                f"record: that of run {run.id} begins within its script, at `init`: what it read "
                "before that is not known"
            )
        if run.unseeded:
            yield (
                f"randomness: nobody seeded {few(list(run.unseeded), 3)} in run {run.id}, so its "
                "command gives other numbers each time"
            )
        for doubt in run.doubts:
            yield f"run {run.id}: {doubt}"
        for state in run.states:
            if state.why and not state.files:
                yield f"model: state {state.name} of run {run.id} is not here: {state.why}"
    for code in release.codes:
        if code.left_out:
            yield f"code: {len(code.left_out)} files are not in {code.folder}/: " + few(
                list(code.left_out), 3
            )
    for line in _not_installable(top):
        yield f"packages: {line}"
    if release.needs_samebit and not _lists_us(top):
        yield "packages: Samebit itself is needed, which requirements.txt does not install"
    if release.license is None:
        yield "licence: there is none, so nobody may use it"


def _not_installable(top: Path) -> Iterator[str]:
    lines = _lines(top / "requirements.txt")
    for line in lines:
        if line.startswith("# ") and ": " in line and "inferred from" not in line:
            yield line.removeprefix("# ")
        elif " @ " in line:
            yield f"{line.partition(' @ ')[0]} comes from an address of its own"
        elif "+" in line.partition("==")[2]:
            yield f"{line} is a local version: it needs the index that it came from"


def _lists_us(top: Path) -> bool:
    return any(line.startswith("samebit==") for line in _lines(top / "requirements.txt"))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def completeness(release: Release, top: Path) -> Sequence[Item]:
    """The five items of the ML code completeness checklist, each looked at in the files."""
    return (
        _dependencies(release, top),
        _training(release, top),
        _evaluation(release, top),
        _models(release, top),
        _readme(release, top),
    )


def when_tried(
    items: Sequence[Item], tried: Mapping[str, Compared], *, installed: bool
) -> Sequence[Item]:
    """The same items, once the commands of runs were tried: what did not work is not there."""
    failed = [run for run, one in tried.items() if any(x.startswith(ENDED) for x in one.other)]
    lines = {run: [*one.other, *one.absent] for run, one in tried.items()}
    other = [run for run in lines if any(line.startswith("metric ") for line in lines[run])]
    found: dict[str, str] = {}
    if not installed:
        found["dependencies"] = "they cannot be installed"
    if failed:
        found["training code"] = f"the command of run {few(failed)} ended otherwise"
    if other:
        found["evaluation code"] = f"run {few(other)} has other results"
    return [
        Item(item.name, False, found[item.name]) if item.good and item.name in found else item
        for item in items
    ]


def _dependencies(release: Release, top: Path) -> Item:
    pins = [line for line in _lines(top / "requirements.txt") if line and line[0] != "#"]
    exact = [line for line in pins if "==" in line or " @ " in line]
    good = len(exact) == len(pins) == release.packages
    return Item("dependencies", good, f"{len(exact)} of {release.packages} with exact versions")


def _training(release: Release, top: Path) -> Item:
    lacking = [
        run.id
        for run in release.runs
        if run.command.how == "script"
        and not (top / run.code / run.command.cwd / run.command.words[0]).is_file()
    ]
    trained = sum(run.steps > 0 for run in release.runs)
    if lacking:
        return Item("training code", False, f"no script of run {few(lacking)} is in the bundle")
    return Item("training code", True, f"{trained} of {len(release.runs)} runs made steps")


def _evaluation(release: Release, top: Path) -> Item:
    wrong: list[str] = []
    names: dict[str, None] = {}
    for run in release.runs:
        points = points_of(read_small(top / run.metrics).decode("utf-8", "replace"))
        last = {name: rows[-1][1] for name, rows in points.items()}
        for name, value in run.results.items():
            if name not in run.volatile:
                names[name] = None
            if isinstance(value, float) and last.get(name) != repr(value):
                wrong.append(f"{name} of run {run.id}")
    if wrong:
        return Item("evaluation code", False, f"results that no metrics.csv has: {few(wrong)}")
    said = f"the commands log {few(list(names))}" if names else "no metric was logged"
    return Item("evaluation code", bool(names), said)


def _models(release: Release, top: Path) -> Item:
    wrong: list[str] = []
    count = 0
    final = [run.id for run in release.runs if any(s.name != "step 0" for s in run.states)]
    for run in release.runs:
        for state in run.states:
            for part, name in state.files.items():
                count += 1
                try:
                    found = storing.identity(read_container(top / name), "")
                    same = found == state.identities.get(part)
                except SamebitError as error:
                    same = False
                    wrong.append(f"{name}: {error.what}")
                    continue
                if not same:
                    wrong.append(f"{name} has another identity")
    if wrong:
        return Item("pre-trained models", False, few(wrong))
    without = len(release.runs) - len(final)
    said = f"{count} files, each with the identity that is stated"
    said += f"; {without} runs have no final state" if without else ""
    return Item("pre-trained models", count > 0 and not without, said)


def _readme(release: Release, top: Path) -> Item:
    text = "\n".join(_lines(top / "README.md"))
    script = "\n".join(_lines(top / "commands.sh"))
    lacking = [r.id for r in release.runs if training_commands(r)[1] not in (text + "\n" + script)]
    if lacking:
        return Item("README", False, f"it has not the command of run {few(lacking)}")
    has_table = "## Results" in text and text.partition("## Results")[2].count("\n| ") > 1
    return Item("README", has_table, "the exact command of each run, and a table of results")
