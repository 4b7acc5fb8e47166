"""`samebit split`: show the splits of runs, write them to files, find their rows in other data."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from samebit import disk, places, records
from samebit.capture.callers import short_place
from samebit.cli.tables import Column, fields, table
from samebit.cli.words import Screen, few, shown, size, visible
from samebit.data import leaks, split_files
from samebit.data.recorded import RecordedSplit, read_manifest
from samebit.digest import canonical_json, short
from samebit.errors import Exit, SamebitError, UsageError
from samebit.folders.data_facts import SplitFact
from samebit.folders.read import View
from samebit.folders.splits import GIVEN, open_reference, splits_of
from samebit.objects.store import Store
from samebit.records import SplitKey, SplitManifest, SplitPart
from samebit.report.amounts import sized
from samebit.session.reading import open_split

__all__ = ["method_of", "split", "split_arguments", "split_lines"]

_REFERENCE = "a run, and after a colon the name of its split: @last:KFold/0"
_MOST_LINES = 6  # of splits in `samebit show`
_LOOKED_AT = 50_000  # rows of data of which `samebit show` says whether some are equal
_MOST_LABELS = 6  # of each part on a terminal


def split_arguments(parser: argparse.ArgumentParser) -> None:
    """What split takes."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="show|export|use")
    showing = commands.add_parser("show", help="which rows are in which part, and how they came so")
    showing.add_argument("split", metavar="RUN[:NAME]", help=_REFERENCE)
    showing.add_argument("--json", action="store_true", help="as one JSON object")
    exporting = commands.add_parser("export", help="write the row numbers of each part")
    exporting.add_argument("split", metavar="RUN[:NAME]", help=_REFERENCE)
    using = commands.add_parser(
        "use", help="find the same rows in other data, and write their numbers"
    )
    using.add_argument("split", metavar="RUN[:NAME]", help=_REFERENCE)
    using.add_argument(
        "data", metavar="DATA", type=Path, help="a table or array, or a .txt of ids, one a line"
    )
    for command in (exporting, using):
        command.add_argument(
            "-o",
            dest="output",
            metavar="FILE",
            type=Path,
            help="a name in .json, .csv or .npz (default: JSON to the terminal)",
        )
        command.add_argument("--force", action="store_true", help="replace a file that is there")


def split(options: argparse.Namespace) -> int:
    """Do one of the three."""
    does: dict[str, Callable[[argparse.Namespace, View, str | None], int]] = {
        "show": _show,
        "export": _export,
        "use": _use,
    }
    view, name = open_reference(places.find_store(Path.cwd()), options.split)
    return does[options.action](options, view, name)


def _export(options: argparse.Namespace, view: View, name: str | None) -> int:
    found = open_split(view, name)
    ids = found.ids() if found.has_given_ids else None
    numbers = None if found.manifest.data.made_of_parts else found.indices()
    if numbers is None and ids is None:
        raise UsageError(
            f"the parts of {view.id}:{found.name} are rows, not numbers of rows",
            hint=f"samebit split use {view.id}:{found.name} DATA finds them in a file",
        )
    return _write(options, found, numbers, ids)


def _use(options: argparse.Namespace, view: View, name: str | None) -> int:
    found = open_split(view, name)
    rows = split_files.read_rows(options.data)
    return _write(options, found, found.placed(rows), None)


def _write(
    options: argparse.Namespace,
    found: RecordedSplit,
    numbers: Mapping[str, Any] | None,
    ids: Mapping[str, list[str | int]] | None,
) -> int:
    screen = Screen.of(sys.stdout)
    path: Path | None = options.output
    written = split_files.written(found, numbers, ids, path.suffix if path is not None else ".json")
    if path is None:
        screen.say(written.decode().rstrip("\n"))
        return Exit.DONE
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}")
    if not disk.publish(path, [written], path.parent, replace=options.force and path.exists()):
        raise UsageError(
            "a file of that name is there already",
            path=path,
            hint="choose another, or say `--force`",
        )
    each = visible(", ".join(sized(name, rows) for name, rows in found.parts.items()))
    screen.say(f"{visible(str(path))}: {each}, {size(len(written))}")
    return Exit.DONE


def _show(options: argparse.Namespace, view: View, name: str | None) -> int:
    facts = splits_of(view)
    if name is None and len(facts) != 1:
        return _list(options, view, facts)
    folds = {one: fact for one, fact in facts.items() if one.startswith(f"{name}/")}
    if name not in facts and folds:
        return _list(options, view, folds)
    found = open_split(view, name)
    fact = facts[found.name]
    screen = Screen.of(sys.stdout)
    if options.json:
        manifest = records.plain(found.manifest)
        said = {"run": view.id, "name": found.name, "at": fact.get("at"), "manifest": found.digest}
        said |= {"from": fact.get("from"), "split": manifest}
        screen.say(canonical_json(said).decode())
        return Exit.DONE
    _whole(screen, view, fact, found.manifest)
    return Exit.DONE


def _list(options: argparse.Namespace, view: View, facts: Mapping[str, SplitFact]) -> int:
    screen = Screen.of(sys.stdout)
    if options.json:
        screen.say(canonical_json({"run": view.id, "splits": list(facts.values())}).decode())
        return Exit.DONE
    if not facts:
        screen.say("no splits were recorded")
        return Exit.DONE
    columns = [Column("split", shrink=1), Column("rows", "right"), Column("parts", shrink=2)]
    columns += [Column("method", shrink=3), Column("at", shrink=1)]
    rows = [
        [
            fact["name"],
            f"{fact['rows']:,}" if fact["rows"] is not None else None,
            parts_of(fact),
            method_of(fact),
            short_place(fact.get("at") or ""),
        ]
        for fact in facts.values()
    ]
    screen.say(table(columns, rows, columns_wide=screen.width, color=screen.color))
    return Exit.DONE


def parts_of(fact: SplitFact) -> str:
    """Each part and how many rows it has, in a line."""
    return few([sized(name, rows) for name, rows, _ in fact["parts"]]) or "rows not listed"


def method_of(fact: SplitFact) -> str:
    """What made a split, in few words: `train_test_split`."""
    if taken := fact.get("from"):
        return f"as in {taken['run']}:{taken['name']}"
    return "given" if fact["method"] in GIVEN else fact["method"].rpartition(".")[2]


def split_lines(view: View) -> list[tuple[str, str]]:
    """The splits of a run for `samebit show`, a line each; the folds of one split are one line."""
    lines: dict[str, tuple[str, str]] = {}
    folds: dict[str, int] = {}
    equal: dict[str, str] = {}
    room = _LOOKED_AT
    for name, fact in splits_of(view).items():
        base = name.rpartition("/")[0] or name
        folds[base] = folds.get(base, 0) + 1
        if base in lines:
            continue
        where = f" ({short_place(at)})" if (at := fact.get("at")) else ""
        method = method_of(fact)
        how = "" if method == "given" or base.startswith(method) else f", {method}"
        lines[base] = base, f"{_state(view, fact)}{how}{where}"
        if (fact["rows"] or 0) <= room:
            room -= fact["rows"] or 0
            equal[base] = _equal_rows(view, fact)
    said: list[tuple[str, str]] = []
    for base, (label, text) in lines.items():
        said.append(
            (label, text if folds[base] == 1 else f"{folds[base]} splits; the first: {text}")
        )
        if found := equal.get(base):
            said.append(("", found))
    more = len(said) - _MOST_LINES
    return said if more <= 0 else [*said[:_MOST_LINES], ("", f"and {more} more")]


def _state(view: View, fact: SplitFact) -> str:
    try:
        manifest = read_manifest(Store(view.folder.store), fact["manifest"])
    except SamebitError as error:
        return f"{parts_of(fact)}; {error.what}"
    text = parts_of(fact)
    if manifest.overlaps:
        return f"{text}, not disjoint: {_in_both(manifest.overlaps, 'row')}"
    if len(manifest.parts) > 1 and _is_known(manifest):
        text += ", disjoint"
    if manifest.groups_shared:
        text += ", groups in two parts"
    covered, rows = manifest.covered, manifest.data.rows
    if manifest.parts and covered is not None and rows is not None and covered < rows:
        text += f", {covered:,} of {rows:,} rows"
    return text


def _equal_rows(view: View, fact: SplitFact) -> str:
    """Which parts have equal rows, as far as the row ids of data that is no part itself tell."""
    try:
        split = RecordedSplit(
            Store(view.folder.store), view.id, fact["name"], fact["manifest"], None
        )
        if split.manifest.data.made_of_parts or len(split.parts) < 2 or not split.has_equal_rows():
            return ""
        found = [one for one in leaks.of_record(split).found if one.kind == leaks.EQUAL_ROWS]
    except SamebitError:
        return ""  # it is damaged, which `samebit check` says, or there is no NumPy
    each = [f"{one.count:,} of {one.second} in {one.first}" for one in found]
    return f"equal rows: {few(each)}; samebit data leaks {view.id}" if each else ""


def _is_known(manifest: SplitManifest) -> bool:
    """Whether it can be told that parts share no row."""
    return not manifest.data.made_of_parts or manifest.data.ids is not None


def _in_both(shared: Sequence[tuple[str, str, int]], thing: str) -> str:
    each = [f"{n:,} {thing}{'' if n == 1 else 's'} in {a} and in {b}" for a, b, n in shared]
    return few(each)


def _whole(screen: Screen, view: View, fact: SplitFact, found: SplitManifest) -> None:
    paint = screen.paint
    title = paint.bold(f"{view.id}:{visible(fact['name'])}")
    screen.say(f"{title}  {paint.dim(short(fact['manifest']))}")
    screen.say(fields(_facts(fact, found), screen))
    columns = [Column("part", shrink=1), Column("rows", "right"), Column("share", "right")]
    columns += [Column("labels", shrink=2)] if found.labels is not None else []
    columns += [Column("groups", "right")] if found.groups is not None else []
    columns += [Column("members"), Column("order")]
    rows = [_row(found, part) for part in found.parts]
    if rows:
        screen.say(table(columns, rows, columns_wide=screen.width, color=screen.color))
    screen.say(fields(_relations(found), screen))
    for note in found.notes:
        screen.say(paint.yellow("note: ") + visible(note))


def _facts(fact: SplitFact, found: SplitManifest) -> list[tuple[str, object]]:
    data = found.data
    lines: list[tuple[str, object]] = [("method", _method(fact))]
    if at := fact.get("at"):
        lines.append(("at", at))
    lines += [(f"  {name}", _value(value)) for name, value in found.parameters.items()]
    if found.seed is not None:
        lines.append(("seed", found.seed))
    if found.generator is not None:
        lines.append(("generator", _generator(found.generator)))
    rows = f"{data.rows:,} rows" if data.rows is not None else "rows not known"
    what = "the parts themselves: " + data.what if data.made_of_parts else data.what
    name = _shortened(data.fingerprint) if data.fingerprint else ""
    lines.append(("data", ", ".join(filter(None, (what, rows, name)))))
    if data.ids is not None:
        kinds = {"rows": "of their content", "given": "as the script gave them"}
        lines.append(("row ids", kinds.get(data.ids.kind, data.ids.kind)))
    for word, key in (("stratified by", found.stratify), ("grouped by", found.groups)):
        if key is not None:
            lines.append((word, _key(key)))
    return lines


def _method(fact: SplitFact) -> str:
    if taken := fact.get("from"):
        return f"the split {taken['run']}:{taken['name']}"
    return "given by the script" if fact["method"] in GIVEN else fact["method"]


def _generator(found: Mapping[str, Any]) -> str:
    text = {"numpy": "NumPy's global one", "torch": "torch's global one"}.get(
        str(found.get("of")), "its own"
    )
    if found.get("seed") is not None:
        text += f", seeded with {found['seed']}"
    state = found.get("state")
    return text if not isinstance(state, str) else f"{text}, in state {short(state)}"


def _key(key: SplitKey) -> str:
    text = f"{key.distinct:,} values, {_shortened(key.fingerprint)}"
    if key.counts and len(key.counts) <= _MOST_LABELS:
        text = f"{few([f'{name}: {count:,}' for name, count in key.counts.items()], 6)}; {text}"
    return text


def _shortened(fingerprint: str) -> str:
    kind, _, digits = fingerprint.rpartition(":")
    return f"{kind}:{digits[:8]}"


def _row(found: SplitManifest, part: SplitPart) -> list[object]:
    share = f"{part.rows / found.data.rows:.1%}" if found.data.rows else None
    cells: list[object] = [part.name, f"{part.rows:,}", share]
    if found.labels is not None:
        counts = [f"{name}: {count:,}" for name, count in (part.labels or {}).items()]
        cells.append(few(counts, _MOST_LABELS))
    cells += [part.groups] if found.groups is not None else []
    return [*cells, part.set.rpartition(":")[2][:8], part.order.rpartition(":")[2][:8]]


def _relations(found: SplitManifest) -> list[tuple[str, object]]:
    lines: list[tuple[str, object]] = []
    if len(found.parts) > 1:
        disjoint = "yes" if _is_known(found) else "not known: rows have no ids"
        if found.overlaps:
            disjoint = f"no: {_in_both(found.overlaps, 'row')}"
        lines.append(("disjoint", disjoint))
    if found.parts and found.covered is not None and found.data.rows is not None:
        lines.append(("coverage", f"{found.covered:,} of {found.data.rows:,} rows"))
    repeated = [f"{part.name} {part.repeated:,}" for part in found.parts if part.repeated]
    if repeated:
        lines.append(("repeated", f"{few(repeated)} rows more than once"))
    if found.groups is not None and len(found.parts) > 1:
        shared = _in_both(found.groups_shared, "group")
        lines.append(("groups", shared or "none is in two parts"))
    return lines


def _value(value: Any) -> str:
    return "none" if value is None else shown(value)
