"""Files as the pieces in which they are stored: each byte read once, on several threads.

What is hashed is what is cut and stored, and what somebody else's name is computed from: it is the
same buffer.
"""

import contextlib
import io
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from samebit import digest
from samebit.data import files
from samebit.data.files import Entry
from samebit.objects import cutting
from samebit.objects.encoding import Body
from samebit.objects.pieces import Pieces

__all__ = ["Proof", "Read", "Reading", "read_all", "read_one"]

_WHOLE_BYTES = 8 << 20  # up to here a file is read at once, on one thread
_BLOCK_BYTES = 8 << 20  # of a larger one, that is read, cut and handed on
_THREADS = 2
_AHEAD = 4  # groups of small files, or blocks of a large one, that wait for the one who stores

T = TypeVar("T")
R = TypeVar("R")


class Reading(Protocol):
    """A file of which somebody else's name is computed from the very bytes that are stored."""

    def update(self, data: memoryview, /) -> None:
        """Take the next piece."""
        ...

    def end(self, raw: bytes, /) -> None:
        """All was read, and this is its digest; raises Damaged where it should be another."""
        ...


class Proof(Protocol):
    """What must be true of files beside their digests, as somebody else named them."""

    def holds(self, path: bytes, raw: bytes, /) -> bool:
        """Whether that is known of a content, unread."""
        ...

    def begin(self, path: bytes, /) -> Reading:
        """The file at a path is about to be read."""
        ...


class Read(Struct):
    """One file that was read: its digest, and its pieces as they go into the store."""

    entry: Entry
    raw: bytes
    pieces: list[Body | bytes]
    sizes: list[int]
    read_ns: int


def read_all(left: list[Entry], pieces: Pieces, proof: Proof | None) -> Iterator[Read]:
    """Read files; the smaller ones first. Raises as `files.reading` and `Reading.end`."""
    small = [entry for entry in left if entry.size_bytes <= _WHOLE_BYTES]
    large = [entry for entry in left if entry.size_bytes > _WHOLE_BYTES]
    with ThreadPoolExecutor(_THREADS, "samebit-read") as pool:
        groups = files.together(small)
        for some in _ahead(
            pool, lambda group: [_read_whole(e, pieces, proof) for e in group], groups
        ):
            yield from some
        with ThreadPoolExecutor(1, "samebit-hash") as hasher:
            for entry in large:
                yield _read_in_blocks(entry, pieces, proof, pool, hasher)


def read_one(path: Path, pieces: Pieces) -> Read:
    """Read a single file, and begin no thread for it; raises as `files.survey` and `reading`."""
    found = files.survey(path)
    if found.is_folder:
        raise files.changed(os.fsencode(path))
    (entry,) = found.files
    if entry.size_bytes <= _WHOLE_BYTES:
        return _read_whole(entry, pieces, None)
    here = _Here()
    return _read_in_blocks(entry, pieces, None, here, here)


class _Here(Executor):
    """Does at once what others do on a thread."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        done = Future[T]()
        done.set_result(fn(*args, **kwargs))
        return done


def _ahead(pool: ThreadPoolExecutor, function: Callable[[T], R], each: Iterable[T]) -> Generator[R]:
    """What a function gives of each, in order; a few are computed ahead, and held in memory."""
    waiting: deque[Future[R]] = deque()
    try:
        for one in each:
            waiting.append(pool.submit(function, one))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _read_whole(entry: Entry, pieces: Pieces, proof: Proof | None) -> Read:
    read_ns = time.time_ns()
    with files.reading(entry) as file:
        data = file.read(entry.size_bytes + 1)
    if len(data) != entry.size_bytes:
        raise files.changed(entry.place)
    raw = digest.raw(data)
    if proof is not None:
        also = proof.begin(entry.path)
        also.update(memoryview(data))
        also.end(raw)
    if len(data) <= cutting.LEAST_BYTES:
        return Read(entry, raw, [pieces.prepare(data, raw)], [len(data)], read_ns)
    view = memoryview(data)
    ends = cutting.cuts(view, len(data), is_end=True)
    bodies, sizes = _cut_at(view, ends, pieces)
    return Read(entry, raw, bodies, sizes, read_ns)


def _cut_at(
    view: memoryview, ends: list[int], pieces: Pieces
) -> tuple[list[Body | bytes], list[int]]:
    parts = [view[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    return [pieces.prepare(part) for part in parts], [len(part) for part in parts]


def _read_in_blocks(
    entry: Entry,
    pieces: Pieces,
    proof: Proof | None,
    pool: Executor,
    hasher: Executor,
) -> Read:
    """A large file: this thread reads and cuts, one hashes all of it, others its pieces."""
    read_ns = time.time_ns()
    whole = digest.Hasher()
    also = None if proof is None else proof.begin(entry.path)
    names: list[Body | bytes] = []
    sizes: list[int] = []
    waiting: deque[tuple[Future[None], Future[tuple[list[Body | bytes], list[int]]]]] = deque()

    def feed(view: memoryview) -> None:
        whole.update(view)
        if also is not None:
            also.update(view)

    def take() -> None:
        hashed, cut = waiting.popleft()
        hashed.result()
        bodies, some = cut.result()
        names.extend(pieces.give(body) for body in bodies)
        sizes.extend(some)

    with contextlib.ExitStack() as after, files.reading(entry) as file:
        after.callback(lambda: [future.cancel() for pair in waiting for future in pair])
        left, is_end, total = memoryview(b""), False, 0
        while not is_end:
            view = cutting.room(len(left) + _BLOCK_BYTES)
            view[: len(left)] = left
            size = len(left) + _fill(file, view[len(left) :])
            total += size - len(left)
            is_end = size < len(view)
            ends = cutting.cuts(view, size, is_end=is_end)
            done = ends[-1] if ends else 0
            now = view[:done]
            waiting.append((hasher.submit(feed, now), pool.submit(_cut_at, now, ends, pieces)))
            left = view[done:size]
            if len(waiting) > _AHEAD:
                take()
        while waiting:
            take()
    if total != entry.size_bytes:
        raise files.changed(entry.place)
    if also is not None:
        also.end(whole.raw())
    return Read(entry, whole.raw(), names, sizes, read_ns)


def _fill(file: io.FileIO, view: memoryview) -> int:
    """Read until the room is full or the file ends."""
    at = 0
    while at < len(view) and (count := file.readinto(view[at:])):
        at += count
    return at
