"""A split as it is kept: from row numbers of parts to a manifest and the objects that it names."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from samebit import digest, records
from samebit.data import arrays, members, row_ids
from samebit.data.members import Listed, numpy
from samebit.data.row_ids import Rows
from samebit.errors import UsageError
from samebit.records import RowIds, SplitData, SplitKey, SplitManifest, SplitPart

__all__ = ["Built", "Draft", "Key", "build", "key_of"]

_COUNTED = 1_000  # distinct labels of which each is counted


class Key(Struct, frozen=True):
    """Labels or groups: what each row of the data has, as a number and by name."""

    fingerprint: str
    names: tuple[str, ...]
    codes: Any  # array of whole numbers, one for each row

    @property
    def record(self) -> SplitKey:
        """The form in which it is kept."""
        return SplitKey(self.fingerprint, len(self.names), self.counts(None))

    @property
    def is_counted(self) -> bool:
        """Whether each value is counted; there are not too many."""
        return len(self.names) <= _COUNTED

    def counts(self, numbers: Any) -> dict[str, int] | None:
        """How often each is there in some rows, or in all; None where there are very many."""
        if not self.is_counted:
            return None
        codes = self.codes if numbers is None else self.codes[numbers]
        counted = numpy().bincount(codes, minlength=len(self.names)).tolist()
        return {name: count for name, count in zip(self.names, counted, strict=True) if count}


class Draft(Struct, frozen=True):
    """What is known of a split; row numbers are arrays of uint64 that nobody changes any more.

    `labels`, `stratify` and `groups` have a value for each row of the data.
    """

    method: str
    parts: Mapping[str, Any]
    what: str = ""
    rows: int | None = None
    made_of_parts: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seed: int | None = None
    generator: Mapping[str, Any] | None = None
    ids: Rows | None = None
    fingerprint: str | None = None
    labels: Key | None = None
    stratify: Key | None = None
    groups: Key | None = None
    notes: tuple[str, ...] = ()


class Built(Struct, frozen=True):
    """A split and every object of it, the manifest last."""

    manifest: SplitManifest
    objects: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """The digest of the manifest."""
        return digest.of_bytes(self.objects[-1])


def key_of(values: Any) -> Key:
    """Labels or groups by row; UsageError where they are no list of plain values.

    Args:
        values: an array, tensor or series of one dimension, or a list, of numbers, bools or texts.
    """
    np = numpy()
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    try:
        held = np.asarray(values)
    except ValueError as error:
        raise UsageError(f"labels and groups are one value for each row: {error}") from error
    if held.ndim == 2 and held.shape[1] == 1:
        held = held[:, 0]
    if held.ndim != 1:
        raise UsageError(f"labels and groups are one value for each row, not {held.ndim} axes")
    if held.dtype.kind not in "biufUTmM":  # of objects texts are made, which can be sorted
        held = np.asarray([str(one) for one in held.tolist()], dtype=np.str_)
    distinct, codes = _told_apart(held)
    return Key(str(arrays.of_array(held)), tuple(str(one) for one in distinct.tolist()), codes)


def _told_apart(held: Any) -> tuple[Any, Any]:
    """The distinct values, sorted, and which each is."""
    np = numpy()
    if held.dtype.kind not in "iu" or not held.size:
        return np.unique(held, return_inverse=True)
    least, most = int(held.min()), int(held.max())
    if most >= 1 << 63 or not members.is_dense(most - least, len(held)):
        return np.unique(held, return_inverse=True)
    places = held.astype("i8") - least
    marks = np.zeros(most - least + 1, bool)
    marks[places] = True
    distinct = np.flatnonzero(marks)
    return distinct + least, (np.cumsum(marks) - 1)[places]


def build(draft: Draft) -> Built:
    """Put a split together: lists, counts, which parts share rows. UsageError for a wrong key."""
    lists = {name: members.listed(numbers) for name, numbers in draft.parts.items()}
    objects: list[bytes] = []
    ids = _kept(draft.ids, objects) if draft.ids is not None else None
    by_id = _matrix(draft.ids) if draft.ids is not None else None
    for word, key in (("labels", draft.labels), ("groups", draft.groups)):
        if key is not None and draft.rows is not None and len(key.codes) != draft.rows:
            raise UsageError(f"{word} has {len(key.codes)} values of {draft.rows} rows")
    parts = [
        _part(draft, name, one, draft.parts[name], by_id, objects) for name, one in lists.items()
    ]
    overlaps, covered = _shared(draft, lists, by_id)
    manifest = SplitManifest(
        method=draft.method,
        data=SplitData(draft.what, draft.rows, draft.fingerprint, draft.made_of_parts, ids),
        parts=tuple(parts),
        parameters=dict(draft.parameters),
        seed=draft.seed,
        generator=dict(draft.generator) if draft.generator is not None else None,
        labels=draft.labels.record if draft.labels is not None else None,
        stratify=draft.stratify.record if draft.stratify is not None else None,
        groups=draft.groups.record if draft.groups is not None else None,
        overlaps=overlaps,
        groups_shared=_groups_shared(draft, lists),
        covered=None if draft.made_of_parts else covered,
        notes=draft.notes,
    )
    return Built(manifest, (*objects, records.encode(manifest)))


def _kept(ids: Rows, objects: list[bytes]) -> RowIds:
    given = ids.given is not None
    objects.append(digest.canonical_json(list(ids.given or ())) if given else ids.ids)
    kind = "given" if given else "rows"
    return RowIds(kind, digest.of_bytes(objects[-1]), ids.columns)


def _matrix(ids: Rows) -> Any:
    return numpy().frombuffer(ids.ids, "u1").reshape(-1, row_ids.ID_BYTES)


def _part(
    draft: Draft, name: str, one: Listed, numbers: Any, by_id: Any, objects: list[bytes]
) -> SplitPart:
    objects.append(one.members)
    sequence = None
    if one.sequence is not None:
        objects.append(one.sequence)
        sequence = digest.of_bytes(one.sequence)
    ids_set, ids_order = row_ids.id_digests(by_id[numbers]) if by_id is not None else (None, None)
    groups = draft.groups.codes[numbers] if draft.groups is not None else None
    return SplitPart(
        name=name,
        rows=one.rows,
        set=one.set,
        order=one.order,
        members=digest.of_bytes(one.members),
        sequence=sequence,
        repeated=one.repeated,
        ids_set=ids_set,
        ids_order=ids_order,
        labels=draft.labels.counts(numbers) if draft.labels is not None else None,
        groups=len(_distinct(numpy().sort(groups))) if groups is not None else None,
    )


def _shared(
    draft: Draft, lists: Mapping[str, Listed], by_id: Any
) -> tuple[tuple[tuple[str, str, int], ...], int | None]:
    """Which parts share rows, and how many rows are in some part."""
    held = {n: _distinct(one.sorted) if one.repeated else one.sorted for n, one in lists.items()}
    if draft.made_of_parts:
        if by_id is None:
            return (), None
        codes = row_ids.codes_of(by_id)
        held = {name: _distinct(numpy().sort(codes[found])) for name, found in held.items()}
    covered = _count(list(held.values()))
    if covered == sum(map(len, held.values())):
        return (), covered
    return _overlaps(held), covered


def _groups_shared(draft: Draft, lists: Mapping[str, Listed]) -> tuple[tuple[str, str, int], ...]:
    if draft.groups is None:
        return ()
    codes = draft.groups.codes
    return _overlaps({n: _distinct(numpy().sort(codes[o.sorted])) for n, o in lists.items()})


def _overlaps(held: Mapping[str, Any]) -> tuple[tuple[str, str, int], ...]:
    """Of sorted numbers that are there once each: which two share some, and how many."""
    found = [
        (first, second, len(ours) + len(theirs) - _count([ours, theirs]))
        for (first, ours), (second, theirs) in itertools.combinations(held.items(), 2)
    ]
    return tuple(one for one in found if one[2])


def _count(runs: Sequence[Any]) -> int:
    """How many numbers are in some of these."""
    np = numpy()
    runs = [run for run in runs if len(run)]
    if not runs:
        return 0
    largest = max(int(run[-1]) for run in runs)
    if members.is_dense(largest, sum(map(len, runs))):
        marks = np.zeros(largest + 1, bool)
        for run in runs:
            marks[run] = True
        return int(np.count_nonzero(marks))
    # Stable, since that one merges what is sorted already.
    return len(_distinct(np.sort(np.concatenate(runs), kind="stable")))


def _distinct(ordered: Any) -> Any:
    if len(ordered) < 2:
        return ordered
    np = numpy()
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
