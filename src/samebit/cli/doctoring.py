"""`samebit doctor`: run the first steps, and say what a record would lack, before the long run."""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from samebit import places, records
from samebit.cli.running import request_of, seeding_arguments, words_arguments
from samebit.cli.verifying import GRADE_EXIT, execute, show_verdict, steps_argument
from samebit.cli.words import Screen, duration, visible
from samebit.digest import canonical_json
from samebit.errors import Exit, SamebitError
from samebit.folders.read import View, read_run
from samebit.query.hazards import find_hazards
from samebit.query.lacks import Lack, find_lacks
from samebit.records import Verdict
from samebit.replay.plan import make_plan
from samebit.replay.running import refuse, replay_and_judge
from samebit.session.launching import Launched, launch

__all__ = ["doctor", "doctor_arguments"]

_STEPS = 5
# What is so because the trial was ended early, or is nobody's to mend before the run.
_OF_THE_TRIAL = ("end",)


def doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """What comes before the script; the script's own words are passed on."""
    parser.usage = (
        "samebit doctor [options] SCRIPT.py [its arguments]\n"
        "       samebit doctor [options] -m MODULE [its arguments]\n"
        "       samebit doctor [options] -- COMMAND [its arguments]"
    )
    parser.add_argument(
        "--steps", type=steps_argument, default=_STEPS, metavar="K", help="so many (5)"
    )
    parser.add_argument(
        "--twice", action="store_true", help="run them again from the record, and compare every bit"
    )
    seeding_arguments(parser)
    parser.add_argument(
        "--allow-writes", action="store_true", help="with --twice: as for `samebit verify`"
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.set_defaults(shut_out=None)
    words_arguments(parser)


def doctor(options: argparse.Namespace) -> int:
    """Run a trial in a store of its own; exit by the verdict where there is one."""
    os.environ["SAMEBIT_CODE_REF"] = "none"  # a trial leaves no tag
    asked = request_of(options)
    with tempfile.TemporaryDirectory(prefix="samebit-doctor-") as folder:
        store = _store(Path(folder))
        launched = launch(replace(asked, store=store, kind="trial", until=options.steps))
        if launched.folder is None:
            raise SamebitError("the trial left no record")
        view = read_run(launched.folder)
        verdict = _twice(view, options) if options.twice else None
        return _say(view, launched, verdict, as_json=options.json)


def _store(folder: Path) -> Path:
    """A store for the trial, under the project's own settings."""
    settings = places.choose_store(Path.cwd()).parent / "samebit.toml"
    if settings.is_file():
        shutil.copyfile(settings, folder / "samebit.toml")
    return places.make_store(folder / ".samebit")


def _twice(view: View, options: argparse.Namespace) -> Verdict:
    plan = make_plan(view, os.environ)
    if plan.blockers:
        return refuse(plan)
    stopped = view.facts.get("stopped") or {}
    result = replay_and_judge(
        plan, execute, allow_writes=options.allow_writes, steps=stopped.get("count")
    )
    return result.verdict


def _say(view: View, launched: Launched, verdict: Verdict | None, *, as_json: bool) -> int:
    lacks = [lack for lack in find_lacks(view) if lack.key not in _OF_THE_TRIAL]
    hazards = find_hazards(view)
    failed = launched.outcome.signal or launched.outcome.exit_code
    screen = Screen.of(sys.stdout)
    if as_json:
        said = {
            "steps": len(view.trace),
            "status": view.status,
            "lacks": [records.plain(lack) for lack in lacks],
            "hazards": [records.plain(hazard) for hazard in hazards],
            "verdict": records.plain(verdict) if verdict is not None else None,
        }
        screen.say(canonical_json(said).decode())
    else:
        _say_to_people(view, launched, lacks, hazards, verdict, screen)
    if verdict is not None:
        return int(GRADE_EXIT[verdict.grade])
    return int(Exit.UNKNOWN if failed else Exit.DONE)


def _say_to_people(
    view: View,
    launched: Launched,
    lacks: Sequence[Lack],
    hazards: Sequence[Lack],
    verdict: Verdict | None,
    screen: Screen,
) -> None:
    paint = screen.paint
    steps = f"{len(view.trace)} steps" if view.trace else "no step of a PyTorch optimizer"
    how = "" if view.facts.get("stopped") else f"; it {view.status} by itself"
    screen.say(f"{steps} in {duration(launched.seconds)}{how}")
    if view.cause:
        screen.say(paint.red(f"  {visible(view.cause)}"))
    for title, found in (("a record would lack", lacks), ("may come out otherwise", hazards)):
        if not found:
            continue
        screen.say(paint.bold(title))
        for lack in found:
            screen.say(f"  {visible(lack.what)}")
            if lack.fix:
                screen.say(paint.dim(f"    {visible(lack.fix)}"))
    if not lacks and not hazards:
        screen.say(paint.green("nothing that is known to be missing"))
    if verdict is not None:
        screen.say(paint.bold("run twice"))
        show_verdict(replace(verdict, replay=None), screen)  # the two are gone by now
