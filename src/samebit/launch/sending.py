"""Runs that are pushed by themselves: by a process of its own, which no training waits for.

An empty file `unpushed/<run id>` in the store says that a run is still to be sent. It is made when
the run begins and goes away when a push has sent the run whole, so what an end, a kill or days
without a network left behind is sent by the push of a later run, or after any command of ours.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from pathlib import Path

from samebit import places
from samebit.places import Settings

__all__ = ["Sending", "alone", "catch_up", "forget", "log_of", "push_now", "wait_for", "waiting"]

_FOLDER = "unpushed"
_LOG = "log"
_LOCK = "lock"
_NEXT = "next"
_CALM_S = 300.0  # between two tries that no run asks for
# Where the end of a job is the end of all that it has started.
_JOBS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST")
_OURS = "SAMEBIT_"
_KEPT = ("SAMEBIT_DIR", "SAMEBIT_CACHE", "SAMEBIT_DEBUG", "SAMEBIT_FAULTS")


class Sending:
    """What becomes of a run that began in this process.

    Args:
        store: in which it lies.
        settings: those in force.
        run: its id.
    """

    def __init__(self, store: Path, settings: Settings, run: str) -> None:
        self._store = store
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        during = settings.push_auto == "during"
        self.every_s = max(1.0, settings.push_every_min * 60.0) if during else None
        self.is_wanted = settings.push_auto != "off"
        if self.is_wanted:
            wait_for(store, run)

    def now(self) -> None:
        """Send what there is, unless that is still being done."""
        if self.is_wanted and (self._process is None or self._process.poll() is not None):
            self._process = push_now(self._store, os.environ)

    def end(self) -> bool:
        """The run has ended. In a job that ends with it, wait for a while; False: not all went."""
        if not self.is_wanted:
            return True
        # Also beside one that is at work: it may have looked before the end.
        self._process = push_now(self._store, os.environ)
        if self._process is None or not _ends_all(os.environ):
            return True
        try:
            return self._process.wait(self._settings.push_wait_s) == 0
        except subprocess.TimeoutExpired:
            return False


def waiting(store: Path) -> list[str]:
    """The runs that are still to be sent."""
    try:
        names = os.listdir(store / _FOLDER)
    except OSError:
        return []
    return sorted(name for name in names if name not in (_LOG, _LOCK, _NEXT))


def wait_for(store: Path, run: str) -> None:
    """A run is to be sent."""
    (store / _FOLDER).mkdir(exist_ok=True)
    (store / _FOLDER / run).touch()


def forget(store: Path, run: str) -> None:
    """A run was sent whole."""
    (store / _FOLDER / run).unlink(missing_ok=True)


def log_of(store: Path) -> Path:
    """What the last push that nobody saw has said."""
    return store / _FOLDER / _LOG


def catch_up(start: Path) -> None:
    """After a command: send what was left behind, unless that was tried just now."""
    try:
        store = places.find_store(start)
        if not waiting(store) or places.read_settings(store).push_auto == "off":
            return
        tried = log_of(store)
        if tried.exists() and time.time() - tried.stat().st_mtime < _CALM_S:
            return
        push_now(store, os.environ)
    except Exception:
        return  # the command has done what it was asked for


@contextlib.contextmanager
def alone(store: Path) -> Generator[bool]:
    """Wait until no other sends by itself; False where one waits already, who will see the same."""
    import fcntl  # noqa: PLC0415  (not on Windows)

    folder = store / _FOLDER
    folder.mkdir(exist_ok=True)
    with open(folder / _NEXT, "wb") as following, open(folder / _LOCK, "wb") as lock:
        try:
            fcntl.flock(following, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        fcntl.flock(lock, fcntl.LOCK_EX)
        fcntl.flock(following, fcntl.LOCK_UN)
        yield True


def push_now(store: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    """A push of what waits, in a session of its own, with what it says in the log; else None."""
    kept = {k: v for k, v in environ.items() if not k.startswith(_OURS) or k in _KEPT}
    try:
        with open(log_of(store), "wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "samebit.cli.main", "push", "--waiting"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=store.parent,
                env={**kept, "SAMEBIT_DIR": str(store)},
                start_new_session=True,
            )
    except OSError:
        return None  # it is sent later


def _ends_all(environ: Mapping[str, str]) -> bool:
    return any(name in environ for name in _JOBS) or os.getppid() in (0, 1)
