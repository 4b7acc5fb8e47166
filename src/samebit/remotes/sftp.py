"""SFTP, version 3, as a client speaks it: requests of several threads over one connection.

Each request has a number, and whoever made it waits for the answer of that number. So all threads
share one connection, and each may ask for much before it waits. What carries the bytes is somebody
else's (`samebit.remotes.openssh`); what comes is a stranger's, and held to what was asked for.
"""

import itertools
import stat
import struct
import threading
from collections.abc import Callable
from typing import BinaryIO

from msgspec import Struct

__all__ = [
    "FAILURE",
    "MOST_DATA_BYTES",
    "NO_SUCH_FILE",
    "PERMISSION_DENIED",
    "Answer",
    "Attributes",
    "Lost",
    "Refused",
    "Session",
    "shown",
]

# What servers must take, and what all of them send: OpenSSH's takes more, at no gain (design 025).
MOST_DATA_BYTES = 32768
NO_SUCH_FILE, PERMISSION_DENIED, FAILURE = 2, 3, 4

_VERSION = 3
_MOST_PACKET_BYTES = 256 << 10  # as OpenSSH's own client
_MOST_WORDS = 200
_NUMBER_BYTES = 4
_READ, _WRITE, _CREATE, _ONLY_NEW = 0x01, 0x02, 0x08, 0x20
_OK, _EOF = 0, 1
_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 0x1, 0x2, 0x4, 0x8, 0x80000000
_HEAD = struct.Struct(">IBI")  # length of what follows, kind, number
# Kinds of packets.
_INIT, _SAYS_VERSION = 1, 2
_OPEN, _CLOSE, _READS, _WRITES, _FSTAT = 3, 4, 5, 6, 8
_OPENDIR, _READDIR, _REMOVE, _MKDIR, _STAT, _RENAME = 11, 12, 13, 14, 17, 18
_STATUS, _HANDLE, _DATA, _NAME, _ATTRS, _EXTENDED, _EXTENDED_REPLY = (
    101,
    102,
    103,
    104,
    105,
    200,
    201,
)
_SYNC, _REPLACE, _STATVFS = (
    b"fsync@openssh.com",
    b"posix-rename@openssh.com",
    b"statvfs@openssh.com",
)


class Lost(Exception):
    """The connection has ended, or what came over it is no SFTP."""


class Refused(Exception):
    """The server answers that it does not do it."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


class Attributes(Struct, frozen=True):
    """What a server says of a file; None what it does not say."""

    size_bytes: int | None
    mode: int | None
    modified_s: int | None

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file of which all is said."""
        said = self.size_bytes is not None and self.modified_s is not None
        return said and self.mode is not None and stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.mode is not None and stat.S_ISDIR(self.mode)


class _Fields:
    """The fields of a packet, one after the other; Lost where it is too short for them."""

    def __init__(self, body: bytes, at: int = 0) -> None:
        self._body = body
        self._at = at

    @property
    def is_left(self) -> bool:
        """Whether there are more."""
        return self._at < len(self._body)

    def take(self, size_bytes: int) -> bytes:
        """So many bytes; Lost where the packet has fewer."""
        taken = self._body[self._at : self._at + size_bytes]
        if len(taken) < size_bytes:
            raise Lost("the server sends a packet that is cut short")
        self._at += size_bytes
        return taken

    def number(self, size_bytes: int = 4) -> int:
        """A number."""
        return int.from_bytes(self.take(size_bytes), "big")

    def text(self) -> bytes:
        """Bytes that say how many they are."""
        return self.take(self.number())

    def attributes(self) -> Attributes:
        """What is said of a file."""
        says = self.number()
        size_bytes = self.number(8) if says & _HAS_SIZE else None
        if says & _HAS_OWNER:
            self.take(8)
        mode = self.number() if says & _HAS_MODE else None
        modified_s = self.number(8) & 0xFFFFFFFF if says & _HAS_TIMES else None
        for _ in range(self.number() if says & _HAS_MORE else 0):
            self.text()
            self.text()
        return Attributes(size_bytes, mode, modified_s)


class Answer:
    """What comes of a request: each method waits for it, and raises Lost or Refused."""

    __slots__ = ("_body", "_came", "_kind", "_lost")

    def __init__(self) -> None:
        self._came = threading.Lock()  # quicker than an Event, and Ctrl-C is heard in it, too
        self._came.acquire()
        self._kind = 0
        self._body = b""
        self._lost = ""

    def give(self, kind: int, body: bytes) -> None:
        """It is there."""
        self._kind, self._body = kind, body
        self._came.release()

    def lose(self, why: str) -> None:
        """It will not come."""
        self._lost = why
        self._came.release()

    def done(self) -> None:
        """That it was done."""
        self._take(_STATUS)

    def handle(self) -> bytes:
        """The handle of what was opened."""
        return self._fields(_HANDLE).text()

    def data(self) -> bytes:
        """Bytes of a file; none at its end."""
        fields = self._take(_DATA)
        return b"" if fields is None else fields.text()

    def names(self) -> list[tuple[str, Attributes]] | None:
        """Some names of a folder; None where there are no more."""
        fields = self._take(_NAME)
        if fields is None:
            return None
        found: list[tuple[str, Attributes]] = []
        for _ in range(fields.number()):
            name = fields.text().decode("utf-8", "surrogateescape")
            fields.text()  # the line of `ls -l`
            found.append((name, fields.attributes()))
        return found

    def attributes(self) -> Attributes:
        """What is said of a file."""
        return self._fields(_ATTRS).attributes()

    def free_bytes(self) -> int:
        """How much room there is for us."""
        fields = self._fields(_EXTENDED_REPLY)
        _, fragment_bytes, _, _, available = (fields.number(8) for _ in range(5))
        return fragment_bytes * available

    def _fields(self, kind: int) -> _Fields:
        fields = self._take(kind)
        if fields is None:
            raise Lost("the server says that a file ends where it begins")
        return fields

    def _take(self, kind: int) -> _Fields | None:
        """The fields of an answer of that kind; None where it says that there is no more."""
        self._came.acquire()
        self._came.release()
        if self._lost:
            raise Lost(self._lost)
        fields = _Fields(self._body, _NUMBER_BYTES)
        if self._kind == _STATUS:
            code = fields.number()
            if kind == _STATUS and code == _OK:
                return fields
            if kind in (_DATA, _NAME) and code == _EOF:
                return None
            words = fields.text() if fields.is_left else b""
            raise Refused(code, shown(words.decode(errors="replace"))[:_MOST_WORDS])
        if self._kind != kind:
            raise Lost(f"the server answers with a packet of kind {self._kind}, not {kind}")
        return fields


class Session:
    """Requests to a server, by any thread.

    Args:
        incoming: what the server sends.
        write: sends it some bytes, and says how many of them went.
    """

    def __init__(self, incoming: BinaryIO, write: Callable[[memoryview], int]) -> None:
        self._incoming = incoming
        self._write = write
        self._writing = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Answer] = {}
        self._knowing = threading.Lock()  # of the two below it, and of who waits
        self._lost = ""
        self._extensions: frozenset[bytes] = frozenset()

    def begin(self) -> None:
        """Say which version is spoken; Lost where nobody answers with it. `listen` follows."""
        try:
            self._send(_HEAD.pack(5, _INIT, _VERSION))
        except OSError:
            pass  # what was said first may be read
        kind, body = _packet(self._incoming)
        fields = _Fields(body)
        if kind != _SAYS_VERSION or fields.number() != _VERSION:
            raise Lost("the server does not speak SFTP of version 3")
        said: set[bytes] = set()
        while name := fields.text() if fields.is_left else b"":
            fields.text()  # its version
            said.add(name)
        self._extensions = frozenset(said)

    def listen(self) -> None:
        """Give answers to whom they belong, until there are no more: a thread's work."""
        try:
            while True:
                kind, body = _packet(self._incoming)
                number = int.from_bytes(body[:_NUMBER_BYTES], "big")
                with self._knowing:
                    answer = self._waiting.pop(number, None)
                if answer is None:
                    raise Lost("the server answers what it was not asked")
                answer.give(kind, body)
        except (Lost, OSError, ValueError) as error:
            self._lose(str(error))

    def open(self, path: str) -> Answer:
        """Open a file, or a folder that is to be made durable, for reading."""
        return self._ask(_OPEN, _text(path), _number(_READ), _number(0))

    def create(self, path: str) -> Answer:
        """Open a file for writing that must be new."""
        return self._ask(_OPEN, _text(path), _number(_WRITE | _CREATE | _ONLY_NEW), _number(0))

    def open_folder(self, path: str) -> Answer:
        """Open a folder for its names."""
        return self._ask(_OPENDIR, _text(path))

    def close(self, handle: bytes) -> Answer:
        """Of a file, or of a folder."""
        return self._ask(_CLOSE, _text(handle))

    def read(self, handle: bytes, at: int, size_bytes: int) -> Answer:
        """Up to so many bytes."""
        return self._ask(_READS, _text(handle), _number(at, 8), _number(size_bytes))

    def write(self, handle: bytes, at: int, data: bytes | memoryview) -> Answer:
        """At most MOST_DATA_BYTES."""
        return self._ask(_WRITES, _text(handle), _number(at, 8), _number(len(data)), data)

    def sync(self, handle: bytes) -> Answer | None:
        """Make it durable; None where the server cannot."""
        if _SYNC not in self._extensions:
            return None
        return self._ask(_EXTENDED, _text(_SYNC), _text(handle))

    def names(self, handle: bytes) -> Answer:
        """The next names of a folder."""
        return self._ask(_READDIR, _text(handle))

    def stat(self, path: str) -> Answer:
        """What is said of what a path leads to."""
        return self._ask(_STAT, _text(path))

    def stat_open(self, handle: bytes) -> Answer:
        """What is said of what is open."""
        return self._ask(_FSTAT, _text(handle))

    def make_folder(self, path: str) -> Answer:
        """Refused where it is there."""
        return self._ask(_MKDIR, _text(path), _number(0))

    def remove(self, path: str) -> Answer:
        """Take away the name of a file."""
        return self._ask(_REMOVE, _text(path))

    def rename(self, path: str, to: str) -> Answer:
        """By the protocol refused where the new name is taken."""
        return self._ask(_RENAME, _text(path), _text(to))

    def replace(self, path: str, to: str) -> Answer | None:
        """Rename it, also where the new name is taken; None where the server cannot."""
        if _REPLACE not in self._extensions:
            return None
        return self._ask(_EXTENDED, _text(_REPLACE), _text(path), _text(to))

    def room(self, path: str) -> Answer | None:
        """How much is free where a path lies; None where the server cannot say."""
        if _STATVFS not in self._extensions:
            return None
        return self._ask(_EXTENDED, _text(_STATVFS), _text(path))

    def _ask(self, kind: int, *fields: bytes | memoryview) -> Answer:
        number, answer = next(self._numbers) & 0xFFFFFFFF, Answer()
        with self._knowing:
            if self._lost:
                raise Lost(self._lost)
            self._waiting[number] = answer
        size_bytes = 5 + sum(map(len, fields))
        try:
            self._send(b"".join([_HEAD.pack(size_bytes, kind, number), *fields]))
        except (OSError, ValueError) as error:  # ValueError: it was closed
            raise Lost(self._lose(f"the connection ends: {error}")) from error
        return answer

    def _send(self, packet: bytes) -> None:
        left = memoryview(packet)
        with self._writing:
            try:
                while left:
                    left = left[self._write(left) :]
            except BaseException:
                if len(left) < len(packet):  # Ctrl-C: what follows would be read as its rest
                    self._lose("a request was interrupted")
                raise

    def _lose(self, why: str) -> str:
        """Nothing comes any more; why, as it was said first."""
        with self._knowing:
            self._lost = self._lost or why
            waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            answer.lose(self._lost)
        return self._lost


def _packet(incoming: BinaryIO) -> tuple[int, bytes]:
    """The kind of the next packet, and what follows."""
    head = incoming.read(5)
    if not head:
        raise Lost("the connection has ended")
    size_bytes = int.from_bytes(head[:4], "big") - 1
    if not 0 < size_bytes <= _MOST_PACKET_BYTES:
        # A startup file of the shell there that prints is what most often comes instead.
        shown = head.decode("ascii", "backslashreplace")
        raise Lost(f"the server sends something else than SFTP, which begins with {shown!r}")
    body = incoming.read(size_bytes)
    if len(body) < size_bytes:
        raise Lost("the connection has ended in the middle of a packet")
    return head[4], body


def shown(words: str) -> str:
    """Words that a stranger may have chosen, in a line that a terminal shows as they are."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in words.strip())


def _number(value: int, size_bytes: int = 4) -> bytes:
    return value.to_bytes(size_bytes, "big")


def _text(value: str | bytes) -> bytes:
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return _number(len(data)) + data
