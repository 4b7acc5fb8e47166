"""What a project says about its tables: `[table]` in `samebit.toml`, read and checked.

[table]
ignore = ["note*"]                     # beside what the rules leave out
keep = ["device"]                      # in spite of the rules
order = ["optimizer.*", "lr"]          # these first

[table.labels]
lr = "learning rate η"
[table.sections]
"Data" = ["augment*", "crop"]
[table.direction]
score = "lower"
[table.search]
lr = { space = "LogUniform[1e-5, 1e-2]", sampler = "random" }
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from samebit import places
from samebit.errors import UsageError

__all__ = ["Searched", "Settings", "of_project", "read"]

DIRECTIONS = ("higher", "lower")


class Searched(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a setting was searched, and how."""

    space: str
    sampler: str = ""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that `[table]` can say."""

    ignore: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    sections: dict[str, tuple[str, ...]] = field(default_factory=dict)
    direction: dict[str, str] = field(default_factory=dict)
    search: dict[str, Searched] = field(default_factory=dict)

    def with_direction(self, said: Sequence[str]) -> "Settings":
        """The same with directions like `loss=lower`; one that is none raises UsageError."""
        directions = dict(self.direction)
        for one in said:
            metric, _, direction = one.rpartition("=")
            if not metric or direction not in DIRECTIONS:
                raise UsageError(f"{one!r} is no direction", hint="as in: --direction score=lower")
            directions[metric] = direction
        return replace(self, direction=directions)


def of_project(store: Path) -> Settings:
    """What the settings files beside a store say of tables; a later one is above an earlier."""
    whole: dict[str, Any] = {}
    for table, path in places.read_sections(store, "table"):
        read(table, path)  # so that an error names its file
        for name, content in table.items():
            both = isinstance(content, dict) and isinstance(whole.get(name), dict)
            whole[name] = whole[name] | content if both else content
    return read(whole, "samebit.toml")


def read(table: Mapping[str, Any], where: Path | str) -> Settings:
    """The settings that a table holds; anything that cannot be meant raises UsageError."""
    try:
        found = msgspec.convert(_dotted(table), Settings)
    except msgspec.ValidationError as error:
        known = ", ".join(Settings.__struct_fields__)
        raise UsageError(f"[table] cannot be read: {error}", set_in=where, known=known) from error
    for metric, direction in found.direction.items():
        if direction not in DIRECTIONS:
            raise UsageError(
                f"[table.direction] of {metric!r} cannot be {direction!r}",
                set_in=where,
                known=", ".join(DIRECTIONS),
            )
    return found


def _dotted(table: Mapping[str, Any]) -> dict[str, Any]:
    """With names like `optim.lr = …` as one key: in TOML a dot begins a table."""
    read: dict[str, Any] = {}
    for name, content in table.items():
        ends = _is_search if name == "search" else _is_plain
        is_named = name in ("labels", "direction", "search") and isinstance(content, dict)
        read[name] = dict(_flat(content, ends)) if is_named else content
    return read


def _flat(table: Mapping[str, Any], ends: Any, above: str = "") -> Any:
    for name, content in table.items():
        if ends(content):
            yield above + name, content
        else:
            yield from _flat(content, ends, f"{above}{name}.")


def _is_plain(content: Any) -> bool:
    return not isinstance(content, dict)


def _is_search(content: Any) -> bool:
    return not isinstance(content, dict) or "space" in content or not content
