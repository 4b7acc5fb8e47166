"""`samebit data leaks`: what the parts of a split tell each other."""

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit import places
from samebit.cli.words import Screen, few, visible
from samebit.data import leaks as finding
from samebit.data import leaks_in_data
from samebit.data.fit_leaks import FITTED, fits_of, of_fits
from samebit.data.leaks import Leak, Leaks
from samebit.data.leaks_in_data import Data, Meaning
from samebit.data.recorded import RecordedSplit
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound, SamebitError, UsageError
from samebit.folders.read import View
from samebit.folders.splits import open_reference, splits_of
from samebit.records import plain
from samebit.report.amounts import sized
from samebit.session.reading import open_split

__all__ = ["arguments", "leaks", "with_fits"]

_LISTED = 5  # rows of a finding on a terminal
_COLUMNS = {
    "label": "of the data: what is to be predicted",
    "group": "of the data: what must not be in two parts, such as a patient",
    "time": "of the data: when a row was; what is tested on must come later",
    "text": "of the data: the texts, of which near ones are looked for, too",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """What data leaks takes."""
    parser.add_argument(
        "split",
        metavar="RUN[:SPLIT]",
        help="a run, and after a colon the name of its split (default: all of them)",
    )
    parser.add_argument(
        "--data", metavar="FILE", type=Path, help="the data that was split, to be looked into"
    )
    for word, what in _COLUMNS.items():
        parser.add_argument(f"--{word}", metavar="COLUMN", default="", help=what)
    parser.add_argument(
        "--ignore",
        metavar="COLUMN",
        action="append",
        default=[],
        help="of the data: no feature, such as a row's id; may be said several times",
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def leaks(options: argparse.Namespace, screen: Screen) -> int:
    """Exit code 5 if any is found."""
    view, name = open_reference(places.find_store(Path.cwd()), options.split)
    splits = [open_split(view, one) for one in _names(view, name)]
    data = _open_data(options)
    found = [
        replace(one, leaks=with_fits(view, one.split, one.leaks))
        for one in _look_into(splits, data, options.data)
    ]
    lone = _no_test(splits)
    if options.json:
        screen.say(canonical_json(_as_data(view, found, lone)).decode())
    else:
        _say(screen, view, found, lone)
    return Exit.DIFFERENT if lone or any(one.leaks.found for one in found) else Exit.DONE


class _Looked(Struct, frozen=True):
    """A split, what was found in it, and whose the row numbers are where a file was named."""

    split: RecordedSplit
    leaks: Leaks
    rows: str = ""
    judged: bool = True  # whether the file was its data


def _open_data(options: argparse.Namespace) -> Data | None:
    meaning = Meaning(
        options.label, options.group, options.time, options.text, tuple(options.ignore)
    )
    if options.data is not None:
        return leaks_in_data.open_data(options.data, meaning)
    if meaning != Meaning():
        raise UsageError(
            "a column is one of a file, and none was named", hint="name it: --data FILE"
        )
    return None


def _look_into(
    splits: Sequence[RecordedSplit], data: Data | None, path: Path | None
) -> list[_Looked]:
    """Each split; of several some may be of other data, which is said of them."""
    if data is None:
        return [_Looked(split, finding.of_record(split)) for split in splits]
    looked: list[_Looked] = []
    errors: list[SamebitError] = []
    for split in splits:
        try:
            found, how = leaks_in_data.of_data(split, data)
        except (UsageError, NotFound) as error:
            errors.append(error)
            looked.append(_Looked(split, Leaks((), (error.what,)), judged=False))
            continue
        looked.append(_Looked(split, found, f"rows of {path}, {how}" if how else ""))
    if errors and len(errors) == len(splits):
        raise errors[0]
    return looked


def with_fits(view: View, split: RecordedSplit, found: Leaks) -> Leaks:
    """With what was fitted on the rows of a split, which the run itself has found."""
    fitted = of_fits(view, split.name, split.manifest.method)
    return Leaks((*fitted.found, *found.found), (*found.unknown, *fitted.unknown))


def _names(view: View, name: str | None) -> list[str]:
    """The splits that are meant: all, one, or the folds of one."""
    known = splits_of(view)
    if name is None:
        if not known:
            hint = "record one: run.splits(train=…, test=…)"
            raise NotFound(f"run {view.id} recorded no split", hint=hint)
        return list(known)
    if name in known:
        return [name]
    # Without any, `open_split` says which there are.
    return [one for one in known if one.startswith(f"{name}/")] or [name]


def _no_test(splits: Sequence[RecordedSplit]) -> Leak | None:
    """That no split has anything to test on. One part beside others may be tested elsewhere."""
    each = [finding.no_test(split.parts) for split in splits if split.parts]
    return each[0] if each and all(each) else None


def _as_data(view: View, found: Sequence[_Looked], lone: Leak | None) -> dict[str, Any]:
    return {
        "run": view.id,
        "no_test": plain(lone) if lone is not None else None,
        "splits": [
            {"name": one.split.name, "split": one.split.digest, "parts": one.split.parts}
            | {"rows": one.rows}
            | plain(one.leaks)
            for one in found
        ],
        "fits": list(fits_of(view).values()),
        "not_looked_at": _not_looked_at(view),
    }


def _not_looked_at(view: View) -> list[str]:
    """Of what is fitted, only where anything was seen to be."""
    seen = (finding.PREPROCESSING, finding.SELECTION) if fits_of(view) else ()
    return [one for one in finding.NOT_LOOKED_AT if one not in seen]


def _say(screen: Screen, view: View, found: Sequence[_Looked], lone: Leak | None) -> None:
    paint = screen.paint
    for looked in found:
        split, one = looked.split, looked.leaks
        parts = few([sized(name, rows) for name, rows in split.parts.items()])
        title = paint.bold(visible(f"{view.id}:{split.name}"))
        screen.say(f"{title}  {visible(parts) or 'rows not listed'}")
        if looked.rows:
            _wrapped(screen, "  ", looked.rows)
        for heading in finding.HEADINGS:
            under = [leak for leak in one.found if leak.heading == heading]
            if under:
                screen.say("  " + paint.yellow(heading))
            for leak in under:
                _wrapped(screen, "    ", _sentence(leak))
                if leak.rows:
                    _wrapped(screen, "      ", _rows(leak))
        if not one.found and looked.judged and len(split.parts) > 1:
            screen.say("  no leak found")
        for line in one.unknown:
            _wrapped(screen, "  ", f"not judged: {line}")
    if lone is not None:
        screen.say(paint.yellow(lone.heading))
        only = f"there is one part alone, {lone.first}" if lone.first else "no part has rows"
        _wrapped(screen, "  ", f"{only}: nothing is kept apart to test on")
    _wrapped(screen, "", "not looked at: " + ", ".join(_not_looked_at(view)), hanging="  ")


def _sentence(leak: Leak) -> str:
    rows = "row" if leak.of == 1 else "rows"
    note = f" ({leak.note})" if leak.note else ""
    return f"{leak.count:,} of {leak.of:,} {rows} of {leak.second}: {leak.what}{note}"


def _rows(leak: Leak) -> str:
    """`rows 142 (train 101), …`: of the second part, and of the first where it is another."""
    rows = leak.rows[:_LISTED]
    if leak.kind in (finding.SAME_ROWS, leaks_in_data.EARLY, FITTED):
        listed = [str(row) for _, row in rows]
    else:
        listed = [f"{row} ({leak.first} {other})" for other, row in rows]
    more = ", …" if leak.count > len(listed) else ""
    return f"{'row' if len(listed) == 1 else 'rows'} {', '.join(listed)}{more}"


def _wrapped(screen: Screen, indent: str, text: str, *, hanging: str = "  ") -> None:
    text = visible(text)
    if screen.width is None:
        screen.say(indent + text)
        return
    lines = textwrap.wrap(
        text,
        screen.width,
        initial_indent=indent,
        subsequent_indent=indent + hanging,
        break_on_hyphens=False,
    )
    for line in lines:
        screen.say(line)
