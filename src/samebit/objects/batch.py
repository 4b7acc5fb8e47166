"""Pieces on their way into a store: threads write the large ones while the caller goes on.

Whoever adds a large piece waits only while several are still on their way, so what is held in
memory is bounded by the pieces themselves. Small ones gather, and lie in one pack at the end.

**When a large piece is encoded.** Where a sample of it saves a tenth, and besides: it saves half,
or it is so small that it takes no longer than the disk's own answer, or the disk is busy with
another one meanwhile. So encoding never makes a state slower than the disk: a disk that is faster
than the encoder finds the pieces as they are.
"""

import contextlib
import queue
import threading
from dataclasses import dataclass, field
from typing import Protocol, Self

from samebit import digest
from samebit.objects import encoding

__all__ = ["Batch", "Slot"]

_WORKERS = 3  # one encodes, two wait for the disk: two files at a time reach its full speed
_AHEAD = 2  # pieces that wait for a worker
_HALF = 0.5
_QUICK_BYTES = 1 << 20


class _Target(Protocol):
    """What a batch needs of a store."""

    def holds(self, name: str, data: bytes | memoryview) -> bool: ...
    def write_object(
        self, name: str, kind: int, body: bytes | memoryview, size_bytes: int
    ) -> None: ...
    def write_pack(self, objects: dict[str, bytes | memoryview]) -> object: ...


@dataclass
class Slot:
    """The name of a piece: of a small one at once, of a large one when the batch has settled."""

    name: str = ""


@dataclass
class _Job:
    slot: Slot
    data: bytes | memoryview
    word: int


@dataclass
class Batch:
    """What is being put together; made by `Store.batch`, used by one thread."""

    _store: _Target
    _small_bytes: int
    _small: dict[str, bytes | memoryview] = field(default_factory=dict)
    _jobs: "queue.Queue[_Job | None]" = field(default_factory=lambda: queue.Queue(_AHEAD))
    _workers: list[threading.Thread] = field(default_factory=list)
    _trouble: list[BaseException] = field(default_factory=list)
    _writing: int = 0
    _count: threading.Lock = field(default_factory=threading.Lock)

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
            if name not in self._small and not self._store.holds(name, data):
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
            if not self._store.holds(name, job.data):
                self._write(name, job)
            job.slot.name = name
        except BaseException as error:  # raised again where the batch is used
            self._trouble.append(error)

    def _write(self, name: str, job: _Job) -> None:
        kind, body = encoding.RAW, job.data
        size_bytes = memoryview(job.data).nbytes
        share = encoding.expected_share(job.data, job.word)
        if share <= encoding.WORTH_IT and (
            share <= _HALF or size_bytes <= _QUICK_BYTES or self._writing
        ):
            kind, body = encoding.encode(job.data, job.word)
        with self._count:
            self._writing += 1
        try:
            self._store.write_object(name, kind, body, size_bytes)
        finally:
            with self._count:
                self._writing -= 1
