"""Fingerprints of arrays, of several with one first axis, and of lists of row numbers."""

import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from samebit import digest
from samebit.data.forms import Fingerprint, begun, little, named, sealed, u64
from samebit.errors import UsageError
from samebit.states import leaves

__all__ = ["array_digest", "is_array", "of_array", "of_arrays", "of_indices"]

_TEXTS = 1 << 16  # made into bytes at a time
_GATHERED_BYTES = 1 << 22  # rows that are copied together at a time

is_array = leaves.is_array


def of_array(array: Any) -> Fingerprint:
    """The fingerprint of an array or tensor; UsageError for those that have no bytes."""
    counts = {"size_bytes": leaves.size_bytes(array), "dimensions": len(array.shape)}
    return Fingerprint("array", named("array", array_digest(array)), counts)


def array_digest(array: Any) -> bytes:
    """The 32 bytes of an array; its layout, device and library do not matter."""
    if _is_text(array):
        return _of_texts(array)
    if reason := leaves.why_not(array):
        raise UsageError(
            f"cannot take a fingerprint of {reason}",
            hint="convert it to a plain, dense array of numbers, bools, times or texts",
        )
    found = leaves.canonical(array)
    return sealed("array", {"dtype": found.dtype, "shape": list(found.shape)}, [found.data])


def of_arrays(arrays: Sequence[Any], rows: Any = None) -> Fingerprint:
    """The fingerprint of arrays that have one first axis, or of chosen rows of them.

    Args:
        arrays: each of at least one dimension, all of one length.
        rows: row numbers, or None for all. The result is that of the arrays that they choose; the
            rows are gathered some at a time.
    """
    if rows is None:
        digests = [array_digest(array) for array in arrays]
        count = len(arrays[0]) if arrays else 0
    else:
        digests = [_of_rows(array, rows) for array in arrays]
        count = len(rows)
    raw = sealed("arrays", {"arrays": len(arrays), "rows": count}, digests)
    parts = {str(at): named("array", one) for at, one in enumerate(digests)}
    return Fingerprint(
        "arrays", named("arrays", raw), {"rows": count, "arrays": len(arrays)}, parts
    )


def of_indices(numbers: Any, *, ordered: bool = True) -> Fingerprint:
    """The fingerprint of row numbers, in their order or as a multiset.

    Args:
        numbers: whole numbers from 0 to 2^64 - 1: a list, a range, an array of one dimension.
        ordered: whether their order matters.
    """
    kind = "indices" if ordered else "indices-set"
    if is_array(numbers):
        numbers = _whole(numbers)
        payload = [little(numbers if ordered else sys.modules["numpy"].sort(numbers))]
    else:
        payload = list(_written(numbers if ordered else sorted(numbers)))
    count = len(numbers)
    return Fingerprint(kind, named(kind, sealed(kind, {"count": count}, payload)), {"count": count})


def _whole(array: Any) -> Any:
    """Row numbers as an array of uint64."""
    if hasattr(array, "detach"):
        array = array.detach().cpu().numpy()
    array = sys.modules["numpy"].asarray(array)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        what = f"{array.ndim} dimensions of {array.dtype}"
        raise UsageError(f"row numbers must be one row of whole numbers, not {what}")
    if array.size and array.min() < 0:
        raise UsageError(f"a row number is below 0: {array.min()}")
    return array.astype("u8")


def _written(numbers: Any) -> Iterator[bytes]:
    each = iter(numbers)
    while some := list(itertools.islice(each, _TEXTS)):
        if wrong := [n for n in some if isinstance(n, bool) or not hasattr(n, "__index__")]:
            raise UsageError(f"a row number must be a whole number, not {wrong[0]!r}")
        whole = [int(n) for n in some]
        if min(whole) < 0 or max(whole) >= 1 << 64:
            raise UsageError(f"a row number is out of range: {min(whole)} or {max(whole)}")
        yield b"".join(map(u64, whole))


def _of_rows(array: Any, rows: Any) -> bytes:
    """The digest of `array[rows]`, of which a part at a time is made."""
    empty = leaves.canonical(array[:0])
    shape = [len(rows), *empty.shape[1:]]
    hasher = begun("array", {"dtype": empty.dtype, "shape": shape})
    each_bytes = max(leaves.size_bytes(array[:1]), 1)
    step = max(_GATHERED_BYTES // each_bytes, 1)
    for at in range(0, len(rows), step):
        hasher.update(leaves.canonical(array[list(rows[at : at + step])]).data)
    return hasher.raw()


def _is_text(array: Any) -> bool:
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(array, (numpy.ndarray, numpy.generic)):
        return False
    return array.dtype.kind in "UT"


def _of_texts(array: Any) -> bytes:
    numpy = sys.modules["numpy"]
    array = numpy.asarray(array)
    flat = array.reshape(-1)
    lengths, texts = digest.Hasher(), digest.Hasher()
    for at in range(0, flat.size, _TEXTS):
        some = [_as_utf8(text) for text in flat[at : at + _TEXTS].tolist()]
        lengths.update(b"".join(u64(len(text)) for text in some))
        texts.update(b"".join(some))
    header = {"dtype": "utf8", "shape": list(array.shape)}
    return sealed("array", header, [lengths.raw(), texts.raw()])


def _as_utf8(text: object) -> bytes:
    if not isinstance(text, str):
        raise UsageError(f"an array of texts has one that is missing: {text!r}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"a text is no Unicode: {text[:80]!r}") from error
