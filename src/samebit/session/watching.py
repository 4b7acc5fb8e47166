"""What is watched beside the training: files, folders, commands, the machine; in children, files.

A worker that was spawned, or another Python process that the run started, has no part in the run:
it only tells which files it opened, in a segment of its own.
"""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samebit import places
from samebit.capture.children import CommandWatch, ToldByChildren, plain
from samebit.capture.files import FileWatch
from samebit.capture.importing import when_imported
from samebit.capture.libraries import UNSEEN
from samebit.capture.listings import ListingWatch
from samebit.capture.noise import noise_prefixes
from samebit.capture.sampling import Sampler
from samebit.errors import SamebitError
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.objects.store import Store
from samebit.places import Settings

if TYPE_CHECKING:
    from samebit.session.saving import Saver

__all__ = ["Watches", "noise", "watch_child"]

_DIGESTS = "digests-1"  # the format of what `Remembered` keeps
_PACKAGE = os.path.dirname(os.path.dirname(__file__))


def noise(folder: RunFolder) -> tuple[str, ...]:
    """Folders whose files say nothing about a run."""
    return noise_prefixes(str(folder.store), _PACKAGE, *_cached(places.cache_folder()))


def _cached(cache: Path) -> list[str]:
    """What is ours in the cache: all but the part in which a run far from home has its project."""
    here = Path.cwd()
    if not here.is_relative_to(cache):
        return [str(cache)]
    own = here.relative_to(cache).parts[:1]
    return [str(path) for path in cache.iterdir() if path.name not in own]


class Watches:
    """The watches of the process that keeps a run.

    Args:
        folder: the run's.
        settings: what the user set.
        writer: the process's.
        rank: its rank.
        prefixes: what `noise` gave.
        fact: records a fact.
        trouble: told when something of ours failed.
        replays: whether it is a replay, which trusts no digest that it did not take, and is not
            measured.
        saver: keeps what is read, where that is wanted.
    """

    def __init__(
        self,
        folder: RunFolder,
        settings: Settings,
        writer: Writer,
        rank: str,
        prefixes: tuple[str, ...],
        fact: Callable[[str, Any], None],
        trouble: Callable[[str, Exception], None],
        *,
        replays: bool,
        saver: "Saver | None" = None,
    ) -> None:
        self._rank = rank
        self._fact = fact
        self._trouble = trouble
        self._saver = saver
        self._files = FileWatch(
            self._file,
            lambda data: Store(folder.store).put(data),
            prefixes,
            settings.files_hash_budget_mb << 20,
            trouble,
            run=folder.id,
            told=ToldByChildren(folder.journal, rank, lambda: writer.writer),
            tick=saver.tick if saver is not None else None,
            cache=None if replays else places.cache_folder() / _DIGESTS,
        )
        self._listings = ListingWatch(
            lambda found: fact("file", found),
            self._files.later,
            prefixes,
            trouble,
            self._files.is_first,
        )
        self._commands = CommandWatch(
            lambda found: fact("child", found), self._files.later, trouble
        )
        every_s = 0 if replays else settings.machine_s
        self._epochs = 0
        self._sampler = Sampler(writer.sample, every_s, trouble, self._files.sweep)

    def _file(self, found: dict[str, Any]) -> None:
        self._fact("file", found)
        if self._saver is not None:
            self._saver.take(found)

    @property
    def later(self) -> Callable[[Callable[[], object]], None]:
        """Does something on the thread that reads files."""
        return self._files.later

    def begin(self) -> None:
        """Listen."""
        if "SAMEBIT_RUN" not in os.environ:
            _unwatched[:] = [self._trouble]
            for method in ("spawn_posix", "forkserver"):
                when_imported(f"multiprocessing.popen_{method}", _say_unwatched)
        self._files.install()
        self._listings.install()
        self._commands.install()
        self._sampler.start()

    def first_step(self) -> None:
        """What is open now is what the training uses."""
        self._files.sweep([os.getpid()])

    def epoch(self) -> None:
        """So is what is open when a loader begins anew: after the first, the second, the fourth…"""
        self._epochs += 1
        if self._epochs & (self._epochs - 1) == 0:
            self._files.sweep([os.getpid()])

    def finish(self, *, interrupted: bool) -> None:
        """Say what is known at the end."""
        _unwatched.clear()
        self._listings.finish()
        self._commands.finish()
        used = self._sampler.finish()
        if used is not None:
            self._fact("use", {"rank": self._rank, **used})
        self._files.finish()
        if self._saver is not None:
            self._saver.finish(interrupted=interrupted)
        if unseen := sorted(name for module, name in UNSEEN.items() if module in sys.modules):
            self._fact("unseen", unseen)


_unwatched: list[Callable[[str, Exception], None]] = []  # who is told of workers we are not in


def _say_unwatched(module: Any) -> None:
    """Without `samebit run`, a worker that is not forked from us has nothing of us in it."""
    original = module.Popen._launch
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def _launch(popen: Any, process: Any) -> Any:
        error = SamebitError("what spawned workers read is not recorded; `samebit run` records it")
        for trouble in _unwatched:
            trouble("capture.workers", error)
        return original(popen, process)

    module.Popen._launch = _launch


def watch_child(keeper: int, *, is_worker: bool) -> None:
    """Tell which files this process opens.

    Args:
        keeper: the process that keeps the run; 0 where that has ended.
        is_worker: whether it is one of multiprocessing, whose command says nothing.
    """
    folder = RunFolder(Path(os.environ["SAMEBIT_RUN"]))
    rank = os.environ.get("RANK", "0")
    writer = Writer(folder.journal, folder.id, rank if rank.isdigit() else "0")
    told: set[str] = set()

    def emit(fact: dict[str, Any]) -> None:
        if not told and not is_worker:  # a process that reads nothing leaves nothing behind
            told.add("child")
            command = {"command": plain(sys.orig_argv), "cwd": os.getcwd()}
            writer.fact("child", {**command, "pid": os.getpid(), "watched": True})
        writer.fact("file", fact)

    def trouble(source: str, error: Exception) -> None:
        if source not in told:
            told.add(source)
            detail = f"in process {os.getpid()}: {type(error).__name__}: {error}"
            try:
                writer.fact("problem", {"what": source, "detail": detail})
            except Exception:
                pass  # the run's own process says what it can

    prefixes = noise(folder)
    files = FileWatch(
        emit,
        lambda data: Store(folder.store).put(data),
        prefixes,
        0,
        trouble,
        run=folder.id,
        keeper=keeper,
    )
    files.install()
    ListingWatch(emit, files.later, prefixes, trouble, files.is_first).install()
