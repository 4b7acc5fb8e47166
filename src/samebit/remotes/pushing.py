"""Push: what of some runs and versions of data is missing at a remote, and sending it.

Objects first, then the bundles that name them. Whatever is sent was read and checked just before,
so nothing damaged leaves this store; a run that needs something damaged stays here, and is named.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from samebit import digest, places
from samebit.data import versions
from samebit.errors import Damaged, NotFound, in_a_line
from samebit.folders import naming
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.objects import encoding
from samebit.objects.encoding import Body, PackEntry
from samebit.objects.store import Store
from samebit.objects.stored import checked
from samebit.remotes import bundles, listing, moving, snapshot
from samebit.remotes.bundles import Part
from samebit.remotes.claims import PUSH, Claim
from samebit.remotes.contents import Contents, object_path, read_id
from samebit.remotes.moving import Job, Pace
from samebit.remotes.objects import body_of
from samebit.remotes.place import Place, RemoteError
from samebit.remotes.recalled import Recalled
from samebit.remotes.rows import encode as encode_rows
from samebit.remotes.snapshot import Lack, Snapshot

__all__ = ["KINDS", "KIND_OF_USE", "Plan", "Pushed", "make_plan", "push"]

KINDS = ("states", "data", "code", "media")
KIND_OF_USE = {"state": "states", "file": "data", "code": "code", "media": "media"}
_AS_IT_IS_BYTES = 4 << 20  # a smaller pack is bundled with others
_PACK_BYTES = 32 << 20
_HALF = 0.5

Advance = Callable[[int], object]
Rows = Callable[[Collection[str]], list[dict[str, Any]]]


class _Object(Struct, frozen=True):
    """An object that is missing there, and where it lies here."""

    raw: bytes
    path: Path
    entry: PackEntry | None

    @property
    def stored_bytes(self) -> int:
        return self.path.stat().st_size if self.entry is None else self.entry.stored


class _Transfer(Struct, frozen=True):
    """One file that is to be sent: an object file, a pack as it is, or a pack of some objects."""

    size_bytes: int
    objects: tuple[_Object, ...]
    is_pack: bool = False  # as it lies here


class Plan(Struct):
    """What a push would do.

    Attributes:
        remote_id: of the remote.
        transfers: files of objects.
        runs: of each run with something missing, what.
        words: files of `data/` that are missing, by their path.
        held_back: runs and data that cannot be sent, and why.
        up_to_date: runs that are there whole.
    """

    remote_id: str
    transfers: list[_Transfer] = field(default_factory=list)
    runs: list[tuple[Snapshot, list[Lack]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    held_back: dict[str, str] = field(default_factory=dict)
    up_to_date: int = 0
    needs: dict[str, set[bytes]] = field(default_factory=dict)  # missing objects of each of these

    @property
    def objects(self) -> int:
        """How many objects would travel."""
        return sum(len(one.objects) for one in self.transfers)

    @property
    def size_bytes(self) -> int:
        """How many bytes would travel, at most."""
        files = sum(lack.end - lack.begin for _, lacks in self.runs for lack in lacks)
        return sum(one.size_bytes for one in self.transfers) + files


class Pushed(Struct, frozen=True):
    """What a push did: the plan, and what became of it."""

    plan: Plan
    objects: int
    words: list[str]
    runs: tuple[str, ...]
    held_back: dict[str, str]
    size_bytes: int


def make_plan(
    store: Store,
    place: Place,
    folders: Iterable[RunFolder],
    names: Iterable[str],
    *,
    kinds: Collection[str] = KINDS,
    known_id: str = "",
) -> Plan:
    """Find out what is missing at a remote; nothing is written there.

    Args:
        store: from where.
        place: to where.
        folders: the runs that are to be there.
        names: of the data whose versions are to be there.
        kinds: of what runs keep, what travels with them: of KINDS.
        known_id: of what is to be there; empty if it need not be known.

    Raises:
        RemoteError: the remote cannot be read, or is another one than is known.
        StoreTooNew: it is of a newer version.
    """
    remote_id = read_id(place)
    _check_id(place, remote_id, known_id)
    return _Planner(store, place, remote_id or "new", kinds).plan(list(folders), list(names))


class _Planner:
    def __init__(self, store: Store, place: Place, remote_id: str, kinds: Collection[str]) -> None:
        self._store = store
        self._place = place
        self._kinds = kinds
        self._remote_id = remote_id
        self._contents = Contents(place, store, remote_id)
        self.recalled = Recalled(place, remote_id)
        self.bundles: dict[str, list[str]] = {}  # of each run, that are there already
        self._followed: dict[str, set[str]] = {}  # roots: all that they reach

    def plan(self, folders: list[RunFolder], names: list[str], roots: Collection[str] = ()) -> Plan:
        plan = Plan(self._remote_id)
        self._store.list_packs()
        there = listing.list_bundles(self._place, [folder.id for folder in folders])
        self.bundles = {run: [one.path for one in some] for run, some in there.items()}
        for folder in folders:
            try:
                # How long its files are first: whatever they name up to there is found after.
                taken = snapshot.take(folder)
                lacks = snapshot.lacks(taken, self.recalled.parts(folder.id, there[folder.id]))
                plan.needs[folder.id] = self._named(folder)
            except (Damaged, NotFound, OSError) as error:
                plan.held_back[folder.id] = in_a_line(error)
                continue
            if lacks:
                plan.runs.append((taken, lacks))
            else:
                plan.up_to_date += 1
        self._plan_words(plan, names)
        for root in roots:
            plan.needs[f"object {root}"] = self._reached([root])
        self._plan_objects(plan)
        return plan

    def _named(self, folder: RunFolder) -> set[bytes]:
        """Every object that a run needs of the kinds that travel."""
        roots = naming.named_by(folder)
        unwanted = {kind for kind, ours in KIND_OF_USE.items() if ours not in self._kinds}
        if unwanted:
            view = read_run(folder)
            roots -= {use.root for use in naming.uses(view, self._store) if use.kind in unwanted}
        return self._reached(roots)

    def _reached(self, roots: Iterable[str]) -> set[bytes]:
        every: set[str] = set()
        for root in roots:
            if root not in self._followed:
                self._followed[root] = set(naming.reached_from(self._store, [root]))
            every |= self._followed[root]
        return {bytes.fromhex(digest.hex_of(name)) for name in every}

    def _plan_words(self, plan: Plan, names: list[str]) -> None:
        if not names:
            return
        listed = {found.path for found in self._place.list("data")}
        for name in names:
            try:
                files = versions.files(self._store.path, name)
                words = [f"data/{name}/{path.name}" for path in files]
                known = versions.read_versions(self._store.path, name)
                needed = self._reached(one.manifest for one in known)
            except (Damaged, OSError) as error:
                plan.held_back[f"data {name}"] = in_a_line(error)
                continue
            plan.needs[f"data {name}"] = needed
            plan.words += [word for word in words if word not in listed]

    def _plan_objects(self, plan: Plan) -> None:
        wanted = set().union(*plan.needs.values())
        missing = self._contents.learn_of(wanted)
        here: list[_Object] = []
        for raw in missing:
            found = next(self._store.places_of(f"{digest.ALGORITHM}:{raw.hex()}"), None)
            if found is not None:  # a name that is no object, or of one that was let go of
                here.append(_Object(raw, *found))
        plan.transfers = list(_transfers(here))
        for name, needed in plan.needs.items():
            plan.needs[name] = needed & missing


def _transfers(objects: Sequence[_Object]) -> Iterator[_Transfer]:
    """How missing objects travel: files and larger packs as they are, small ones bundled."""
    packed: dict[Path, list[_Object]] = {}
    for one in objects:
        if one.entry is None:
            yield _Transfer(one.stored_bytes, (one,))
        else:
            packed.setdefault(one.path, []).append(one)
    loose: dict[str, list[_Object]] = {}
    for path, some in packed.items():
        size_bytes = path.stat().st_size
        wanted = sum(one.stored_bytes for one in some)
        if size_bytes >= _AS_IT_IS_BYTES and wanted >= _HALF * size_bytes:
            yield _Transfer(size_bytes, tuple(some), is_pack=True)
        else:
            loose.setdefault(path.suffix, []).extend(some)
    for some in loose.values():
        room: list[_Object] = []
        held = 0
        for one in sorted(some, key=lambda one: one.raw):
            if room and held + one.stored_bytes > _PACK_BYTES:
                yield _Transfer(held, tuple(room))
                room, held = [], 0
            room.append(one)
            held += one.stored_bytes
        yield _Transfer(held, tuple(room))


def push(
    store: Store,
    place: Place,
    folders: Iterable[RunFolder],
    names: Iterable[str],
    *,
    roots: Collection[str] = (),
    kinds: Collection[str] = KINDS,
    known_id: str = "",
    rows: Rows = lambda _: [],
    pace: Pace | None = None,
    begins: Callable[[Plan], object] = lambda _: None,
    advance: Advance = lambda _: None,
) -> Pushed:
    """Send what is missing at a remote; the same again goes on where one stopped.

    Args:
        store: from where.
        place: to where.
        folders: the runs that are to be there.
        names: of the data whose versions are to be there.
        roots: objects that no run names yet, with all that they name.
        kinds: of what runs keep, what travels with them: of KINDS.
        known_id: of what is to be there; empty if it need not be known, or be there.
        rows: what `samebit ls` shows of some runs.
        pace: how fast.
        begins: is told the plan.
        advance: is told how many more bytes were sent.

    Raises:
        RemoteError: the remote cannot be written, does not let us in, is another one than is
            known, or somebody sweeps it.
        StoreTooNew: it is of a newer version.
    """
    pace = pace or Pace()
    remote_id = _own(place, known_id)
    with Claim(place, PUSH) as claim:
        planner = _Planner(store, place, remote_id, kinds)
        plan = planner.plan(list(folders), list(names), roots)
        begins(plan)
        sender = _Sender(store, place, pace, advance)
        moving.move(
            Job(one.size_bytes, lambda one=one: sender.send_objects(one)) for one in plan.transfers
        )
        held_back = dict(plan.held_back)
        for name, needed in plan.needs.items():
            if hurt := needed & sender.damaged.keys():
                held_back[name] = sender.damaged[min(hurt)]
        claim.check()
        going = [(taken, lacks) for taken, lacks in plan.runs if taken.folder.id not in held_back]
        moving.move(
            Job(
                sum(one.end - one.begin for one in lacks),
                lambda t=taken, k=lacks: _send_run(sender, planner, t, k),
            )
            for taken, lacks in going
        )
        words = [word for word in plan.words if f"data {word.split('/')[1]}" not in held_back]
        for word in words:
            sender.send(word, (store.path / word).read_bytes())
        sent = tuple(taken.folder.id for taken, _ in going)
        if sent:
            there = [one.path for one in listing.list_rows(place)]
            path, file = encode_rows(rows(sent), listing.next_ns(there))
            sender.send(path, file, 0)
    objects = plan.objects - len(sender.damaged)
    return Pushed(plan, objects, words, sent, held_back, sender.sent_bytes)


def _check_id(place: Place, found: str | None, known_id: str) -> None:
    """A disk that is not mounted, or a bucket made anew, is not what is said to have everything."""
    if known_id and found != known_id:
        raise RemoteError(
            "what was pushed to this remote before is not there"
            if found is None
            else "this is another remote than the one that was pushed to before",
            remote=place.url,
            hint="is it mounted, and the right one? `samebit remote test NAME` takes it as it is",
        )


def _own(place: Place, known_id: str) -> str:
    """The id of a remote, which is made where there is none yet and none is known."""
    for _ in range(2):
        found = read_id(place)
        _check_id(place, found, known_id)
        if found is not None:
            return found
        place.put("format", places.new_format().encode(), new=True)
    raise RemoteError("the remote does not keep what is written to it", remote=place.url)


class _Sender:
    def __init__(self, store: Store, place: Place, pace: Pace, advance: Advance) -> None:
        self.damaged: dict[bytes, str] = {}
        self.sent_bytes = 0
        self._store = store
        self._place = place
        self._pace = pace
        self._advance = advance
        self._lock = threading.Lock()

    def send(self, path: str, data: bytes, size_bytes: int | None = None) -> None:
        self._pace.wait(len(data))
        self._place.put(path, data)
        with self._lock:
            self.sent_bytes += len(data)
            self._advance(len(data) if size_bytes is None else size_bytes)

    def send_objects(self, what: _Transfer) -> None:
        """Send one file of objects, each checked first; what is damaged is left out, and noted."""
        first = what.objects[0]
        if what.is_pack:
            self._send_pack(first.path, what)
        elif first.entry is None:
            self._send_file(first, what.size_bytes)
        else:
            self._send_some(what)

    def _send_file(self, one: _Object, size_bytes: int) -> None:
        try:
            data = one.path.read_bytes()
            body_of(one.raw, data)
        except (Damaged, OSError) as error:
            self._hurt([one], error, size_bytes)
            return
        self.send(object_path(one.raw.hex()), data, size_bytes)

    def _send_pack(self, path: Path, what: _Transfer) -> None:
        try:
            data = self._store.read_pack(path.stem)
        except (NotFound, OSError) as error:
            self._hurt(what.objects, error, what.size_bytes)
            return
        self.send(f"packs/{path.name}", data, what.size_bytes)

    def _send_some(self, what: _Transfer) -> None:
        bodies: list[Body] = []
        for one in what.objects:
            entry = one.entry
            assert entry is not None
            try:
                with open(one.path, "rb", buffering=0) as stream:
                    stream.seek(entry.offset)
                    stored = stream.read(entry.stored)
                bodies.append(checked(Body(one.raw, entry.encoding, stored, entry.size)))
            except (Damaged, OSError) as error:
                self._hurt([one], error, 0)
        if bodies:
            data = b"".join(encoding.framed(bodies))
            digits = digest.hex_of(digest.of_bytes(data))
            self.send(f"packs/{digits}{what.objects[0].path.suffix}", data, what.size_bytes)

    def _hurt(self, objects: Iterable[_Object], error: Exception, size_bytes: int) -> None:
        with self._lock:
            self._advance(size_bytes)
            for one in objects:
                name = digest.short(f"{digest.ALGORITHM}:{one.raw.hex()}")
                why = f"object {name} is damaged here: {in_a_line(error)}"
                self.damaged[one.raw] = f"{why}; `samebit check` lists what is hurt"


def _send_run(sender: _Sender, planner: _Planner, taken: Snapshot, lacks: list[Lack]) -> None:
    """The bundles of one run, one after the other: what ends it is in the last."""
    run, top = taken.folder.id, taken.folder.path
    sent: dict[str, list[Part]] = {}
    for some in _shared_out(lacks):
        bundle = bundles.make((lack.path, lack.begin, lack.read(top)) for lack in some)
        digits, file = bundles.encode_object(bundle)
        path = f"runs/{run}/{listing.next_ns([*planner.bundles[run], *sent]):016x}-{digits}"
        sender.send(path, file, sum(lack.end - lack.begin for lack in some))
        sent[path] = [part for part, _ in bundles.parts_of(bundle)]
    planner.recalled.add(run, sent)


def _shared_out(lacks: list[Lack]) -> Iterator[list[Lack]]:
    """Bundles of no more than what one may hold; a long file is cut."""
    most = bundles.MOST_BYTES // 2
    room: list[Lack] = []
    held = 0
    for lack in lacks:
        for begin in range(lack.begin, max(lack.end, lack.begin + 1), most):
            part = Lack(lack.path, begin, min(lack.end, begin + most))
            if room and held + part.end - part.begin > most:
                yield room
                room, held = [], 0
            room.append(part)
            held += part.end - part.begin
    if room:
        yield room
