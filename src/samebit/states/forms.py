"""What stands in a loaded state for a thing that is neither a plain value nor an array.

Each is a frozen value of plain heads and of parts, which are states themselves. Nothing that a
file says picks a class or calls one: a `Described` of some type has its name as a text. What torch,
SciPy or NumPy can hold is made by the method that names it, which checks every index first.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from samebit.errors import Damaged, UsageError

__all__ = [
    "FORMS",
    "Described",
    "Named",
    "Objects",
    "Opaque",
    "Quantized",
    "Shard",
    "Sparse",
    "Struct",
    "Text",
    "opaque",
    "type_name",
]

_MAX_DIMENSIONS = 64

Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _shape(value: Any) -> bool:
    """Lengths, or places along them: few, and none beyond what an index can say."""
    return (
        isinstance(value, (list, tuple))
        and len(value) <= _MAX_DIMENSIONS
        and all(type(n) is int and 0 <= n < 2**63 for n in value)
    )


def _axis(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value < _MAX_DIMENSIONS)


class Text(msgspec.Struct, frozen=True):
    """A thing that could only be described."""

    text: str


class Described(msgspec.Struct, frozen=True):
    """An object of some type: its name, and what it is made of. Loading makes no such object."""

    type: str
    content: Any

    HEAD: ClassVar[dict[str, Check]] = {"type": _text}
    BARE: ClassVar[str] = "content"


class Named(msgspec.Struct, frozen=True):
    """A named tuple of some type: its fields in order."""

    type: str
    content: dict[str, Any]

    HEAD: ClassVar[dict[str, Check]] = {"type": _text}
    BARE: ClassVar[str] = "content"


class Opaque(msgspec.Struct, frozen=True):
    """What the user had pickled (`samebit.opaque`). Nothing of ours ever loads these bytes."""

    type: str
    pickled: bytes

    HEAD: ClassVar[dict[str, Check]] = {"type": _text}
    BARE: ClassVar[str] = "pickled"


class Objects(msgspec.Struct, frozen=True):
    """A NumPy array of objects: its shape, and the values row by row."""

    shape: tuple[int, ...]
    content: list[Any]

    HEAD: ClassVar[dict[str, Check]] = {"shape": _shape}
    BARE: ClassVar[str] = "content"

    def to_numpy(self) -> Any:
        """The array; its values are as they were loaded."""
        numpy = _numpy()
        if not isinstance(self.content, list) or len(self.content) != math.prod(self.shape):
            raise _unfit("an array of objects", shape=self.shape)
        flat = numpy.empty(len(self.content), object)
        for i, item in enumerate(self.content):
            flat[i] = item  # one by one: NumPy would take a list for a row
        return flat.reshape(self.shape)


class Struct(msgspec.Struct, frozen=True, eq=False):
    """A structured NumPy array: an array for each field, whose first axes are the shape."""

    shape: tuple[int, ...]
    aligned: bool  # whether its fields lay as a C compiler lays them
    content: dict[str, Any]

    HEAD: ClassVar[dict[str, Check]] = {"shape": _shape, "aligned": _flag}
    BARE: ClassVar[str] = "content"

    def to_numpy(self) -> Any:
        """The structured array. Offsets that were chosen by hand are not kept."""
        numpy = _numpy()
        try:
            fields = {
                name: field.to_numpy() if isinstance(field, (Struct, Objects)) else field
                for name, field in self.content.items()
            }
            axes = len(self.shape)
            if any(tuple(field.shape[:axes]) != tuple(self.shape) for field in fields.values()):
                raise _unfit("a structured array", shape=self.shape)
            described = [(name, f.dtype, tuple(f.shape[axes:])) for name, f in fields.items()]
            made = numpy.zeros(self.shape, numpy.dtype(described, align=self.aligned))
            for name, field in fields.items():
                made[name] = field
        except (AttributeError, TypeError, ValueError) as error:
            raise _unfit("a structured array", shape=self.shape, because=error) from error
        return made


class Sparse(msgspec.Struct, frozen=True, eq=False):
    """A sparse tensor or matrix: the indices of its values, and the values.

    `coo`: indices of shape (sparse dimensions, values). `csr`, `bsr`: `starts` says where each row
    begins, indices are columns. `csc`, `bsc`: the same with columns and rows. `dia`: indices are
    the offsets of diagonals.
    """

    layout: str
    shape: tuple[int, ...]
    coalesced: bool  # of `coo`: sorted, and no place twice
    starts: Any
    indices: Any
    values: Any

    HEAD: ClassVar[dict[str, Check]] = {
        "layout": ("coo", "csr", "csc", "bsr", "bsc", "dia").__contains__,
        "shape": _shape,
        "coalesced": _flag,
    }
    BARE: ClassVar[str] = ""

    def to_torch(self) -> Any:
        """The torch tensor of that layout, its indices checked."""
        torch = _torch()
        if self.layout == "dia":
            raise UsageError("torch has no sparse layout dia", hint="use to_scipy()")
        try:
            parts = [torch.as_tensor(part) for part in (self.indices, self.values)]
            shape = tuple(self.shape)
            if self.layout == "coo":
                return torch.sparse_coo_tensor(
                    *parts, shape, is_coalesced=self.coalesced, check_invariants=True
                )
            return torch.sparse_compressed_tensor(
                torch.as_tensor(self.starts),
                *parts,
                shape,
                layout=getattr(torch, f"sparse_{self.layout}"),
                check_invariants=True,
            )
        except (RuntimeError, TypeError, ValueError, OverflowError) as error:
            raise _unfit("a sparse tensor", shape=self.shape, because=error) from error

    def to_scipy(self) -> Any:
        """The SciPy array of that layout, its indices checked."""
        try:
            import scipy.sparse as sparse  # noqa: PLC0415  (a lazy door)
        except ImportError as error:
            raise UsageError("SciPy is not installed", hint="install it, or use torch") from error
        try:
            parts = (self.values, self.indices)
            if self.layout == "coo":
                made = sparse.coo_array((self.values, tuple(self.indices)), shape=self.shape)
                made.has_canonical_format = self.coalesced
            elif self.layout == "dia":
                made = sparse.dia_array(parts, shape=self.shape)
            else:
                make = getattr(sparse, f"{self.layout}_array")
                made = make((*parts, self.starts), shape=self.shape)
                made.check_format(full_check=True)
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise _unfit("a sparse array", shape=self.shape, because=error) from error
        return made


class Quantized(msgspec.Struct, frozen=True, eq=False):
    """A quantised torch tensor: the stored integers, and what they are scaled by."""

    dtype: str
    axis: int | None  # the one along which scales differ; None where there is one for all
    scale: Any
    zero_point: Any
    values: Any

    HEAD: ClassVar[dict[str, Check]] = {
        "dtype": ("qint8", "quint8", "qint32").__contains__,
        "axis": _axis,
    }
    BARE: ClassVar[str] = ""

    def to_torch(self) -> Any:
        """The quantised tensor."""
        torch = _torch()
        try:
            values = torch.as_tensor(self.values)
            if str(values.dtype) != f"torch.{self.dtype.replace('q', '', 1)}":
                raise _unfit("a quantised tensor", dtype=self.dtype, stored=values.dtype)
            if self.axis is None:
                return torch._make_per_tensor_quantized_tensor(
                    values, float(self.scale), int(self.zero_point)
                )
            scales = torch.as_tensor(self.scale)
            points = torch.as_tensor(self.zero_point)
            # torch does not check it, and reads beyond their ends.
            if not (scales.shape == points.shape == (values.shape[self.axis],)):
                raise _unfit("a quantised tensor", axis=self.axis, shape=tuple(values.shape))
            return torch._make_per_channel_quantized_tensor(values, scales, points, self.axis)
        except (RuntimeError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise _unfit("a quantised tensor", dtype=self.dtype, because=error) from error


class Shard(msgspec.Struct, frozen=True, eq=False):
    """The part of a sharded tensor that one rank holds."""

    shape: tuple[int, ...]  # of the whole
    offset: tuple[int, ...]  # where the part begins, along each dimension
    value: Any

    HEAD: ClassVar[dict[str, Check]] = {"shape": _shape, "offset": _shape}
    BARE: ClassVar[str] = "value"


# A mark by the name it has in a skeleton.
FORMS: dict[str, type[Any]] = {
    "$object": Described,
    "$named": Named,
    "$opaque": Opaque,
    "$objects": Objects,
    "$struct": Struct,
    "$sparse": Sparse,
    "$quantized": Quantized,
    "$shard": Shard,
}


def opaque(value: object) -> Opaque:
    """Attach a thing to a state that a state cannot hold: pickled now, and never loaded by Samebit.

    Reading the state gives its `pickled` bytes; whoever trusts them may load them.
    """
    try:
        return Opaque(type_name(value), pickle.dumps(value, protocol=4))
    except Exception as error:  # a stranger's class may raise anything
        what = f"a {type_name(value)} cannot be pickled: {type(error).__name__}: {error}"
        raise UsageError(what, hint="attach what it is made of") from error


def type_name(value: object) -> str:
    """The type of a value (or the type that it is) as `module.Name`; builtins by name alone."""
    kind = value if isinstance(value, type) else type(value)
    home = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return home + kind.__qualname__


def _unfit(what: str, because: object = "its parts do not fit", **facts: Any) -> Damaged:
    return Damaged(f"{what} of a state cannot be made: {because}", **facts)


def _numpy() -> Any:
    try:
        import numpy  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        raise UsageError("NumPy is not installed", hint="install NumPy") from error
    return numpy


def _torch() -> Any:
    try:
        import torch  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        raise UsageError("torch is not installed", hint="install torch") from error
    return torch
