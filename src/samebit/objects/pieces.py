"""Pieces of data on their way into a store: packs of 32 MiB, one written while the next one fills.

Whoever reads data prepares pieces on its threads (a hash, and the encoding where it saves half);
one thread gives them. What was given is durable when the context has ended, or, pack by pack,
before that: an `add` that is killed leaves packs that the next one finds.
"""

import queue
import threading
from typing import Self

from samebit import digest
from samebit.errors import SamebitError
from samebit.objects import encoding
from samebit.objects.encoding import Body
from samebit.objects.store import Store
from samebit.objects.stored import PIECES

__all__ = ["PACK_BYTES", "Pieces"]

PACK_BYTES = 32 << 20
_MOST_PIECES = 8192  # in one pack, whose index is read as a whole
_WAITING = 1  # packs that wait while another one is written


class Pieces:
    """Puts pieces of data; `prepare` may be called on any thread, everything else on one.

    Args:
        store: where they go.
        thorough: whether a piece that is there is read and compared, and written anew where it is
            damaged; else that it is there is enough.
        aside: whether packs are written on a thread of their own; at the end of an interpreter
            none can be begun.
    """

    def __init__(self, store: Store, *, thorough: bool = False, aside: bool = True) -> None:
        self.new_bytes = 0  # that were stored, as they lie on the disk
        self._store = store
        self._thorough = thorough
        self._aside = aside
        self._alive: dict[bytes, bool] = {}  # pieces that are there, touched; or are not
        self._given: set[bytes] = set()
        self._pack: list[Body] = []
        self._pack_bytes = 0
        self._packs: queue.Queue[list[Body] | None] = queue.Queue(_WAITING)
        self._trouble: list[BaseException] = []
        self._writer: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._store.list_packs()
        self._store.list_packs(PIECES)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._pack and not self._trouble:
            self._hand_over()
        if self._writer is not None:
            self._packs.put(None)
            self._writer.join()
        if kind is None:
            self._raise()

    def prepare(self, data: bytes | memoryview, name: bytes | None = None) -> Body | bytes:
        """A piece as it will lie; only its name (32 bytes) where it is there already.

        Args:
            data: must not change before the context has ended.
            name: its digest, where that is known.
        """
        name = name or digest.raw(data)
        if name in self._given or self._is_here(name):
            return name
        return Body(name, *encoding.encode_data(data), len(data))

    def give(self, piece: Body | bytes) -> bytes:
        """Put what was prepared; its name. Raises what went wrong with an earlier one."""
        if isinstance(piece, bytes):
            return piece
        self._raise()
        if piece.digest not in self._given:
            self._given.add(piece.digest)
            self._pack.append(piece)
            self._pack_bytes += len(piece.stored)
            self.new_bytes += len(piece.stored)
            if self._pack_bytes >= PACK_BYTES or len(self._pack) >= _MOST_PIECES:
                self._hand_over()
        return piece.digest

    def put(self, data: bytes) -> str:
        """Put one piece here and now; its name as text."""
        return digest.name_of(self.give(self.prepare(data)))

    def _raise(self) -> None:
        if not self._trouble:
            return
        error = self._trouble[0]
        if not isinstance(error, OSError):
            raise error
        why = error.strerror or str(error)
        raise SamebitError(
            f"the store cannot be written: {why}",
            store=self._store.path,
            hint="what is stored already is found by the next try",
        ) from error

    def _is_here(self, name: bytes) -> bool:
        found = self._alive.get(name)
        if found is None:
            found = not self._store.hold([name], read=self._thorough)
            self._alive[name] = found
        return found

    def _hand_over(self) -> None:
        if not self._aside:
            self._write_one(self._pack)
        else:
            if self._writer is None:
                self._writer = threading.Thread(
                    target=self._write, name="samebit-pieces", daemon=True
                )
                self._writer.start()
            self._packs.put(self._pack)
        self._pack, self._pack_bytes = [], 0

    def _write(self) -> None:
        while (pack := self._packs.get()) is not None:
            self._write_one(pack)

    def _write_one(self, pack: list[Body]) -> None:
        try:
            if not self._trouble:
                self._store.write_bodies(pack, PIECES)
        except BaseException as error:  # raised again by whoever gives or ends
            self._trouble.append(error)
