"""`samebit state diff`: two states, or a state and a file, leaf by leaf."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samebit.cli.tables import Column, table
from samebit.cli.words import ProgressLine, Screen, number, shown, visible
from samebit.digest import canonical_json
from samebit.errors import Exit, UsageError
from samebit.folders import stated
from samebit.records import LeafRecord
from samebit.session.reading import open_state
from samebit.states import comparing, files
from samebit.states.comparing import LeafDifference, Side
from samebit.states.shards import PARTS

__all__ = ["arguments", "diff"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """What state diff takes."""
    what = "RUN[:STATE], or a file in .safetensors, .npz or .pt"
    parser.add_argument("first", metavar="A", help=what)
    parser.add_argument("second", metavar="B", help=what)
    parser.add_argument("--prefix", help="only what lies below it (beside a file: model)")
    parser.add_argument("--rank", help="of runs of many: as these ranks kept them")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def diff(options: argparse.Namespace, store: Path) -> int:
    """Compare; exit code 5 if a leaf or a value differs, else 0."""
    with_file = files.is_file_name(options.first) or files.is_file_name(options.second)
    prefix = options.prefix if options.prefix is not None else "model" if with_file else ""
    sides: list[Side] = []
    titles: list[str] = []
    for given in (options.first, options.second):
        side, title = _side(given, store, options.rank)
        side = side.as_state_dict() if with_file else side
        sides.append(side.below(prefix, strictly=not files.is_file_name(given)))
        titles.append(title)
    first, second = sides
    found: list[LeafDifference] = []
    total = len({*first.records, *second.records})
    with ProgressLine(Screen.of(sys.stderr), total, "comparing") as progress:
        for difference in comparing.compare_leaves(first, second):
            progress.advance()
            if difference is not None:
                found.append(difference)
    values = comparing.compare_values(first, second)
    screen = Screen.of(sys.stdout)
    if options.json:
        said = {
            "a": titles[0],
            "b": titles[1],
            "equal": total - len(found),
            "leaves": [_data(difference) for difference in found],
            "values": [
                {"place": place} | {side: value for side, value in pair if value is not ...}
                for place, *both in values
                for pair in [list(zip("ab", both, strict=True))]
            ],
        }
        screen.say(canonical_json(said).decode())
    else:
        _say(screen, titles, total, found, values)
    return int(Exit.DIFFERENT if found or values else Exit.DONE)


def _side(given: str, store: Path, rank: str | None) -> tuple[Side, str]:
    if files.is_file_name(given):
        if not Path(given).is_file():
            raise UsageError(f"there is no file {given}")
        return files.of_file(Path(given)), given
    view, one = stated.open_state(store, given, rank)
    opened = open_state(view, one, apart=rank is not None)
    return comparing.of_state(opened), f"{view.id}:{one.name}"


def _say(
    screen: Screen,
    titles: Sequence[str],
    total: int,
    found: Sequence[LeafDifference],
    values: Sequence[tuple[str, Any, Any]],
) -> None:
    paint = screen.paint
    screen.say(" and ".join(paint.bold(visible(title)) for title in titles))
    if not found:
        screen.say(paint.green(f"all {total} arrays are equal"))
    else:
        columns = [Column("array", shrink=1), Column("elements", "right")]
        columns += [Column("max abs", "right"), Column("max ULP", "right"), Column("")]
        rows = [_row(difference) for difference in found]
        screen.say(table(columns, rows, columns_wide=screen.width, color=screen.color))
        screen.say(paint.red(f"{len(found)} of {total} arrays differ"))
    if values:
        screen.say(paint.bold("values"))
    for place, ours, theirs in values:
        screen.say(f"  {visible(place)}: {_value(ours)} → {_value(theirs)}")


def _row(difference: LeafDifference) -> list[object]:
    apart = difference.apart
    if difference.ours is None or difference.theirs is None:
        return [difference.place, "", "", "", f"in {'B' if difference.ours is None else 'A'} alone"]
    if apart is None:
        return [difference.place, "", "", "", difference.why]
    remark = apart.only or (f"{apart.nan} NaN on one side" if apart.nan else "")
    numbers = ["", ""]
    if not apart.only:
        numbers = ["" if n is None else number(n) for n in (apart.max_abs, apart.max_ulp)]
    of = math.prod(difference.ours.shape)
    return [difference.place, f"{apart.count} of {of}", *numbers, remark]


def _value(value: Any) -> str:
    if value is ...:
        return "not there"
    if isinstance(value, (dict, list, float)):
        return visible(canonical_json(value).decode())
    return shown(value)


def _data(difference: LeafDifference) -> dict[str, Any]:
    apart = difference.apart
    said: dict[str, Any] = {"place": difference.place}
    said["a"], said["b"] = (_record(side) for side in (difference.ours, difference.theirs))
    if difference.why:
        said["why"] = difference.why
    if apart is not None:
        said |= {
            "differing": apart.count,
            "max_abs": apart.max_abs,
            "max_ulp": apart.max_ulp,
            "nan_payload": apart.payload,
            "sign_of_zero": apart.sign,
            "nan_on_one_side": apart.nan,
        }
    return said


def _record(record: LeafRecord | None) -> dict[str, Any] | None:
    if record is None:
        return None
    said: dict[str, Any] = {"dtype": record.dtype, "shape": list(record.shape)}
    known = record.digest and not record.digest.startswith(PARTS)
    return said | ({"digest": record.digest} if known else {})
