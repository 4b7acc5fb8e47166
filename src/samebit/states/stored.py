"""One state of the store, opened: what it is made of, and its values given back."""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal

from msgspec.structs import replace

from samebit.errors import Damaged, NotFound, UsageError
from samebit.objects.store import Store
from samebit.records import LeafRecord, StateManifest
from samebit.states import dtypes, loading, modules, shards, skeleton, sources, storing
from samebit.states.giving import Giving, entries_of
from samebit.states.plain import plain_values
from samebit.states.shards import Together
from samebit.states.sources import Source

__all__ = ["StoredState"]

# What a state of the recorder has beside modules; an optimizer after the first has a number.
_NO_MODULES = re.compile(
    r"optimizer(_\d+)?|parameters|schedulers|scalers|others|generators|extra|progress"
)


class StoredState:
    """A state of a recorded run; nothing of its arrays is read before it is asked for.

    Of a sharded model each rank kept its parts. Here they are whole: each tensor one leaf, as if
    it had never been cut.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        *,
        ranks: Mapping[str, str] | None = None,
        absent: Mapping[str, str] | None = None,
        apart: bool = False,
        hint: str | None = None,
    ) -> None:
        """Open one.

        Args:
            store: where it lies.
            name: of its manifest; of a run of many, that of one rank.
            ranks: where ranks hold parts of tensors, the manifest of each, and of this one.
            absent: the ranks that have none, and why.
            apart: as that rank kept it: parts stay parts.
            hint: what an error says of arrays that are not there.
        """
        self.digest = name
        self._store = store
        self._ranks = ranks or {"": name}
        self._absent = absent or {}
        self._apart = apart
        self._hint = hint
        self._digests: dict[str, str] = {}

    @cached_property
    def _source(self) -> Source:
        own = storing.read_manifest(self._store, self.digest)
        if self._apart or not shards.is_sharded(own):
            return Source(self._store, Together(own), self._hint)
        manifests: dict[str, StateManifest] = {}
        absent = dict(self._absent)
        for rank, name in self._ranks.items():
            try:
                manifests[rank] = storing.read_manifest(self._store, name)
            except NotFound as error:
                absent[rank] = error.what
        return Source(self._store, shards.put_together(manifests, absent), self._hint)

    @property
    def _manifest(self) -> StateManifest:
        return self._source.together.manifest

    @cached_property
    def _places(self) -> dict[str, str]:
        places = dict(skeleton.references(self._manifest.skeleton))
        for leaf in places.values():
            if leaf not in self._manifest.leaves:
                raise Damaged(f"a state names a leaf that it does not have: {leaf!r}")
        return places

    @property
    def source(self) -> Source:
        """Its leaves, and where their bytes lie."""
        return self._source

    @property
    def is_sharded(self) -> bool:
        """Whether ranks hold parts of its tensors."""
        return bool(self._source.together.pieces) or shards.is_sharded(self._manifest)

    @property
    def leaves(self) -> dict[str, LeafRecord]:
        """The record of each leaf by its name: dtype, shape, digest, size in bytes.

        The digest of one of which ranks hold parts is known when `identity` has read them.
        """
        return dict(self._known().leaves)

    @cached_property
    def tied(self) -> dict[str, str]:
        """Places that hold an array again, with the leaf that it is."""
        first: dict[str, str] = {}
        return {
            place: leaf
            for place, leaf in self._places.items()
            if first.setdefault(leaf, place) != place
        }

    @cached_property
    def values(self) -> list[tuple[str, Any]]:
        """Everything that is no array, by its place."""
        return plain_values(self._manifest.skeleton)

    @cached_property
    def parts(self) -> dict[str, list[LeafRecord]]:
        """The parts that hold arrays, modules first, and the leaves of each."""
        found: dict[str, dict[str, LeafRecord]] = {}
        names = sorted(map(str, entries_of(self._manifest.skeleton)), key=len, reverse=True)
        for place, leaf in self._places.items():
            name = next((name for name in names if place.startswith(f"{name}.")), None)
            if name is not None:
                found.setdefault(name, {})[leaf] = self._manifest.leaves[leaf]
        modules = [name for name in found if not _NO_MODULES.fullmatch(name)]
        return {name: list(found[name].values()) for name in dict.fromkeys([*modules, *found])}

    @property
    def modules(self) -> list[str]:
        """The parts that are modules."""
        return [name for name in self.parts if not _NO_MODULES.fullmatch(name)]

    def identity(self, part: str = "model") -> str:
        """The identity of a module, or of what else lies below a prefix.

        Where ranks hold parts of its tensors, these are read: it is that of the whole.

        Raises:
            NotFound: nothing lies there; or a part is not here, or only its digest was kept.
        """
        self.read_digests(storing.leaves_below(self._manifest, part).values())
        return storing.identity(self._known(), part)

    def read_digests(self, names: Iterable[str]) -> None:
        """Learn the digests of leaves of which ranks hold parts; raises as `identity`."""
        for name in dict.fromkeys(names):
            if name not in self._digests:
                self._digests[name] = sources.digest_of(self._source, name)

    def _known(self) -> StateManifest:
        records = {
            name: replace(record, digest=self._digests.get(name, record.digest))
            for name, record in self._manifest.leaves.items()
        }
        return replace(self._manifest, leaves=records)

    def value(self, library: Literal["torch", "numpy"] = "torch", *, mapped: bool = False) -> Any:
        """The nested plain value that was saved, its arrays verified.

        Args:
            library: whose arrays they are to be.
            mapped: map arrays from the store's files where they lie there as they are, instead of
                reading them: verified now, and changing one never changes the store.

        Raises:
            NotFound: only digests were kept, or an object, or a rank's part, is gone.
            Damaged: the bytes are not what their name says.
        """
        if library not in ("torch", "numpy"):
            raise UsageError(f"there is no {library!r} here", known="torch, numpy")
        arrays = loading.arrays_of(
            self._source, self._manifest.leaves, as_torch=library == "torch", mapped=mapped
        )
        return skeleton.join(self._manifest.skeleton, arrays)

    def part(self, name: str, *, as_torch: bool = True) -> Any:
        """What the state holds under one name, as `value` gives it."""
        entries = entries_of(self._manifest.skeleton)
        if name not in entries:
            raise NotFound(f"the state holds no {name!r}", digest=self.digest)
        frame = entries[name]
        names = dict.fromkeys(leaf for _, leaf in skeleton.references(frame))
        if strange := [leaf for leaf in names if leaf not in self._manifest.leaves]:
            raise Damaged(f"a state names a leaf that it does not have: {strange[0]!r}")
        return skeleton.join(frame, loading.arrays_of(self._source, names, as_torch=as_torch))

    def state_dict(self, part: str = "model", *, mapped: bool = False) -> dict[str, Any]:
        """A module's tensors by name, for `load_state_dict`; tied names share one tensor."""
        named = storing.leaves_below(self._manifest, part)
        for place, leaf in named.items():
            if not dtypes.torch_has(dtype := self._manifest.leaves[leaf].dtype):
                raise UsageError(f"torch has no {dtype}", leaf=place)
        wanted = dict.fromkeys(named.values())
        tensors = loading.arrays_of(self._source, wanted, as_torch=True, mapped=mapped)
        return {place: tensors[leaf] for place, leaf in named.items()}

    def giving(self) -> Giving:
        """What gives it back to several objects at once."""
        self._places  # noqa: B018  (every leaf that is named is there)
        return Giving(self._source)

    def load_into(
        self,
        model: Any,
        optimizer: Any = None,
        *,
        part: str = "model",
        optimizer_part: str = "optimizer",
    ) -> None:
        """Copy the state into a model, and into an optimizer of it, in their own memory.

        Names, shapes and dtypes must be the same; before the first write everything is compared.
        Buffers that `state_dict()` leaves out are given back where both have them. A rank of which
        the model is sharded (FSDP2, a DTensor) gets its part, on however many ranks it was saved.

        Args:
            model: a torch module.
            optimizer: one over its parameters, in the same groups and order.
            part: the module's name in the state.
            optimizer_part: the optimizer's.

        Raises:
            UsageError: something does not fit; lists all of it, and nothing was changed.
            NotFound: only digests were kept, or an object is gone; nothing was changed.
            Damaged: an object is hurt; what was loaded until then stays.
        """
        giving = self.giving()
        giving.module(part, model)
        if optimizer is not None:
            names = modules.parameter_names(model)
            giving.optimizer(optimizer_part, optimizer, names, part)
        giving.do("the state")
