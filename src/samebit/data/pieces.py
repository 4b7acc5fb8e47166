"""Some rows of one column in the form in which they are hashed, made from Arrow and from NumPy.

Buffers are looked at where they lie. What is copied is what has to be made: zeros under missing
values, words of another width, the values of a dictionary.
"""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from msgspec import Struct, structs

from samebit.errors import UsageError
from samebit.states.dtypes import NUMPY_OWN

__all__ = ["Piece", "arrow", "nothing", "of_arrow", "of_numpy"]

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NANOSECONDS = 10**9
_UTC = frozenset({"UTC", "Etc/UTC", "Z", "+00:00"})
_DECIMAL_WORDS = 4  # of 64 bits
_NOT_A_TIME = -(2**63)


class Piece(Struct, frozen=True):
    """Rows of one column.

    Attributes:
        type: the name of the type, of `content` or as declared.
        rows: how many.
        valid: an array of bools, or None where every value is there.
        words: for each stream of fixed width an array of `rows` little pieces; zeros where missing.
        lengths: of texts and lists, an array of uint64; 0 where missing.
        data: of texts all bytes.
        children: of lists one, the items; of structs the fields, as long as this.
    """

    type: Any
    rows: int
    valid: Any = None
    words: tuple[Any, ...] = ()
    lengths: Any = None
    data: memoryview | None = None
    children: "tuple[Piece, ...]" = ()


def arrow(*more: str) -> ModuleType:
    """What tables need, and more modules of pyarrow; UsageError where one is not installed."""
    try:
        for name in ("numpy", "pyarrow.compute", *more):
            importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"the fingerprint of a table needs pyarrow and NumPy: {error}",
            hint="pip install pyarrow numpy",
        ) from error
    return sys.modules["pyarrow"]


def of_numpy(values: Any, *, strict: bool) -> Piece:
    """Numbers, bools or times of NumPy, of one dimension; UsageError for anything else."""
    numpy, dtype = sys.modules["numpy"], values.dtype
    if dtype.kind in "mM":
        return _of_times(values, strict=strict)
    if dtype.name not in NUMPY_OWN:
        raise UsageError(f"numbers of type {dtype} have no bytes that are the same everywhere")
    values = numpy.ascontiguousarray(values)
    if dtype.kind == "b":
        values = values.view("u1")
    valid = None
    if dtype.kind == "f" and not strict:
        valid, values = _without_nan(values, None)
    return Piece(dtype.name, len(values), valid, (values,))


def _of_times(values: Any, *, strict: bool) -> Piece:
    numpy = sys.modules["numpy"]
    unit, count = numpy.datetime_data(values.dtype)
    if unit not in _PER_SECOND or count != 1:
        raise UsageError(f"times of type {values.dtype} are not known", hint="convert them to ns")
    whole = numpy.ascontiguousarray(values).view("i8")
    valid = whole != _NOT_A_TIME
    if valid.all():
        valid = None
    name = _timestamp(unit, None, strict) if values.dtype.kind == "M" else _duration(unit, strict)
    return Piece(name, len(whole), valid, _instants(whole, unit, valid))


def of_arrow(array: Any, *, strict: bool) -> Piece:
    """An array of Arrow, which may be a slice; UsageError for types that have no bytes."""
    arrow = sys.modules["pyarrow"]
    if isinstance(array, arrow.ExtensionArray):
        stored = of_arrow(array.storage, strict=strict)
        name = ["extension", array.type.extension_name, stored.type]
        return structs.replace(stored, type=name) if strict else stored
    kind = _kind(array.type)
    if kind in ("run_end_encoded", "dictionary"):
        return _decoded(array, kind, strict=strict)
    if made := _MAKERS.get(kind):
        return made(array, strict)
    if kind in _WORDS:
        return _of_words(array, _WORDS[kind], strict=strict)
    raise UsageError(f"a column of Arrow's type {array.type} has no fingerprint")


def nothing(kind: Any) -> Any:
    """An array of Arrow without values; UsageError for types of which Arrow cannot make one."""
    arrow = sys.modules["pyarrow"]
    try:
        if isinstance(kind, arrow.BaseExtensionType):
            return arrow.ExtensionArray.from_storage(kind, arrow.array([], kind.storage_type))
        return arrow.array([], kind)
    except arrow.ArrowNotImplementedError as error:
        raise UsageError(f"a column of Arrow's type {kind} has no fingerprint") from error


def _kind(arrow_type: Any) -> str:
    """The name of a type without its parameters: `large_string`, `list`, `timestamp`."""
    return str(arrow_type).partition("[")[0].partition("<")[0].partition("(")[0].strip()


def _unit(arrow_type: Any) -> str:
    """The `us` of `time64[us]`, for which older releases of Arrow have no attribute."""
    return str(arrow_type).partition("[")[2].partition("]")[0].partition(",")[0]


def _decoded(array: Any, kind: str, *, strict: bool) -> Piece:
    if kind == "run_end_encoded":
        return of_arrow(sys.modules["pyarrow"].compute.run_end_decode(array), strict=strict)
    ordered = bool(array.type.ordered)
    piece = of_arrow(array.dictionary_decode(), strict=strict)
    if not strict:
        return piece
    return structs.replace(piece, type=["category", ordered, None, piece.type])


def _valid(array: Any) -> Any:
    """Which values are there; None where all are."""
    return array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None


def _buffer(array: Any, dtype: str) -> Any:
    """The values of an array of fixed width, without a copy."""
    numpy = sys.modules["numpy"]
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return numpy.empty(0, dtype)
    return numpy.frombuffer(buffer, dtype)[array.offset : array.offset + len(array)]


def _zeroed(values: Any, valid: Any) -> Any:
    if valid is None:
        return values
    shape = (-1, *(1,) * (values.ndim - 1))
    return sys.modules["numpy"].where(valid.reshape(shape), values, values.dtype.type(0))


def _without_nan(values: Any, valid: Any) -> tuple[Any, Any]:
    numpy = sys.modules["numpy"]
    # The least of some numbers is NaN where one of them is: found without an array of bools.
    if len(values) and numpy.isnan(values.min()):
        nan = numpy.isnan(values)
        valid = ~nan if valid is None else valid & ~nan
        values = _zeroed(values, valid)
    return valid, values


def _of_words(array: Any, dtype: str, *, strict: bool) -> Piece:
    valid = _valid(array)
    values = _zeroed(_buffer(array, dtype), valid)
    if values.dtype.kind == "f" and not strict:
        valid, values = _without_nan(values, valid)
    return Piece(values.dtype.name, len(array), valid, (values,))


def _of_nothing(array: Any, strict: bool) -> Piece:
    return Piece("null", len(array), sys.modules["numpy"].zeros(len(array), bool))


def _of_bools(array: Any, strict: bool) -> Piece:
    numpy, buffer = sys.modules["numpy"], array.buffers()[1]
    if buffer is None or not len(array):
        return Piece("bool", 0, None, (numpy.empty(0, "u1"),))
    begin, end = array.offset // 8, -(-(array.offset + len(array)) // 8)
    bits = numpy.unpackbits(numpy.frombuffer(buffer, "u1")[begin:end], bitorder="little")
    values = bits[array.offset % 8 :][: len(array)]
    valid = _valid(array)
    return Piece("bool", len(array), valid, (_zeroed(values, valid),))


def _of_texts(array: Any, strict: bool) -> Piece:
    numpy, arrow, kind = sys.modules["numpy"], sys.modules["pyarrow"], _kind(array.type)
    name = "binary" if "binary" in kind else "utf8"
    if kind.endswith("_view"):
        array = array.cast(arrow.large_binary() if name == "binary" else arrow.large_string())
        kind = _kind(array.type)
    valid = _valid(array)
    lengths, data = _texts(array, kind)
    if valid is not None and lengths[~valid].any():  # bytes under a null, which are nobody's
        lengths, data = _texts(array.fill_null(b"" if name == "binary" else ""), kind)
    return Piece(name, len(array), valid, (), lengths.astype(numpy.uint64), data)


def _texts(array: Any, kind: str) -> tuple[Any, memoryview]:
    numpy = sys.modules["numpy"]
    _, offsets, data = array.buffers()
    if offsets is None or not len(array):
        return numpy.empty(0, "i8"), memoryview(b"")
    places = numpy.frombuffer(offsets, "i8" if kind.startswith("large") else "i4")
    places = places[array.offset : array.offset + len(array) + 1]
    held = memoryview(b"") if data is None else memoryview(data)
    return numpy.diff(places), held[int(places[0]) : int(places[-1])]


def _of_fixed_binary(array: Any, strict: bool) -> Piece:
    numpy, wide = sys.modules["numpy"], array.type.byte_width
    name = ["binary", wide] if strict else "binary"
    valid = _valid(array)
    values = _buffer(array, f"V{wide}") if wide else numpy.empty(0, "V1")
    kept = values if valid is None or not wide else values[valid]
    lengths = numpy.full(len(array), wide, numpy.uint64)
    data = memoryview(kept.tobytes())
    return Piece(name, len(array), valid, (), _zeroed(lengths, valid), data)


def _of_decimals(array: Any, strict: bool) -> Piece:
    numpy = sys.modules["numpy"]
    scale = array.type.scale
    name = ["decimal", array.type.precision, scale] if strict else ["decimal", scale]
    wide = array.type.bit_width // 8
    part = min(wide, 8)
    valid = _valid(array)
    held = _buffer(array, f"V{wide}").view(f"i{part}").reshape(len(array), wide // part)
    words = numpy.empty((len(array), _DECIMAL_WORDS), "i8")
    words[:, : held.shape[1]] = held
    words[:, held.shape[1] :] = (held[:, -1:] >> (8 * part - 1)) if len(array) else 0
    return Piece(name, len(array), valid, (_zeroed(words, valid),))


def _timestamp(unit: str, zone: str | None, strict: bool) -> Any:
    if strict:
        return ["timestamp", unit, zone]
    return ["timestamp", "UTC" if zone in _UTC else zone]


def _duration(unit: str, strict: bool) -> Any:
    return ["duration", unit] if strict else "duration"


def _instants(whole: Any, unit: str, valid: Any) -> tuple[Any, Any]:
    """Counts of a unit as whole seconds, rounded down, and nanoseconds beyond them."""
    numpy, each = sys.modules["numpy"], _PER_SECOND[unit]
    whole = _zeroed(whole, valid)
    if each == 1:
        return whole, numpy.zeros(len(whole), "u4")
    seconds = whole // each
    beyond = (whole - seconds * each) * (_NANOSECONDS // each)
    return seconds, beyond.astype("u4")


def _of_timestamps(array: Any, strict: bool) -> Piece:
    unit, valid = _unit(array.type), _valid(array)
    name = _timestamp(unit, array.type.tz, strict)
    return Piece(name, len(array), valid, _instants(_buffer(array, "i8"), unit, valid))


def _of_durations(array: Any, strict: bool) -> Piece:
    unit, valid = _unit(array.type), _valid(array)
    parts = _instants(_buffer(array, "i8"), unit, valid)
    return Piece(_duration(unit, strict), len(array), valid, parts)


def _of_dates(array: Any, strict: bool) -> Piece:
    valid = _valid(array)
    if _kind(array.type) == "date32":
        return Piece("date", len(array), valid, (_zeroed(_buffer(array, "i4"), valid),))
    days = _zeroed(_buffer(array, "i8"), valid) // 86_400_000
    return Piece("date64" if strict else "date", len(array), valid, (days.astype("i4"),))


def _of_clocks(array: Any, strict: bool) -> Piece:
    unit, valid = _unit(array.type), _valid(array)
    values = _buffer(array, f"i{array.type.bit_width // 8}").astype("i8")
    words = _zeroed(values * (_NANOSECONDS // _PER_SECOND[unit]), valid)
    return Piece(["time", unit] if strict else "time", len(array), valid, (words,))


def _of_intervals(array: Any, strict: bool) -> Piece:
    numpy, valid = sys.modules["numpy"], _valid(array)
    values = _buffer(array, "V16").view("i8").reshape(len(array), 2)
    return Piece("interval", len(array), valid, (numpy.ascontiguousarray(_zeroed(values, valid)),))


def _of_lists(array: Any, strict: bool) -> Piece:
    numpy, arrow, kind = sys.modules["numpy"], sys.modules["pyarrow"], _kind(array.type)
    if kind == "map":
        array = _as_lists(array)
    valid = _valid(array)
    if kind == "fixed_size_list":
        wide = array.type.list_size
        name = ["list", wide] if strict else "list"
        lengths = numpy.full(len(array), wide, numpy.uint64)
    else:
        name = kind if strict and kind == "map" else "list"
        counted = arrow.compute.list_value_length(array).cast(arrow.int64())
        lengths = _buffer(counted, "i8").astype(numpy.uint64)
    # Of lists that are not there `flatten` leaves the items out.
    items = of_arrow(array.flatten(), strict=strict)
    return Piece(name, len(array), valid, (), _zeroed(lengths, valid), None, (items,))


def _as_lists(array: Any) -> Any:
    """A map as a list of structs, over the same memory."""
    arrow = sys.modules["pyarrow"]
    pairs = arrow.StructArray.from_arrays([array.keys, array.items], ["key", "value"])
    return arrow.ListArray.from_buffers(
        arrow.list_(pairs.type),
        len(array),
        array.buffers()[:2],
        array.null_count,
        array.offset,
        [pairs],
    )


def _of_structs(array: Any, strict: bool) -> Piece:
    names = [field.name for field in array.type]
    # `flatten` hands the nulls of a struct down to its fields, and knows of slices.
    fields = [of_arrow(one, strict=strict) for one in array.flatten()]
    order = range(len(names))
    if not strict:
        order = sorted(order, key=lambda at: names[at].encode())
    children = tuple(fields[at] for at in order)
    name = ["struct", [names[at] for at in order]]
    return Piece(name, len(array), _valid(array), (), None, None, children)


_WORDS = {
    **{
        f"{sign}int{bits}": f"{sign[:1]}{'' if sign else 'i'}{bits // 8}"
        for sign in ("u", "")
        for bits in (8, 16, 32, 64)
    },
    "halffloat": "f2",
    "float": "f4",
    "double": "f8",
}
_MAKERS: dict[str, Callable[[Any, bool], Piece]] = {
    "null": _of_nothing,
    "bool": _of_bools,
    **dict.fromkeys(("string", "large_string", "string_view"), _of_texts),
    **dict.fromkeys(("binary", "large_binary", "binary_view"), _of_texts),
    "fixed_size_binary": _of_fixed_binary,
    **dict.fromkeys((f"decimal{bits}" for bits in (32, 64, 128, 256)), _of_decimals),
    "timestamp": _of_timestamps,
    "duration": _of_durations,
    "date32": _of_dates,
    "date64": _of_dates,
    "time32": _of_clocks,
    "time64": _of_clocks,
    "month_day_nano_interval": _of_intervals,
    **dict.fromkeys(("list", "large_list", "fixed_size_list", "map"), _of_lists),
    **dict.fromkeys(("list_view", "large_list_view"), _of_lists),
    "struct": _of_structs,
}
