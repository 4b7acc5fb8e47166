"""Bundles: the files of a run on their way, many in one object (`docs/formats/remote.md`)."""

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct

from samebit import digest
from samebit.errors import Damaged, StoreTooNew
from samebit.objects import encoding

__all__ = [
    "HEADER_BYTES",
    "MOST_BYTES",
    "Part",
    "assemble",
    "covered",
    "decode_object",
    "encode_object",
    "grows",
    "is_file_of_a_run",
    "make",
    "no_copies",
    "parts_of",
]

HEADER_BYTES = encoding.HEADER_BYTES
MOST_BYTES = 64 << 20
_FORMAT = "samebit-bundle 1"
_WORD = r"[a-z0-9]{1,32}"
_FORMS = re.compile(
    rf"""run\.json
    | executions/[1-9]\d{{0,8}}/(
        start\.json | end\.json | init | unwritten-{_WORD}\.json | joined-{_WORD}(-\d{{1,9}})?
        | process-{_WORD}-[0-9a-f]{{16}}-\d{{1,9}} | console/{_WORD}(-[a-z0-9-]{{1,64}})?\.log)
    | journal/{_WORD}-[a-z0-9]{{12}}-\d{{1,9}}\.sbj
    | trace/{_WORD}-[a-z0-9]{{12}}-\d{{1,9}}\.leaves
    | notes/\d{{1,20}}-[0-9a-f]{{8}}\.json""",
    re.VERBOSE,
)


class Part(Struct, frozen=True, array_like=True):
    """Some bytes of one file of a run: where they begin in it, how many, and their digest."""

    path: str
    offset: int
    size_bytes: int
    digest: str

    @property
    def end(self) -> int:
        """Where they end."""
        return self.offset + self.size_bytes


class _Head(Struct, frozen=True, forbid_unknown_fields=False):
    format: str
    files: list[Part]


def is_file_of_a_run(path: str) -> bool:
    """Whether a path within a run's folder is one that travels."""
    return _FORMS.fullmatch(path) is not None


def grows(path: str) -> bool:
    """Whether a file gets longer while its run goes on."""
    return path.endswith((".sbj", ".log"))


def make(parts: Iterable[tuple[str, int, bytes]]) -> bytes:
    """The canonical bytes of a bundle of (path, offset, bytes)."""
    given = list(parts)
    files = [[path, at, len(data), digest.of_bytes(data)] for path, at, data in given]
    head = digest.canonical_json({"format": _FORMAT, "files": files})
    return b"".join([head, b"\n", *(data for _, _, data in given)])


def parts_of(bundle: bytes) -> Iterator[tuple[Part, memoryview]]:
    """The parts of a bundle with their bytes, each checked.

    Raises:
        Damaged: it is no bundle, or a part is not what it says; those before it were given.
        StoreTooNew: a newer version has written it.
    """
    line, _, _ = bundle.partition(b"\n")
    try:
        head = msgspec.json.decode(line, type=_Head)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Damaged("a bundle of a run's files that cannot be read") from error
    if head.format != _FORMAT:
        newer = head.format.startswith("samebit-bundle ")
        raise (StoreTooNew if newer else Damaged)(f"a bundle of the form {head.format!r}")
    view, at = memoryview(bundle), len(line) + 1
    for part in head.files:
        if part.size_bytes < 0 or part.offset < 0 or at + part.size_bytes > len(bundle):
            raise Damaged("a bundle that is shorter than it says", path=part.path)
        data = view[at : at + part.size_bytes]
        if digest.of_bytes(data) != part.digest:
            raise Damaged("a part of a file whose bytes hash otherwise", path=part.path)
        at += part.size_bytes
        yield part, data
    if at != len(bundle):
        raise Damaged("a bundle that is longer than it says")


def assemble(bundles: Iterable[bytes], here: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a run out of its bundles, which are in the order of their names.

    Args:
        bundles: their canonical bytes.
        here: what is known of some files already, each from its beginning.

    Raises:
        Damaged: one is no bundle, or two parts do not agree.
    """
    found = {path: {0: data} for path, data in here.items()}
    for bundle in bundles:
        for part, data in parts_of(bundle):
            if not is_file_of_a_run(part.path):
                continue
            if part.path.startswith("trace/"):
                found[part.path] = {}
            parts = found.setdefault(part.path, {})
            new, known = bytes(data), parts.get(part.offset)
            if known is None or (grows(part.path) and new.startswith(known)):
                parts[part.offset] = new
            elif known != new and not (grows(part.path) and known.startswith(new)):
                raise no_copies(part.path)
    return {path: _joined(path, parts) for path, parts in found.items() if 0 in parts}


def covered(parts: Iterable[Part]) -> int:
    """Up to where a file is there without a hole."""
    end = 0
    for part in sorted(parts, key=lambda part: part.offset):
        if part.offset > end:
            break
        end = max(end, part.end)
    return end


def _joined(path: str, parts: Mapping[int, bytes]) -> bytes:
    whole = b""
    for at, data in sorted(parts.items()):
        if at > len(whole):
            break  # a hole: what comes behind it is not known to belong there
        both = min(len(whole) - at, len(data))
        if whole[at : at + both] != data[:both]:
            raise no_copies(path)
        whole += data[both:]
    return whole


def no_copies(path: str) -> Damaged:
    """Two files of one name that differ, of which none begins the other."""
    return Damaged(
        f"there are two of {path} that differ: these are not copies of one run",
        hint="was it resumed in two copies of its store?",
    )


def encode_object(data: bytes) -> tuple[str, bytes]:
    """The digits of some bytes, and the file of an object that holds them."""
    kind, body = encoding.encode_data(data)
    header = encoding.object_header(kind, len(data))
    return digest.hex_of(digest.of_bytes(data)), b"".join([header, body])


def decode_object(file: bytes, digits: str, most_bytes: int = MOST_BYTES) -> bytes:
    """The canonical bytes that an object's file holds, checked; Damaged where they are others."""
    kind, size = encoding.read_object_header(file[: encoding.HEADER_BYTES])
    if size > max(most_bytes, len(file)):
        raise Damaged(f"an object of {size} bytes, where {most_bytes} are the most")
    data = encoding.decode(kind, memoryview(file)[encoding.HEADER_BYTES :], size)
    if digest.hex_of(digest.of_bytes(data)) != digits:
        raise Damaged(f"object {digits[:8]} is damaged: its bytes hash otherwise")
    return data
