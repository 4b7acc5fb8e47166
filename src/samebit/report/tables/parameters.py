"""Tables of what was set: parameter and value, with a column for each group, blocks, or rows.

Groups by one key are columns. Of several keys the last makes the columns and the others blocks:
what is the same in all blocks stands before them, and what is the same in all columns across them.
"""

from collections.abc import Mapping, Sequence

from samebit.errors import UsageError
from samebit.report.results import same
from samebit.report.tables.cells import (
    Grouped,
    cell,
    columns_of,
    distinct,
    group_runs,
    members_of,
    told,
)
from samebit.report.tables.keys import Key, folded, is_setting, sort_keys, whole_keys
from samebit.report.tables.naming import label, labels, matches, plain_name, section
from samebit.report.tables.options import Options
from samebit.report.tables.settings import Settings
from samebit.report.tables.values import Cell, Column, Line, Table
from samebit.report.tables.wording import plain_text

__all__ = ["parameters", "shown_keys", "supplement"]

Row = Mapping[str, object]

_SAYS_NOTHING = ("", [], {})  # an entry that nobody filled
_MOST_SAID = 12  # constants in a note


def parameters(rows: Sequence[Row], options: Options) -> Table:
    """Parameter and value; a column for each group."""
    keys_across = whole_keys(options.group, rows)
    rows, _, notes = folded(rows, keys_across)
    grouped = group_runs(rows, keys_across)
    keys, more = shown_keys(rows, grouped, options)
    notes += more
    if options.transpose:
        return _down(grouped, keys, notes, options)
    across = group_runs(rows, grouped.keys[-1:])
    parts = [members for _, members in across.groups]
    blocks = group_runs(rows, grouped.keys[:-1]).groups if len(grouped.keys) > 1 else []
    shared = [key for key in keys if not blocks or _is_shared(key, blocks, across)]
    lines = _lines(shared, parts, options)
    for values, members in blocks:
        own = [key for key in keys if key not in shared]
        inside = [members_of(members, across.keys, header) for header, _ in across.groups]
        if own:
            lines.append(Line(section=told(grouped.keys[:-1], values, options.settings)))
            lines += _rows_of(own, inside, options)
    columns = (Column("parameter"), *columns_of(across, options.settings))
    return Table("parameters", columns, tuple(lines), tuple(notes))


def shown_keys(
    rows: Sequence[Row], grouped: Grouped, options: Options
) -> tuple[list[str], list[str]]:
    """The settings that a table shows, the seeds last; and what its reader must know of them."""
    sorted_ = sort_keys(rows, grouped.keys, options.settings)
    if options.columns is not None:
        keys = [key for name in options.columns for key in _meant(name, rows)]
    else:
        keys = [key.key for key in sorted_ if _is_shown(key, rows, grouped.keys)]
        has_seed = any(row.get("seed") is not None for row in rows)
        keys += ["seed"] if has_seed else [key.key for key in sorted_ if key.kind == "seed"]
    several = [
        key.key
        for key in sorted_
        if key.key in keys
        and key.kind != "seed"
        and any(len(distinct(key.key, members)) > 1 for _, members in grouped.groups)
    ]
    if not several:
        return keys, []
    named = ", ".join(labels(several, options.settings.labels).values())
    return keys, [f"several values within one column: {named}"]


def _is_shown(key: Key, rows: Sequence[Row], across: Sequence[str]) -> bool:
    if key.key in across or key.kind in ("left out", "seed"):
        return False
    return key.kind != "constant" or rows[0].get(key.key) not in _SAYS_NOTHING


def _meant(name: str, rows: Sequence[Row]) -> list[str]:
    known = dict.fromkeys(key for row in rows for key in row)
    whole = [key for key in whole_keys([name], rows) if key in known]
    found = whole or [key for key in known if is_setting(key) and matches(key, [name])]
    if not found:
        raise UsageError(f"no run here has {name!r}", hint="`samebit ls --json` shows all there is")
    return found


def _is_shared(
    key: str, blocks: Sequence[tuple[tuple[object, ...], list[Row]]], across: Grouped
) -> bool:
    """Whether a key has in each column the same in all blocks that have this column."""
    for header, _ in across.groups:
        inside = [members_of(members, across.keys, header) for _, members in blocks]
        if len({_said(key, members) for members in inside if members}) > 1:
            return False
    return True


def _said(key: str, rows: Sequence[Row]) -> tuple[object, ...]:
    return tuple(map(same, distinct(key, rows)))


def _lines(keys: Sequence[str], parts: Sequence[Sequence[Row]], options: Options) -> list[Line]:
    """The rows of some keys below the titles of their sections, where there are several."""
    sections = _by_section(keys, options.settings) if options.columns is None else {"": list(keys)}
    lines: list[Line] = []
    for title, inside in sections.items():
        lines += [Line(section=title)] if len(sections) > 1 else []
        lines += _rows_of(inside, parts, options)
    return lines


def _by_section(keys: Sequence[str], settings: Settings) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(section(key, settings.sections), []).append(key)
    return found


def _rows_of(keys: Sequence[str], parts: Sequence[Sequence[Row]], options: Options) -> list[Line]:
    names = labels(keys, options.settings.labels)
    lines: list[Line] = []
    for key in keys:
        cells = [cell(key, members) if members else Cell() for members in parts]
        is_common = len({_said(key, members) for members in parts}) == 1
        if is_common and len(cells) > 1:
            cells = [Cell(cells[0].value, across=len(cells))]
        lines.append(Line((Cell(names[key]), *cells)))
    return lines


def _down(grouped: Grouped, keys: Sequence[str], notes: list[str], options: Options) -> Table:
    """A row for each group, a column for each key in which they differ; the others in a note."""
    own = options.settings.labels
    varying = [
        key for key in keys if len({_said(key, members) for _, members in grouped.groups}) > 1
    ]
    varying = list(keys) if len(grouped.groups) == 1 or options.columns else varying
    names = labels(varying, own)
    columns = [Column(label(key, own), name=key) for key in grouped.keys]
    columns += [Column(names[key], name=key) for key in varying]
    lines = [
        Line((*map(Cell, values), *(cell(key, members) for key in varying)))
        for values, members in grouped.groups
    ]
    every = [members for _, members in grouped.groups]
    constant = [key for key in keys if key not in varying]
    said = [f"{label(key, own)} {plain_text(cell(key, every[0]).value)}" for key in constant]
    if said:
        more = f" and {len(said) - _MOST_SAID} more" if len(said) > _MOST_SAID else ""
        notes = [*notes, "the same in all rows: " + ", ".join(said[:_MOST_SAID]) + more]
    return Table("parameters", tuple(columns), tuple(lines), tuple(notes))


def supplement(rows: Sequence[Row], options: Options) -> Table:
    """Everything that was set but paths, by the names that the code has for it, and who set it."""
    folded_rows, merged, notes = folded(rows, ())
    settings = options.settings
    keys = [
        key.key
        for key in sort_keys(folded_rows, (), settings)
        if not key.why.startswith(("a path", "ignore"))
    ]
    sources = {fact: said for said, fact in merged.items()}
    lines: list[Line] = []
    for title, inside in _by_section(keys, settings).items():
        for key in inside:
            is_first = key == inside[0]
            name = plain_name(key).removeprefix(f"{title}.") if title != "settings" else key
            cells = (
                Cell(title if is_first else ""),
                Cell(plain_name(name)),
                cell(key, folded_rows),
                Cell(_source(sources.get(key, key), rows) or None),
            )
            lines.append(Line(cells, is_apart=is_first and bool(lines)))
    columns = tuple(map(Column, ("group", "parameter", "value", "source")))
    return Table("supplement", columns, tuple(lines), tuple(notes))


def _source(key: str, rows: Sequence[Row]) -> str:
    """Who set it, in a few words; of runs in which that differs, all of them."""
    if not key.startswith("config."):
        return "as used"
    found = distinct("source." + plain_name(key), rows)
    return ", ".join(_short(str(source)) for source in found if source is not None)


def _short(source: str) -> str:
    """`file:/long/way/conf/config.yaml` as `conf/config.yaml`, `environment:HOME` as `$HOME`."""
    kind, _, of = source.partition(":")
    if kind == "file" and of:
        return "/".join(of.split("/")[-2:])
    return f"${of}" if kind == "environment" and of else source
