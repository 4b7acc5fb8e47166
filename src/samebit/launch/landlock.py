"""What Landlock (Linux) keeps a process and its descendants from writing.

A ruleset names the folders that may be written; reading and executing stay allowed everywhere.
Descriptors that were opened before entering keep what they could do. Landlock does not know
`chmod`, `chown`, `utime` and extended attributes: those stay possible.
"""

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from samebit.errors import CannotStart

__all__ = ["Ruleset", "available", "build"]

# The numbers are the same on every machine named here (not on MIPS and Alpha).
_MACHINES = frozenset({"x86_64", "aarch64", "ppc64le", "riscv64", "s390x"})
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1  # flag of the first
_PATH_BENEATH = 1  # the only kind of rule we use
_NO_NEW_PRIVILEGES = 38  # option of prctl; the kernel lets nobody enter a ruleset without it

_WRITE_FILE = 1 << 1
# Removing folders and files; making devices, folders, files, sockets, pipes, links.
_CHANGE_FOLDER = sum(1 << bit for bit in range(4, 13))
_REFER = 1 << 13  # rename or link from one folder to another; since ABI 2
_TRUNCATE = 1 << 14  # since ABI 3
_OF_FILES = _WRITE_FILE | _TRUNCATE  # the kernel refuses the others in a rule about a file

_RULESET = struct.Struct("=Q")  # rights that are denied unless a rule allows them
_RULE = struct.Struct("=Qi")  # rights allowed, descriptor of the folder or file


class Ruleset:
    """An open set of rules; the process that enters it never gets out, nor do its descendants."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        # Looked up now: between fork and exec there may be no time for a dynamic linker's lock.
        libc = _libc()
        self._prctl, self._syscall = libc.prctl, libc.syscall

    def enter(self) -> None:
        """Put this process under the rules; called in a child between fork and exec."""
        long = ctypes.c_long
        if (
            self._prctl(long(_NO_NEW_PRIVILEGES), long(1), long(0), long(0), long(0)) != 0
            or self._syscall(long(_RESTRICT_SELF), long(self._fd), long(0)) != 0
        ):
            raise OSError(ctypes.get_errno(), "cannot enter the Landlock ruleset")

    def close(self) -> None:
        """Let the rules go; processes that entered them stay under them."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def available() -> int:
    """The kernel's Landlock version (ABI), or 0 where there is none."""
    if sys.platform != "linux" or os.uname().machine not in _MACHINES:
        return 0
    version = _libc().syscall(
        ctypes.c_long(_CREATE_RULESET), None, ctypes.c_long(0), ctypes.c_long(_ASK_VERSION)
    )
    return max(0, version)  # negative: not built in, switched off, or forbidden by a container


def build(writable: Sequence[Path]) -> Ruleset:
    """Make the rules under which only these folders (with all beneath) and files can be written.

    Devices, shared memory and `/proc` stay writable: without the last, CUDA does not start.
    With ABI 1 (Linux 5.13 to 5.18) nothing can be renamed from one folder to another, and before
    ABI 3 (Linux 6.2) `truncate(2)` is not held back.

    Raises:
        CannotStart: there is no Landlock here, or a path cannot be opened.
    """
    version = available()
    if not version:
        raise CannotStart(
            "this system has no Landlock, so writes cannot be held back",
            system=sys.platform,
            hint="Linux 5.13 or newer has it, if neither boot options nor a container forbid it",
        )
    handled = _WRITE_FILE | _CHANGE_FOLDER
    handled |= _REFER if version >= 2 else 0
    handled |= _TRUNCATE if version >= 3 else 0
    attributes = _RULESET.pack(handled)
    fd = _checked(_CREATE_RULESET, attributes, ctypes.c_long(len(attributes)), ctypes.c_long(0))
    ruleset = Ruleset(fd)
    try:
        for path, rights in [*_always(), *((path, handled) for path in writable)]:
            _allow(fd, path, rights & handled)
    except OSError as error:
        ruleset.close()
        raise CannotStart(
            f"cannot allow writing to {error.filename}: {error.strerror}",
            hint="what may be written must exist before the command starts",
        ) from error
    return ruleset


def _always() -> Iterable[tuple[Path, int]]:
    # Devices are opened for writing, never made. Threads' names are files in /proc (CUDA writes
    # them when it starts); its links to files lead to the files' own rules.
    yield Path("/dev"), _OF_FILES
    yield Path("/proc"), _OF_FILES
    shared_memory = Path("/dev/shm")
    if shared_memory.exists():
        yield shared_memory, ~0


def _allow(ruleset: int, path: Path, rights: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _OF_FILES
        rule = _RULE.pack(rights, fd)
        _checked(
            _ADD_RULE, ctypes.c_long(ruleset), ctypes.c_long(_PATH_BENEATH), rule, ctypes.c_long(0)
        )
    except OSError as error:
        error.filename = error.filename or os.fspath(path)
        raise
    finally:
        os.close(fd)


def _checked(number: int, *arguments: Any) -> int:
    result = _libc().syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc
