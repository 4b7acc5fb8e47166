"""What is sent to a machine that makes one run of a study without seeing its folder.

A run id is good for one start. At home the store sees to that; where each machine has a store of
its own, the remote does: `claims/run-<run>`, created once, goes when all of the run is there.
"""

import os
import socket
import time

from msgspec import Struct

from samebit import records
from samebit.errors import CannotStart, NotFound
from samebit.launch import alive
from samebit.remotes import listing
from samebit.remotes.named import Remote
from samebit.remotes.place import Found, Place, read_whole

__all__ = ["Errand", "claim", "find_claim", "is_being_made", "release"]

_MOST_BYTES = 1000
_SETTLES_S = 3.0  # in which who claims has written, where a remote cannot create a name once


class Errand(Struct, frozen=True):
    """One run that is to be made elsewhere."""

    run: str
    remote: Remote  # where its code is, and where it goes; credentials are the node's own
    code: str  # the object of a `CodeSent`
    cwd: str  # at home, as all that follows
    project: str  # the folder that holds the store


class _Claim(Struct, frozen=True):
    """Which process has begun a run."""

    host: str
    pid: int
    pid_started: int
    boot: str
    token: str
    job: str = ""  # of a batch system, which starts it anew by itself

    def __str__(self) -> str:
        return f"process {self.pid} of {self.host[:100]}"


def claim(place: Place, run: str, job: str = "", *, again: bool = False) -> bool:
    """Be the one that makes a run; whether something of it is at the remote, to go on from.

    Args:
        place: the remote.
        run: its id.
        job: of a batch system, in which this process is.
        again: that has started this very job anew, so whoever made the run in it has ended.

    Raises CannotStart where it is being made, or was, and RemoteError.
    """
    pid = os.getpid()
    started = alive.process_started(pid) or 0
    token = os.urandom(8).hex()
    ours = _Claim(socket.gethostname(), pid, started, alive.boot_id(), token, job)
    theirs = _first(place, run, ours)
    is_there = bool(listing.list_bundles(place, [run])[run])
    if theirs is not None and theirs != ours:  # else the answer to our own was lost on its way
        if not (again and is_there and theirs.job == job):
            raise _is_run(run, by=theirs)
        place.put(_path(run), records.encode(ours))
    elif is_there and not again:
        release(place, run)
        raise _is_run(run)
    return is_there


def _first(place: Place, run: str, ours: _Claim) -> _Claim | None:
    """Claim a run; the claim that holds, where that need not be ours.

    Where a remote cannot create a name once, two who looked in one moment both write: the later
    claim stays, and who reads another one than its own gives way. Each writes within the time
    for which the other waits before it reads, or says that it was too slow to know.
    """
    began = time.monotonic()
    is_ours = place.put(_path(run), records.encode(ours), new=True)
    if is_ours and place.guarantees.creates:
        return None
    if is_ours:
        took_s = time.monotonic() - began
        if took_s > _SETTLES_S:
            raise _is_run(run, claimed=f"in {took_s:.1f} s, in which another process may have been")
        time.sleep(_SETTLES_S)
    found = _read(place, run)
    if is_ours and found is None:
        raise _is_run(run, claimed="and taken away by another process")
    return found


def is_being_made(place: Place, run: str) -> bool:
    """Whether a process has begun a run, has not sent all of it, and may live yet; RemoteError."""
    found = _read(place, run)
    if found is None:
        return False
    is_here = found.host == socket.gethostname()
    return not is_here or alive.is_alive(found.pid, found.pid_started, found.boot) is not False


def find_claim(place: Place, run: str) -> Found | None:
    """What says that a process has begun a run and has not sent all of it; None where nothing."""
    return place.find(_path(run))


def release(place: Place, run: str) -> None:
    """All of the run is at the remote, or nothing of it ever will be."""
    place.remove(_path(run))


def _is_run(run: str, **facts: object) -> CannotStart:
    return CannotStart(
        "this very start of a trial is being run, or was",
        run=run,
        **facts,
        hint="the study starts it again where that is right",
    )


def _read(place: Place, run: str) -> _Claim | None:
    found = find_claim(place, run)
    if found is None:
        return None
    try:
        data = read_whole(place, found.path, min(found.size_bytes, _MOST_BYTES))
        return records.decode(data, _Claim, where=found.path)
    except NotFound:  # it went just now, or is damaged
        return None


def _path(run: str) -> str:
    return f"claims/run-{run}"
