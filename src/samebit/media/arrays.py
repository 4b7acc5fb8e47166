"""Arrays of any library, copied before the script may change them; read as NumPy's later."""

import sys
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from samebit.errors import UsageError

__all__ = ["Array", "Fetch", "HasCome", "copied"]

HasCome = Callable[[], bool]
Fetch = Callable[[Any], tuple[Any, HasCome]]

_NARROW = ("bfloat16", "float8")  # floats of torch that NumPy lacks; float32 holds each exactly


class Array(Struct, frozen=True):
    """A copy of an array, and what is known of it before it has come from its device."""

    shape: tuple[int, ...]
    dtype: str
    kind: str  # of the dtype, as NumPy has it: b, u, i, f, or another
    size_bytes: int
    is_torch: bool
    read: Callable[[], Any]  # as an array of NumPy
    has_come: tuple[HasCome, ...] = ()


def copied(value: Any, fetch: Fetch, *, most_bytes: int) -> Array:
    """Copy an array; UsageError where it is none, or larger than so many bytes.

    A tensor on a CUDA device is copied behind the work that waits there, and not waited for.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _of_torch(torch, value, fetch, most_bytes)
    try:
        import numpy as np  # noqa: PLC0415  (whoever logs arrays has it)
    except ModuleNotFoundError as error:
        hint = "pip install 'samebit[stats]'"
        raise UsageError("arrays are logged with NumPy, which is missing", hint=hint) from error
    size_bytes = getattr(value, "nbytes", 0)
    if isinstance(size_bytes, int):
        _check_size(size_bytes, most_bytes)
    try:
        found = np.array(value)  # a copy
    except Exception as error:
        raise UsageError(f"a {type(value).__name__} is no array: {error}") from error
    if found.dtype.kind not in "buif":
        raise UsageError(f"a {type(value).__name__} is no array of numbers ({found.dtype})")
    _check_size(found.nbytes, most_bytes)
    dtype = found.dtype
    return Array(found.shape, dtype.name, dtype.kind, found.nbytes, False, lambda: found)


def _of_torch(torch: Any, value: Any, fetch: Fetch, most_bytes: int) -> Array:
    tensor = value.detach()
    size_bytes = tensor.numel() * tensor.element_size()
    _check_size(size_bytes, most_bytes)
    dtype = str(tensor.dtype).removeprefix("torch.")
    kind = {"b": "b", "u": "u", "i": "i", "f": "f"}.get(dtype[0], "?")
    if dtype.startswith(_NARROW):
        kind = "f"
    if tensor.layout is not torch.strided or getattr(tensor, "is_quantized", False):
        raise UsageError(f"a tensor that is {tensor.layout} or quantized cannot be shown")
    has_come: tuple[HasCome, ...] = ()
    if tensor.is_cuda:
        tensor, come = fetch(tensor)
        has_come = (come,)
    elif tensor.device.type == "cpu":
        tensor = tensor.clone()
    else:
        raise UsageError(
            f"a tensor on {tensor.device} would have to be waited for", hint="give its .cpu()"
        )

    def read() -> Any:
        plain = tensor.float() if dtype.startswith(_NARROW) else tensor
        return plain.resolve_conj().resolve_neg().numpy()

    return Array(tuple(tensor.shape), dtype, kind, size_bytes, True, read, has_come)


def _check_size(size_bytes: int, most_bytes: int) -> None:
    if size_bytes > most_bytes:
        raise UsageError(f"an array of {size_bytes >> 20} MiB: {most_bytes >> 20} MiB are the most")
