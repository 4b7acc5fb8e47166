"""One array of a state as canonical bytes, and back.

`docs/formats/state.md` says what the bytes are. NumPy, torch and JAX are looked for among the
modules that are loaded; only `restore` imports one, the one it was asked for.
"""

import math
import sys
from collections.abc import Hashable
from types import ModuleType
from typing import Any

from msgspec import Struct

from samebit.errors import Damaged, UsageError
from samebit.records import LeafRecord
from samebit.states.dtypes import (
    ITEM_BYTES,
    NARROW,
    NUMPY_OWN,
    TORCH_ALONE,
    item_bytes,
    name_of_numpy,
    torch_has,
)

__all__ = [
    "ITEM_BYTES",
    "Canonical",
    "as_bytes",
    "as_scalar",
    "canonical",
    "check",
    "check_size",
    "frozen",
    "is_array",
    "is_jax",
    "is_scalar",
    "restore",
    "same_memory",
    "size_bytes",
    "why_not",
]

_MAX_DIMENSIONS = 64  # what NumPy can hold


class Canonical(Struct, frozen=True):
    """An array's dtype and shape, and its elements row by row, little endian, read-only."""

    dtype: str
    shape: tuple[int, ...]
    data: memoryview


def is_array(value: object) -> bool:
    """Whether a value is an array or scalar of NumPy, torch or JAX, of whatever kind."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return True
    return _torch_of(value) is not None or is_jax(value)


def is_scalar(array: object) -> bool:
    """Whether an array is a NumPy scalar, which unlike a 0-d array is a value and not a place."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(array, numpy.generic)


def why_not(array: Any) -> str | None:
    """Why an array cannot be a leaf, or None where it can; looks at no element of it."""
    if is_jax(array):
        return _why_not_jax(array)
    if (torch := _torch_of(array)) is None:
        return _why_not_numpy(array)
    # The class comes first: a subclass may answer every later question in its own way.
    if type(array) not in (torch.Tensor, torch.nn.Parameter):
        return f"a tensor subclass ({type(array).__module__}.{type(array).__qualname__})"
    if array.is_nested:
        return "a nested tensor"
    if array.is_quantized:
        return "a quantised tensor"
    if array.layout is not torch.strided:
        return f"a tensor of layout {_torch_name(array.layout)}"
    if array.device.type == "meta":
        return "a tensor on the meta device, which holds no values"
    if _torch_name(array.dtype) not in ITEM_BYTES:
        return f"a tensor of dtype {_torch_name(array.dtype)}"
    if array.numel() and not array.untyped_storage().nbytes():
        return "a tensor whose memory was given back"  # sharded training does so between uses
    return _too_deep(array)


def _why_not_numpy(array: Any) -> str | None:
    numpy = sys.modules["numpy"]
    if isinstance(array, numpy.ndarray) and type(array) not in (numpy.ndarray, numpy.memmap):
        return f"an array subclass ({type(array).__module__}.{type(array).__qualname__})"
    if name_of_numpy(numpy.asarray(array).dtype) is None:
        return f"an array of dtype {array.dtype.name}"
    return _too_deep(array)


def _why_not_jax(array: Any) -> str | None:
    if isinstance(array, sys.modules["jax"].core.Tracer):
        return "an array that is being traced by JAX, which holds no values"
    if array.is_deleted():
        return "an array of JAX whose memory was given back"
    if not array.is_fully_addressable:
        return "an array of JAX of which other processes hold a part"
    if not hasattr(array.dtype, "kind") or name_of_numpy(array.dtype) is None:
        return f"an array of dtype {array.dtype}"
    return _too_deep(array)


def _too_deep(array: Any) -> str | None:
    return f"an array of {array.ndim} dimensions" if array.ndim > _MAX_DIMENSIONS else None


def as_scalar(array: Any) -> Any:
    """The NumPy scalar that a 0-d array or tensor holds; anything else as it is."""
    if not is_array(array):
        return array
    return (array if _torch_of(array) is None else array.numpy())[()]


def as_bytes(array: Any) -> bytes:
    """The bytes that a leaf of uint8 holds; a leaf of another kind raises Damaged."""
    if isinstance(array, bytes):
        return array
    dtype = array.dtype.name if _torch_of(array) is None else _torch_name(array.dtype)
    if dtype != "uint8" or array.ndim != 1:
        raise Damaged("a state's skeleton has an array where bytes must be", dtype=dtype)
    return (array if _torch_of(array) is None else array.numpy()).tobytes()


def same_memory(array: Any) -> Hashable:
    """A key that two living arrays share exactly when they are one array by two names."""
    torch = _torch_of(array)
    if isinstance(array, bytes) or is_scalar(array):
        return object()  # values, not places: whether Python holds two of them once is chance
    if is_jax(array) or not (array.size if torch is None else array.numel()):
        return id(array)  # no element has an address of its own, or one that may be asked for
    if torch is None:
        address = array.__array_interface__["data"][0]
        return "numpy", address, array.dtype.str, array.shape, array.strides
    lazy = array.is_conj(), array.is_neg()
    place = str(array.device), array.data_ptr()
    return "torch", place, array.dtype, tuple(array.shape), array.stride(), lazy


def size_bytes(array: Any) -> int:
    """How many canonical bytes an array has."""
    if isinstance(array, bytes):
        return len(array)
    return math.prod(array.shape) * array.dtype.itemsize


def frozen(array: Any) -> Any:
    """A copy in memory of our own, on the CPU, that no later change of the array reaches."""
    if isinstance(array, bytes) or is_scalar(array):
        return array
    if is_jax(array):
        return sys.modules["numpy"].array(array)
    if _torch_of(array) is None:
        return array.copy(order="K")
    if _is_narrow(array.dtype):
        return _as_bytes_of(array).to("cpu", copy=True).view(array.dtype)
    return array.detach().to("cpu", copy=True)


def canonical(array: Any) -> Canonical:
    """An array's canonical bytes: a view of its own memory where that is already in order.

    A tensor on a device is copied to the CPU, which waits for the device. `bytes` are an array of
    uint8. Raises UsageError for the kinds of array that cannot be a leaf.
    """
    if isinstance(array, bytes):
        return Canonical("uint8", (len(array),), memoryview(array))
    if reason := why_not(array):
        raise UsageError(
            f"cannot store {reason}", hint="convert it to a plain, dense array before saving"
        )
    if (torch := _torch_of(array)) is None:
        array = sys.modules["numpy"].asarray(array)  # of a scalar, and of an array of JAX
        dtype, words = name_of_numpy(array.dtype) or "", _numpy_words(array)
    else:
        dtype, words = _torch_name(array.dtype), _torch_words(torch, array)
    flat = words.astype(words.dtype.newbyteorder("<"), order="C", copy=False).reshape(-1)
    if dtype == "bool" and flat.size and flat.max() > 1:
        flat = (flat != 0).view("u1")  # a bool made from foreign bytes may hold any of 256 values
    data = memoryview(flat.view("u1")) if flat.size else memoryview(b"")
    return Canonical(dtype, tuple(array.shape), data.toreadonly())


def _numpy_words(array: Any) -> Any:
    kind, numpy = array.dtype.kind, sys.modules["numpy"]
    plain = kind in "iufc" and array.dtype.name in NUMPY_OWN
    if plain or kind in "US" or array.dtype.type is numpy.void:
        return array
    # Another package's dtype, a time or a bool is laid out as the word of its size.
    word = f"{array.dtype.byteorder if array.dtype.byteorder in '<>' else '='}u"
    return array.view(f"{word}{array.dtype.itemsize}")


def _torch_words(torch: ModuleType, tensor: Any) -> Any:
    if _is_narrow(tensor.dtype):
        return _as_bytes_of(tensor).cpu().numpy()
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    # Seen as integers, every dtype can be laid out anew and handed to NumPy.
    word = "uint8" if tensor.itemsize == 1 else f"int{8 * tensor.itemsize}"
    return tensor.view(getattr(torch, word)).numpy()


def _is_narrow(dtype: Any) -> bool:
    """Whether a dtype of torch is an integer of less than a byte, which torch cannot even copy."""
    return _torch_name(dtype) in NARROW


def _as_bytes_of(tensor: Any) -> Any:
    return tensor.detach().view(sys.modules["torch"].uint8)


def check(record: LeafRecord, name: str) -> None:
    """Raise Damaged unless dtype, shape and size of a leaf's record fit each other."""
    each_bytes = item_bytes(record.dtype)
    if each_bytes is None:
        raise Damaged(f"leaf {name!r} has a dtype that does not exist: {record.dtype!r}")
    shape = record.shape
    if len(shape) > _MAX_DIMENSIONS or not all(0 <= length < 2**63 for length in shape):
        raise Damaged(f"leaf {name!r} has a shape that no array has", shape=str(shape)[:200])
    if math.prod(shape) * each_bytes != record.size_bytes:
        raise Damaged(
            f"leaf {name!r} has a size that does not fit its shape",
            shape=str(shape)[:200],
            dtype=record.dtype,
            size_bytes=record.size_bytes,
        )


def check_size(record: LeafRecord, data: bytes | bytearray, name: str) -> None:
    """Raise Damaged unless a leaf has as many bytes as its record says."""
    if len(data) != record.size_bytes:
        raise Damaged(
            f"leaf {name!r} has {len(data)} bytes where {record.size_bytes} were recorded",
            digest=record.digest,
        )


def restore(record: LeafRecord, data: bytes | bytearray, *, as_torch: bool, name: str = "") -> Any:
    """A leaf's canonical bytes as a new array of NumPy, or a tensor of torch on the CPU.

    What no tensor can hold (texts, times, some dtypes of ml_dtypes) is an array of NumPy always.

    Raises:
        Damaged: the record is no array's, or the bytes are not as many as it says.
        UsageError: the library is not installed, or the dtype is one that it lacks.
    """
    check(record, name)
    check_size(record, data, name)
    try:
        if as_torch and torch_has(record.dtype):
            return _as_tensor(record, data)
        return _as_numpy(record, data)
    except (ValueError, RuntimeError, OverflowError) as error:
        # An empty array may declare lengths that no library can count.
        raise Damaged(f"leaf {name!r} cannot be made: {error}", shape=str(record.shape)) from error


def _as_tensor(record: LeafRecord, data: bytes | bytearray) -> Any:
    try:
        import numpy  # noqa: PLC0415  (a lazy door)
        import torch  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        raise UsageError(
            f"cannot make a tensor: {error}", hint="install torch and NumPy, or load as NumPy"
        ) from error
    if not hasattr(torch, record.dtype):
        raise UsageError(
            f"torch {torch.__version__} has no {record.dtype}", hint="load it with a newer torch"
        )
    word = ITEM_BYTES[record.dtype] // (2 if record.dtype.startswith("complex") else 1)
    # Torch's own memory: how a tensor is aligned can decide the order in which it is summed up.
    flat = torch.empty(len(data), dtype=torch.uint8, device="cpu")
    words = numpy.frombuffer(data, f"<u{word}")
    flat.numpy()[:] = words.astype(f"=u{word}", copy=False).view("u1")
    return flat.view(getattr(torch, record.dtype)).reshape(record.shape)


def _as_numpy(record: LeafRecord, data: bytes | bytearray) -> Any:
    try:
        import numpy  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        raise UsageError(f"cannot make an array: {error}", hint="install NumPy") from error
    if record.dtype in ITEM_BYTES and record.dtype not in NUMPY_OWN:
        dtype = _of_ml_dtypes(record.dtype)
        word = f"u{dtype.itemsize}"
        words = numpy.frombuffer(data, f"<{word}").astype(f"={word}")
        return words.view(dtype).reshape(record.shape)
    dtype = numpy.dtype(record.dtype)
    return numpy.frombuffer(data, dtype.newbyteorder("<")).astype(dtype).reshape(record.shape)


def _of_ml_dtypes(name: str) -> Any:
    try:
        import ml_dtypes  # noqa: PLC0415  (a lazy door)
        import numpy  # noqa: PLC0415  (a lazy door)

        return numpy.dtype(getattr(ml_dtypes, name))
    except (ImportError, AttributeError) as error:
        hint = "load the state with torch"
        if name not in TORCH_ALONE:
            hint = "install ml_dtypes" + (f", or {hint}" if torch_has(name) else "")
        raise UsageError(f"NumPy has no {name}", hint=hint) from error


def _torch_of(array: object) -> ModuleType | None:
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(array, torch.Tensor) else None


def _torch_name(value: object) -> str:
    return str(value).removeprefix("torch.")


def is_jax(array: object) -> bool:
    """Whether a value is an array of JAX; it is not loaded for that."""
    kind = getattr(sys.modules.get("jax"), "Array", None)
    return kind is not None and isinstance(array, kind)
