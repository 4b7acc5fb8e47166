"""`samebit show RUN --schedule`: what the optimizers' scalars did, in words and as a curve."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from samebit.cli.tables import fields
from samebit.cli.words import Screen, shorten, shown, visible, width
from samebit.folders.read import View
from samebit.folders.series import Changes, Schedule
from samebit.folders.steps import last_counts
from samebit.report import schedule as words_of
from samebit.report.schedule import Curve, amount, count, setting
from samebit.report.shapes import TOLERANCE, segments

__all__ = ["chart", "optimizer_lines", "schedule_as_data", "show_schedule"]

_ROWS = 6  # of a curve, four dots each
_WIDEST = 100
_LABEL = 10
_MOST_LISTED = 8
_MOST_DRAWN = 3  # of an optimizer's groups
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # braille, by column and row
_INTERNAL = frozenset({"initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum"})


def show_schedule(view: View, screen: Screen) -> None:
    """Print it; where nothing was recorded, that is said."""
    if not view.schedules:
        screen.say("no scalars of an optimizer were recorded, so there is no schedule")
        return
    told: list[dict[Any, Any]] = []
    for schedule in view.schedules:
        if schedule.scalars in told:
            continue  # another rank, with the same schedule to the bit
        told.append(schedule.scalars)
        earlier = sum(
            s.rank == schedule.rank for s in view.schedules[: view.schedules.index(schedule)]
        )
        name = f"rank {schedule.rank}, " if len({s.rank for s in view.schedules}) > 1 else ""
        name += f"process {earlier + 1}, " if earlier else ""
        for optimizer in dict.fromkeys(key[0] for key in schedule.scalars):
            _optimizer(view, schedule, optimizer, name, screen)


def optimizer_lines(view: View, schedule: Schedule, optimizer: int) -> list[tuple[str, object]]:
    """What each scalar of an optimizer did, in words, and what made it so."""
    last, groups = _last(view, schedule, optimizer), _numbers(schedule, optimizer)
    skipped = _skipped(schedule, optimizer)
    lines: list[tuple[str, object]] = []
    for fact in view.all_facts("scheduler"):
        if isinstance(fact, dict) and fact.get("optimizer") == optimizer:
            lines.append(("made by", _scheduler(fact)))
    for curve in _curves(schedule, optimizer):
        lines.append(
            (
                _title(curve, groups),
                words_of.words(curve.changes.counts, curve.changes.values, last, skipped),
            )
        )
        lines += [
            (f"{curve.name} {_groups([group])}", f"the same × {amount(factor)}")
            for group, factor in list(curve.scaled.items())[:_MOST_LISTED]
        ]
        if len(curve.scaled) > _MOST_LISTED:
            lines.append(("", f"and {len(curve.scaled) - _MOST_LISTED} more in proportion"))
    lines += _loss_scale(schedule, optimizer, last)
    return lines + _constants(schedule, optimizer, groups)


def _optimizer(view: View, schedule: Schedule, optimizer: int, name: str, screen: Screen) -> None:
    last, groups = _last(view, schedule, optimizer), _numbers(schedule, optimizer)
    of = f"{len(groups)} parameter groups" if len(groups) > 1 else "1 parameter group"
    steps = f"{count(last)} step{'s' if last != 1 else ''}"
    title = f"{name}optimizer {optimizer}: {steps}, {of}"
    screen.say(screen.paint.bold(title if screen.width is None else shorten(title, screen.width)))
    lines = optimizer_lines(view, schedule, optimizer)
    screen.say(fields([(f"  {key}" if key else "", value) for key, value in lines], screen))
    if screen.width is None or not _can_draw(screen):
        return
    curves = _curves(schedule, optimizer)
    rates = [curve for curve in curves if curve.name == "lr"] or curves[:1]
    for curve in rates[:_MOST_DRAWN]:
        wide = min(screen.width, _WIDEST)
        screen.say()
        screen.say(screen.paint.dim(shorten(_title(curve, groups), wide)))
        for line in chart(curve.changes, last, wide, _skipped(schedule, optimizer)):
            screen.say(line)


def _curves(schedule: Schedule, optimizer: int) -> list[Curve]:
    return [curve for curve in words_of.curves(schedule) if curve.optimizer == optimizer]


def _numbers(schedule: Schedule, optimizer: int) -> list[int]:
    """The numbers of its parameter groups."""
    return sorted({g for o, g, _ in schedule.scalars if o == optimizer and g >= 0})


def _last(view: View, schedule: Schedule, optimizer: int) -> int:
    changes = (c.counts[-1] for key, c in schedule.scalars.items() if key[0] == optimizer)
    return last_counts(view.trace).get(optimizer) or max(changes)


def _title(curve: Curve, groups: Sequence[int]) -> str:
    if curve.same == list(groups):
        return curve.name
    return f"{curve.name} {_groups(curve.same)}"


def _groups(numbers: Iterable[int]) -> str:
    """`group 0`, `groups 0-3, 7`."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    listed = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)
    return f"group{'s' if len(found) > 1 or found[0][0] != found[0][1] else ''} {listed}"


def _skipped(schedule: Schedule, optimizer: int) -> list[int]:
    changes = schedule.scalars.get((optimizer, -1, "skipped"))
    return changes.counts if changes is not None else []


def _scheduler(fact: dict[str, Any]) -> str:
    """`SequentialLR(milestones=[500]; LinearLR(…), CosineAnnealingLR(T_max=…))`."""
    values = fact.get("values") or {}
    told = [
        f"{name}={shown(value)}"
        for name, value in values.items()
        if name not in ("last_epoch", "base_lrs") and value is not None and _is_short(value)
    ]
    parts = [_scheduler(part) for part in fact.get("parts") or [] if isinstance(part, dict)]
    inside = "; ".join(filter(None, [", ".join(told), ", ".join(parts)]))
    return visible(f"{str(fact.get('class')).rpartition('.')[2]}({inside})")


def _is_short(value: Any) -> bool:
    return not isinstance(value, list) or (0 < len(value) <= 4 and str(value[0])[:2] != "{'")


def _loss_scale(schedule: Schedule, optimizer: int, last: int) -> list[tuple[str, object]]:
    lines: list[tuple[str, object]] = []
    scale = schedule.scalars.get((optimizer, -1, "scale"))
    if scale is not None:
        values = [value for value in scale.values if isinstance(value, float)]
        text = shown(scale.values[0])
        if len(values) > 1:
            changes = f"{len(values) - 1} change{'s' if values[2:] else ''}"
            text = f"{_plain(values[0])}, {changes}, to {_plain(values[-1])}"
        lines.append(("loss scale", text))
    for name, title in (("skipped", "skipped"), ("without_effect", "without effect")):
        changes = schedule.scalars.get((optimizer, -1, name))
        if changes is not None:
            lines.append((title, _skips(changes, scale, last)))
    return lines


def _skips(changes: Changes, scale: Changes | None, last: int) -> str:
    """`2 of 1002 steps that were asked for (gradients not finite): before step 1 (scale …)`."""
    pairs = [
        (at, value)
        for at, value in zip(changes.counts, changes.values, strict=True)
        if isinstance(value, list) and len(value) == 2
    ]
    if not pairs:
        return shown(changes.values[-1])
    listed: list[str] = []
    for number, (at, (_, before)) in enumerate(pairs[:_MOST_LISTED]):
        after = _after(scale, pairs, number)
        said = f" (scale {_plain(before)}" + (f" → {_plain(after)})" if after else ")")
        listed.append(f"before step {at}{said if isinstance(before, float) else ''}")
    more = f" and {len(pairs) - _MOST_LISTED} more" if len(pairs) > _MOST_LISTED else ""
    total = f"{len(pairs)} of {last + len(pairs)} attempts, gradients not finite: "
    return total + ", ".join(listed) + more


def _after(scale: Changes | None, pairs: Sequence[Any], number: int) -> float | None:
    """The scale by which the next step was tried, where it is another."""
    at, (_, before) = pairs[number]
    if number + 1 < len(pairs) and pairs[number + 1][0] == at:
        return pairs[number + 1][1][1]
    later = [] if scale is None else scale.values[: bisect_right(scale.counts, at)]
    return later[-1] if later and later[-1] != before and isinstance(later[-1], float) else None


def _plain(value: float) -> str:
    """A loss scale: a power of two, written out."""
    return str(int(value)) if math.isfinite(value) and value == int(value) else amount(value)


def _constants(
    schedule: Schedule, optimizer: int, groups: Sequence[int]
) -> list[tuple[str, object]]:
    same: list[str] = []
    lines: list[tuple[str, object]] = []
    for name, by_group in words_of.constants(schedule, optimizer).items():
        by_value: dict[str, list[int]] = {}
        for group, value in by_group.items():
            by_value.setdefault(setting(value), []).append(group)
        if name in _INTERNAL and len(by_value) == 1:
            continue
        if len(by_value) == 1 and len(by_group) == len(groups):
            same.append(f"{name} {next(iter(by_value))}")
        elif len(by_value) <= _MOST_LISTED:
            of = [f"{value} ({_groups(numbers)})" for value, numbers in by_value.items()]
            lines.append((name, ", ".join(of)))
        else:
            lines.append((name, f"{len(by_value)} values in {len(by_group)} groups"))
    return [*lines, ("constant", ", ".join(same))] if same else lines


def _can_draw(screen: Screen) -> bool:
    try:
        "⣿┤".encode(screen.stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def chart(changes: Changes, last: int, columns: int, skipped: Sequence[int] = ()) -> list[str]:
    """A curve of braille dots over the steps, highest and lowest value beside it.

    Below it stands a mark for each place in which steps were skipped.
    """
    wide = max(columns - _LABEL - 2, 8)
    dots, high = 2 * wide, 4 * _ROWS
    values = [value if _is_finite(value) else None for value in changes.values]
    known = [value for value in values if value is not None]
    if not known or last < 2:
        return []
    low, top = min(known), max(known)
    cells = [[0] * wide for _ in range(_ROWS)]
    before: int | None = None
    for x, part in enumerate(_by_column(changes.counts, values, last, dots)):
        used = [value for value in part if value is not None]
        if not used:
            before = None
            continue
        ends = [_row(value, low, top, high) for value in (min(used), max(used))]
        if before is not None:  # joined to the column on the left
            ends += [before]
        for y in range(min(ends), max(ends) + 1):
            cells[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
        before = _row(used[-1], low, top, high)
    labels = [""] * _ROWS
    labels[0], labels[-1] = amount(top), amount(low)
    lines = [
        f"{label:>{_LABEL}} ┤" + "".join(chr(0x2800 + cell) for cell in row).rstrip("\u2800")
        for label, row in zip(labels, cells, strict=True)
    ]
    if skipped:
        marks = [" "] * wide
        for at in skipped:
            marks[min((at - 1) * wide // last, wide - 1)] = "×"
        lines.append(f"{'skipped':>{_LABEL}}  " + "".join(marks).rstrip())
    begin, end = "1", f"step {count(last)}"
    return [*lines, " " * (_LABEL + 2) + begin + end.rjust(wide - width(begin))]


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _by_column(
    counts: Sequence[int], values: Sequence[Any], last: int, columns: int
) -> Iterable[Sequence[Any]]:
    """The values that were in force in each of so many equal parts of the steps."""
    bounds = [1 + at * last / columns for at in range(columns + 1)]
    for begin, end in pairwise(bounds):
        first = max(bisect_right(counts, begin) - 1, 0)
        until = bisect_right(counts, end - 1e-9)
        yield values[first : max(until, first + 1)]


def _row(value: float, low: float, top: float, high: int) -> int:
    if top <= low:
        return high // 2
    # Halved, because the difference of two large numbers may be infinite.
    share = (top / 2 - value / 2) / (top / 2 - low / 2)
    return min(max(round(share * (high - 1)), 0), high - 1)


def schedule_as_data(view: View) -> dict[str, Any]:
    """Every scalar with its exact changes, its segments and its words."""
    return {
        "run": view.id,
        "tolerance": TOLERANCE,
        "schedulers": view.all_facts("scheduler"),
        "processes": [
            {
                "rank": schedule.rank,
                "scalars": [
                    _scalar(key, changes, _last(view, schedule, key[0]), schedule)
                    for key, changes in schedule.scalars.items()
                ],
            }
            for schedule in view.schedules
        ],
    }


def _scalar(
    key: tuple[int, int, str], changes: Changes, last: int, schedule: Schedule
) -> dict[str, Any]:
    optimizer, group, name = key
    found: dict[str, Any] = {
        "optimizer": optimizer,
        "group": group if group >= 0 else None,  # None: the loss scaler's
        "name": name,
        "steps": changes.counts,
        "values": changes.values,
        "last_step": last,
    }
    if group >= 0:
        skipped = _skipped(schedule, optimizer)
        found["words"] = words_of.words(changes.counts, changes.values, last, skipped)
    if group >= 0 and all(map(_is_finite, changes.values)):
        found["segments"] = [
            {
                "kind": segment.kind,
                "begin": segment.begin,
                "until": segment.until,
                "start": segment.start,
                "end": segment.end,
                **segment.facts,
            }
            for segment in segments(changes.counts, changes.values, last)
        ]
    return found
