"""Pieces on their way into a store: threads write the large ones while the caller goes on.

Whoever adds a large piece waits only while several are still on their way, so what is held in
memory is bounded by the pieces themselves. Small ones gather, and lie in one pack at the end.

**When a large piece is encoded.** Where a sample of it saves half; and where it saves a tenth, if
the disk takes fewer bytes a second than the encoder gives, both as measured while it went on
(`Pace`). So a state is not slower for being encoded: a faster disk gets the pieces as they are.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator
from typing import Protocol, Self

from msgspec import Struct, field

from samebit import digest
from samebit.objects import encoding

__all__ = ["Batch", "Pace", "Slot"]

_WORKERS = 3  # one encodes, two wait for the disk: two files at a time reach its full speed
_AHEAD = 2  # pieces that wait for a worker
_HALF = 0.5
_QUICK_BYTES = 1 << 20  # the first piece, if it is so small, is encoded before a disk has answered
_ENCODED_PER_S = 250e6  # until one has been encoded here: a core that does something else besides


class Pace:
    """How many bytes a second the disk takes, all writers together, and one encoder gives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writers = 0
        self._busy_since = 0.0
        self._busy_s = 0.0
        self._written = 0
        self._encoded = _ENCODED_PER_S
        self._encoded_s = 1.0

    def encoding_pays(self, size_bytes: int) -> bool:
        """Whether the disk is the slower one."""
        with self._lock:
            if not self._busy_s:
                return size_bytes <= _QUICK_BYTES
            return self._written / self._busy_s < self._encoded / self._encoded_s

    @contextlib.contextmanager
    def writing(self, size_bytes: int) -> Generator[None]:
        """Around the writing of one piece, until it is durable."""
        with self._lock:
            if not self._writers:
                self._busy_since = time.monotonic()
            self._writers += 1
        try:
            yield
        finally:
            with self._lock:
                self._writers -= 1
                self._written += size_bytes
                now = time.monotonic()
                self._busy_s += now - self._busy_since
                self._busy_since = now

    @contextlib.contextmanager
    def encoding(self, size_bytes: int) -> Generator[None]:
        """Around the encoding of one piece."""
        began = time.monotonic()
        yield
        with self._lock:
            self._encoded += size_bytes
            self._encoded_s += time.monotonic() - began


class _Target(Protocol):
    """What a batch needs of a store."""

    @property
    def pace(self) -> Pace: ...

    def write_object(
        self, name: str, kind: int, body: bytes | memoryview, size_bytes: int
    ) -> None: ...
    def write_pack(self, objects: dict[str, bytes | memoryview]) -> object: ...


class Slot(Struct):
    """The name of a piece: of a small one at once, of a large one when the batch has settled."""

    name: str = ""


class _Job(Struct):
    slot: Slot
    data: bytes | memoryview
    word: int


class Batch(Struct):
    """What is being put together; made by `Store.batch`, used by one thread."""

    _store: _Target
    _holds: Callable[[str, bytes | memoryview], bool]
    _small_bytes: int
    _small: dict[str, bytes | memoryview] = field(default_factory=dict)
    _jobs: "queue.Queue[_Job | None]" = field(default_factory=lambda: queue.Queue(_AHEAD))
    _workers: list[threading.Thread] = field(default_factory=list)
    _trouble: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._trouble.append(RuntimeError("given up"))  # what still waits is let go
            self._stop()
            return
        if self._small and not self._trouble:
            # The pack goes before what was added last: a large manifest comes after its leaves.
            try:
                self._store.write_pack(self._small)
            except BaseException as error:
                self._trouble.insert(0, error)
        self.settle()

    def add(self, data: bytes | memoryview, word: int = 1) -> Slot:
        """Put one piece, which must not change before the batch has settled.

        `word` is how many bytes a number has, where they are floating-point numbers. Raises what
        went wrong with an earlier one.
        """
        if self._trouble:
            self.settle()
        size_bytes = memoryview(data).nbytes
        if size_bytes < self._small_bytes:
            name = digest.of_bytes(data)
            if name not in self._small and not self._holds(name, data):
                self._small[name] = data
            return Slot(name)
        job = _Job(Slot(), data, word)
        if not self._jobs.empty() and len(self._workers) < _WORKERS:
            self._start_worker()
        if self._workers:
            self._jobs.put(job)
        else:
            # One piece waits for a second: a single one needs no thread. Where none can be started
            # (the interpreter is shutting down), each is written when the next one comes.
            self._run_waiting()
            self._jobs.put(job)
        return job.slot

    def settle(self) -> None:
        """Wait until every large piece is durable; raises the first error."""
        if not self._trouble:
            self._run_waiting()
        self._stop()
        if self._trouble:
            error = self._trouble[0]
            self._trouble.clear()
            raise error

    def _start_worker(self) -> None:
        worker = threading.Thread(target=self._work, name="samebit-objects", daemon=True)
        with contextlib.suppress(RuntimeError):  # no thread starts while the interpreter ends
            worker.start()
            self._workers.append(worker)

    def _stop(self) -> None:
        for _ in self._workers:
            self._jobs.put(None)
        for worker in self._workers:
            worker.join()
        self._workers.clear()
        while not self._jobs.empty():
            self._jobs.get()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._run(job)
            del job

    def _run_waiting(self) -> None:
        """The caller lends a hand with what waits."""
        while not self._trouble:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                self._run(job)

    def _run(self, job: _Job) -> None:
        if self._trouble:
            return
        try:
            name = digest.of_bytes(job.data)
            if not self._holds(name, job.data):
                self._write(name, job)
            job.slot.name = name
        except BaseException as error:  # raised again where the batch is used
            self._trouble.append(error)

    def _write(self, name: str, job: _Job) -> None:
        kind, body = encoding.RAW, job.data
        size_bytes = memoryview(job.data).nbytes
        share = encoding.expected_share(job.data, job.word)
        pace = self._store.pace
        if share <= encoding.WORTH_IT and (share <= _HALF or pace.encoding_pays(size_bytes)):
            with pace.encoding(size_bytes):
                kind, body = encoding.encode(job.data, job.word)
        with pace.writing(memoryview(body).nbytes):
            self._store.write_object(name, kind, body, size_bytes)
