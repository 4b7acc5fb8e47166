"""A remote that somebody hostile made: nothing wrong is taken from it, and the rest still comes.

Which fault is tried where: `docs/design/024-remotes.md`.
"""

import json
import os
from pathlib import Path

import blake3
import pytest
from msgspec.structs import replace

from samebit import digest
from samebit.errors import Damaged
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.objects import encoding
from samebit.objects.encoding import PackEntry
from samebit.objects.store import Store
from samebit.objects.stored import check_pack
from samebit.remotes import bundles, checking, listing
from samebit.remotes.contents import read_id
from samebit.remotes.place import Found, read_whole
from samebit.remotes.rows import read_rows
from tests.projects import SAMEBIT, Project
from tests.remotes.conftest import Watched, files_of, pull_all, push_all
from tests.remotes.test_push_and_pull import BROKEN_OFF, FINISHED, REPLAY, assert_same, bundle_of

LARGE = 10**12
DEEP = b"[" * 100_000


def put_bundle(place: Watched, run: str, bundle: bytes, time: int = 1) -> None:
    digits, file = bundles.encode_object(bundle)
    place.put(f"runs/{run}/{time:016x}-{digits}", file)


def assert_only_whole(store: Store, other: Store) -> None:
    """What is here is as it is there, and each object and pack is what its name says."""
    assert files_of(other).items() <= files_of(store).items()
    here = Store(other.path)
    for name in here.names():
        here.read(name)
    for pack in here.pack_paths():
        check_pack(pack.name, pack.read_bytes())


@pytest.mark.parametrize("part", ["objects", "packs", "runs", "data", "rows"])
def test_a_listing_of_a_terabyte(part: str, store: Store, other: Store, place: Watched) -> None:
    """It is refused before a byte is asked for, and what does not need it comes."""
    push_all(store, place)
    place.said = lambda one: (
        Found(one.path, LARGE, one.modified_ns) if one.path.startswith(f"{part}/") else one
    )
    place.asked.clear()
    pulled = pull_all(other, place)
    assert bool(pulled.failed or pulled.incomplete) == (part != "rows")
    assert len(read_rows(place, "an-id")) == 3
    found = checking.check(place, other, read_id(place) or "", full=True)
    assert bool(found.damaged or found.hurt) == (part != "rows")
    assert not [path for what, path in place.asked if what == "read" and f"{part}/" in path]
    assert part == "runs" or BROKEN_OFF in pulled.runs
    assert_only_whole(store, other)
    place.said = lambda one: one
    pull_all(other, place)
    assert_same(store, other)


def test_more_than_memory_is_not_asked_for(place: Watched) -> None:
    with pytest.raises(Damaged, match="more than this machine can hold"):
        read_whole(place, "x", 1 << 60)
    assert place.asked == []


@pytest.mark.parametrize(
    "header",
    [
        encoding.object_header(encoding.RAW, LARGE),
        encoding.object_header(encoding.ZSTD, LARGE),
        encoding.object_header(encoding.ZSTD, encoding.MOST_ENCODED_BYTES),
        encoding.object_header(9, 10),
        b"",
    ],
    ids=["terabyte", "terabyte-encoded", "bomb", "unknown", "none"],
)
def test_headers_that_lie(header: bytes, store: Store, other: Store, place: Watched) -> None:
    """Of zeros that shrink to nothing, too: no more is unpacked than any object may have."""
    body = encoding.encode(bytes(encoding.MOST_ENCODED_BYTES + 1))[1][:1_000_000]
    push_all(store, place)
    for part in ("objects", "runs"):
        for found in list(place.list(part)):
            place.put(found.path, header + body)
    pulled = pull_all(other, place)
    assert len(pulled.failed) == 3
    assert not any(path.startswith("runs/") for path in files_of(other))
    assert_only_whole(store, other)
    push_all(store, place)
    identity = read_id(place) or ""
    damaged = checking.check(place, store, identity, full=True).damaged
    checking.repair(place, store, identity, damaged)
    push_all(store, place)
    pull_all(other, place)
    assert_same(store, other)


def lying_pack(lie: str, entries: list[PackEntry], body: bytes) -> bytes:
    """A pack of these objects, whose name fits its bytes, and whose index lies."""
    header = next(iter(encoding.framed([])))
    begin, end = len(header), len(header) + len(body)
    made: list[PackEntry] = []
    for at, one in enumerate(sorted(entries)):
        if lie == "overlapping":
            one = one._replace(offset=begin, stored=len(body), size=len(body), encoding=0)
        elif lie == "outside":
            one = one._replace(offset=end + 10**9, stored=10)
        elif lie == "swapped":
            one = one._replace(offset=begin + at, stored=10, size=10, encoding=0)
        elif lie == "a terabyte":
            one = one._replace(offset=begin, stored=10, size=LARGE, encoding=0)
        elif lie == "a bomb":
            one = one._replace(offset=begin, stored=len(body), size=LARGE, encoding=1)
        made.append(one)
    index = b"".join(encoding._ENTRY.pack(*one[:1], *one[1:]) for one in made)  # pyright: ignore[reportPrivateUsage]
    checksum = blake3.blake3(index).digest(16)
    footer = encoding._FOOTER.pack(end, len(made), checksum, b"samebitQ")  # pyright: ignore[reportPrivateUsage]
    return b"".join([header, body, index, footer])


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("lie", ["overlapping", "outside", "swapped", "a terabyte", "a bomb"])
def test_a_pack_whose_index_lies(
    lie: str, ranges: bool, store: Store, other: Store, place: Watched
) -> None:
    """Its name is right; it is refused all the same, and takes no room in the store."""
    push_all(store, place)
    store.list_packs()
    entries: list[PackEntry] = []
    for found in list(place.list("packs")):
        data = b"".join(place.read(found.path))
        at, length, checksum = encoding.read_footer(data[-encoding.FOOTER_BYTES :], len(data))
        entries += encoding.read_index(data[at : at + length], at, checksum)
        place.remove(found.path)
    pack = lying_pack(lie, entries, os.urandom(5000))
    path = f"packs/{digest.hex_of(digest.of_bytes(pack))}.pack"
    place.put(path, pack)
    place.place.guarantees = replace(place.place.guarantees, ranges=ranges)  # type: ignore[misc]
    pulled = pull_all(other, place)
    assert pulled.failed or pulled.incomplete
    assert BROKEN_OFF in pulled.runs  # which needs nothing of it
    assert not list(Store(other.path).pack_paths())
    assert_only_whole(store, other)
    identity = read_id(place) or ""
    found = checking.check(place, other, identity, full=True)
    assert path in found.damaged
    checking.repair(place, store, identity, found.damaged)
    push_all(store, place)
    pull_all(other, place)
    assert_same(store, other)


def test_an_index_that_lied_once_is_not_remembered(
    store: Store, other: Store, place: Watched
) -> None:
    push_all(store, place)
    store.list_packs()
    (pack,) = [one for one in place.list("packs") if one.path.endswith(".pack")]
    data = b"".join(place.read(pack.path))
    at, length, checksum = encoding.read_footer(data[-encoding.FOOTER_BYTES :], len(data))
    entries = encoding.read_index(data[at : at + length], at, checksum)
    lies = lying_pack("swapped", entries, data[16:at])
    assert len(lies) == len(data)
    place.put(pack.path, lies)
    assert pull_all(other, place).failed
    place.put(pack.path, data)
    assert not pull_all(other, place).failed
    assert_same(store, other)


def deep_head(place: Watched) -> None:
    put_bundle(place, FINISHED, b'{"format":"samebit-bundle 1","x":' + DEEP)


def deep_record(place: Watched) -> None:
    place.put(*bundle_of("0ther8n000", ("run.json", 0, DEEP)))


def deep_end(place: Watched) -> None:
    record = {"id": "0ther8n000", "kind": "run", "format": "samebit-run 1"}
    parts = [("run.json", 0, json.dumps(record).encode()), ("executions/1/end.json", 0, DEEP)]
    place.put(*bundle_of("0ther8n000", *parts))


def deep_note(place: Watched) -> None:
    path = "notes/1700000000116000000-e3e6b605.json"
    place.put(*bundle_of(REPLAY, (path, 0, DEEP), time=2))


def deep_word(place: Watched) -> None:
    place.put("data/other/17000000000000000000-0123abcd.json", DEEP)


def deep_rows(place: Watched) -> None:
    digits, file = bundles.encode_object(b'{"format":"samebit-rows 1","rows":' + DEEP)
    place.put(f"rows/{'f' * 16}-{digits}", file)


def deep_journal(place: Watched) -> None:
    place.put(*bundle_of(REPLAY, ("journal/0-rlku4fe23ohj-7.sbj", 0, b"\x91" * 100_000), time=2))


def test_what_is_nested_without_end(
    store: Store, other: Store, place: Watched, tmp_path: Path
) -> None:
    """Said in a line, by every command that meets it; what is whole comes all the same."""
    push_all(store, place)
    for put in (deep_head, deep_record, deep_end, deep_note, deep_word, deep_rows, deep_journal):
        put(place)
    project = Project(other.path.parent)
    project.call(SAMEBIT, "remote", "add", "lab", str(tmp_path / "remote"))
    for words in ("pull", "remote check lab --full", "ls --remote lab", "push", "ls"):
        done = project.call(SAMEBIT, *words.split(), SAMEBIT_CACHE=str(tmp_path / "c"))
        assert done.code in (0, 7), (words, done.out, done.err)
        assert "a fault of ours" not in done.err
        assert max(map(len, [*done.out.splitlines(), *done.err.splitlines(), ""])) < 400
    mine, theirs = files_of(other), files_of(store)
    assert {path for path in theirs if path.split("/")[1] == BROKEN_OFF} <= mine.keys()


def test_an_end_that_lists_what_is_no_segment(
    store: Store, other: Store, place: Watched, tmp_path: Path
) -> None:
    """A name in it leads nowhere: neither to a device without end nor to a file of the reader."""
    push_all(store, place)
    folder = RunFolder(store.path / "runs" / FINISHED)
    end = json.loads((folder.path / "executions/1/end.json").read_bytes())
    for name in ("/dev/zero", "../../../../../../secret", "/dev/tty"):
        (tmp_path / "secret").write_bytes(b"x")
        end["segments"] = {name: [1, digest.of_bytes(b"x")]}
        parts = [
            (str(path.relative_to(folder.path)), 0, path.read_bytes())
            for path in folder.path.rglob("*")
            if path.is_file() and path.name != "end.json"
        ]
        ended = ("executions/1/end.json", 0, json.dumps(end).encode())
        for found in listing.list_bundles(place, [FINISHED])[FINISHED]:
            place.remove(found.path)
        place.put(*bundle_of(FINISHED, *parts, ended))
        assert "is not whole" in pull_all(other, place).failed[FINISHED]


def test_a_run_that_keeps_what_can_be_no_object(store: Store, other: Store, place: Watched) -> None:
    folder = RunFolder(store.path / "runs" / BROKEN_OFF)
    writer = Writer(folder.journal, BROKEN_OFF)
    writer.fact("state", {"name": "a", "manifest": "blake3:none", "step": 1})
    writer.close()
    push_all(store, place)
    pulled = pull_all(other, place)
    assert "not a content name" in pulled.incomplete[BROKEN_OFF]
    assert set(pulled.runs) == {FINISHED, BROKEN_OFF, REPLAY}
    assert_same(store, other)


def test_what_is_no_file_is_not_there(store: Store, other: Store, place: Watched) -> None:
    """A pipe that nobody writes to, in the folder of a remote."""
    push_all(store, place)
    top = Path(place.url.removeprefix("file://"))
    bundle, rows = f"runs/{FINISHED}/{1:016x}-{'a' * 64}", f"rows/{1:016x}-{'b' * 64}"
    for name in (bundle, rows, f"packs/{'a' * 64}.pack", "objects/aa"):
        os.mkfifo(top / name)
    pulled = pull_all(other, place)
    assert (pulled.failed, pulled.incomplete) == ({}, {})
    assert len(read_rows(place, "x")) == 3
    assert_same(store, other)
    (top / "format").unlink()
    os.mkfifo(top / "format")
    assert read_id(place) is None
