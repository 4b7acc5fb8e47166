"""What authors declare for their checklists, where no record can know: `[checklist]`, checked.

[checklist]
chosen = "the highest mean validation accuracy, over three seeds"
preprocessing = "pixels divided by 16; nothing left out"
machines = "a cluster of our university"

[checklist.licences]
digits = "CC BY 4.0"
[checklist.sources]
digits = "sklearn.datasets.load_digits"
[checklist.measures]
"test/acc" = "the share of test digits that are read right"
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from samebit import places
from samebit.errors import UsageError

__all__ = ["Declared", "declared_beside"]

_BY_NAME = ("licences", "sources", "measures")


class Declared(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that `[checklist]` can say; in the authors' words."""

    chosen: str = ""  # how hyper-parameters were
    preprocessing: str = ""  # of the data, and what was left out
    machines: str = ""  # whose they are
    licences: dict[str, str] = field(default_factory=dict[str, str])
    sources: dict[str, str] = field(default_factory=dict[str, str])  # where data can be had
    measures: dict[str, str] = field(default_factory=dict[str, str])  # how each is defined


def declared_beside(store: Path) -> Declared:
    """What the settings files beside a store declare; a later one is above an earlier."""
    whole: dict[str, Any] = {}
    for section, path in places.read_sections(store, "checklist"):
        _convert(section, path)  # so that an error names its file
        for name, content in section.items():
            both = name in _BY_NAME and name in whole
            whole[name] = whole[name] | content if both else content
    return _convert(whole, "samebit.toml")


def _convert(section: Mapping[str, Any], where: Path | str) -> Declared:
    try:
        return msgspec.convert(section, Declared)
    except msgspec.ValidationError as error:
        known = ", ".join(Declared.__struct_fields__)
        raise UsageError(
            f"[checklist] cannot be read: {error}", set_in=where, known=known
        ) from error
