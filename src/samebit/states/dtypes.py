"""The dtypes that a leaf may have, by the names that torch, NumPy and ml_dtypes share.

`docs/formats/state.md` lists them. A dtype is one of a table, or a text, bytes or time of NumPy
with its width or unit in its name.
"""

import re
from typing import Any

__all__ = [
    "ITEM_BYTES",
    "NARROW",
    "NUMPY_OWN",
    "TORCH_ALONE",
    "item_bytes",
    "name_of_numpy",
    "torch_has",
]

# What NumPy has without another package.
_NUMPY = {
    "bool": 1,
    "uint8": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
    "int8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "float16": 2,
    "float32": 4,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
}
# What torch and ml_dtypes both have; of the narrow integers each element takes a byte.
_SHARED = {
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
    "complex32": 4,
    "int1": 1,
    "int2": 1,
    "int4": 1,
    "uint1": 1,
    "uint2": 1,
    "uint4": 1,
}
# What torch alone has. A shape of `…_x2` and of `bits…` counts bytes, not the numbers in them.
_TORCH = {
    "float4_e2m1fn_x2": 1,
    "bits8": 1,
    "bits16": 2,
    "bits1x8": 1,
    "bits2x4": 1,
    "bits4x2": 1,
    **{f"{sign}int{bits}": 1 for sign in ("", "u") for bits in (3, 5, 6, 7)},
}
_ML_DTYPES = {
    "bcomplex32": 4,
    "float4_e2m1fn": 1,
    "float6_e2m3fn": 1,
    "float6_e3m2fn": 1,
    "float8_e3m4": 1,
    "float8_e4m3": 1,
    "float8_e4m3b11fnuz": 1,
}

# The dtypes of numbers, and the size of an element.
ITEM_BYTES = {**_NUMPY, **_SHARED, **_TORCH, **_ML_DTYPES}
NUMPY_OWN = frozenset(_NUMPY)
TORCH_ALONE = frozenset(_TORCH)
# Integers of less than a byte, which torch can neither copy nor save.
NARROW = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8))

_CHARACTERS = re.compile(r"([USV])([1-9][0-9]{0,8})")
_CHARACTER_BYTES = {"U": 4, "S": 1, "V": 1}
_TIME = re.compile(
    r"(?:datetime64|timedelta64)(?:\[(?:[1-9][0-9]{0,8})?(?:[YMWDhms]|ms|us|ns|ps|fs|as)\])?"
)
_TIME_BYTES = 8


def item_bytes(dtype: str) -> int | None:
    """The size of one element, or None where there is no such dtype."""
    if dtype in ITEM_BYTES:
        return ITEM_BYTES[dtype]
    if found := _CHARACTERS.fullmatch(dtype):
        return _CHARACTER_BYTES[found[1]] * int(found[2])
    return _TIME_BYTES if _TIME.fullmatch(dtype) else None


def torch_has(dtype: str) -> bool:
    """Whether a tensor can have this dtype."""
    return dtype in ITEM_BYTES and dtype not in _ML_DTYPES


def name_of_numpy(dtype: Any) -> str | None:
    """The name of a NumPy dtype, or None for one that no leaf has.

    Extended precision has none: the bytes of a `longdouble`, and what lies between them, are
    another on each kind of processor. Neither have structures, objects and texts of any length.
    """
    kind, name = dtype.kind, dtype.name
    if dtype.type.__module__.partition(".")[0] == "ml_dtypes":
        return name if name in _SHARED or name in _ML_DTYPES else None
    if kind in "biufc":
        return name if name in _NUMPY else None
    if kind in "mM":
        return name if item_bytes(name) else None
    if kind in "USV" and dtype.names is None and dtype.subdtype is None and dtype.itemsize:
        return f"{kind}{dtype.itemsize // _CHARACTER_BYTES[kind]}"
    return None
