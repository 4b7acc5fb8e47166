"""What a bundle holds, as frozen values: the content of its `release.json`.

Every other file of a bundle that tells something is made from these values, so no two can differ.
"""

import json
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from samebit import digest, records
from samebit.errors import Damaged, StoreTooNew

__all__ = [
    "FORMAT",
    "Code",
    "Command",
    "Datum",
    "Link",
    "Release",
    "ReleasedRun",
    "ReleasedState",
    "WrittenFile",
    "encode",
    "pretty",
    "read_release",
]

FORMAT = "samebit-release 1"
_FAMILY = FORMAT.rpartition(" ")[0] + " "
# What is the same nearly everywhere, and only makes a command harder to read.
_UNSAID = ("LANG", "LANGUAGE", "LC_", "TZ", "MPLBACKEND", "PYTHONUNBUFFERED", "PYTHONDONTWRITE")


class Command(Struct, frozen=True):
    """How a run was started."""

    how: Annotated[str, Meta(pattern=r"\A(script|module|command)\Z")]
    # The script, module or program, and its arguments.
    words: Annotated[tuple[str, ...], Meta(min_length=1)]
    cwd: str  # within the folder of the code
    variables: dict[str, str]  # those that can change bits
    seed: int | None = None  # what `samebit run` was given
    deterministic: bool = False

    @property
    def is_by_samebit(self) -> bool:
        """Whether plain Python would not seed it as it was."""
        return self.seed is not None or self.deterministic

    @property
    def said_variables(self) -> dict[str, str]:
        """The variables that a reader has to set."""
        return {k: v for k, v in self.variables.items() if not k.startswith(_UNSAID)}

    @property
    def argv(self) -> tuple[str, ...]:
        """What is started, without the variables."""
        module = ("-m",) if self.how == "module" else ()
        if not self.is_by_samebit:
            return (*("python",) * (self.how != "command"), *module, *self.words)
        seed = ("--seed", str(self.seed)) if self.seed is not None else ()
        flag = ("--deterministic",) * self.deterministic
        command = ("--",) if self.how == "command" else ()
        return ("samebit", "run", *seed, *flag, *command, *module, *self.words)


class Code(Struct, frozen=True):
    """A tree of code, and the runs that had it."""

    folder: str
    tree: str  # our digest of it
    swhid: str
    files: int
    size_bytes: int
    left_out: tuple[str, ...] = ()  # path: reason
    revision: str | None = None  # the commit that the working tree stood on
    changed: int = 0  # how many of its files differed from that


class Link(Struct, frozen=True):
    """A link of the code: a bundle itself has none."""

    path: str
    target: str


class Datum(Struct, frozen=True):
    """A file that runs read and that is no code."""

    path: str  # within the folder of the code, or where it was
    size_bytes: int
    digest: str | None
    is_inside: bool  # whether it lay in the project
    place: str = ""  # in the bundle; empty where its bytes are not there
    of: str = ""  # a version of data, and where that is from
    runs: tuple[str, ...] = ()


class ReleasedState(Struct, frozen=True):
    """A state of a run."""

    name: str  # as the run has it: `step 0`, `final`
    step: int | None
    manifest: str
    files: dict[str, str]  # by part, in the bundle
    identities: dict[str, str]  # by part
    parameters: int
    why: str = ""  # there are no files


class WrittenFile(Struct, frozen=True):
    """A file that a run wrote."""

    path: str
    digest: str | None
    replay: str
    place: str = ""


class ReleasedRun(Struct, frozen=True):
    """One run."""

    id: str
    name: str
    status: str
    started: str  # UTC
    ended: str | None
    seconds: float | None
    code: str  # the folder of its code
    command: Command
    seed: int | None
    config: dict[str, Any]
    results: dict[str, Any]  # the last value of each metric
    volatile: tuple[str, ...]  # metrics of the clock or the machine
    steps: int
    metrics: str  # file
    states: tuple[ReleasedState, ...]
    splits: dict[str, str]  # file by name
    written: tuple[WrittenFile, ...]
    verdict: dict[str, Any] | None
    executions: int = 1
    late: bool = False  # its record begins within the script, and not before its first line
    unseeded: tuple[str, ...] = ()  # generators that nobody seeded, and that count
    person: str = ""
    doubts: tuple[str, ...] = ()  # why it cannot be run again as it was, if so


class Release(Struct, frozen=True):
    """All of it."""

    title: str
    samebit: str
    anonymous: bool
    date: str
    codes: tuple[Code, ...]
    links: tuple[Link, ...]
    data: tuple[Datum, ...]
    runs: Annotated[tuple[ReleasedRun, ...], Meta(min_length=1)]
    python: str  # in full
    abi: str
    packages: int
    hashed: str  # how `pylock.toml` came by its hashes; empty where there is none
    machine: str
    license: str | None  # an SPDX identifier
    needs_samebit: bool  # the code imports it, or the commands begin with it
    left_out: tuple[str, ...] = ()
    record: str = ""  # the folder of the runs' own records
    format: str = FORMAT


def pretty(value: Any) -> bytes:
    """Plain values as JSON that people read, too; equal values give equal bytes."""
    plain = json.loads(digest.canonical_json(records.plain(value)))
    return (json.dumps(plain, indent=2, sort_keys=True) + "\n").encode()


def encode(release: Release) -> bytes:
    """The bytes of `release.json`."""
    return pretty(release)


def read_release(data: bytes, where: object) -> Release:
    """A stranger's `release.json`; Damaged where it is none."""
    value = digest.from_json(data)
    form = value.get("format") if isinstance(value, dict) else None
    if form != FORMAT:
        newer = isinstance(form, str) and form.startswith(_FAMILY)
        kind = StoreTooNew if newer else Damaged
        raise kind(f"no release of ours: its form is {form!r}", path=where, expected=FORMAT)
    try:
        return msgspec.convert(value, Release)
    except ValueError as error:
        raise Damaged(f"a release that cannot be read: {error}", path=where) from error
