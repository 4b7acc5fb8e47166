"""The metrics of a run as batches: long, a row for each value; wide, a row for each step.

Where everything that a run logged is a number they come as arrays, and no value is looked at by
itself. Names are in order of the alphabet, and the steps of each ascend.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from samebit.folders.points import Points
from samebit.folders.read import View
from samebit.folders.series import Column
from samebit.query.tabular.cells import in_64_bits
from samebit.query.tabular.columns import Batch, Masked, Same
from samebit.query.tabular.recorded import number_and_text

__all__ = ["long_batches", "wide_batches"]

_Step = tuple[int | None, str | None]  # whole, or as a text


def long_batches(view: View, numpy: Any) -> Iterator[Batch]:
    """A batch for each metric of a run, with the columns of `METRIC_COLUMNS`."""
    if (points := _points(view, numpy)) is not None:
        for name, one in sorted(points.items()):
            steps = one.steps.astype(numpy.int64)
            columns = (Same(name), steps, one.times_ns, one.values, Same(None), Same(None))
            yield Batch(len(steps), (Same(view.id), *columns))
        return
    for name, column in sorted(view.metrics.items()):
        rows = _ordered(column)
        steps = [_step(step) for step, _, _ in rows]
        told = [number_and_text(value) for _, _, value in rows]
        yield Batch(
            len(rows),
            (
                Same(view.id),
                Same(name),
                [whole for whole, _ in steps],
                [_time(time_ns) for _, time_ns, _ in rows],
                [number for number, _ in told],
                [text for _, text in told],
                [odd for _, odd in steps],
            ),
        )


def wide_batches(view: View, names: Sequence[str], numpy: Any) -> Iterator[Batch]:
    """All steps of a run, with the columns of `WIDE_COLUMNS` and one for each of these metrics.

    A step's time is that of what was logged at it last. What is no number is nothing here.
    """
    if (points := _points(view, numpy)) is not None:
        if points:
            yield _wide_of_points(view.id, points, names, numpy)
        return
    times: dict[_Step, int | None] = {}
    found: dict[str, dict[_Step, float | None]] = {}
    for name, column in view.metrics.items():
        mine = found.setdefault(name, {})
        for step, time_ns, value in _ordered(column):
            key = _step(step)
            mine[key] = number_and_text(value)[0]
            times[key] = max(times.get(key) or 0, _time(time_ns) or 0)
    steps = sorted(times, key=lambda step: (step[0] is None, step[0] or 0, step[1] or ""))
    if steps:
        yield Batch(
            len(steps),
            (
                Same(view.id),
                [whole for whole, _ in steps],
                [times[step] for step in steps],
                [odd for _, odd in steps],
                *([found.get(name, {}).get(step) for step in steps] for name in names),
            ),
        )


def _points(view: View, numpy: Any) -> dict[str, Points] | None:
    """All of a run's metrics as arrays; None where they must be looked at one by one."""
    return view.exact_points(numpy) if numpy is not None else None


def _wide_of_points(
    run: str, points: Mapping[str, Points], names: Sequence[str], numpy: Any
) -> Batch:
    distinct = list({id(one.steps): one.steps for one in points.values()}.values())
    steps = distinct[0] if len(distinct) == 1 else numpy.unique(numpy.concatenate(distinct))
    times_ns = numpy.full(len(steps), numpy.iinfo(numpy.int64).min)
    columns: dict[str, Any] = {}
    for name, one in points.items():
        whole = len(one.steps) == len(steps)
        places = slice(None) if whole else numpy.searchsorted(steps, one.steps)
        times_ns[places] = numpy.maximum(times_ns[places], one.times_ns)
        if whole:
            columns[name] = one.values
            continue
        values, is_null = numpy.zeros(len(steps)), numpy.ones(len(steps), bool)
        values[places], is_null[places] = one.values, False
        columns[name] = Masked(values, is_null)
    nothing = Same(None)
    told = (columns.get(name, nothing) for name in names)
    return Batch(len(steps), (Same(run), steps.astype(numpy.int64), times_ns, nothing, *told))


def _ordered(column: Column) -> list[tuple[Any, int, Any]]:
    rows = zip(column.steps, column.times_ns, column.values, strict=True)
    return sorted(rows, key=lambda row: _place(row[0]))


def _place(step: Any) -> tuple[bool, Any]:
    """NaN is no number that a list could be sorted by: it stands last."""
    is_none = step != step
    return is_none, 0 if is_none else step


def _step(step: Any) -> _Step:
    if isinstance(step, float) and step.is_integer():
        step = int(step)
    if in_64_bits(step):
        return step, None
    return None, str(step)


def _time(time_ns: int) -> int | None:
    return time_ns if in_64_bits(time_ns) else None
