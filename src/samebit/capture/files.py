"""Which files a process opens: an audit hook, and a thread that hashes what it named.

Python's own `open` and everything built on it is seen, and the functions that `openers.py` knows;
what else a library opens in C is seen only while it is open or mapped. The hooks only note names.
Sizes and digests are taken off the main thread, within a budget, and for children by the process
that keeps the run.
"""

import functools
import io
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit import disk
from samebit.capture import auditing, mapped, openers
from samebit.capture.children import Marks
from samebit.capture.events import (
    FILE_EVENTS,
    FOLDER,
    Opening,
    absolute,
    openings,
    watch_dir_fd,
)
from samebit.capture.hashing import Found, Hasher, found_of, look
from samebit.capture.listings import summary
from samebit.capture.noise import Scratch, is_noise, is_plain_noise
from samebit.capture.openers import READ, UPDATE, WRITE
from samebit.errors import SamebitError
from samebit.launch import alive
from samebit.threads import Helper

__all__ = ["KEPT_BYTES", "MAX_FILES", "FileWatch"]

KEPT_BYTES = 64 << 20  # of a file that is read and later written, so that a replay can have it
MAX_FILES = 20_000
_MAX_FOLDERS = 2_000  # that are told of as a whole, once there are too many files
_MAX_RAW = 100_000  # names as scripts gave them that are known already
_LOOK_EVERY_S = 2.0  # at what children told
_LAST_LOOK_S = 5.0  # for seeing, at the end, which files have changed


class _Opened(Struct):
    """What is known of one path."""

    how: str  # what happened to it first: read | write | folder (made) | scratch
    given: str  # absolute | relative: how the script named it; or unknown
    found: Found | None = None  # what it was when it was met
    written: bool = False  # also written, after it was read
    kept: str | None = None  # digest of the bytes it had before it was first written
    told: bool = False  # with its digest, or why there is none
    mapped: bool = False  # only seen by what the kernel has open


class FileWatch:
    """The files that this process and its forked children open.

    Args:
        emit: takes a fact about one path; a later fact of the same path completes the earlier.
        keep: stores the bytes of a file that is about to be overwritten; gives their digest.
        noise: prefixes of absolute paths that are passed over.
        budget_bytes: beyond it, files are known by size and time only.
        trouble: told once when something of ours failed; the script never notices.
        run: the id of the run, by which children find what has been told.
        told: gives the facts about files that children have written since it was last called.
        cache: a file in which digests are remembered.
        keeper: the process that keeps the run and hashes, where that is not this one.
        tick: something more for the thread to do from time to time.
    """

    def __init__(
        self,
        emit: Callable[[dict[str, Any]], None],
        keep: Callable[[bytes], str],
        noise: tuple[str, ...],
        budget_bytes: int,
        trouble: Callable[[str, Exception], None],
        *,
        run: str,
        told: Callable[[], Iterable[dict[str, Any]]] = tuple,
        cache: Path | None = None,
        keeper: int | None = None,
        tick: Callable[[], None] | None = None,
    ) -> None:
        self._emit = emit
        self._keep = keep
        self._noise = noise
        self._trouble = trouble
        self._told = told
        self._tick = tick
        self._hasher = Hasher(budget_bytes, cache)
        self._pid = os.getpid() if keeper is None else keeper
        self._began_ns = alive.began_ns(self._pid)
        self._marks = Marks(MAX_FILES, run, keeper)
        self._seen: dict[str, _Opened] = {}
        self._raw: set[tuple[Any, ...]] = set()
        self._whole: set[str] = set()  # folders of which not each file is told
        self._busy = threading.local()
        self._on = False
        self._is_full = False
        self._has_ended = False  # the thread has; what is still to do is done at once
        self._scratch = Scratch()
        self._works = True  # what the thread does has not failed yet
        self._helper: Helper | None = None
        self._adopted = 0
        self._handed_down: set[str] = set()  # logs of whoever started us, mostly

    def install(self) -> None:
        """Begin."""
        self._on = True
        if self._keeps:
            self._handed_down = mapped.open_for_writing(self._pid)
            self._helper = Helper("samebit-files", self._look_at_children, _LOOK_EVERY_S)
            self._helper.begin()
        auditing.listen(FILE_EVENTS, self._hook)
        openers.listen(self._by_library)
        watch_dir_fd()

    @property
    def _keeps(self) -> bool:
        """Whether this is the process that keeps the run; a child only tells."""
        return os.getpid() == self._pid

    def finish(self) -> None:
        """Hash what is left, and everything that was written, as it is now."""
        if not self._keeps or self._helper is None:
            return
        was_on, self._on = self._on, False
        auditing.leave(self._hook)
        openers.leave(self._by_library)
        self._helper.finish()  # what it emits later would come after the journal's end
        self._helper = None
        with closing(self._marks):
            if was_on:
                self._look_at_the_end()

    def _look_at_the_end(self) -> None:
        self._busy.now = self._has_ended = True
        self._sweep([self._pid])
        self._adopted = -1
        self._adopt()
        known = list(self._seen.items())
        until = time.monotonic() + _LAST_LOOK_S
        for path, opened in known:
            if opened.how == READ:
                self._look_again(path, opened)
                if time.monotonic() > until:  # on a slow network
                    error = SamebitError("not every file was looked at again at the end")
                    self._trouble("capture.files", error)
                    break
        for path, opened in known:
            if opened.how == WRITE:
                self._tell_written(path, opened)

    def sweep(self, pids: Iterable[int]) -> None:
        """Have a look at what processes have open or mapped; soon, and off the script's thread."""
        if self._on and self._keeps:
            self.later(functools.partial(self._sweep, list(pids)))

    # In the script's own threads: quick, and never raising.

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on or (event == "open" and self._passes_over(args)):
            return
        if not getattr(self._busy, "now", False):
            self._guarded(self._on_event, event, args)

    def _passes_over(self, args: tuple[Any, ...]) -> bool:
        """The quick way out for the thousands of modules that an import opens."""
        name = args[0] if args else None  # anybody may raise an event, with anything
        return type(name) is str and is_plain_noise(name, self._noise)

    def _by_library(self, path: Any, use: str) -> None:
        if self._on and not getattr(self._busy, "now", False):
            self._guarded(self._note, Opening(path, use))

    def _fails(self, error: Exception) -> None:
        self._on = False
        self.later(functools.partial(self._trouble, "capture.files", error))

    def _guarded(self, function: Callable[..., object], *args: Any) -> None:
        self._busy.now = True
        try:
            function(*args)
        except Exception as error:
            self._fails(error)
        finally:
            self._busy.now = False

    def _on_event(self, event: str, args: tuple[Any, ...]) -> None:
        if event != "open" or type(args[0]) is not str:
            for opening in openings(event, args):
                self._note(opening)
        elif args not in self._raw:
            known = all([self._note(opening) for opening in openings(event, args)])
            # A relative name may mean another file after chdir.
            if known and args[0][:1] == os.sep and len(self._raw) < _MAX_RAW:
                self._raw.add(args)

    def _note(self, opening: Opening, *, is_mapped: bool = False) -> bool:
        """Note an opening; whether there is nothing more to learn from the next such one."""
        disk.fault("capture.files")
        try:
            name = os.fsdecode(opening.path)
            full = absolute(name, opening.folder)
        except (OSError, TypeError):
            return False  # no path, or the working directory is gone
        if is_noise(full, self._noise):
            return True
        given = "absolute" if os.path.isabs(name) else "relative"
        use, known = opening.use, self._seen.get(full)
        if use == FOLDER:
            if known is None:
                self._make_folder(full, given)
        elif known is None:
            if opening.must_be_known:
                return False
            return self._meet(full, use, "unknown" if is_mapped else given, is_mapped)
        elif use != READ and known.how == READ and not known.written and not is_mapped:
            known.written = True
            known.kept = self._keep_before_overwritten(full)
            self.later(functools.partial(self._tell_read, full, known))
        return True

    def _make_folder(self, full: str, given: str) -> None:
        """A folder that the run makes must not be there when it is run again."""
        if len(self._seen) >= MAX_FILES or os.path.lexists(full):
            return
        if self._scratch.holds(full):
            return
        known = self._seen[full] = _Opened(FOLDER, given)
        if self.is_first(full):
            self.later(functools.partial(self._say, full, known, {}))

    def _meet(self, full: str, use: str, given: str, is_mapped: bool = False) -> bool:
        is_full = len(self._seen) >= MAX_FILES or (not self._keeps and self._marks.is_full)
        if is_full and os.path.dirname(full) in self._whole:
            return True
        try:
            status = os.stat(full)
        except (OSError, ValueError):
            status = None
        if status is None and use == READ:
            return False  # tried in vain; it may be there the next time
        found = None if status is None else found_of(status)
        if status is not None and found is None:
            return False  # a folder, a pipe, a device: opening one of these could wait for ever
        # What has changed since we began was made by the run, be it by another process or in C.
        made_here = found is None or found.mtime_ns >= self._began_ns
        how = WRITE if use == WRITE or made_here else READ
        if is_full:
            return self._overflow(full, how, given)
        known = _Opened(how, given, found, mapped=is_mapped)
        if how == WRITE and (self._scratch.holds(full) or (is_mapped and _is_shared(full))):
            known.how = "scratch"
        self._seen[full] = known
        if known.how == "scratch" or not self.is_first(full):
            return True
        if use == UPDATE and how == READ and not is_mapped:
            known.written = True
            known.kept = self._keep_before_overwritten(full)
        if known.how == READ:
            self.later(functools.partial(self._tell_read, full, known))
        else:
            # At once, though its content comes at the end: a run may be killed.
            self.later(functools.partial(self._say, full, known, {}))
        return True

    def is_first(self, name: str) -> bool:
        """Whether no child has told of it yet: each epoch's workers read the same."""
        return self._keeps or self._marks.add(name)

    def _overflow(self, full: str, how: str, given: str) -> bool:
        """Of what is read beyond the limit, the folders are told."""
        folder = os.path.dirname(full)
        if how == READ and len(self._whole) < _MAX_FOLDERS:
            self._whole.add(folder)
            if self.is_first(folder + os.sep):
                fact = {"path": folder, "how": "many", "given": given}
                self.later(functools.partial(self._tell_many, fact))
        elif not self._is_full and self.is_first(""):
            self._is_full = True
            error = SamebitError(f"more than {MAX_FILES:,} files: not all others are recorded")
            self.later(functools.partial(self._trouble, "capture.files", error))
        return True

    def _keep_before_overwritten(self, full: str) -> str | None:
        try:
            found = look(full)
            if found is None or found.size_bytes > KEPT_BYTES:
                return None
            with io.FileIO(full) as stream:
                return self._keep(stream.readall())
        except (FileNotFoundError, PermissionError):
            return None

    def later(self, job: Callable[[], object]) -> None:
        """Have it done by the thread; a child has none, and may end without notice."""
        if self._keeps and self._helper is not None and not self._has_ended:
            self._helper.do(functools.partial(self._on_thread, job))
        else:
            job()

    # On the thread, and at the end; in children what is quick.

    def _on_thread(self, job: Callable[[], object]) -> None:
        self._busy.now = True
        try:
            if self._works:
                job()
        except Exception as error:
            self._works = self._on = False
            self._trouble("capture.files", error)

    def _look_at_children(self) -> float:
        self._on_thread(self._adopt)
        if self._tick is not None:
            self._on_thread(self._tick)
        return _LOOK_EVERY_S

    def _tell_read(self, path: str, opened: _Opened) -> None:
        if opened.found is None:
            return
        size, time_ns = opened.found.size_bytes, opened.found.mtime_ns
        fact: dict[str, Any] = {"size_bytes": size, "mtime_ns": time_ns, "written": opened.written}
        if opened.written:
            fact["kept"] = opened.kept
        elif self._keeps:
            fact |= self._hasher.of(path, opened.found)
            opened.told = True
        self._say(path, opened, fact)

    def _tell_written(self, path: str, opened: _Opened) -> None:
        found = look(path)
        if found is None:
            return  # gone again
        fact: dict[str, Any] = {"size_bytes": found.size_bytes, "mtime_ns": found.mtime_ns}
        self._say(path, opened, fact | self._hasher.of(path, found))

    def _say(self, path: str, opened: _Opened, more: dict[str, Any]) -> None:
        fact: dict[str, Any] = {"path": path, "how": opened.how, "given": opened.given, **more}
        if opened.mapped:
            fact["seen"] = "mapped"
        if not self._keeps:
            fact["pid"] = os.getpid()
        self._emit(fact)

    def _tell_many(self, fact: dict[str, Any]) -> None:
        if self._keeps:
            self._emit(fact | summary(fact["path"]))
        else:
            self._emit({**fact, "pid": os.getpid()})

    def _look_again(self, path: str, opened: _Opened) -> None:
        """Whether a file is at the end what it was when the script met it."""
        now = look(path)
        if now is None or opened.found is None:
            return  # deleted, which changes nothing of what was read
        is_same = opened.found.is_same(now)
        if not opened.written and not is_same:
            then = opened.found
            fact = {"size_bytes": then.size_bytes, "mtime_ns": then.mtime_ns, "changed": True}
            self._say(path, opened, fact)
        elif opened.written and opened.kept is None and is_same:
            opened.written = False  # opened for writing, and left as it was
            self._tell_read(path, opened)
        elif opened.written and not is_same:
            then, left = opened.found, self._hasher.of(path, now).get("digest")
            fact = {"size_bytes": then.size_bytes, "mtime_ns": then.mtime_ns, "written": True}
            self._say(path, opened, {**fact, "kept": opened.kept, "left": left})

    def _adopt(self) -> None:
        """Take over what children have told: it is for us to hash."""
        if self._adopted == self._marks.count:
            return
        self._adopted = self._marks.count
        for fact in self._told():
            path, how = fact["path"], fact["how"]
            if how == "many" and path not in self._whole:
                self._whole.add(path)
                self._emit(fact | summary(path))
            if how not in (READ, WRITE):
                continue
            known = self._seen.get(path)
            if known is None:
                known = self._seen[path] = _Opened(how, fact["given"])
                if how == READ:
                    known.found = Found(fact["size_bytes"], fact["mtime_ns"])
            if known.how != READ:
                continue
            if fact.get("written") and not known.written:
                known.written, known.kept = True, fact.get("kept")
            elif not known.written and not known.told:
                self._tell_read(path, known)

    def _sweep(self, pids: Iterable[int]) -> None:
        for pid in pids:
            for path, use in mapped.open_files(pid):
                if path not in self._handed_down:
                    self._note(Opening(path, use), is_mapped=True)


def _is_shared(full: str) -> bool:
    return full.startswith("/dev/shm/")
