"""`samebit verify`: run a recorded run again, compare, say, and exit by the verdict."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

from samebit import places, records
from samebit.cli import planning
from samebit.cli.environments import rebuild_environment
from samebit.cli.words import ProgressLine, Screen, say_list, size, visible
from samebit.digest import canonical_json
from samebit.errors import Exit, SamebitError, UsageError
from samebit.folders.find import find_run
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.journal.reader import list_segments
from samebit.journal.traced import load_numpy_when_it_pays
from samebit.records import Verdict
from samebit.replay.again import RUN_TO_RUN
from samebit.replay.given import given_back
from samebit.replay.grades import RTOL
from samebit.replay.plan import Plan, make_plan
from samebit.replay.running import refuse, replay_and_judge
from samebit.replay.starting import Execution
from samebit.replay.watching import Watch
from samebit.session.ends import OpsWanted
from samebit.session.launching import launch
from samebit.session.request import Replay, Request

__all__ = [
    "GRADE_EXIT",
    "execute",
    "in_words",
    "show_verdict",
    "steps_argument",
    "verify",
    "verify_arguments",
]

_STOP = "stop"  # the file by which a replay is ended
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
    parser.add_argument(
        "--steps",
        type=steps_argument,
        metavar="K",
        help="run K steps only: a quick proof of the beginning",
    )
    parser.add_argument(
        "--to-the-end",
        action="store_true",
        help="go on after the first step that differs; it may be close or compatible then",
    )
    parser.add_argument(
        "--rtol", type=_tolerance, default=RTOL, help=f"with --to-the-end: how close ({RTOL:g})"
    )
    parser.add_argument(
        "--once", action="store_true", help="no second replay where the first one differs"
    )
    parser.add_argument(
        "--plan", action="store_true", help="say what it needs, has and lacks, and run nothing"
    )
    parser.add_argument("--yes", action="store_true", help="another user's code may run")
    parser.add_argument(
        "--env",
        choices=("current", "rebuild"),
        default="current",
        help="run it with the packages that are here, or with those that the run had",
    )
    parser.add_argument(
        "--stdin", metavar="FILE", help="what the script reads on its standard input (- is ours)"
    )
    parser.add_argument("--folder", type=Path, help="lay the replay out here, and leave it there")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def verify(options: argparse.Namespace) -> int:
    """Plan, rebuild, run, compare; the verdict goes to both runs."""
    load_numpy_when_it_pays()
    view = read_run(find_run(places.find_store(Path.cwd()), options.run))
    screen = Screen.of(sys.stdout)
    rebuilds = options.env == "rebuild"
    plan = make_plan(view, os.environ, elsewhere=rebuilds)
    if options.plan:
        if options.json:
            screen.say(canonical_json(planning.as_data(plan)).decode())
        else:
            planning.show_plan(plan, screen)
        return int(Exit.UNKNOWN if plan.blockers else Exit.DONE)
    verdict = None
    if not plan.blockers and options.folder is not None and options.folder.exists():
        raise UsageError("the folder for the replay must be new", path=options.folder)
    if not plan.blockers:
        planning.ask_to_run(plan, yes=options.yes)
    if not plan.blockers and rebuilds:
        found = rebuild_environment(plan, quiet=options.json)
        if isinstance(found, Verdict):
            verdict = found
        else:
            plan = found
    if plan.blockers:
        verdict = refuse(plan)
    if verdict is not None:
        view.folder.add_note("verdict", verdict)
        return _say(verdict, "", screen, as_json=options.json)
    if screen.width is not None and not options.json:
        many = f", {len(plan.parts)} executions" if len(plan.parts) > 1 else ""
        what = f"{many}: {visible(' '.join(plan.words))}"
        screen.say(f"Running {view.id} again in a folder of its own{what}")
    result = replay_and_judge(
        plan,
        partial(execute, given=_given(options.stdin)),
        allow_writes=options.allow_writes,
        keep_folder=options.folder,
        steps=options.steps,
        to_the_end=options.to_the_end,
        again=not options.once,
        rtol=options.rtol,
    )
    console = result.console if result.verdict.grade == "unknown" else ""
    return _say(result.verdict, console, screen, as_json=options.json)


def _given(file: str | None) -> bytes | None:
    """What the script is to read: it may be started more than once."""
    if file is None:
        return None
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"--stdin {file} cannot be read: {error.strerror}") from error


def steps_argument(text: str) -> int:
    """A number of steps, as an option takes it."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"a whole number above 0, not {text!r}")
    return int(text)


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"a number from 0 to below 1, not {text!r}")
    return value


def execute(plan: Plan, wanted: Execution, given: bytes | None = None) -> RunFolder:
    """Start the recorded command where it was laid out, and wait for its end.

    `given` is what it reads on its standard input; None: nothing.
    """
    layout = wanted.layout
    seeds = layout.folder / "seeds.json"
    begins = {**given_back(plan.view), **wanted.begins}
    seeds.write_text(json.dumps(begins), encoding="utf-8")
    (layout.folder / _STOP).unlink(missing_ok=True)  # of the execution before
    watch = Watch(plan.view, plan.part) if wanted.watched else None
    with ProgressLine(
        Screen.of(sys.stderr), _total(plan, wanted), _label(plan, wanted), amount=size
    ) as progress:
        done = _size_of_journal(wanted.goes_on) if wanted.goes_on is not None else 0

        def tick(folder: RunFolder) -> bool:
            nonlocal done
            written = _size_of_journal(folder)
            progress.advance(written - done)
            done = written
            return watch is not None and watch.has_parted(folder)

        with TemporaryFile() as stream:
            stream.write(given or b"")
            stream.seek(0)
            return _launch(plan, wanted, seeds, stream.fileno(), tick)


def _label(plan: Plan, wanted: Execution) -> str:
    """What the line of progress is about."""
    whole = wanted.watched or wanted.until is None
    if plan.part is not None:
        return f"{'replay' if whole else 'once more'}, execution {plan.part.number}"
    return "replay" if whole else f"{wanted.until} steps once more"


def _total(plan: Plan, wanted: Execution) -> int:
    """About how many bytes of journal there are to come."""
    size_bytes = _size_of_journal(plan.view.folder)
    rows, base, every = len(plan.view.trace), 0, 0
    if plan.part is not None:  # its share of all that the executions wrote
        numbers = (start.number for start in plan.view.starts)
        every = sum(len(plan.view.at_execution(number).trace) for number in numbers)
        base = plan.part.bases.get(plan.view.facts.get("main", 0), 0)
        size_bytes = size_bytes * rows // every if every else size_bytes // len(plan.view.starts)
    if wanted.until is None or not rows:
        return size_bytes
    return size_bytes * min(wanted.until - base, rows) // rows


def _size_of_journal(folder: RunFolder) -> int:
    return sum(segment.path.stat().st_size for segment in list_segments(folder.journal))


def _launch(
    plan: Plan,
    wanted: Execution,
    seeds: Path,
    stream: int,
    tick: Callable[[RunFolder], bool],
) -> RunFolder:
    layout = wanted.layout
    request = Request(
        how=plan.how,
        words=layout.words,
        cwd=layout.cwd,
        environ=layout.environ,
        seed=plan.start.seed,
        roles=plan.start.roles,
        deterministic=plan.start.deterministic,
        shape=plan.start.shape,
        store=plan.view.folder.store,
        replay=Replay(
            plan.view.id,
            {} if wanted.full else plan.view.rates,
            wanted.sandbox,
            wanted.output,
            tick,
            seeds,
            layout.folder / _STOP,
            _ops(wanted),
            wanted.goes_on,
            stream,
        ),
        until=wanted.until,
        python=plan.rebuilt.executable if plan.rebuilt is not None else sys.executable,
    )
    launched = launch(request)
    if launched.folder is None:
        raise SamebitError("the replay left no record")
    return launched.folder


def _ops(wanted: Execution) -> OpsWanted | None:
    ops = wanted.ops
    return OpsWanted(ops.rank, ops.optimizer, ops.step, str(wanted.ops_file)) if ops else None


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
    line = color(paint.bold(verdict.grade)) + in_words(verdict).removeprefix(verdict.grade)
    screen.say(line)
    if divergence:
        for fact in divergence["facts"]:
            screen.say(f"  {visible(fact)}")
    if verdict.kind:
        screen.say(f"  {_of_kind(verdict)}")
    missing = (verdict.evidence.get("environment") or {}).get("cannot_be_rebuilt", ())
    for title, lines in (
        ("cannot be installed", tuple(missing)),
        ("compared", verdict.scope),
        ("another environment", verdict.differences),
        ("to do", verdict.remedies),
    ):
        say_list(screen, paint.dim(title), lines, indent="  ")
    if verdict.replay:
        screen.say(paint.dim(f"  run {verdict.run}, replay {verdict.replay}; {verdict.who}"))


def in_words(verdict: Verdict) -> str:
    """A verdict in a line: its grade, how far it reaches, or where and why the two part."""
    divergence = verdict.evidence.get("divergence")
    line = verdict.grade
    if verdict.until is not None and verdict.grade == "identical":
        line += " (step 1)" if verdict.until == 1 else f" (steps 1 to {verdict.until})"
    if divergence:
        line += f": {visible(divergence['where'])}"
    if verdict.cause:
        line += f"{', ' if divergence else ': '}{visible(verdict.cause)}"
    return line


def _of_kind(verdict: Verdict) -> str:
    """What a second replay showed, in a sentence."""
    again = verdict.evidence.get("again") or {}
    if verdict.kind == RUN_TO_RUN:
        return f"run-to-run: a second replay parted from the first, {visible(str(again['parted']))}"
    text = "environment: a second replay gave the bits of the first one"
    return text if verdict.differences else f"{text}; nothing that was recorded differs"
