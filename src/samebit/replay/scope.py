"""What a verdict rests on, in words: which steps, groups, states and metrics were compared."""

from collections.abc import Mapping, Sequence

from samebit.folders.read import View
from samebit.folders.steps import TraceRow, steps_of
from samebit.replay.pairs import Pair, leaves_of, manifest_of
from samebit.replay.results import Checkpoints, Data, Final, Media, Metrics, Splits
from samebit.trace.compare import Matched
from samebit.trace.groups import FULL_ROWS_ONLY

__all__ = ["not_comparable", "scope", "settings_differences"]

_WORDS = {
    "batch": "batch",
    "input": "model input",
    "hyper": "hyper-parameters",
    "output": "model output",
    "loss": "loss",
    "grad": "gradients",
    "param": "parameters",
    "state": "optimizer state",
    "buffers": "buffers",
}
_RARELY = ("state",)


def scope(
    recorded: View,
    replayed: View,
    matched: Matched,
    metrics: Metrics,
    final: Final | None,
    checkpoints: Checkpoints,
    splits: Splits,
    data: Data,
    media: Media,
    executions: Sequence[tuple[Pair, int]] = (),
) -> list[str]:
    """What was compared and agreed, a line each, and what could not be compared.

    Of a run that was resumed `executions` says how many steps of each agree.
    """
    lines: list[str] = []
    if matched.rows:
        every = [
            name
            for name, count in matched.groups.items()
            if count == matched.rows and name not in FULL_ROWS_ONLY
        ]
        some = {name: count for name, count in matched.groups.items() if name not in every}
        if any(name.startswith("rng.") for name in every):
            some.pop("rng.python", None)  # sampled more rarely than the other generators
        steps = _of_executions(executions) or _steps(recorded.traces, matched.rows)
        lines.append(f"{steps}: {_in_words(every)} bit-identical")
        rarely = {name: some.pop(name) for name in _RARELY if name in some}
        for found in (some, rarely):  # what only every eighth full row has is said apart
            if found:
                lines.append(f"in {min(found.values())} of them also {_in_words(list(found))}")
        if matched.apart:
            lines.append(not_comparable(matched))
    if matched.divergence is None or matched.divergence.cause != "init":
        initial = manifest_of(recorded, "step 0")
        if initial is not None and manifest_of(replayed, "step 0") is not None:
            lines.append(f"initial state identical: {_counted(len(leaves_of(initial)), 'array')}")
    if final is not None and not final.differing:
        lines.append(f"final state identical: {_counted(final.count, 'array')}")
    if same := checkpoints.count - len(checkpoints.differing):
        lines.append(f"checkpoints identical: {same} of {checkpoints.count}")
    if same := splits.count - len(splits.differing):
        lines.append(f"splits identical: {same} of {splits.count}")
    if same := data.count - len(data.differing):
        sampled = f" ({data.sampled} by a sample)" if data.sampled else ""
        lines.append(f"data as used identical: {same} of {data.count}{sampled}")
    agreeing = len(metrics.compared) - len(metrics.differing)
    if agreeing:
        names, values = _counted(agreeing, "name"), _counted(metrics.points, "value")
        lines.append(f"metrics identical: {names}, {values}")
    if same := media.count - len(media.differing):
        lines.append(f"media identical: {same} of {media.count}")
    if media.listed:
        lines.append(f"media that are not judged: {', '.join(media.listed)}")
    if metrics.volatile:
        lines.append(f"not judged (clock or machine): {', '.join(metrics.volatile)}")
    for problem in recorded.all_facts("problem"):
        line = f"{problem['what']}: {problem['detail']}"
        if problem["what"].endswith("not traced") and line not in lines:
            lines.append(line)
    settings = recorded.facts.get("settings") or {}
    if lines and "torch.threads" in settings:
        lines.append(f"all with {_counted(settings['torch.threads'], 'thread')}")
    return lines


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def not_comparable(matched: Matched) -> str:
    """Which groups were not compared, because a GPU digests them in another way than a CPU."""
    return f"not comparable: {_in_words(matched.apart)} (on a GPU in one of the two only)"


def _steps(traces: Mapping[str, Sequence[TraceRow]], count: int) -> str:
    if len(traces) > 1:
        return f"{count} steps of {len(traces)} ranks"
    (rows,) = traces.values()
    if count > len(rows):
        return f"{count} steps of several processes"
    first, last = rows[0].count, rows[count - 1].count
    optimizers = {optimizer for optimizer, _ in steps_of(rows)[:count]}
    if len(optimizers) > 1:
        return f"{count} steps of {len(optimizers)} optimizers"
    return f"steps {first} to {last}" if first < last else f"step {first}"


def _of_executions(executions: Sequence[tuple[Pair, int]]) -> str:
    """Which steps of which executions; one that was taken over also has some that were made again.

    Empty where the run has one execution.
    """
    agreeing = [(pair, rows) for pair, rows in executions if rows]
    if not agreeing:
        return ""
    steps = [_steps(pair.recorded.traces, rows) for pair, rows in agreeing]
    steps = [steps[0], *(text.removeprefix("steps ") for text in steps[1:])]
    numbers = [pair.part.number for pair, _ in agreeing]
    many = f"execution {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} executions"
    return f"{many}, " + " and ".join(filter(None, [", ".join(steps[:-1]), steps[-1]]))


def _in_words(groups: Sequence[str]) -> str:
    words = [_WORDS[name] for name in _WORDS if name in groups]
    if any(name.startswith("rng.") for name in groups):
        words.append("generators")
    return ", ".join(words) or "nothing"


def settings_differences(recorded: View, replayed: View) -> list[str]:
    """The settings in force that the replay had otherwise.

    Not those that it never read back, as it ended before it had loaded what they belong to.
    """
    ours, theirs = recorded.facts.get("settings") or {}, replayed.facts.get("settings") or {}
    return [
        f"{name}: {ours[name]} then, {theirs[name]} now"
        for name in ours
        if name in theirs and ours[name] != theirs[name] and name != "torch.initial_seed"
    ]
