"""What a replay would need and find, before anything runs; whether a stranger's code may run."""

import sys
from collections.abc import Iterator

from samebit.cli.dvc import dvc_lines, dvc_links
from samebit.cli.tables import fields
from samebit.cli.words import Screen, duration, say_list, size, visible
from samebit.errors import UsageError
from samebit.folders.folder import user_name
from samebit.launch import landlock
from samebit.replay.executions import Part
from samebit.replay.plan import Plan

__all__ = ["as_data", "ask_to_run", "show_plan"]

_NAMED = 4


def show_plan(plan: Plan, screen: Screen) -> None:
    """What is needed, what of it is here, and what differs, for people."""
    paint = screen.paint
    screen.say(f"{paint.bold(plan.view.id)}  {visible(' '.join(plan.words))}")
    screen.say(fields(list(_facts(plan)), screen))
    say_list(screen, paint.yellow("cannot be run again as it was"), plan.blockers)
    say_list(screen, "to do", plan.remedies)
    title = paint.yellow("another environment, what changes most results first")
    say_list(screen, title, [*plan.differences, *filter(_is_missing, plan.changed_variables)])
    if not plan.blockers:
        screen.say(paint.green("everything that it needs is here"))


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    view = plan.view
    if view.record.imported is not None:
        return  # there is nothing that it would be run with
    code = sum(entry.size_bytes for entry in plan.tree.entries)
    yield "code", f"{len(plan.tree.entries)} files, {size(code)}, from the store"
    if plan.inputs:
        hashed = sum(bool(item.digest or item.kept) for item in plan.inputs)
        total = sum(item.size_bytes for item in plan.inputs)
        unsure = len(plan.inputs) - hashed
        by_time = f", {unsure} of them known by size and time only" if unsure else ""
        laid = "".join(f", {count} from {name}" for name, count in plan.laid_out.items())
        yield "data", f"{len(plan.inputs)} files, {size(total)}{by_time}{laid}"
    yield from ((name, str(text)) for name, text in dvc_lines(view, dvc_links(view, thorough=True)))
    if plan.outputs:
        held = "held back from the originals" if landlock.available() > 0 else "not held back here"
        yield "writes", f"{len(plan.outputs)} files, {held}"
    if changed := [line.split()[0] for line in plan.changed_variables if not _is_missing(line)]:
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        yield "set", f"for the replay: {', '.join(changed[:_NAMED])}{more}"
    seed = view.seed
    yield "seed", str(seed) if seed is not None else "none; what its generators began from is kept"
    if len(view.ranks) > 1:
        yield "ranks", str(len(view.ranks))
    if view.trace:
        yield "steps", str(len(view.trace))
    for one in plan.parts:
        if one.part is not None:
            yield f"execution {one.part.number}", _what_of(one.part)
    for line in plan.left_out:
        name, _, why = line.partition(" not run again: ")
        yield name, f"not run again: {why}"
    if view.end is not None and view.start is not None:
        spans = zip(view.starts, view.ends, strict=True)
        took_ns = sum(end.ended_ns - start.started_ns for start, end in spans if end is not None)
        yield "took", duration(took_ns / 1e9)
    if view.record.user and view.record.user != user_name():
        yield "of", f"{view.record.user}, not yours: its code is asked about before it runs"


def _is_missing(line: str) -> bool:
    """Whether it says of a variable that it could not be set: it was a secret."""
    return " is not set here" in line


def _what_of(part: Part) -> str:
    """What of an execution is run again: where it begins, and how far it goes."""
    rows = part.view.trace
    text = "".join(f"from {name}, " for name in sorted({c.name for c in part.resumed.values()}))
    if not rows:
        return text + "no steps"
    last = rows[-1].count
    until = last if part.until is None else part.until
    text += f"steps {rows[0].count} to {min(last, until)}"
    if part.until is None or part.until >= last:
        return text
    return f"{text}, of {last}: the next one went on from step {part.until - 1}"


def as_data(plan: Plan) -> dict[str, object]:
    """The plan, for programs."""
    return {
        "run": plan.view.id,
        "how": plan.how,
        "words": list(plan.words),
        "code": len(plan.tree.entries),
        "executions": [
            {
                "number": one.part.number,
                "words": list(one.words),
                "until": one.part.until,
                "went_on_from": sorted({found.name for found in one.part.resumed.values()}),
            }
            for one in plan.parts
            if one.part is not None
        ],
        "executions_left_out": list(plan.left_out),
        "inputs": [
            {
                "path": str(item.path),
                "size_bytes": item.size_bytes,
                "digest": item.kept or item.digest,
                "version": item.stored.name if item.stored and item.stored.version else None,
                "laid_out": item.is_laid_out,
                "cached": str(item.cached) if item.cached else None,
            }
            for item in plan.inputs
        ],
        "outputs": [str(path) for path in plan.outputs],
        "variables_set": list(plan.changed_variables),
        "differences": list(plan.differences),
        "blockers": list(plan.blockers),
    }


def ask_to_run(plan: Plan, *, yes: bool) -> None:
    """Ask whether another user's code may run here; UsageError where nobody can answer, or no."""
    owner = plan.view.record.user
    if yes or not owner or owner == user_name():
        return
    what = f"run {plan.view.id} is of {visible(owner)}, and its code would run as you"
    if not sys.stdin.isatty():
        raise UsageError(what, hint="--yes runs it; --plan shows what would run")
    sys.stderr.write(f"samebit: {what}: {visible(' '.join(plan.words))}\nRun it? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was run")
