"""When a process is to end before its script does; for replays and trials."""

from msgspec import Struct

__all__ = ["Ends", "OpsWanted"]


class OpsWanted(Struct, frozen=True):
    """The step whose operations are noted."""

    rank: str
    optimizer: int
    step: int  # of that optimizer; the first one's begin where torch is imported
    file: str


class Ends(Struct, frozen=True):
    """After which step a process ends: the first of these that comes."""

    until: int | None = None  # after this step of the main optimizer
    file: str = ""  # after the step at which this file is there
    ops: OpsWanted | None = None  # after the step whose operations are noted
