"""Which processes belong to a command, and the memory that they hold (Linux).

What a command starts are its children and theirs. One that has lost its parent is still of the
command where we lead a session (as runs of a study do) and it has begun none of its own.
"""

import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["BEYOND", "Bound", "end_all", "held_bytes", "in_session", "is_known", "of_child"]

BEYOND = "out of memory, as it was bounded"  # the beginning of such a cause
_PROC = Path("/proc")
_OWN = ("RssAnon", "RssShmem", "VmSwap")  # of `status`, in KiB: cheap, and too much where shared
_SHARES = ("Pss_Anon", "Pss_Shmem", "SwapPss")  # of `smaps_rollup`: what is shared by its part


class Bound:
    """So many bytes for a child of ours and all that it starts; beyond them it is ended.

    Attributes:
        cause: why it was ended, with figures; None as long as it was not.
    """

    every_s = 0.5
    cause: str | None = None

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes

    def check(self, child: int) -> None:
        """End it, as the kernel does where memory is out, if it holds more now."""
        family = of_child(child)
        held = held_bytes(family, beyond=self._limit)
        if held > self._limit:
            self.cause = f"{BEYOND}: {_amount(held)} of {_amount(self._limit)}"
            end_all(family, signal.SIGKILL)


def is_known() -> bool:
    """Whether this system tells what processes hold."""
    return (_PROC / "self/status").exists()


def of_child(child: int) -> set[int]:
    """A child of ours, what it has started, and what of that has lost its parent."""
    sessions, parents = _processes()
    its = _below(child, parents)
    us = os.getpid()
    if sessions.get(us) == us:
        its |= in_session(us, sessions) - _below(us, parents)
    return its


def in_session(leader: int, sessions: Mapping[int, int] | None = None) -> set[int]:
    """The processes of the session that `leader` began, which may be over itself."""
    if sessions is None:
        sessions, _ = _processes()
    return {pid for pid, session in sessions.items() if session == leader}


def held_bytes(family: Iterable[int], *, beyond: int = 0) -> int:
    """What processes hold that the kernel cannot take from them: not files that are mapped.

    What several share counts once. That is known for certain where they seem to hold more than
    `beyond`; less is an upper bound, which costs next to nothing.
    """
    family = list(family)
    seems = sum(_read(pid, "status", _OWN) or 0 for pid in family)
    if seems <= beyond:
        return seems
    shares = [(_read(pid, "smaps_rollup", _SHARES), pid) for pid in family]
    return sum(_read(pid, "status", _OWN) or 0 if one is None else one for one, pid in shares)


def end_all(family: Iterable[int], number: int) -> None:
    """Send a signal to each; those that are gone are left alone."""
    for pid in family:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def _processes() -> tuple[dict[int, int], dict[int, int]]:
    """By pid the session and the parent of each process that goes on."""
    sessions: dict[int, int] = {}
    parents: dict[int, int] = {}
    for name in os.listdir(_PROC):
        if not name.isdigit():
            continue
        try:
            stat = (_PROC / name / "stat").read_bytes()
        except OSError:
            continue  # it has just ended
        state, parent, _, session = stat.rpartition(b")")[2].split()[:4]
        if state not in (b"Z", b"X"):
            sessions[int(name)], parents[int(name)] = int(session), int(parent)
    return sessions, parents


def _below(top: int, parents: Mapping[int, int]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found, ahead = set[int](), [top] if top in parents else []
    while ahead:
        pid = ahead.pop()
        found.add(pid)
        ahead += children.get(pid, [])
    return found


def _read(pid: int, name: str, fields: tuple[str, ...]) -> int | None:
    """The sum of some lines in KiB, as bytes; None where the system does not have the first."""
    try:
        text = (_PROC / str(pid) / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None if name == "smaps_rollup" else 0
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    if fields[0] not in lines:
        return None
    return sum(int(lines[field].split()[0]) for field in fields if field in lines) * 1024


def _amount(size_bytes: int) -> str:
    """In powers of 1024, as the bound was given."""
    if size_bytes < 2**30:
        return f"{size_bytes / 2**20:.0f} MiB"
    return f"{size_bytes / 2**30:.1f} GiB"
