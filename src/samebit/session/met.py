"""What is known of a split that a library made: method, parameters, generator, and its rows.

Only what the call was given is looked at: no item of a data set is asked for, and nothing drawn.
"""

import operator
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from samebit.capture import generators
from samebit.capture.callers import caller
from samebit.data import parts, row_ids
from samebit.data.arrays import of_array
from samebit.data.members import numpy
from samebit.data.parts import Known, known_of, row_numbers
from samebit.data.row_ids import BY_ITSELF
from samebit.data.splitting import Draft, Key, key_of
from samebit.errors import UsageError
from samebit.session.splitters import SAMPLERS, Call

if TYPE_CHECKING:
    from samebit.session.splits import Splits

__all__ = ["Met"]

_MOST_FOLDS = 256
_MOST_PARTS = 128  # of the subsets of one data set
_MOST_LABELLED = 1_000_000  # rows of which labels are counted without being asked to
_MOST_DISTRIBUTED = 5_000_000  # rows that a sampler of torch is asked for: a quarter of a second
_LISTED = 64  # of a parameter that is a list
_DISTINCT = 0.5  # fewer of the rows, and they are no content but a stand-in: np.zeros(n)
_NOT_ASKED = "its rows are not listed: they are very many, or a class of the script's chooses them"
_STAND_IN = "no ids of its rows: most of them are equal"


class _Gathered(Struct):
    """The subsets of one data set so far."""

    name: str
    at: str
    of: "weakref.ref[Any]"
    draft: Draft
    parts: dict[str, Any] = field(default_factory=dict[str, Any])


class Met:
    """Puts together splits that are met as libraries make them."""

    def __init__(self, splits: "Splits") -> None:
        self._splits = splits
        self._gathered: dict[tuple[str, int], _Gathered] = {}
        self._full: set[str] = set()
        self._samplers: weakref.WeakSet[Any] = weakref.WeakSet()

    def describe(self, call: Call) -> Call | None:
        """The same call, with parameters, and the generator as it is before anything is drawn.

        None where no more splits are kept.
        """
        if self._splits.is_full:
            return None
        given = call.arguments
        if call.method.startswith("torch."):
            if not call.method.endswith("random_split"):
                return call
            found = _torch_generator(given["generator"])
            seed = found["seed"] if found["of"] == "argument" else None
            lengths = {"lengths": _plain(given["lengths"])}
            return replace(call, parameters=lengths, generator=found, seed=seed)
        if call.method.startswith("datasets."):
            return _describe_datasets(call)
        if "self" in given:  # a splitter's own settings
            settings = {n: v for n, v in vars(given["self"]).items() if not n.startswith("_")}
            settings |= settings.pop("cvargs", {})
            draws = settings.get("shuffle", True) is not False and "random_state" in settings
        else:
            names = ("test_size", "train_size", "shuffle", "random_state")
            settings = {name: given[name] for name in names}
            draws = given["shuffle"] is not False
        state = settings.pop("random_state", None)
        plain = {name: _plain(value) for name, value in settings.items()}
        seed = _whole(state)
        found = _numpy_generator(state) if draws and seed is None else None
        return replace(call, parameters=plain, generator=found, seed=seed if draws else None)

    # torch

    def of_subsets(self, call: Call, subsets: Sequence[Any]) -> None:
        """`random_split` gave these."""
        found = [parts.base_of(subset) for subset in subsets]
        known = [one for one in found if one is not None]
        if not known or len(known) < len(found):
            return
        draft = _of_torch(call, known[0][0])
        lists = {str(at): numbers for at, (_, numbers) in enumerate(known)}
        name, fitted = self._name(call), self._splits.fitted
        self._splits.take(name, replace(draft, parts=lists), call.at)
        base = known[0][0]
        first = next(iter(row_ids.tensors_of(base) or ()), base)
        fitted.split(name, lists, fitted.data(first), ())

    def of_subset(self, call: Call, subset: Any) -> None:
        """A `Subset` was made; those of one data set are one split."""
        base = subset
        while type(base) is type(subset):
            base = base.dataset
        self.gather(call, base, lambda: found[1] if (found := parts.base_of(subset)) else None)

    def gather(self, call: Call, base: Any, numbers: Callable[[], Any]) -> None:
        """Add a part to what was gathered of a data set by one method; of too many no more."""
        key = call.method, id(base)
        known = self._gathered.get(key)
        if known is not None and known.of() is not base:
            known = None
        if known is not None and len(known.parts) >= _MOST_PARTS:
            self._say_full(call, f"more than {_MOST_PARTS} parts of one data set")
            return
        try:
            found = numbers()
        except UsageError:
            return  # a data set whose items are not numbered
        if found is None:
            return
        if known is None:
            draft = replace(_of_torch(call, base), parameters=call.parameters)
            name = self._name(call)
            try:
                reference = weakref.ref(base, lambda _: self._gathered.pop(key, None))
            except TypeError:  # a list; the next one is a split of its own
                self._splits.take(name, replace(draft, parts={"0": found}), call.at)
                return
            known = self._gathered[key] = _Gathered(name, call.at, reference, draft)
        known.parts[str(len(known.parts))] = found
        self._splits.take(known.name, replace(known.draft, parts=dict(known.parts)), known.at)

    def of_sampler(self, loader: Any, sampler: Any) -> None:
        """A data loader begins an epoch with this sampler; only its first time counts."""
        if sampler in self._samplers or self._splits.is_full:
            return
        self._samplers.add(sampler)
        kind = next(name for k in type(sampler).__mro__ if (name := k.__name__) in SAMPLERS)
        call = Call(f"torch.utils.data.{kind}", caller().at, {})
        dataset, batches = loader.dataset, _batches(loader)
        if kind == "SubsetRandomSampler":
            base, numbers = parts.innermost(dataset, row_numbers(sampler.indices))
            self.gather(replace(call, parameters=batches), base, lambda: numbers)
            return
        if kind == "WeightedRandomSampler":
            weights = sampler.weights
            settings = {"num_samples": sampler.num_samples, "replacement": sampler.replacement}
            settings["weights"] = str(of_array(weights))
            name, chosen = "0", numpy().flatnonzero(weights.cpu().numpy() > 0).astype("u8")
        else:
            names = ("num_replicas", "rank", "shuffle", "seed", "drop_last", "epoch")
            settings = {name: _plain(getattr(sampler, name)) for name in names}
            name = f"rank {sampler.rank}"
            is_torchs = type(sampler).__iter__ is _distributed().__iter__
            is_asked = is_torchs and sampler.total_size <= _MOST_DISTRIBUTED
            # The rows of this epoch, by a generator of its own: nothing of the script's is drawn.
            chosen = row_numbers(list(sampler)) if is_asked else None
        call = replace(call, parameters={**settings, **batches})
        given = self._name(call) + (f"/{sampler.rank}" if "rank" in settings else "")
        numbers = numpy().empty(0, "u8") if chosen is None else chosen
        base, numbers = parts.innermost(dataset, numbers)
        draft = _of_torch(call, base)
        if chosen is None:
            draft = replace(draft, notes=(*draft.notes, _NOT_ASKED))
        else:
            draft = replace(draft, parts={name: numbers})
        self._splits.take(given, replace(draft, seed=settings.get("seed")), call.at)

    # scikit-learn

    def of_arrays(self, call: Call, found: Sequence[Any], pairs: Sequence[Any]) -> None:
        """`train_test_split` gave these, and its splitter these pairs."""
        arrays = call.arguments["arrays"]
        if pairs:
            train, test = (row_numbers(rows) for rows in pairs[0])
        elif call.arguments["shuffle"] is False:
            counts = [parts.row_count(one) or 0 for one in found[:2]]
            whole = numpy().arange(sum(counts), dtype="u8")
            train, test = whole[: counts[0]], whole[counts[0] :]
        else:
            self._say_full(call, "scikit-learn asked no splitter of its own")
            return
        known = _known(arrays)
        stratify = call.arguments["stratify"]
        lists = {"train": train, "test": test}
        draft = _draft(call, known, lists)
        labels = stratify if stratify is not None else arrays[1] if len(arrays) == 2 else None
        rows = known.rows or 0
        key = _labels(labels, rows)
        by = _labels(stratify, rows)
        name = self._name(call)
        self._splits.take(name, replace(draft, labels=key, stratify=by), call.at)
        fitted = self._splits.fitted
        fitted.split(name, lists, fitted.data(arrays[0]), found[:2])

    def folds(self, call: Call) -> Callable[[int, Any], None]:
        """A splitter is asked for its folds; what is told of each, and at the end None."""
        given = call.arguments
        x, y, groups = (given.get(name) for name in ("X", "y", "groups"))
        data = tuple(one for one in (x, y) if one is not None) or None
        known = _known(data) if data is not None else Known("", None, None, None, ())
        rows = known.rows or 0
        labels = _labels(y, rows)
        is_stratified = "Stratified" in call.method
        draft = replace(
            _draft(call, known, {}),
            labels=labels,
            stratify=labels if is_stratified else None,
            groups=_labels(groups, rows, whatever=True),
        )
        name, fitted = self._name(call), self._splits.fitted
        first = fitted.data(x)

        def told(fold: int, pair: Any) -> None:
            if pair is None:
                fitted.ended(name, first)
                return
            if fold >= _MOST_FOLDS:
                self._say_full(call, f"more than {_MOST_FOLDS} folds of one split")
                return
            lists = dict(zip(["train", "test"], map(row_numbers, pair), strict=True))
            self._splits.take(f"{name}/{fold}", replace(draft, parts=lists), call.at)
            fitted.split(f"{name}/{fold}", lists, first, ())

        return told

    # datasets of Hugging Face

    def of_datasets(self, call: Call, found: Mapping[str, Any], chosen: Sequence[Any]) -> None:
        """`train_test_split` gave these, and asked for these rows; for none where it had a cache.

        The numbers are of rows of the data set that was split, whatever table it chooses from.
        """
        data = call.arguments["self"]
        if len(chosen) == 2:
            train, test = map(row_numbers, chosen)
        else:
            train, test = (_rows_in(data, found[name]) for name in ("train", "test"))
        if train is None or test is None:
            self._say_full(call, "this version of datasets keeps its row numbers elsewhere")
            return
        known = known_of(data, BY_ITSELF)
        column = call.arguments.get("stratify_by_column")  # since datasets 2
        there = [name for name in (column, "label", "labels") if name in data.column_names]
        values = [_column(data, str(name)) for name in there[:1]]
        labels = _labels(values[0], known.rows or 0) if values else None
        draft = replace(
            _draft(call, known, {"train": train, "test": test}),
            labels=labels,
            stratify=labels if column is not None else None,
        )
        name, fitted = self._name(call), self._splits.fitted
        self._splits.take(name, draft, call.at)
        fitted.split(name, draft.parts, fitted.data(data), ())

    def _name(self, call: Call) -> str:
        return self._splits.name(call.method.rpartition(".")[2])

    def _say_full(self, call: Call, why: str) -> None:
        if call.method not in self._full:
            self._full.add(call.method)
            name = call.method.rpartition(".")[2]
            self._splits.problem(f"split {name}", f"{why}; what is beyond is not kept")


def _describe_datasets(call: Call) -> Call:
    given = call.arguments
    names = ("test_size", "train_size", "shuffle", "stratify_by_column")
    plain = {name: _plain(given[name]) for name in names if name in given}
    if not given["shuffle"]:
        return replace(call, parameters=plain)
    seed, generator = _whole(given["seed"]), given["generator"]
    draws_from = None if generator is None and seed is not None else _numpy_generator(generator)
    return replace(call, parameters=plain, generator=draws_from, seed=seed)


def _batches(loader: Any) -> dict[str, Any]:
    """How a `BatchSampler` of the script's own makes batches of the rows that its sampler takes."""
    held = getattr(loader.batch_sampler, "__dict__", {})
    if loader.batch_size is not None or "batch_size" not in held:
        return {}
    return {"batch_size": _plain(held["batch_size"]), "batches_drop_last": held.get("drop_last")}


def _rows_in(data: Any, part: Any) -> Any:
    """Which rows of a data set a part of it has, by the rows of the table that both choose."""
    np = numpy()
    ours, theirs = (getattr(one, "_indices", None) for one in (data, part))
    if theirs is None:
        return None
    chosen = theirs.column(0).to_numpy().astype("u8")
    if ours is None:
        return chosen
    there = ours.column(0).to_numpy().astype("u8")
    order = np.argsort(there, kind="stable")
    return order[np.searchsorted(there[order], chosen)].astype("u8")


def _column(data: Any, name: str) -> Any:
    """A column of a data set of Hugging Face, as it lies, in the order of its rows."""
    if len(data) > _MOST_LABELLED:
        return None
    values = data.data.column(name).to_numpy()
    chosen = getattr(data, "_indices", None)
    return values if chosen is None else values[chosen.column(0).to_numpy()]


def _distributed() -> Any:
    return sys.modules["torch.utils.data.distributed"].DistributedSampler


def _draft(call: Call, known: Known, lists: Mapping[str, Any]) -> Draft:
    ids, notes, fingerprint = known.ids, known.notes, known.fingerprint
    if ids is not None and ids.given is None and not _tells_apart(ids.ids):
        ids, notes = None, (*notes, _STAND_IN)
    return Draft(
        call.method,
        lists,
        known.what,
        known.rows,
        parameters=call.parameters,
        seed=call.seed,
        generator=call.generator,
        ids=ids,
        fingerprint=fingerprint,
        notes=notes,
    )


def _tells_apart(ids: bytes) -> bool:
    step = row_ids.ID_BYTES
    count = len(ids) // step
    return len({ids[at : at + step] for at in range(0, len(ids), step)}) >= _DISTINCT * count


def _known(data: tuple[Any, ...]) -> Known:
    return known_of(data[0] if len(data) == 1 else data, BY_ITSELF)


def _of_torch(call: Call, base: Any) -> Draft:
    """A draft without parts."""
    known = known_of(base, BY_ITSELF)
    return replace(_draft(call, known, {}), labels=_labels(_targets(base), known.rows or 0))


def _targets(base: Any) -> Any:
    """The labels of a data set where they lie beside it; None where they do not."""
    tensors = row_ids.tensors_of(base)
    if tensors is not None:
        return tensors[-1] if len(tensors) > 1 else None
    held = getattr(base, "__dict__", {})
    return held.get("targets", held.get("labels"))


def _labels(values: Any, rows: int, *, whatever: bool = False) -> Key | None:
    """Labels or groups by row; None for what is no list of names: numbers that measure something.

    Args:
        values: what the call was given.
        rows: how many there must be.
        whatever: also floats: what rows are grouped by may be anything.
    """
    if values is None or not rows or rows > _MOST_LABELLED or parts.row_count(values) != rows:
        return None
    shape = getattr(values, "shape", (rows,))
    if len(shape) != 1 or getattr(getattr(values, "device", None), "type", "cpu") != "cpu":
        return None
    try:
        held = numpy().asarray(values)
        if held.dtype.kind not in "biuUSTO" and not whatever:
            return None
        if held.dtype.kind == "O" and row_ids.texts_of(held) is None:
            return None
        key = key_of(held)
    except (UsageError, TypeError, ValueError):
        return None
    return key if whatever or key.is_counted else None


def _torch_generator(source: Any) -> dict[str, Any]:
    torch = sys.modules["torch"]
    generator = torch.default_generator if source is None else source
    is_global = generator is torch.default_generator
    found: dict[str, Any] = {"of": "torch" if is_global else "argument"}
    found["seed"] = generator.initial_seed()
    if generator.device.type == "cpu":  # of another, its state would be waited for
        found["state"] = generators.digest_of(generators.generator_state(generator))
    return found


def _numpy_generator(source: Any) -> dict[str, Any] | None:
    if source is None or source is getattr(sys.modules.get("numpy.random"), "mtrand", None):
        state = generators.read_global("numpy")
        return {"of": "numpy", "state": generators.digest_of(state)} if state else None
    if not generators.is_generator(source):
        return None
    state = generators.generator_state(source)
    return {"of": "argument", "state": generators.digest_of(state)}


def _whole(value: Any) -> int | None:
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _plain(value: Any) -> Any:
    """A parameter as a plain value; of what is none its class."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value[:_LISTED]]
    if hasattr(type(value), "item") and not getattr(value, "shape", (0,)):
        return _plain(value.item())
    if isinstance(value, type):
        return value.__qualname__
    return f"a {parts.class_name(value)}"
