"""A remote that is a folder on a server to which `ssh` leads, by SFTP: no command is run there.

Each request is a round trip, so whatever can be asked at a time is: the blocks of a file, the
folders of a tree, what all threads want.
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence

from samebit.errors import NotFound, SamebitError
from samebit.remotes.openssh import Connection, read_address
from samebit.remotes.place import Found, Guarantees, RemoteError
from samebit.remotes.sftp import (
    MOST_DATA_BYTES,
    NO_SUCH_FILE,
    PERMISSION_DENIED,
    Answer,
    Attributes,
    Lost,
    Refused,
    Session,
)

__all__ = ["ServerPlace"]

_AHEAD = 64  # blocks of a file that are on their way
_FOLDERS = 64  # that are open at a time
_ASKED = 64  # requests for names that are on their way
_NS = 10**9
_LITTLE_BYTES = 64 << 20  # with less room than this it is the room that lacks


class ServerPlace:
    """A place on a server; the connection is made with the first request, and once.

    Args:
        url: `ssh://…`.
        guarantees: as they were found.
    """

    def __init__(self, url: str, guarantees: Guarantees) -> None:
        self.url = url
        self.guarantees = guarantees
        self._address = read_address(url)
        self._connecting = threading.Lock()
        self._connection: Connection | None = None

    def put(self, path: str, data: bytes, *, new: bool = False) -> bool:
        """See `Place`."""
        if new and not self.guarantees.creates and self.find(path) is not None:
            return False
        with self._speaking(path) as session:
            try:
                return self._put(session, path, data, new=new)
            except Refused as refused:
                if refused.code != NO_SUCH_FILE:
                    raise
            for folder in ("tmp", _above(path)):  # one of them was not there yet
                _make_folder(session, self._at(folder))
            return self._put(session, path, data, new=new)

    def read(self, path: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `Place`."""
        with self._speaking(path) as session:
            handle = session.open(self._at(path)).handle()
            try:
                if end is None:
                    end = session.stat_open(handle).attributes().size_bytes or 0
                yield from _read(session, handle, begin, end)
            finally:
                with contextlib.suppress(Lost):
                    session.close(handle)

    def find(self, path: str) -> Found | None:
        """See `Place`."""
        with self._speaking(path) as session:
            return _found(path, session.stat(self._at(path)))

    def list(self, folder: str) -> Iterator[Found]:
        """See `Place`."""
        waiting = deque([folder])
        with self._speaking(folder) as session:
            while waiting:
                some = [waiting.popleft() for _ in range(min(len(waiting), _FOLDERS))]
                asked: list[tuple[str, Answer]] = []
                for path, attributes in self._entries(session, some):
                    if attributes.is_folder:
                        waiting.append(path)
                    elif attributes.is_file:
                        yield _as_found(path, attributes)
                    else:  # a link, or of another kind
                        asked.append((path, session.stat(self._at(path))))
                for path, answer in asked:
                    found = _found(path, answer)
                    if found is not None:
                        yield found

    def folders(self, folder: str) -> Iterator[str]:
        """See `Place`."""
        with self._speaking(folder) as session:
            found: list[str] = []
            asked: list[tuple[str, Answer]] = []
            for path, attributes in self._entries(session, [folder]):
                if attributes.is_folder:
                    found.append(path)
                elif not attributes.is_file:
                    asked.append((path, session.stat(self._at(path))))
            for path, answer in asked:
                attributes = _attributes(answer)
                if attributes is not None and attributes.is_folder:
                    found.append(path)
            for at in range(0, len(found), _FOLDERS):
                some = found[at : at + _FOLDERS]
                # One in which nothing lies, as a kill may leave it, is none, as in a bucket.
                filled = {_above(path) for path, _ in self._entries(session, some)}
                yield from (path.rpartition("/")[2] for path in some if path in filled)

    def remove(self, path: str) -> None:
        """See `Place`."""
        with self._speaking(path) as session:
            try:
                session.remove(self._at(path)).done()
            except Refused as refused:
                if refused.code != NO_SUCH_FILE:
                    raise

    def _at(self, path: str) -> str:
        return f"{self._address.folder}/{path}"

    @contextlib.contextmanager
    def _speaking(self, path: str) -> Generator[Session]:
        with self._connecting:
            if self._connection is None:
                self._connection = Connection(self._address, self.url)
            connection = self._connection
        try:
            yield connection.session
        except Lost as error:
            raise connection.lost(error) from error
        except Refused as refused:
            raise self._refused(connection.session, refused, path) from refused

    def _refused(self, session: Session, refused: Refused, path: str) -> SamebitError:
        if refused.code == NO_SUCH_FILE:
            return NotFound("it is not at the remote", path=path, remote=self.url)
        what, hint = "the server refuses it", "is there room for you, and may you write there?"
        if refused.code == PERMISSION_DENIED:
            what, hint = "the server does not allow it", "may you read and write that folder?"
        elif self._room(session) < _LITTLE_BYTES:
            what, hint = "there is no room at the remote", "make some, and the same again goes on"
        words = refused.words or "nothing"
        return RemoteError(what, path=path, remote=self.url, server_says=words, hint=hint)

    def _room(self, session: Session) -> float:
        """How much there is, where the server says that."""
        try:
            answer = session.room(self._address.folder)
            return float("inf") if answer is None else answer.free_bytes()
        except (Lost, Refused):
            return float("inf")

    def _put(self, session: Session, path: str, data: bytes, *, new: bool) -> bool:
        """Write a file aside and give it its name, durably; False where it was to be new."""
        scratch, to = self._at(f"tmp/{os.urandom(8).hex()}"), self._at(path)
        creating, opening = session.create(scratch), session.open(self._at(_above(path)))
        above: bytes | None = None
        try:
            try:
                above = opening.handle()
            except Refused as refused:  # else a server that opens no folders
                if refused.code == NO_SUCH_FILE:
                    session.close(creating.handle())
                    raise
            _write(session, creating.handle(), data)
            named = session.rename(scratch, to) if new else session.replace(scratch, to)
            if named is None:  # a server that cannot: what is there already nobody reads just now
                session.remove(to)
                named = session.rename(scratch, to)
            settled = None if above is None else session.sync(above)
            try:
                named.done()
            except Refused:
                if not new or self.find(path) is None:
                    raise
                session.remove(scratch).done()
                return False
            if settled is not None:
                with contextlib.suppress(Refused):  # a file system in which names last anyway
                    settled.done()
        except BaseException:
            with contextlib.suppress(Lost):
                session.remove(scratch)
            raise
        finally:
            if above is not None:
                with contextlib.suppress(Lost):
                    session.close(above)
        return True

    def _entries(
        self, session: Session, folders: Sequence[str]
    ) -> Iterator[tuple[str, Attributes]]:
        """What lies in some folders; nothing in one that is not there."""
        opening = [(folder, session.open_folder(self._at(folder))) for folder in folders]
        handles: dict[str, bytes] = {}
        for folder, answer in opening:
            try:
                handles[folder] = answer.handle()
            except Refused as refused:
                if refused.code != NO_SUCH_FILE:
                    raise
        many = 2  # the names of most folders, and that these were all
        try:
            while handles:
                asked = {
                    folder: [session.names(handle) for _ in range(many)]
                    for folder, handle in handles.items()
                }
                for folder, answers in asked.items():
                    for names in [answer.names() for answer in answers]:
                        for name, attributes in names or ():
                            if name not in (".", "..") and "/" not in name:
                                yield f"{folder}/{name}", attributes
                        if not names and folder in handles:
                            session.close(handles.pop(folder))
                many = max(2, min(2 * many, _ASKED // max(1, len(handles))))
        finally:
            with contextlib.suppress(Lost):
                for handle in handles.values():
                    session.close(handle)


def _above(path: str) -> str:
    """The folder in which something lies."""
    return path.rpartition("/")[0]


def _write(session: Session, handle: bytes, data: bytes) -> None:
    """Write a file, and make it durable where the server can."""
    view = memoryview(data)
    asked: deque[Answer] = deque()
    for at in range(0, len(view), MOST_DATA_BYTES):
        asked.append(session.write(handle, at, view[at : at + MOST_DATA_BYTES]))
        if len(asked) > _AHEAD:
            asked.popleft().done()
    asked.extend(filter(None, [session.sync(handle), session.close(handle)]))
    for answer in asked:
        answer.done()


def _read(session: Session, handle: bytes, begin: int, end: int) -> Iterator[bytes]:
    """The bytes of a file, up to where it ends."""
    asked: deque[tuple[int, int, Answer]] = deque()
    while True:
        while begin < end and len(asked) < _AHEAD:
            size = min(MOST_DATA_BYTES, end - begin)
            asked.append((begin, size, session.read(handle, begin, size)))
            begin += size
        if not asked:
            return
        at, left, answer = asked.popleft()
        while left:
            data = answer.data()
            if not data:
                return
            if len(data) > left:
                raise Lost("the server sends more than it was asked for")
            yield data
            at, left = at + len(data), left - len(data)
            if left:
                answer = session.read(handle, at, left)


def _make_folder(session: Session, path: str) -> None:
    """Make a folder, with those above it; whoever needs it says what is wrong with it."""
    above = _above(path)
    try:
        session.make_folder(path).done()
    except Refused as refused:
        if refused.code == NO_SUCH_FILE and above:
            _make_folder(session, above)
            with contextlib.suppress(Refused):  # another thread was quicker
                session.make_folder(path).done()


def _attributes(answer: Answer) -> Attributes | None:
    """What is said of a path; None where there is nothing."""
    try:
        return answer.attributes()
    except Refused as refused:
        if refused.code != NO_SUCH_FILE:
            raise
        return None


def _found(path: str, answer: Answer) -> Found | None:
    attributes = _attributes(answer)
    return _as_found(path, attributes) if attributes is not None and attributes.is_file else None


def _as_found(path: str, attributes: Attributes) -> Found:
    return Found(path, attributes.size_bytes or 0, (attributes.modified_s or 0) * _NS)
