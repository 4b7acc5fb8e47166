"""Who is at work at a remote: a push and a sweep keep out of each other's way, without a server.

Each makes its claim first and looks for the other's then, so of two that begin at once at least one
sees the other. Times are the remote's own.
"""

import json
import os
import socket
import threading
import time
from types import TracebackType
from typing import Self

from samebit.errors import SamebitError
from samebit.remotes.place import Found, Place, RemoteError, read_whole

__all__ = ["PUSH", "SWEEP", "Claim"]

PUSH, SWEEP = "push", "sweep"
_RENEWED_S = 300.0
_STALE_NS = 1800 * 10**9
_LOST_S = 1200.0
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while a laptop sleeps
_PAUSES_S = (0.5, 2.0, 5.0)
_MOST_WORDS_BYTES = 500


class Claim:
    """A context in which this process pushes or sweeps.

    Raises RemoteError where the other kind is at work.

    Attributes:
        began_ns: when, by the remote's clock.
    """

    began_ns: int

    def __init__(self, place: Place, kind: str) -> None:
        self._place = place
        self._kind = kind
        self._path = f"claims/{kind}-{os.urandom(8).hex()}"
        self._renewed = 0.0
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self._write()
        try:
            self._look()
        except BaseException:
            self._leave()
            raise
        threading.Thread(target=self._renew, name="samebit-claim", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._leave()

    def check(self) -> None:
        """Raises RemoteError where the claim could not be renewed in time."""
        if time.clock_gettime(_CLOCK) - self._renewed > _LOST_S:
            raise RemoteError(
                "this was interrupted for so long that others need not know of it any more",
                remote=self._place.url,
                hint="the same command goes on where this one stopped",
            )

    def _write(self) -> None:
        said = {"host": socket.gethostname(), "pid": os.getpid()}
        self._place.put(self._path, json.dumps(said).encode())
        self._renewed = time.clock_gettime(_CLOCK)

    def _look(self) -> None:
        other = SWEEP if self._kind == PUSH else PUSH
        every, own_ns = self._listed()
        self.began_ns = own_ns
        for one in every:
            if one.path.startswith(f"claims/{other}-") and own_ns - one.modified_ns < _STALE_NS:
                raise RemoteError(
                    "somebody sweeps this remote"
                    if other == SWEEP
                    else "somebody pushes to this remote",
                    remote=self._place.url,
                    by=self._by(one),
                    claim=one.path,
                    hint="try again in a while; a claim that nobody renews ends after half an hour",
                )

    def _by(self, claim: Found) -> str:
        """Who has made a claim."""
        try:
            text = read_whole(self._place, claim.path, min(claim.size_bytes, _MOST_WORDS_BYTES))
            said = json.loads(text)
            return f"process {said['pid']} of {said['host']}"
        except (SamebitError, ValueError, KeyError, TypeError):
            return "somebody who is not named"

    def _listed(self) -> tuple[list[Found], int]:
        """All claims, and the time of this one: a listing may lag behind what was written."""
        for pause_s in (*_PAUSES_S, None):
            every = list(self._place.list("claims"))
            own = [one.modified_ns for one in every if one.path == self._path]
            if own:
                return every, own[0]
            if pause_s is not None:
                time.sleep(pause_s)
        raise RemoteError(
            "the remote does not list what was just written to it",
            remote=self._place.url,
            hint="try again in a while; `samebit remote test NAME` says whether that stays so",
        )

    def _renew(self) -> None:
        while not self._ended.wait(_RENEWED_S):
            try:
                self._write()
            except SamebitError:
                continue  # `check` says so when it has been too long
            if self._ended.is_set():
                self._leave()  # it ended meanwhile

    def _leave(self) -> None:
        try:
            self._place.remove(self._path)
        except SamebitError:
            pass  # it is no more after half an hour
