"""`samebit release check` and `test`: a stranger's bundle, read; and run as its README says.

Reading runs nothing. The test says first whose code will run, and asks.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samebit import records
from samebit.cli import trying
from samebit.cli.certifying import say_findings
from samebit.cli.trying import CannotRebuild, Tried
from samebit.cli.verifying import GRADE_EXIT
from samebit.cli.words import Screen, counted, few, say_list, size, visible
from samebit.digest import canonical_json
from samebit.errors import Exit, UsageError
from samebit.report import signing
from samebit.report.certified import Findings, check_signatures
from samebit.report.dsse import read_envelope
from samebit.report.public_keys import named_by
from samebit.report.release import hurdles, opening
from samebit.report.release.bundle import Release
from samebit.report.release.hurdles import Item
from samebit.report.release.readme import shell_line
from samebit.report.release.statement import read_sums_digest
from samebit.report.release.writing import SUMS, sha256_of

__all__ = ["arguments", "check", "test"]

_WORST_FIRST = ("different", "unknown", "compatible", "close", "identical")
_LAST_LINES = 12


def arguments(parser: Any) -> None:
    """What the test takes."""
    parser.add_argument(
        "--env",
        choices=("rebuild", "here"),
        help="an environment by its requirements.txt, or the one that is here",
    )
    parser.add_argument("--only", metavar="RUN", help="one run of the bundle")
    parser.add_argument("--folder", type=Path, help="unpack and run here, and leave it there")
    parser.add_argument("--yes", action="store_true", help="the bundle's code may run")
    parser.add_argument(
        "--allow-writes", action="store_true", help="where nothing can hold back its writes"
    )


# Checking ---------------------------------------------------------------------------------------


def check(options: argparse.Namespace, path: Path) -> int:
    """Whether every file is what was signed; nothing is run."""
    screen = Screen.of(sys.stdout)
    with opening.opened(path) as top:
        release = opening.read_contents(top)
        findings = _look_into(release, top, options)
        if options.json:
            said = {"contents": records.plain(release), **records.plain(findings)}
            screen.say(canonical_json(said | {"damaged": bool(findings.wrong)}).decode())
        else:
            _say_release(screen, release)
            say_findings(screen, findings)
    return int(Exit.NOT_FOUND if findings.wrong else findings.exit)


def _look_into(release: Release, top: Path, options: argparse.Namespace) -> Findings:
    findings = Findings()
    sums = opening.check_sums(top)
    findings.wrong += [f"file: {name} has other bytes than were released" for name in sums.wrong]
    findings.wrong += [f"file: {name} is gone" for name in sums.absent]
    findings.wrong += [f"file: {name} was not released" for name in sums.unlisted]
    findings.wrong += [f"{name} is named and not there" for name in opening.lacking(release, top)]
    if sums.right:
        findings.right.append(f"{sums.right:,} files have the released bytes")
    path = top / opening.STATEMENT
    if not path.exists():
        findings.unclear.append("signature: there is none")
        return findings
    envelope = read_envelope(opening.read_small(path), path)
    if read_sums_digest(envelope, path) != sha256_of(top / SUMS):
        findings.wrong.append(f"signature: it is of another {SUMS}")
    trusted = [named_by(options.key)] if options.key is not None else signing.own_keys()
    check_signatures(envelope, trusted, findings)
    return findings


def _say_release(screen: Screen, release: Release) -> None:
    screen.say(screen.paint.bold(visible(release.title)))
    verdicts = [run.verdict["grade"] if run.verdict else "not verified" for run in release.runs]
    counts = {grade: verdicts.count(grade) for grade in dict.fromkeys(verdicts)}
    grades = ", ".join(f"{count} {visible(str(grade))}" for grade, count in counts.items())
    grades = grades if len(verdicts) > 1 else visible(str(verdicts[0]))
    kind = ", anonymous" if release.anonymous else ""
    screen.say(f"  {counted(len(release.runs), 'run')}{kind}; stated: {grades}")
    here = [one for one in release.data if one.place]
    total = size(sum(one.size_bytes for one in here))
    screen.say(
        f"  data: {len(here)} of {counted(len(release.data), 'file')} in it, {total}"
        if release.data
        else "  data: none was read"
    )


# Testing ----------------------------------------------------------------------------------------


def test(options: argparse.Namespace, path: Path) -> int:
    """Do what the README says, and say what came of it."""
    screen = Screen.of(sys.stdout)
    if options.folder is not None and options.folder.exists():
        raise UsageError("the folder for the test must be new", path=options.folder)
    with opening.opened(path) as top:
        release = opening.read_contents(top)
        findings = _look_into(release, top, options)
        if findings.wrong:
            _say_release(screen, release)
            say_findings(screen, findings)
            return int(Exit.NOT_FOUND)
        runs = [run for run in release.runs if options.only in (None, run.id)]
        if not runs:
            known = few([run.id for run in release.runs], 8)
            raise UsageError(f"the bundle has no run {options.only!r}", runs=known)
        if not options.json:
            _say_release(screen, release)
        _ask(release, yes=options.yes)
        items = hurdles.completeness(release, top)
        hits = list(hurdles.hurdles(release, top))
        tried, environment, installed = _try(release, top, options, hits)
        compared = {one.run: one.compared for one in tried}
        items = hurdles.when_tried(items, compared, installed=installed)
    grades = [one.grade for one in tried]
    if len(tried) < len(runs):  # doubt is never a pass
        grades.append("unknown")
    worst = min(grades, key=_WORST_FIRST.index)
    if options.json:
        screen.say(_json(tried, items, hits, findings, environment, worst))
    else:
        say_list(screen, screen.paint.yellow("cannot be told"), findings.unclear)
        _say_tried(screen, tried, environment)
        _say_items(screen, items)
        say_list(screen, screen.paint.yellow("a stranger would hit"), hits)
    return int(GRADE_EXIT[worst])


def _ask(release: Release, *, yes: bool) -> None:
    what = f"this runs the code of the bundle as you: {counted(len(release.runs), 'command')}"
    if yes:
        return
    first = visible(shell_line(release.runs[0].command))
    if not sys.stdin.isatty():
        raise UsageError(what, first=first, hint="--yes runs it; `release check` runs nothing")
    sys.stderr.write(f"samebit: {what}, {first}\nRun it? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was run")


def _try(
    release: Release, top: Path, options: argparse.Namespace, hits: list[str]
) -> tuple[list[Tried], str, bool]:
    """Each run in a folder of its own, which goes again unless it is to stay.

    Returns:
        How each came out; in what they ran; and whether that was to be had.
    """
    try:
        environment = trying.here(top) if options.env == "here" else trying.rebuilt(release, top)
    except CannotRebuild as error:
        hits += [f"packages: {reason}" for reason in error.reasons]
        return [], "requirements.txt cannot be installed; --env here uses what is here", False
    tried: list[Tried] = []
    runs = [run for run in release.runs if options.only in (None, run.id)]
    with trying.place_for(options.folder) as place:
        for run in runs:
            folder = place / run.id
            folder.mkdir()
            # Several commands, of which each goes on from the one before, are no one command.
            act = trying.try_run if run.executions == 1 else trying.replay_run
            tried.append(
                act(release, run, top, folder, environment, allow_writes=options.allow_writes)
            )
            if options.folder is None:
                shutil.rmtree(folder, ignore_errors=True)
    return tried, environment.said, True


def _say_tried(screen: Screen, tried: Sequence[Tried], environment: str) -> None:
    paint = screen.paint
    colors = {"identical": paint.green, "different": paint.red}
    screen.say(f"{'in ' if tried else ''}{visible(environment)}")
    for one in tried:
        color = colors.get(one.grade, paint.yellow)
        why = f": {visible(one.why)}" if one.why else ""
        screen.say(f"{color(paint.bold(one.grade))}  run {visible(one.run)}{why}")
        files = tuple(line for line in one.compared.same if line.startswith("files"))
        judged = one.verdict
        scope = (*judged.scope, *files) if judged is not None else tuple(one.compared.same)
        say_list(screen, paint.dim("compared"), scope, indent="  ")
        say_list(screen, "has other results than are stated", one.compared.other, indent="  ")
        differences = one.verdict.differences if one.verdict is not None else ()
        say_list(screen, paint.dim("another environment"), differences, indent="  ")
        if one.grade == "unknown" and one.console.strip():
            screen.say("  its last lines:")
            for line in one.console.strip().splitlines()[-_LAST_LINES:]:
                screen.say("    " + visible(line))


def _say_items(screen: Screen, items: Sequence[Item]) -> None:
    paint = screen.paint
    good = sum(item.good for item in items)
    screen.say(f"complete: {good} of {len(items)}")
    for item in items:
        mark = paint.green("yes") if item.good else paint.red("no ")
        screen.say(f"  {mark}  {item.name}: {visible(item.said)}")


def _json(
    tried: Sequence[Tried],
    items: Sequence[Item],
    hits: Sequence[str],
    findings: Findings,
    environment: str,
    worst: str,
) -> str:
    said = {
        "grade": worst,
        "environment": environment,
        "runs": [records.plain(one) for one in tried],
        "complete": [records.plain(item) for item in items],
        "hits": list(hits),
        **records.plain(findings),
    }
    return canonical_json(said).decode()
