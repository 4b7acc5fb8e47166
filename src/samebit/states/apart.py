"""What a thing that is neither a plain value nor an array is made of, told by what it is.

Libraries are looked for among the modules that are loaded; none is imported. What is given back is
a plain value, or a form of `forms.py`; the thing itself is only read.
"""

import enum
import functools
import random
import sys
import types
from typing import Any

import msgspec

from samebit.states import estimators, leaves, modules
from samebit.states.forms import (
    Described,
    Named,
    Objects,
    Quantized,
    Sparse,
    Struct,
    Text,
    type_name,
)

__all__ = ["Parts", "take_apart"]

_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_COMPRESSED = {
    "csr": ("crow_indices", "col_indices"),
    "bsr": ("crow_indices", "col_indices"),
    "csc": ("ccol_indices", "row_indices"),
    "bsc": ("ccol_indices", "row_indices"),
}


class Parts(msgspec.Struct, frozen=True):
    """What a thing is made of, and whether all that is in it is to be taken apart, too."""

    value: Any
    within: bool = False


def take_apart(value: Any, *, within: bool = False) -> Parts | None:
    """What a thing is made of, or None where that is not known.

    Args:
        value: anything but a plain value, a plain container, a form, or an array that can be a
            leaf.
        within: whether it lies in an estimator, of which everything is taken apart.
    """
    if leaves.is_array(value):
        parts = _array(value)
        return None if parts is None else Parts(parts)
    for kind in (_plain, _of_torch, _of_numpy, _of_scipy):
        if (parts := kind(value)) is not None:
            return Parts(parts)
    if (parts := estimators.booster(value)) is not None:
        return Parts(parts)
    if estimators.is_estimator(value):
        return Parts(estimators.reduced(value), within=True)
    if (parts := _named_tuple(value)) is not None:
        return Parts(parts)
    if not isinstance(value, type):
        kind: Any = type(value)  # which is asked, because an object may answer to any name
        if callable(getattr(kind, "state_dict", None)):
            return Parts(value.state_dict())
        if (parts := estimators.tree_node(value)) is not None:
            return Parts(parts)
    return Parts(estimators.reduced(value), within=True) if within else None


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return Described(type_name(value), value.name)
    if isinstance(value, (slice, range)):
        return Described(type_name(value), (value.start, value.stop, value.step))
    if isinstance(value, _FUNCTIONS) or type_name(value).endswith("function_or_method"):
        name = getattr(value, "__qualname__", value.__name__)
        return Text(f"function {getattr(value, '__module__', None) or 'builtins'}.{name}")
    if isinstance(value, functools.partial):
        return Described(type_name(value), (value.func, value.args, dict(value.keywords)))
    if type(value) is random.Random:
        version, words, gauss = value.getstate()
        return Described(type_name(value), {"version": version, "words": words, "gauss": gauss})
    return None


def _named_tuple(value: Any) -> Any:
    if not isinstance(value, tuple) or (names := getattr(value, "_fields", None)) is None:
        return None
    return Named(type_name(value), dict(zip(names, value, strict=True)))


def _array(array: Any) -> Any:
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(array, torch.Tensor):
        return _tensor(torch, array)
    if numpy is not None and isinstance(array, (numpy.ndarray, numpy.generic)):
        return _numpy_array(numpy, array)
    if "key<" in str(getattr(array, "dtype", "")):
        jax = sys.modules["jax"]
        return Described(f"jax.Array:{array.dtype}", jax.random.key_data(array))
    return None


def _numpy_array(numpy: Any, array: Any) -> Any:
    if type(array) not in (numpy.ndarray, numpy.memmap, numpy.void):
        return None
    array = numpy.asarray(array)
    if array.dtype.names is not None:
        fields = {name: array[name] for name in array.dtype.names}
        packed = numpy.dtype([(name, array.dtype[name]) for name in fields])
        return Struct(array.shape, array.dtype.itemsize != packed.itemsize, fields)
    if array.dtype.kind == "O":
        return Objects(array.shape, list(array.reshape(-1)))
    return None


def _tensor(torch: Any, tensor: Any) -> Any:
    if getattr(tensor, "_local_tensor", None) is not None:
        return modules.of_this_rank(tensor)
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        return _subclass(tensor)
    if tensor.is_quantized:
        return _quantized(torch, tensor)
    layout = str(tensor.layout).removeprefix("torch.sparse_")
    # Plain tensors, and detached: the checks of a leaf know no views of a sparse tensor.
    tensor, shape = tensor.detach(), tuple(tensor.shape)
    if layout == "coo":
        indices, values = tensor._indices(), tensor._values()
        return Sparse(layout, shape, tensor.is_coalesced(), None, indices, values)
    if layout in _COMPRESSED:
        starts, indices = (getattr(tensor, name)() for name in _COMPRESSED[layout])
        return Sparse(layout, shape, False, starts, indices, tensor.values())
    return None


def _quantized(torch: Any, tensor: Any) -> Any:
    tensor, dtype = tensor.detach(), str(tensor.dtype).removeprefix("torch.")
    if tensor.qscheme() == torch.per_tensor_affine:
        scale, zero_point = tensor.q_scale(), tensor.q_zero_point()
        return Quantized(dtype, None, scale, zero_point, tensor.int_repr())
    if tensor.qscheme() == torch.per_channel_affine:
        scales, zero_points = tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()
        axis = tensor.q_per_channel_axis()
        return Quantized(dtype, axis, scales, zero_points, tensor.int_repr())
    return None  # several numbers to a byte, by scales that are floats: nothing reads it back


def _subclass(tensor: Any) -> Any:
    # A class whose tensors are made of others has said so, for torch.compile and for FSDP.
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        return None
    names, context = flatten()
    content = {
        "shape": tuple(int(length) for length in tensor.shape)
        if all(isinstance(length, int) for length in tensor.shape)
        else None,  # of a nested tensor a length is no number
        "dtype": str(tensor.dtype),
        "context": context,
        "tensors": {name: getattr(tensor, name) for name in names},
    }
    return Described(type_name(tensor), content)


def _of_torch(value: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "nn"):
        return None
    if isinstance(value, torch.nn.Module):
        return modules.module_state(value)
    if isinstance(value, torch.optim.Optimizer):
        return modules.optimizer_state(value, {})
    if isinstance(value, torch.Generator):
        return Described(
            "torch.Generator", {"device": str(value.device), "state": value.get_state()}
        )
    if isinstance(value, torch.Size):
        return Described("torch.Size", tuple(value))
    if isinstance(value, (torch.dtype, torch.device, torch.layout, torch.memory_format)):
        return Described(type_name(value), str(value))
    return None


def _of_numpy(value: Any) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if isinstance(value, numpy.dtype):
        return Described("numpy.dtype", value.descr if value.names else value.str)
    if isinstance(value, numpy.ufunc):
        return Text(f"function numpy.{value.__name__}")
    random_module = sys.modules.get("numpy.random")
    if random_module is None:
        return None
    if isinstance(value, random_module.Generator):
        return Described("numpy.random.Generator", value.bit_generator.state)
    if isinstance(value, random_module.RandomState):
        return Described("numpy.random.RandomState", value.get_state(legacy=False))
    if isinstance(value, (random_module.BitGenerator, random_module.SeedSequence)):
        return Described(f"numpy.random.{type(value).__name__}", value.state)
    return None


def _of_scipy(value: Any) -> Any:
    sparse = sys.modules.get("scipy.sparse")
    if sparse is None or not sparse.issparse(value):
        return None
    layout, shape = value.format, tuple(value.shape)
    if layout in ("csr", "csc", "bsr"):
        return Sparse(layout, shape, False, value.indptr, value.indices, value.data)
    if layout == "dia":
        return Sparse(layout, shape, False, None, value.offsets, value.data)
    coo = value if layout == "coo" else value.tocoo()
    indices = sys.modules["numpy"].stack(coo.coords)
    return Sparse("coo", shape, bool(coo.has_canonical_format), None, indices, coo.data)
