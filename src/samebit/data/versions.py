"""Versions of data by name: one new file for each that is added or let go of.

`data/<name>/<time>-<random>.json`, as the notes of a run: nothing is rewritten, two processes may
write at once, and two copies of a store merge by union. What there is now is computed here.
"""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import structs

from samebit import disk
from samebit.errors import NotFound, SamebitError, UsageError
from samebit.folders.folder import user_name
from samebit.records import DataRecord, decode, encode

__all__ = [
    "check_name",
    "copy_record",
    "digits_of",
    "files",
    "find_version",
    "let_go",
    "list_names",
    "named_by_versions",
    "next_ns",
    "read_records",
    "read_versions",
    "short_name",
    "still_there",
    "write_record",
]

_FOLDER = "data"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DIGITS = re.compile(r"[0-9a-f]{1,64}")
_OBJECT = re.compile(rb"blake3:[0-9a-f]{64}(?![0-9a-f])")
_SHOWN_DIGITS = 8


def check_name(name: str) -> str:
    """The name itself, where data may have it; it is a folder's name on every system."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"data cannot be named {name!r}",
            allowed="letters, digits and . _ - behind a letter or digit, 100 at most",
            hint="--name NAME gives another",
        )
    return name


def list_names(store: Path) -> list[str]:
    """The names that any record is of, sorted."""
    try:
        found = os.listdir(store / _FOLDER)
    except FileNotFoundError:
        return []
    return sorted(name for name in found if _NAME.fullmatch(name))


def read_records(store: Path, name: str) -> list[DataRecord]:
    """Everything that was said of a name, oldest first; raises Damaged."""
    found: list[tuple[int, str, DataRecord]] = []
    for path in files(store, name):
        record = decode(path.read_bytes(), DataRecord, where=path)
        found.append((record.at_ns, path.name, record))
    return [record for _, _, record in sorted(found, key=lambda each: each[:2])]


def read_versions(store: Path, name: str) -> list[DataRecord]:
    """The versions of a name that were not let go of, newest first."""
    return still_there(read_records(store, name))[::-1]


def still_there(records: list[DataRecord]) -> list[DataRecord]:
    """Of everything that was said of a name, the versions that were not let go of."""
    gone = _let_go(records)
    return [one for one in records if one.kind == "add" and one.manifest not in gone]


def _let_go(records: list[DataRecord]) -> set[str]:
    """The manifests of which the last word is that they may go."""
    last = {record.manifest: record.kind for record in records}
    return {manifest for manifest, kind in last.items() if kind == "rm"}


def find_version(store: Path, reference: str) -> DataRecord:
    """The version that `NAME` (the newest) or `NAME@DIGITS` means.

    Raises:
        NotFound: there is none.
        UsageError: the digits fit several.
    """
    name, at, digits = reference.partition("@")
    versions = read_versions(store, check_name(name))
    if at and not _DIGITS.fullmatch(digits):
        raise UsageError(
            f"a version is the beginning of its digits, not {digits!r}",
            hint=f"`samebit data log {name}` lists them",
        )
    fitting = [one for one in versions if digits_of(one).startswith(digits)]
    if not fitting:
        raise _no_version(store, name, reference, versions)
    if at and len({one.fingerprint for one in fitting}) > 1:
        shown = ", ".join(dict.fromkeys(digits_of(one)[:16] for one in fitting))
        raise UsageError(f"{reference} fits several versions", versions=shown)
    # Of equal data the one whose bytes are here, if there is one.
    equal = [one for one in fitting if one.fingerprint == fitting[0].fingerprint]
    return next((one for one in equal if one.kept), fitting[0])


def _no_version(store: Path, name: str, reference: str, versions: list[DataRecord]) -> NotFound:
    if versions:
        return NotFound(
            f"there is no version {reference}", hint=f"`samebit data log {name}` lists them"
        )
    known = [one for one in list_names(store) if read_versions(store, one)]
    return NotFound(
        f"there is no data named {name}",
        known=", ".join(known) or "none",
        hint="`samebit data add PATH` adds some",
    )


def digits_of(record: DataRecord) -> str:
    """The digits by which a version is named: those of its fingerprint."""
    return record.fingerprint.rpartition(":")[2]


def short_name(record: DataRecord) -> str:
    """`NAME@DIGITS`, for people."""
    return f"{record.name}@{digits_of(record)[:_SHOWN_DIGITS]}"


def write_record(store: Path, record: DataRecord) -> None:
    """Say it; durable when this returns."""
    folder = store / _FOLDER / check_name(record.name)
    try:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            disk.sync_folder(folder.parent)
            disk.sync_folder(store)
        file = folder / f"{record.at_ns:020d}-{os.urandom(4).hex()}.json"
        disk.create(file, encode(record), store / "tmp")
    except OSError as error:
        why = error.strerror or str(error)
        raise SamebitError(f"the store cannot be written: {why}", path=folder) from error


def copy_record(store: Path, path: str, data: bytes) -> None:
    """Have a record here under the path that it has in another store; `data` was decoded."""
    file = store / path
    file.parent.mkdir(parents=True, exist_ok=True)
    disk.publish(file, [data], store / "tmp")


def let_go(store: Path, version: DataRecord) -> None:
    """Say that a version may go; `samebit gc` takes what nothing else names."""
    at_ns = next_ns(read_records(store, version.name))
    record = DataRecord("rm", version.name, at_ns, user_name(), version.manifest)
    write_record(store, structs.replace(record, fingerprint=version.fingerprint))


def next_ns(records: list[DataRecord]) -> int:
    """A time for a new record: now, but behind all that was said before on other clocks."""
    return max(time.time_ns(), *(record.at_ns + 1 for record in records), 0)


def named_by_versions(store: Path) -> set[str]:
    """Every object that a version names that was not let go of; for a sweep.

    Raises OSError or Damaged where a record cannot be read: what it names cannot be told.
    """
    found: set[str] = set()
    for name in list_names(store):
        gone = _let_go(read_records(store, name))
        for path in files(store, name):
            named = {one.decode() for one in _OBJECT.findall(path.read_bytes())}
            found |= named - gone
    return found


def files(store: Path, name: str) -> Iterator[Path]:
    """The files in which everything that was said of a name is, in the order of their names."""
    folder = store / _FOLDER / name
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    yield from (folder / one for one in names if one.endswith(".json"))
