"""Data as what a state can hold: arrays, tensors, bytes, and a plan of how they make it up again.

Given back is the same type: an array of NumPy, a tensor, a frame of the same library. The items of
a data set are a list, which has its positions and its length. A frame lies in Arrow's format, and
is compared with its fingerprint of level `strict` before anybody relies on it.
"""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from samebit.data import frames, pieces, tables
from samebit.data.arrays import is_array
from samebit.data.forms import Fingerprint
from samebit.data.members import numpy
from samebit.data.row_ids import tensors_of, texts_of
from samebit.errors import Damaged, UsageError
from samebit.states import leaves

__all__ = ["Stowed", "item_bytes", "stow", "stow_items", "tensors_under", "unstow"]

_DEEPEST = 64
_MOST_APART = 100_000  # arrays of items that have no common shape: each is an object of its own
_INT64 = 1 << 63
_NAMED = 3  # columns in an error
_FRAMES = ("pandas", "polars", "pyarrow", "datasets")


class Stowed(Struct):
    """Some data, taken apart; `plan` is a plain value that names the others by their places."""

    plan: Any = None
    arrays: list[Any] = field(default_factory=list[Any])  # of NumPy
    tensors: list[Any] = field(default_factory=list[Any])
    blobs: list[bytes] = field(default_factory=list[bytes])

    @property
    def size_bytes(self) -> int:
        """How much memory that is."""
        held = sum(leaves.size_bytes(one) for one in (*self.arrays, *self.tensors))
        return held + sum(map(len, self.blobs))

    @property
    def state(self) -> dict[str, Any]:
        """The value that is stored."""
        return {
            "plan": self.plan,
            "arrays": self.arrays,
            "tensors": self.tensors,
            "blobs": self.blobs,
        }


def stow(value: Any) -> Stowed:
    """Take data apart; nothing of what is given back changes with it any more.

    Args:
        value: an array, tensor, frame, series or table; a `TensorDataset` of torch, or a `Subset`
            of one; a dict, tuple or list of these.

    Raises:
        UsageError: it is nothing of these, or a frame that does not come back as it is.
    """
    made = Stowed()
    made.plan = _thing(value, made)
    return made


def stow_items(items: Sequence[Any]) -> Stowed:
    """The same of the items of a data set; UsageError where something in them has no bytes."""
    made = Stowed()
    made.plan = {"items": len(items), "each": _column(list(items), made, 0)}
    return made


def unstow(held: Stowed) -> Any:
    """What was taken apart; Damaged where the plan is none."""
    try:
        if isinstance(held.plan, dict) and "items" in held.plan:
            return _items(held.plan["each"], held.plan["items"], held)
        return _thing_again(held.plan, held)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise Damaged(f"damaged data: {type(error).__name__}: {error}") from error


def item_bytes(item: Any, depth: int = 0) -> int:
    """About how much memory an item takes."""
    if is_array(item):
        return leaves.size_bytes(item)
    if isinstance(item, (str, bytes)):
        return len(item)
    if depth < _DEEPEST and isinstance(item, Mapping):
        return sum(item_bytes(one, depth + 1) for one in item.values())
    if depth < _DEEPEST and isinstance(item, (list, tuple)):
        return sum(item_bytes(one, depth + 1) for one in item)
    return 8


def _array(value: Any, made: Stowed) -> dict[str, int]:
    if reason := leaves.why_not(value):
        raise UsageError(f"{reason} cannot be kept", hint="convert it to a plain array")
    held = made.tensors if hasattr(value, "detach") else made.arrays
    held.append(leaves.frozen(value))
    return {"tensor" if held is made.tensors else "array": len(held) - 1}


def _array_again(plan: Any, held: Stowed) -> Any:
    return held.tensors[plan["tensor"]] if "tensor" in plan else held.arrays[plan["array"]]


def _thing(value: Any, made: Stowed) -> Any:
    if is_array(value):
        return _array(value, made)
    if (found := tensors_under(value)) is not None:
        tensors, rows = found
        chosen = [one if rows is None else one[rows] for one in tensors]
        return {"tensors": [_array(one, made) for one in chosen]}
    library = type(value).__module__.partition(".")[0]
    if library in _FRAMES and frames.find_table(value, strict=True) is not None:
        return _frame(value, library, made)
    if isinstance(value, Mapping):
        return {"dict": [[name, _thing(one, made)] for name, one in value.items()]}
    if isinstance(value, list) and texts_of(value) is not None:
        return {"plain": list(value)}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_thing(one, made) for one in value]}
    raise UsageError(f"a {type(value).__name__} cannot be kept as it is")


def _thing_again(plan: Any, held: Stowed) -> Any:
    if "frame" in plan:
        return _frame_again(plan, held.blobs[plan["blob"]])
    if "tensors" in plan:
        data = _imported("torch.utils.data")
        return data.TensorDataset(*(_array_again(one, held) for one in plan["tensors"]))
    if "plain" in plan:
        return plan["plain"]
    if "dict" in plan:
        return {name: _thing_again(one, held) for name, one in plan["dict"]}
    for kind, make in (("tuple", tuple), ("list", list)):
        if kind in plan:
            return make(_thing_again(one, held) for one in plan[kind])
    return _array_again(plan, held)


def tensors_under(value: Any) -> tuple[tuple[Any, ...], list[int] | None] | None:
    """The tensors of a `TensorDataset`, and the rows that a `Subset` chooses; None of all else."""
    torch = sys.modules.get("torch")
    rows: Any = None
    while torch is not None and type(value) is torch.utils.data.Subset:
        chosen = list(value.indices)
        rows = chosen if rows is None else [chosen[at] for at in rows]
        value = value.dataset
    tensors = tensors_of(value)
    return None if tensors is None else (tensors, rows)


# Frames


def _frame(value: Any, library: str, made: Stowed) -> dict[str, Any]:
    if frames.has_media(value):
        raise UsageError("images and sound of a data set cannot be kept, only its fingerprint")
    plan: dict[str, Any] = {"frame": library, "kind": type(value).__name__, "blob": len(made.blobs)}
    if plan["kind"] == "Series":
        plan["name"] = value.name
    if library == "pandas":
        kinds = value.dtypes if plan["kind"] == "DataFrame" else [value.dtype]
        plan["dtypes"] = [str(kind) for kind in kinds]
    written = _written(_as_arrow(value, library), value, library)
    before, after = (_strict(one) for one in (value, _frame_again(plan, written)))
    if before.name != after.name:
        other = [n for n, column in before.parts.items() if after.parts.get(n) != column]
        raise UsageError(
            f"Arrow does not give back this {plan['kind']} of {library} as it is"
            + (f": {', '.join(map(repr, other[:_NAMED]))}" if other else ""),
        )
    made.blobs.append(written)
    return plan


def _strict(value: Any) -> Fingerprint:
    table = frames.find_table(value, strict=True)
    return tables.of_table(table, "strict") if table is not None else Fingerprint("", None)


def _as_arrow(value: Any, library: str) -> Any:
    """An Arrow table of it."""
    arrow = pieces.arrow()
    kind = type(value).__name__
    if library == "pandas":
        frame = value.to_frame("values") if kind == "Series" else value
        try:
            return arrow.Table.from_pandas(frame)
        except (arrow.ArrowException, ValueError, TypeError) as error:
            raise UsageError(f"Arrow cannot hold this frame: {error}") from error
    if library == "polars":
        frame = value.to_frame("values") if kind == "Series" else value
        return frame.to_arrow()
    if library == "datasets":
        table = value.with_format("arrow")[:]
        return table.replace_schema_metadata(value.data.schema.metadata)
    if kind == "RecordBatch":
        return arrow.Table.from_batches([value])
    return value if kind == "Table" else arrow.table({"values": value})


def _written(table: Any, value: Any, library: str) -> bytes:
    arrow = pieces.arrow("pyarrow.ipc")
    if library == "pandas" and type(value).__name__ == "DataFrame" and value.attrs:
        # They may be anything, and are no part of any fingerprint.
        kept = {k: v for k, v in (table.schema.metadata or {}).items() if k != b"PANDAS_ATTRS"}
        table = table.replace_schema_metadata(kept)
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def _frame_again(plan: Mapping[str, Any], written: bytes) -> Any:
    arrow = pieces.arrow("pyarrow.ipc")
    table = arrow.ipc.open_stream(arrow.py_buffer(written)).read_all()
    library, kind = plan["frame"], plan["kind"]
    if library == "pandas":
        frame = table.to_pandas()
        for at, kind_of_column in enumerate(plan["dtypes"]):
            if str(frame.dtypes.iloc[at]) != kind_of_column:  # texts were objects once
                frame.isetitem(at, frame.iloc[:, at].astype(kind_of_column))
        return frame["values"].rename(plan["name"]) if kind == "Series" else frame
    if library == "polars":
        frame = _imported("polars").from_arrow(table)
        return frame["values"].rename(plan["name"]) if kind == "Series" else frame
    if library == "datasets":
        datasets = _imported("datasets")
        return datasets.Dataset(datasets.table.InMemoryTable(table))
    if kind == "RecordBatch":
        return table.combine_chunks().to_batches()[0]
    if kind == "Table":
        return table
    column = table.column("values")
    return column if kind == "ChunkedArray" else column.combine_chunks()


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = f"pip install {name}"
        raise UsageError(f"this data needs {name}, which is not here", hint=hint) from error


# Items, by columns: what the items of most data sets are made of has one shape


def _column(values: list[Any], made: Stowed, depth: int) -> Any:
    """What stands at one place of all items."""
    if depth > _DEEPEST:
        raise UsageError(f"an item is nested more than {_DEEPEST} deep, or contains itself")
    kinds = {type(value) for value in values}
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is not None and values and all(map(is_array, values)):
        return _arrays(values, made)
    if kind in (bool, float) or (kind is int and all(-_INT64 <= n < _INT64 for n in values)):
        np = numpy()
        made.arrays.append(np.array(values, {bool: "?", int: "<i8", float: "<f8"}[kind]))
        return {"numbers": len(made.arrays) - 1}
    if kind in (list, tuple) and len({len(value) for value in values}) == 1:
        columns = list(zip(*values, strict=True))
        return {kind.__name__: [_column(list(one), made, depth + 1) for one in columns]}
    if kind is dict and len({tuple(value) for value in values}) == 1:
        names = list(values[0])
        return {
            "dict": [[n, _column([value[n] for value in values], made, depth + 1)] for n in names]
        }
    return {"apart": [_item(value, made, depth + 1) for value in values]}


def _items(plan: Any, count: int, held: Stowed) -> list[Any]:
    if "stacked" in plan:
        stacked = _array_again(plan["stacked"], held)
        # With the dots an array of no dimension stays one, and is no scalar.
        return [stacked[at] if plan.get("scalars") else stacked[at, ...] for at in range(count)]
    if "numbers" in plan:
        return held.arrays[plan["numbers"]].tolist()
    if "dict" in plan:
        columns = {name: _items(one, count, held) for name, one in plan["dict"]}
        return [{name: column[at] for name, column in columns.items()} for at in range(count)]
    for kind, make in (("tuple", tuple), ("list", list)):
        if kind in plan:
            columns = [_items(one, count, held) for one in plan[kind]]
            return [make(column[at] for column in columns) for at in range(count)]
    return [_item_again(one, held) for one in plan["apart"]]


def _arrays(values: list[Any], made: Stowed) -> Any:
    first = values[0]
    if reason := next(filter(None, map(leaves.why_not, values)), None):
        raise UsageError(f"an item holds {reason}, which cannot be kept")
    alike = len({(str(one.dtype), tuple(one.shape)) for one in values}) == 1
    if alike and hasattr(first, "detach"):
        stacked = sys.modules["torch"].stack([one.detach().cpu() for one in values])
        made.tensors.append(stacked)
        return {"stacked": {"tensor": len(made.tensors) - 1}}
    if alike and not leaves.is_scalar(first):
        made.arrays.append(numpy().stack(values))
        return {"stacked": {"array": len(made.arrays) - 1}}
    if alike:
        made.arrays.append(numpy().array(values, first.dtype))
        return {"stacked": {"array": len(made.arrays) - 1}, "scalars": True}
    return {"apart": [_item(value, made, 0) for value in values]}


def _item(value: Any, made: Stowed, depth: int) -> Any:
    """One value that has not the shape of its neighbours."""
    if depth > _DEEPEST:
        raise UsageError(f"an item is nested more than {_DEEPEST} deep, or contains itself")
    if is_array(value):
        if len(made.arrays) + len(made.tensors) >= _MOST_APART:
            raise UsageError(f"more than {_MOST_APART:,} arrays of items have no common shape")
        return _array(value, made)
    if value is None or type(value) in (bool, int, float, str):
        return {"plain": value}
    if type(value) is bytes:
        made.blobs.append(value)
        return {"blob": len(made.blobs) - 1}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_item(one, made, depth + 1) for one in value]}
    if type(value) is dict:
        pairs = [[name, _item(one, made, depth + 1)] for name, one in value.items()]
        return {"dict": pairs}
    raise UsageError(
        f"an item holds a {type(value).__module__}.{type(value).__qualname__}",
        hint="arrays, numbers, texts, bytes, and lists and dicts of these can be kept",
    )


def _item_again(plan: Any, held: Stowed) -> Any:
    if "plain" in plan:
        return plan["plain"]
    if "blob" in plan:
        return held.blobs[plan["blob"]]
    if "dict" in plan:
        return {name: _item_again(one, held) for name, one in plan["dict"]}
    kinds: tuple[tuple[str, Callable[[Any], Any]], ...] = (("tuple", tuple), ("list", list))
    for kind, make in kinds:
        if kind in plan:
            return make([_item_again(one, held) for one in plan[kind]])
    return _array_again(plan, held)
