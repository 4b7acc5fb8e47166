"""`samebit verify`: run a recorded run again, compare, say, and exit by the verdict."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from samebit import places, records
from samebit.cli.words import Paint, ProgressLine, Screen, size, visible
from samebit.digest import canonical_json
from samebit.errors import Exit, SamebitError, UsageError
from samebit.folders.find import find_run
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.journal.reader import list_segments
from samebit.launch import landlock
from samebit.records import Verdict
from samebit.replay.given import given_back
from samebit.replay.plan import Plan, make_plan
from samebit.replay.rebuild import Layout
from samebit.replay.running import refuse, replay_and_judge
from samebit.session.launching import Replay, Request, launch

__all__ = ["GRADE_EXIT", "show_verdict", "verify", "verify_arguments"]

GRADE_EXIT = {
    "identical": Exit.DONE,
    "close": Exit.CLOSE,
    "compatible": Exit.COMPATIBLE,
    "different": Exit.DIFFERENT,
    "unknown": Exit.UNKNOWN,
}


def verify_arguments(parser: argparse.ArgumentParser) -> None:
    """What verify takes."""
    parser.add_argument("run", metavar="RUN", help="an id, its beginning, a name, or @last")
    parser.add_argument(
        "--allow-writes",
        action="store_true",
        help="let the replay write outside its own folder",
    )
    parser.add_argument("--folder", type=Path, help="lay the replay out here, and leave it there")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def verify(options: argparse.Namespace) -> int:
    """Plan, rebuild, run, compare; the verdict goes to both runs."""
    view = read_run(find_run(places.find_store(Path.cwd()), options.run))
    screen = Screen.of(sys.stdout)
    plan = make_plan(view, os.environ)
    if plan.blockers:
        verdict = refuse(plan)
        view.folder.add_note("verdict", verdict)
        return _say(verdict, "", screen, as_json=options.json)
    if options.folder is not None and options.folder.exists():
        raise UsageError("the folder for the replay must be new", path=options.folder)
    if screen.width is not None and not options.json:
        what = " ".join(plan.words)
        screen.say(f"Running {view.id} again in a folder of its own: {visible(what)}")
    total = sum(segment.path.stat().st_size for segment in list_segments(view.folder.journal))
    with ProgressLine(Screen.of(sys.stderr), total, "replay", amount=size) as progress:
        done = 0

        def tick(folder: RunFolder) -> None:
            nonlocal done
            written = sum(s.path.stat().st_size for s in list_segments(folder.journal))
            progress.advance(written - done)
            done = written

        result = replay_and_judge(
            plan,
            partial(_execute, tick),
            allow_writes=options.allow_writes,
            keep_folder=options.folder,
        )
    console = result.console if result.verdict.grade == "unknown" else ""
    return _say(result.verdict, console, screen, as_json=options.json)


def _execute(
    tick: Callable[[RunFolder], None],
    plan: Plan,
    layout: Layout,
    sandbox: Callable[[RunFolder], landlock.Ruleset | None],
    output: int,
) -> RunFolder:
    seeds = layout.folder / "seeds.json"
    seeds.write_text(json.dumps(given_back(plan.view)), encoding="utf-8")
    request = Request(
        how=plan.how,
        words=layout.words,
        cwd=layout.cwd,
        environ=layout.environ,
        seed=plan.start.seed,
        deterministic=plan.start.deterministic,
        store=plan.view.folder.store,
        replay=Replay(plan.view.id, plan.view.rates, sandbox, output, tick, seeds),
    )
    launched = launch(request)
    if launched.folder is None:
        raise SamebitError("the replay left no record")
    return launched.folder


def _say(verdict: Verdict, console: str, screen: Screen, *, as_json: bool) -> int:
    if as_json:
        screen.say(canonical_json(records.plain(verdict)).decode())
    else:
        show_verdict(verdict, screen)
        if console.strip():
            screen.say("\nThe replay's last lines:")
            for line in console.strip().splitlines()[-12:]:
                screen.say("  " + visible(line))
    return int(GRADE_EXIT[verdict.grade])


def show_verdict(verdict: Verdict, screen: Screen) -> None:
    """A verdict with its evidence, for people."""
    paint = screen.paint
    color = {"identical": paint.green, "different": paint.red}.get(verdict.grade, paint.yellow)
    divergence = verdict.evidence.get("divergence")
    line = color(paint.bold(verdict.grade))
    if divergence:
        line += f": {visible(divergence['where'])}"
    if verdict.cause:
        line += f"{', ' if divergence else ': '}{visible(verdict.cause)}"
    screen.say(line)
    if divergence:
        for fact in divergence["facts"]:
            screen.say(f"  {visible(fact)}")
    _list("compared", verdict.scope, screen, paint)
    _list("another environment", verdict.differences, screen, paint)
    if verdict.replay:
        screen.say(paint.dim(f"  run {verdict.run}, replay {verdict.replay}; {verdict.who}"))


def _list(title: str, lines: tuple[str, ...], screen: Screen, paint: Paint) -> None:
    if not lines:
        return
    screen.say(f"  {paint.dim(title)}")
    for line in lines[:12]:
        screen.say(f"    {visible(line)}")
    if len(lines) > 12:
        screen.say(f"    and {len(lines) - 12} more (--json has all)")
