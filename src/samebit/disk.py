"""Durable write and append, and the named fault points: the only user of fsync and rename.

Every write that must survive goes through here, so that a test can make any one of them fail:
`SAMEBIT_FAULTS="point=action"` (several with commas) arms a point. Actions: `kill` (SIGKILL to
this process), `error` (OSError EIO), `full` (OSError ENOSPC), `short` (half of the bytes, then
ENOSPC), `raise` (RuntimeError). `point=action@3` acts at the third call only, `@3+` from it on.
"""

import contextlib
import errno
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

__all__ = [
    "FAULTS",
    "FAULT_POINTS",
    "append",
    "claim_folder",
    "clone",
    "create",
    "fault",
    "open_for_append",
    "publish",
    "publish_by",
    "publish_folder",
    "publish_folders",
    "put_back",
    "remove",
    "replace_cache",
    "sync",
    "sync_folder",
    "truncate",
    "write_aside",
]

# Every point at which a test may make us fail; `fault` refuses names that are not here.
FAULT_POINTS = frozenset(
    {
        "disk.create",
        "disk.fsync",
        "disk.remove",
        "disk.rename",
        "trace.leaves",
        "journal.open",
        "journal.write",
        "journal.sync",
        "capture.code",
        "capture.cells",
        "capture.environment",
        "capture.files",
        "capture.installed",
        "capture.randomness",
        "capture.settings",
        "capture.config",
        "console.write",
        "data.lay_out",
        "hooks.batch",
        "hooks.backward",
        "hooks.boosting",
        "hooks.clip",
        "hooks.epoch",
        "hooks.fits",
        "hooks.forward",
        "hooks.local",
        "hooks.pre_step",
        "hooks.post_step",
        "hooks.scaler",
        "hooks.scheduler",
        "hooks.splits",
        "hooks.training",
        "media.make",
        "media.tell",
        "run.checkpoint",
        "run.data",
        "run.log",
        "run.splits",
        "run.finish",
        "run.trace",
        "state.save",
        "study.cancel",
        "study.decide",
        "study.decided",
        "study.sent",
        "study.slurm",
        "study.submit",
    }
)

_FICLONE = 0x40049409  # linux/fs.h
_HIGH_DESCRIPTOR = 200  # above what scripts close by number, and above what shells hand down


class _Faults:
    """What the environment armed; empty outside our own tests."""

    def __init__(self, spec: str) -> None:
        self.armed: dict[str, tuple[str, int, bool]] = {}
        self.seen: dict[str, int] = {}
        for part in filter(None, spec.split(",")):
            point, _, action = part.partition("=")
            action, _, when = action.partition("@")
            if point not in FAULT_POINTS:
                raise ValueError(f"no such fault point: {point}")
            self.armed[point] = (action, int(when.rstrip("+") or 1), not when or when[-1] == "+")

    def at(self, point: str) -> str | None:
        if point not in FAULT_POINTS:
            raise ValueError(f"no such fault point: {point}")
        if point not in self.armed:
            return None
        count = self.seen[point] = self.seen.get(point, 0) + 1
        action, first, onwards = self.armed[point]
        return action if count == first or (onwards and count > first) else None


FAULTS: _Faults | None = (
    _Faults(os.environ["SAMEBIT_FAULTS"]) if os.environ.get("SAMEBIT_FAULTS") else None
)


def fault(point: str) -> None:
    """Fail here if a test asked for it; otherwise nothing."""
    if FAULTS is not None:
        _act(FAULTS.at(point))


def _act(action: str | None) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "error":
        raise OSError(errno.EIO, "injected fault: input/output error")
    elif action in ("full", "short"):
        raise OSError(errno.ENOSPC, "injected fault: no space left on device")
    elif action == "raise":
        raise RuntimeError("injected fault")


def sync_folder(path: Path | str) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some network file systems cannot fsync a folder; the file itself is durable there.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(fd)


def claim_folder(path: Path) -> bool:
    """Make a folder and say whether it was we who made it."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return False
    return True


def publish(
    path: Path,
    pieces: Iterable[bytes | memoryview],
    scratch: Path,
    *,
    replace: bool = False,
    mode: int = 0o644,
) -> int:
    """Write bytes aside and give them their name; 0 where the name is already taken.

    Otherwise the file is complete and durable, and what is returned is the time in nanoseconds that
    it got as its last change, and that no later touch of anybody's will give it again. At any crash
    before that, the name does not exist, and at worst a file is left in `scratch` (a folder of the
    same file system). With `replace` a name that is taken gets the new bytes, in one step: for what
    is damaged. `mode` says who may read it, from its first byte on.
    """

    def write(fd: int) -> None:
        for piece in pieces:
            _write_all(fd, piece)

    return publish_by(path, write, scratch, replace=replace, mode=mode)


def publish_by(
    path: Path,
    write: Callable[[int], object],
    scratch: Path,
    *,
    replace: bool = False,
    mode: int = 0o644,
) -> int:
    """As `publish`, with what `write` puts into the open file that it is given."""
    fault("disk.create")
    aside = scratch / f"{os.getpid()}-{os.urandom(6).hex()}"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), mode)
    try:
        try:
            write(fd)
            stamp_ns = _stamp(fd)
            fault("disk.fsync")
            os.fsync(fd)
        finally:
            os.close(fd)
        fault("disk.rename")
        if replace:
            os.replace(aside, path)
        elif not _name(aside, path):
            return 0
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)
    return stamp_ns


def publish_folder(aside: Path, path: Path) -> bool:
    """Give a folder that was written aside its name, with all that is in it durable.

    False where the name is taken by a folder that is not empty; then it stays aside.
    """
    return not publish_folders([(aside, path)])


def publish_folders(moves: Sequence[tuple[Path, Path]]) -> list[Path]:
    """Give many such folders their names; the names that are taken, whose folders stay aside.

    All are made durable before the first gets its name, which costs the disk far less than each by
    itself: it writes down at once what lies in one file system.
    """
    for aside, _ in moves:
        _sync_inside(aside)
    taken: list[Path] = []
    for aside, path in moves:
        fault("disk.rename")
        try:
            os.rename(aside, path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            taken.append(path)
    for parent in {path.parent for _, path in moves}:
        sync_folder(parent)
    return taken


def _sync_inside(folder: Path) -> None:
    for top, _, files in os.walk(folder):
        for name in files:
            fault("disk.fsync")
            fd = os.open(os.path.join(top, name), os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        sync_folder(top)


def _stamp(fd: int) -> int:
    """Give a file a time of its own; 1 where the system keeps no time that fine.

    A kernel's clock for files stands still for milliseconds, in which two changes look like one.
    """
    if os.utime not in os.supports_fd:
        return 1
    written = os.fstat(fd)
    stamp_ns = written.st_mtime_ns ^ (1 + int.from_bytes(os.urandom(2), "little"))
    os.utime(fd, ns=(written.st_atime_ns, stamp_ns))
    return stamp_ns if os.fstat(fd).st_mtime_ns == stamp_ns else 1


def _name(aside: Path, path: Path) -> bool:
    """Give a file its name; False where the name is already taken."""
    try:
        os.link(aside, path)  # unlike rename, it refuses to replace what is there
    except FileExistsError:
        return False
    except OSError:
        if path.exists():
            return False
        os.rename(aside, path)  # a file system without hard links
    return True


def remove(path: Path, aside: Path, may_go: Callable[[os.stat_result], bool]) -> bool:
    """Take a file away unless it was touched at the last moment; whether it is gone.

    It is moved `aside` (on the same file system), looked at there, and put back where `may_go` says
    no. So of one who touches it and then looks whether it is there, and of this, at least one sees
    the other. At a crash in between it lies aside, and `put_back` is to be called.
    """
    try:
        if not may_go(os.stat(path)):
            return False
        os.rename(path, aside)
    except FileNotFoundError:
        return False
    fault("disk.remove")
    try:
        if may_go(os.stat(aside)):
            os.unlink(aside)
            return True
    except FileNotFoundError:
        return False  # another one has put it back, or taken it away
    put_back(aside, path)
    return False


def put_back(aside: Path, path: Path) -> None:
    """Give a file that `remove` has moved aside its name again, unless it was written anew."""
    with contextlib.suppress(FileNotFoundError):
        _name(aside, path)
        sync_folder(path.parent)
        os.unlink(aside)


def clone(theirs: int, ours: int) -> bool:
    """Have an open empty file share the blocks of another, where the file system can (reflink).

    A later write to either is its own.
    """
    if os.name == "nt":
        return False
    import fcntl  # noqa: PLC0415  (not on Windows)

    try:
        fcntl.ioctl(ours, _FICLONE, theirs)
    except OSError:
        return False
    return True


def create(path: Path, data: bytes, scratch: Path) -> None:
    """Write a new file, durable when this returns; FileExistsError if the name is taken."""
    if not publish(path, [data], scratch):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def write_aside(path: Path, data: bytes) -> None:
    """Write a new file of a folder that `publish_folders` is to make durable with all in it."""
    fault("disk.create")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    fd = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o644)
    try:
        _write_all(fd, data)
    finally:
        os.close(fd)


def write_at(path: Path, data: bytes, offset: int) -> None:
    """Put bytes at a place of a file, which is made where it is not there.

    They are with the kernel when this returns, and need not survive a power cut.
    """
    fault("trace.leaves")
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    fd = os.open(path, flags, 0o644)
    try:
        os.lseek(fd, offset, os.SEEK_SET)
        _write_all(fd, data)
    finally:
        os.close(fd)


def replace_cache(path: Path, data: bytes) -> None:
    """Give a cache other bytes, all at once; they need not survive a power cut."""
    aside = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(6).hex()}")
    try:
        aside.write_bytes(data)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _write_all(fd: int, data: bytes | memoryview) -> None:
    view = memoryview(data).cast("B") if not isinstance(data, bytes) else memoryview(data)
    while view.nbytes:
        written = os.write(fd, view[: 1 << 26])
        view = view[written:]


def open_for_append(path: Path) -> int:
    """Open a file that must not exist yet, for appending; the descriptor lies above 200.

    Scripts that close descriptors by number, and children that inherit them, do not meet it.
    """
    fault("journal.open")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
    fd = os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), 0o644)
    if os.name == "nt":
        return fd
    import fcntl  # noqa: PLC0415  (not on Windows)

    try:
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH_DESCRIPTOR)
    except OSError:
        return fd  # a limit below 200 descriptors
    os.close(fd)
    return high


def _append_or_fail(fd: int, data: bytes) -> int:
    action = FAULTS.at("journal.write") if FAULTS is not None else None
    if action == "short":
        return os.write(fd, data[: len(data) // 2])
    _act(action)
    return os.write(fd, data)


# Hand bytes to the kernel in one write; how many it took (fewer on a full disk). The plain system
# call where no test armed a fault: a Python function around it would cost `log()` a tenth.
append = os.write if FAULTS is None else _append_or_fail


def truncate(fd: int, size_bytes: int) -> None:
    """Cut a file back to its last whole frame."""
    os.ftruncate(fd, size_bytes)


def sync(fd: int) -> None:
    """Make what was appended survive a power cut."""
    fault("journal.sync")
    if hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:
        os.fsync(fd)
