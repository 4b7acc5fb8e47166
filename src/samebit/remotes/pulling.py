"""Pull: runs and versions of data from a remote, checked, whole or as far as they have come.

A remote is a stranger's: what it says is believed when its digest agrees. Objects are stored
first; then the run's folder appears under its name all at once, or what is new of it is added.
"""

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from samebit import digest, disk
from samebit.data import versions
from samebit.data.uses import uses_of
from samebit.errors import Damaged, NotFound, SamebitError, in_a_line
from samebit.folders import naming
from samebit.folders.aside import aside
from samebit.folders.folder import RunFolder
from samebit.folders.naming import Use
from samebit.folders.read import read_run
from samebit.objects.store import Store
from samebit.records import DataRecord, decode
from samebit.remotes import bundles, listing, moving
from samebit.remotes.bundles import Part
from samebit.remotes.contents import Contents, known_id
from samebit.remotes.fetching import Advance, Fetching
from samebit.remotes.moving import Job, Pace
from samebit.remotes.place import Found, Place
from samebit.remotes.pushing import KIND_OF_USE, KINDS
from samebit.remotes.recalled import Recalled, read_bundle

__all__ = ["Pulled", "pull"]

_TOGETHER = 200  # runs of which everything is here before others are begun


class Pulled(Struct, frozen=True):
    """What a pull did.

    Attributes:
        runs: that are new here, or have something new.
        unchanged: runs that were here as they are there.
        data: names of which something was said that was not known here.
        objects: how many objects came.
        size_bytes: how many bytes came.
        failed: runs and data that could not be pulled, and why.
        incomplete: runs and data that are here now, but for objects that are not at the remote.
    """

    runs: tuple[str, ...]
    unchanged: int
    data: tuple[str, ...]
    objects: int
    size_bytes: int
    failed: dict[str, str]
    incomplete: dict[str, str]


def pull(
    store: Store,
    place: Place,
    runs: Iterable[str],
    names: Collection[str],
    *,
    roots: Collection[str] = (),
    kinds: Collection[str] = KINDS,
    pace: Pace | None = None,
    expects: Callable[[int], object] = lambda _: None,
    advance: Advance = lambda _: None,
) -> Pulled:
    """Have runs and data here as they are at a remote; the same again goes on where one stopped.

    Args:
        store: to where.
        place: from where.
        runs: their ids.
        names: of data whose versions are wanted.
        roots: objects that no run names yet, with all that they name.
        kinds: of what runs keep, what is wanted too: of KINDS.
        pace: how fast.
        expects: is told how many bytes more will come.
        advance: is told how many have come.

    Raises:
        RemoteError: the remote cannot be read; what was stored is found by the next try.
        NotFound: nothing was ever pushed there.
        SamebitError: the store cannot be written.
    """
    remote_id = known_id(place)
    puller = _Puller(store, place, remote_id, pace or Pace(), expects, advance)
    try:
        return puller.pull(list(dict.fromkeys(runs)), list(names), kinds, roots)
    except OSError as error:
        raise SamebitError(
            f"what comes cannot be stored here: {error.strerror or error}",
            store=store.path,
            hint="the same command goes on where this one stopped",
        ) from error


class _Staged(Struct, frozen=True):
    """A run as it will be here: in a folder aside, or where it lies if nothing is new."""

    folder: RunFolder
    target: RunFolder
    new: frozenset[str]  # files that are new here, or longer


class _Puller:
    def __init__(
        self,
        store: Store,
        place: Place,
        remote_id: str,
        pace: Pace,
        expects: Callable[[int], object],
        advance: Advance,
    ) -> None:
        self._store = store
        self._place = place
        self._pace = pace
        self._expects = expects
        contents = Contents(place, store, remote_id)
        self._fetching = Fetching(store, place, contents, pace, expects, advance)
        self._recalled = Recalled(place, remote_id)
        self._failed: dict[str, str] = {}
        self._incomplete: dict[str, str] = {}

    def pull(
        self, runs: list[str], names: list[str], kinds: Collection[str], roots: Collection[str]
    ) -> Pulled:
        done: list[str] = []
        changed: set[str] = set()
        # Some at a time: what has come is here, also where the rest never comes.
        listed = listing.list_bundles(self._place, runs)
        for at in range(0, len(runs), _TOGETHER):
            with aside(self._store.path, "pull") as top:
                some = {run: listed[run] for run in runs[at : at + _TOGETHER]}
                changed |= self._pull_runs(some, top, kinds)
        done = [run for run in runs if run in changed]
        learnt = [name for name in names if self._pull_data(name)]
        self._pull_objects(roots)
        return Pulled(
            tuple(done),
            len(runs) - len(done) - len(self._failed.keys() & set(runs)),
            tuple(learnt),
            self._fetching.objects,
            self._fetching.size_bytes,
            self._failed,
            self._incomplete,
        )

    def _pull_runs(
        self, listed: Mapping[str, list[Found]], top: Path, kinds: Collection[str]
    ) -> set[str]:
        """Those of which anything was new here."""
        staged: dict[str, _Staged] = {}

        def stage(run: str) -> None:
            try:
                staged[run] = self._stage(run, listed[run], top)
            except (Damaged, NotFound) as error:
                self._failed[run] = in_a_line(error)

        moving.move(
            Job(sum(one.size_bytes for one in found), lambda run=run: stage(run))
            for run, found in listed.items()
        )
        wanted: dict[str, set[str]] = {}
        for run, one in staged.items():
            try:
                wanted[run] = self._wanted(one, kinds)
            except SamebitError as error:
                self._failed[run] = in_a_line(error)
        came = self._fetch_reached(wanted)
        for run in wanted.keys() - self._failed.keys():
            _publish(staged[run], self._store.path / "tmp")
            try:
                uses = naming.uses(read_run(staged[run].target), self._store)
                self._look_over(run, (use for use in uses if KIND_OF_USE[use.kind] in kinds))
            except SamebitError as error:  # what it says that it keeps cannot be meant
                self._incomplete[run] = in_a_line(error)
        changed = {run for run, one in staged.items() if one.new} | came
        return changed - self._failed.keys()

    def _stage(self, run: str, listed: list[Found], top: Path) -> _Staged:
        if not listed:
            raise NotFound(f"there is no run {run} at the remote", remote=self._place.url)
        target = RunFolder(self._store.path / "runs" / run)
        known = self._recalled.known(run)
        got: dict[str, bytes] = {}
        learnt: dict[str, list[Part]] = {}
        for found in sorted(listed, key=lambda one: one.path):
            parts = known.get(found.path)
            if parts is None or not all(_is_here(target.path, part) for part in parts):
                self._expects(found.size_bytes)
                self._pace.wait(found.size_bytes)
                got[found.path] = read_bundle(self._place, found)
                learnt[found.path] = [part for part, _ in bundles.parts_of(got[found.path])]
                self._fetching.came(found.size_bytes)
        if not got:
            return _Staged(target, target, frozenset())
        self._recalled.add(run, learnt)
        paths = {part.path for parts in learnt.values() for part in parts}
        here = {
            path: data
            for path in filter(bundles.is_file_of_a_run, paths)
            if (data := _read(target.path / path)) is not None
        }
        whole = bundles.assemble(got.values(), here)
        new = {
            path: data
            for path, data in whole.items()
            if path not in here or len(data) > len(here[path])
        }
        folder = RunFolder(top / "runs" / run)
        if target.path.exists():
            shutil.copytree(target.path, folder.path)
        for path, data in new.items():
            file = folder.path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        if not (folder.path / "run.json").exists():
            raise Damaged(f"the run {run} at the remote has no beginning", remote=self._place.url)
        if folder.record().id != run:
            raise Damaged(f"what lies at the remote as run {run} is another one")
        _check_ends(folder, self._place)
        return _Staged(folder, target, frozenset(new))

    def _look_over(self, thing: str, uses: Iterable[Use]) -> None:
        """Note what of a run or of data is not here, though it was asked for."""
        for use in uses:
            lacking = sum(not self._store.has(name) for _, name in use.parts)
            if lacking:
                objects = "an object" if lacking == 1 else f"{lacking} objects"
                why = f"{objects} of {use.what} not at the remote"
                if damaged := self._fetching.contents.damaged:
                    why += f", where {', '.join(sorted(damaged))} is damaged"
                self._incomplete[thing] = why

    def _wanted(self, staged: _Staged, kinds: Collection[str]) -> set[str]:
        """The objects that a run names, but for those of kinds that are not wanted."""
        roots = naming.named_by(staged.folder)
        unwanted = {kind for kind, ours in KIND_OF_USE.items() if ours not in kinds}
        if not unwanted:
            return roots
        uses = naming.uses(read_run(staged.folder), self._store)
        return roots - {use.root for use in uses if use.kind in unwanted}

    def _fetch_reached(self, wanted: Mapping[str, set[str]]) -> set[str]:
        """Have here what some things name, and what that names; of which of them anything came.

        Round by round: what a manifest names can only be told once it is here. What is damaged
        there is noted as the failure of all that need it.
        """
        fetching = self._fetching
        came: set[str] = set()
        while True:
            needs = {thing: self._reached(roots) for thing, roots in wanted.items()}
            self._store.list_packs()
            every = set().union(*needs.values()) - fetching.looked_for
            # Touched, so that no sweep here takes them before what names them is here.
            missing = {
                raw for raw in self._store.hold(every) if not self._store.has(digest.name_of(raw))
            }
            for thing, raws in needs.items():
                if hurt := raws & fetching.damaged.keys():
                    self._failed[thing] = fetching.damaged[min(hurt)]
            if not missing:
                return came
            fetching.fetch(missing)
            got = missing - fetching.looked_for
            came.update(thing for thing, raws in needs.items() if raws & got)

    def _reached(self, roots: set[str]) -> set[bytes]:
        reached = naming.reached_from(self._store, roots)
        return {bytes.fromhex(digest.hex_of(name)) for name in reached}

    def _pull_objects(self, roots: Collection[str]) -> None:
        wanted = {f"object {root}": {root} for root in roots}
        self._fetch_reached(wanted)
        for thing, (root,) in wanted.items():
            is_whole = all(self._store.has(digest.name_of(raw)) for raw in self._reached({root}))
            if not is_whole and thing not in self._failed:
                self._incomplete[thing] = "not all of it is at the remote"

    def _pull_data(self, name: str) -> bool:
        """Whether anything of it was new here."""
        try:
            new = self._words(name)
            known = versions.read_records(self._store.path, name)
            every = sorted(
                [*known, *(record for record, _ in new.values())], key=lambda one: one.at_ns
            )
            roots = {record.manifest for record in versions.still_there(every)}
            came = self._fetch_reached({f"data {name}": roots})
            if f"data {name}" in self._failed:
                return False
        except (Damaged, NotFound) as error:
            self._failed[f"data {name}"] = in_a_line(error)
            return False
        for path, (_, data) in new.items():
            versions.copy_record(self._store.path, path, data)
        self._look_over(f"data {name}", uses_of(self._store, name))
        return bool(new or came)

    def _words(self, name: str) -> dict[str, tuple[DataRecord, bytes]]:
        """What is said of a name there that is not known here, by path."""
        new: dict[str, tuple[DataRecord, bytes]] = {}
        for found in self._place.list(f"data/{name}"):
            match = listing.WORD.fullmatch(found.path)
            if not match or match[1] != name or (self._store.path / found.path).exists():
                continue
            data = listing.read_word(self._place, found)
            record = decode(data, DataRecord, where=found.path)
            if record.name != name:
                raise Damaged("a record of other data than its folder says", path=found.path)
            new[found.path] = record, data
        return new


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_here(folder: Path, part: Part) -> bool:
    """Whether a file is as long here as a part reaches; another name than a run's is nobody's."""
    if not bundles.is_file_of_a_run(part.path):
        return True
    try:
        return os.stat(folder / part.path).st_size >= part.end
    except OSError:
        return False


def _check_ends(folder: RunFolder, place: Place) -> None:
    """Each segment that an end lists must be there as it was: listings may lag behind."""
    for number in folder.executions():
        end = folder.end(number)
        for name, (size, named) in ({} if end is None else end.segments).items():
            is_ours = bundles.is_file_of_a_run(f"journal/{name}")
            data = _read(folder.journal / name) if is_ours else None
            if data is None or digest.of_bytes(data[:size]) != named:
                raise Damaged(
                    f"the journal of run {folder.id} is not whole at the remote",
                    segment=name,
                    remote=place.url,
                    hint="try again in a while; `samebit push` from where it was run mends it",
                )


def _publish(staged: _Staged, scratch: Path) -> None:
    target = staged.target.path
    if not staged.new:
        return
    target.parent.mkdir(exist_ok=True)
    if not target.exists() and disk.publish_folder(staged.folder.path, target):
        return
    # It is here in part, or came meanwhile: what is new is added, the ends of executions last.
    for path in sorted(staged.new, key=lambda path: (path.endswith("/end.json"), path)):
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        data = (staged.folder.path / path).read_bytes()
        disk.publish(file, [data], scratch, replace=bundles.grows(path))
