"""Runs that come home by a remote: jobs of another place, whose machines do not see our folders.

Each is an errand (`cli/node.py` does it): the code is fetched from the remote, the run is recorded
into a store there, and sent. What is at the remote is fetched while runs go on, and a job is over
only when its run is here as it ended; so whoever looks at runs here sees what it always sees.
"""

import math
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from samebit.errors import CannotStart, SamebitError
from samebit.objects.store import Store
from samebit.remotes import listing, named, pulling, pushing
from samebit.remotes.named import Remote
from samebit.remotes.pulling import Pulled
from samebit.remotes.pushing import KINDS
from samebit.studies.places.place import Handle, Job, Look, Place
from samebit.studies.sent import Errand, find_claim, is_being_made, release
from samebit.studies.travelling import push_studies

__all__ = ["Away"]

_NODE = "samebit.cli.node"
_ANYWHERE = Path("/")  # a folder that is on each machine
_FETCH_S = 10.0  # between two looks at what runs that go on have sent
_REST = 10.0  # times as long as such a look took nobody looks again
_AGAIN_S = 5.0  # between two tries to fetch one that is over
_SILENT_S = 300.0  # after which nothing more is expected of a machine that is out of reach
_CUT_SHORT_S = 60.0  # for what a job that did not end by itself may have on its way
_CANNOT_START = 125


class _Sent(Struct, eq=False):
    """A job that was sent; without a handle only the remote tells of it."""

    job: Job
    handle: Handle | None
    look: Look = Look(False)  # as its place said last
    over_at: float = math.inf  # when its place said that it is over, by the monotonic clock
    heard_at: float = 0.0  # when anything new of it came
    tried_at: float = -math.inf
    waits: str = ""  # for what, where it is over
    said: Look = Look(False)  # of all that, last


class Away:
    """A place whose machines have nothing in common with this one but a remote.

    Args:
        place: where the jobs are run.
        store: to which runs come home.
        remote: by which.
        study: the id of theirs.
        code: puts the code of the study into the store, and gives the object of its `CodeSent`.
    """

    def __init__(
        self, place: Place, store: Path, remote: Remote, study: str, code: Callable[[], str]
    ) -> None:
        self.name, self.jobs, self.takes = place.name, place.jobs, place.takes
        self.where = place.where
        self._place, self._store, self._study = place, store, study
        self._remote, self._there = remote, named.open_place(remote)
        self._take_code, self._code = code, ""
        self._sent: dict[str, _Sent] = {}  # by run, until all of it is here
        self._looked, self._took_s = -math.inf, 0.0

    def fetch(self, runs: Collection[str]) -> None:
        """Have here what the remote has of runs that were begun before; RemoteError."""
        self._pull(runs, KINDS)

    def submit(self, jobs: Sequence[Job]) -> Iterator[Handle]:
        """Send the code, then have the place start an errand for each."""
        if jobs:
            self._send()
        handles = self._place.submit([self._errand(job) for job in jobs])
        for job, handle in zip(jobs, handles, strict=True):
            yield self._follow(job, handle)

    def _send(self) -> None:
        """The code and what is known of the study, as far as the remote lacks it."""
        self._code = self._code or self._take_code()
        try:
            done = pushing.push(
                Store(self._store),
                self._there,
                [],
                [],
                roots=[self._code],
                known_id=self._remote.id,
            )
            named.note_id(self._store, self._remote, done.plan.remote_id)
            self._remote = replace(self._remote, id=done.plan.remote_id)
            failed = {**done.held_back, **self.send_study()}
        except SamebitError as error:
            raise CannotStart(
                f"the code of the study cannot be sent: {error.what}",
                **error.facts,
                hint=error.hint,
            ) from error
        for why in failed.values():
            raise CannotStart(f"the code of the study cannot be sent: {why}")

    def send_study(self) -> dict[str, str]:
        """Have its trials at the remote as they are here; what went wrong. RemoteError."""
        return push_studies(self._store, self._there, [self._study]).failed

    def _errand(self, job: Job) -> Job:
        errand = Errand(job.run.id, self._remote, self._code, str(job.cwd), str(self._store.parent))
        at = list(job.argv).index("run")  # of `python -m samebit.cli.main run …`
        told = msgspec.json.encode(errand).decode()
        errand_of = [sys.executable, "-m", _NODE, told]
        argv = [*errand_of, "--", *job.argv[at:]]
        return replace(job, argv=argv, cwd=_ANYWHERE, away=True, goes_on=errand_of)

    def _follow(self, job: Job, handle: Handle | None) -> _Sent:
        one = self._sent[job.run.id] = _Sent(job, handle, heard_at=time.monotonic())
        return one

    def look(self, handles: Sequence[Handle]) -> list[Look]:
        """How it is with each; one is over when its run is here as it ended."""
        ours = [one for one in handles if isinstance(one, _Sent)]
        asked = [one for one in ours if one.handle is not None and not one.look.is_over]
        looks = self._place.look([one.handle for one in asked if one.handle is not None])
        now = time.monotonic()
        for one, look in zip(asked, looks, strict=True):
            one.look = look
            one.over_at = now if look.is_over else one.over_at
        if now - self._looked >= max(_FETCH_S, _REST * self._took_s):
            self._fetch_going(now)
            self._looked = time.monotonic()
            self._took_s = self._looked - now
        for one in ours:
            if not one.said.is_over:
                one.said = self._look(one)
        return [one.said for one in ours]

    def wait(self, handles: Sequence[Handle], most_s: float) -> None:
        """As its place does; what the remote has comes with the next look."""
        ours = [one for one in handles if isinstance(one, _Sent) and not one.look.is_over]
        self._place.wait([one.handle for one in ours if one.handle is not None], most_s)

    def _fetch_going(self, now: float) -> None:
        """What runs have sent, without what they keep: that comes at their ends.

        Also of one that its place calls over and that did not end: it may be out of reach only.
        """
        for run in [run for run, one in self._sent.items() if now - one.over_at > _SILENT_S]:
            del self._sent[run]
        try:
            done = self._pull(self._sent, ())
            for run in done.runs if done is not None else ():
                self._sent[run].heard_at = now
        except SamebitError:
            pass  # it is said where a run is waited for
        for one in self._sent.values():
            if one.handle is None and one.job.run.has_ended():
                one.look = Look(True)

    def _pull(self, runs: Collection[str], kinds: Collection[str]) -> Pulled | None:
        """Have here what the remote has of runs; None where that is nothing. RemoteError."""
        listed = listing.list_bundles(self._there, runs)
        there = [run for run in runs if listed[run]]
        if not there:
            return None
        return pulling.pull(Store(self._store), self._there, there, [], kinds=kinds)

    def _look(self, one: _Sent) -> Look:
        now = time.monotonic()
        if not one.look.is_over:
            return one.look if one.handle is not None else self._unheard(one, now)
        if now - one.tried_at < _AGAIN_S:
            return Look(False, said=one.waits)
        one.tried_at, one.waits = now, "for what it sends"
        run = one.job.run
        try:
            done = self._pull([run.id], KINDS)
            if done is not None and run.id in done.failed:
                return replace(one.look, said=f"it cannot be had: {done.failed[run.id]}")
            if not run.has_ended() and self._may_come(one, now):
                return Look(False, said=one.waits)
            is_claimed = find_claim(self._there, run.id) is not None
            release(self._there, run.id)
        except SamebitError as error:
            one.waits = f"for the remote: {error.what}"
            return Look(False, said=one.waits)
        if run.has_ended():
            self._sent.pop(run.id, None)
        return self._as_it_ended(one, is_claimed=is_claimed)

    def _may_come(self, one: _Sent, now: float) -> bool:
        """Whether its machine may yet send the end of a run: not where it ended by itself."""
        code = one.look.exit_code
        was_cut_short = code is None or code < 0 or code > 128  # as a shell says it
        is_early = was_cut_short and now - one.over_at < _CUT_SHORT_S
        return is_early and is_being_made(self._there, one.job.run.id)

    def _as_it_ended(self, one: _Sent, *, is_claimed: bool) -> Look:
        look, is_begun = one.look, one.job.run.is_begun()
        # Who could not begin takes its claim back: what is left is that of another process.
        if look.said or is_begun or (look.exit_code == _CANNOT_START and not is_claimed):
            return look
        how = f"exit code {look.exit_code}" if look.exit_code is not None else "no word of why"
        return replace(look, said=f"it ended before anything of it was at the remote ({how})")

    def _unheard(self, one: _Sent, now: float) -> Look:
        """Of one that only the remote tells of: lost, where that is silent for long."""
        if now - one.heard_at < _SILENT_S:
            return Look(False)
        one.over_at = now
        return Look(True, said=f"nothing of it came for {_SILENT_S / 60:g} minutes")

    def cancel(self, handle: Handle, *, at_once: bool = False) -> None:
        """As the place does it; one that only the remote tells of is out of reach."""
        if isinstance(handle, _Sent) and handle.handle is not None:
            self._place.cancel(handle.handle, at_once=at_once)

    def reconnect(self, job: Job) -> Handle | None:
        """As the place finds it; else by the word that is at the remote of who has begun it."""
        handle = self._place.reconnect(replace(job, cwd=_ANYWHERE, away=True))
        if handle is None and not is_being_made(self._there, job.run.id):
            return None
        return self._follow(job, handle)
