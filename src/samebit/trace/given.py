"""What a script hands over, of any library: its fingerprint, and what a state can hold of it.

Pandas, SciPy, JAX and Keras are looked for among the modules that are loaded. A view of an array of
JAX is let go of at once: while one is held, JAX copies where a script has donated the array.
"""

import dataclasses
import functools
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from samebit.errors import in_a_line
from samebit.states import estimators, leaves, skeleton
from samebit.states.forms import Described, Named, type_name
from samebit.trace import cards, fingerprint
from samebit.trace.digests import Digest, NotTraceable, combine, of_bytes

__all__ = ["digest", "plain", "samples", "scalars"]

_SCALARS = frozenset({type(None), bool, int, float, complex, str})
_MOST_OBJECTS = 1 << 20  # of an array of Python objects, which are read one by one
_DEEPEST = 64


def digest(value: Any) -> Digest:
    """The eight bytes of a nested value.

    Arrays count by name, dtype, shape and bytes, scalars by type and `repr`, an estimator or a
    booster by what a state holds of it.

    Raises:
        NotTraceable: an array has no bytes to read here: it lies on a device, was given back to
            JAX, or is only being traced by it.
    """
    header: list[str] = []
    digests: list[Digest] = []
    for line, array in _walk(value, "", 0):
        header.append(line)
        if array is not None:
            digests.append(_leaf(array))
    return combine(_text(header), digests)


def samples(value: Any) -> Digest | None:
    """The eight bytes of a batch that do not depend on the order of its samples.

    None where its arrays have not all the same first dimension; raises as `digest`.
    """
    rest: list[str] = []  # what is no array, and has to be the same
    arrays: list[Any] = []
    for line, array in _walk(value, "", 0):
        if array is None:
            rest.append(line)
        else:
            arrays.append(array)
    twin = fingerprint.samples(arrays)
    if twin is None:
        return None
    return combine(_text(rest), [twin.to_bytes(8, "big")])


def scalars(value: Any) -> dict[str, Any]:
    """Scalars by name, without any array of JAX: as `Scalars` takes a parameter group.

    Raises:
        TypeError: it is no mapping.
    """
    value = _opened(value)
    if type(value) is not dict:
        raise TypeError(f"hyper is a dict of scalars, not a {type(value).__name__}")
    return {str(name): _scalar(item) for name, item in value.items()}


def _scalar(value: Any) -> Any:
    value = _opened(value)
    if type(value) is dict:
        return {str(name): _scalar(item) for name, item in value.items()}
    if cards.is_there(value):
        return value.detach().cpu()  # it is waited for
    if not leaves.is_jax(value):
        return value
    try:
        return _readable(value)
    except NotTraceable as reason:
        return f"<{reason}>"  # on a device: it is not waited for


def plain(value: Any) -> Any:
    """A nested value as `skeleton.split` takes it; its arrays are its own, and are not copied.

    Raises:
        NotTraceable: an array of JAX holds no values any more, or none here.
    """
    return _plain(value, 0)


def _text(lines: list[str]) -> bytes:
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _leaf(array: Any) -> Digest:
    try:
        return fingerprint.leaf(array)
    except (TypeError, ValueError) as error:  # of a dtype that NumPy cannot show as bytes
        raise NotTraceable(f"an array of dtype {array.dtype}") from error


def _walk(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    """A line for each place of a value, with the array that lies there, or None."""
    if depth > _DEEPEST:
        raise NotTraceable(f"a value nested deeper than {_DEEPEST}")
    value = _opened(value)
    kind = type(value)
    if kind in _SCALARS:
        yield f"{name} {kind.__name__} {value!r}", None
    elif kind is bytes:
        yield f"{name} bytes {len(value)} {of_bytes(value).hex()}", None
    elif kind is dict:
        for key, item in value.items():
            if type(item) in _SCALARS and depth < _DEEPEST:  # of scores there is little else
                yield f"{name}.{key} {type(item).__name__} {item!r}", None
            else:
                yield from _walk(item, f"{name}.{key}", depth + 1)
    elif kind is list or kind is tuple:
        yield f"{name} {len(value)}", None
        for at, item in enumerate(value):
            yield from _walk(item, f"{name}.{at}", depth + 1)
    elif kind is Named or kind is Described:
        yield f"{name} {value.type}", None
        yield from _walk(value.content, name, depth + 1)
    elif leaves.is_array(value):
        dtype = value.dtype
        yield f"{name} {_named(type(dtype), dtype)} {tuple(value.shape)}", _readable(value)
    else:
        yield from _of_a_thing(value, name, depth)


@functools.lru_cache(maxsize=128)
def _named(kind: type, dtype: Any) -> str:
    """A dtype's name; NumPy takes longer to say it than to read a small array."""
    return str(dtype)


def _of_a_thing(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Anything else as a state would hold it: an estimator, a sparse matrix, a function."""
    frame, arrays = skeleton.split(value, "text")
    if type(frame) is dict and list(frame) == ["$text"] and not callable(value):
        raise NotTraceable(frame["$text"])  # its name alone would prove nothing
    yield f"{name} {frame!r}", None
    for place, array in arrays.items():
        yield from _walk(array, f"{name}.{place}", depth + 1)


def _readable(array: Any) -> Any:
    """An array of NumPy or a tensor; of one of JAX, a view of its memory."""
    if not leaves.is_jax(array):
        return array
    try:
        if _is_key(array):
            array = sys.modules["jax"].random.key_data(array)
        for device in array.devices():
            if device.platform != "cpu":
                break
        else:
            return sys.modules["numpy"].asarray(array)
    except Exception as error:  # asked beforehand, it would cost more than reading
        raise NotTraceable(leaves.why_not(array) or in_a_line(error)) from error
    raise NotTraceable(f"an array on {device}")


def _plain(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return value  # which a state says, too
    value = _opened(value)
    kind = type(value)
    if kind is dict:
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    if kind is list:
        return [_plain(item, depth + 1) for item in value]
    if kind is tuple:
        return tuple(_plain(item, depth + 1) for item in value)
    if kind is Named or kind is Described:
        return kind(value.type, _plain(value.content, depth + 1))
    if leaves.is_jax(value) and not _is_key(value) and (reason := leaves.why_not(value)):
        raise NotTraceable(reason)
    return value


def _opened(value: Any) -> Any:
    """A value one level opened: a plain container, an array, or what it was."""
    kind = type(value)
    if kind in _SCALARS or kind in (dict, list):
        return value
    if isinstance(value, tuple):
        names = getattr(value, "_fields", None)
        if names is None:
            return value if kind is tuple else tuple(value)
        return Named(type_name(value), dict(zip(names, value, strict=True)))
    if (opened := _of_keras(value)) is not None:
        return opened
    if leaves.is_array(value):
        return _array(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list):
        return list(value)
    if (opened := _of_pandas(value)) is not None:
        return opened
    if (opened := estimators.booster(value)) is not None:
        return opened
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return Described(type_name(value), fields)
    return _by_protocol(value)


def _array(array: Any) -> Any:
    """An array of NumPy's own class, whose values are no Python objects; any other as it is."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(array, numpy.ndarray):
        return array
    if type(array) not in (numpy.ndarray, numpy.memmap):
        if isinstance(array, numpy.ma.MaskedArray):
            return {"data": numpy.asarray(array.data), "mask": numpy.ma.getmaskarray(array)}
        array = array.view(numpy.ndarray)
    if array.dtype.kind == "O" and array.size <= _MOST_OBJECTS:
        items = array.reshape(-1).tolist()
        if all(type(item) in _SCALARS for item in items):
            return Described(f"object {array.shape}", items)  # such as a column of texts
    return array


def _by_protocol(value: Any) -> Any:
    """Anything that says how it becomes an array; what does not is given back as it is."""
    kind: Any = type(value)  # which is asked, because an object may answer to any name
    try:
        if hasattr(kind, "__jax_array__"):
            return value.__jax_array__()
        if hasattr(kind, "__array__") and (numpy := sys.modules.get("numpy")) is not None:
            return _array(numpy.asarray(value))
    except Exception as error:
        raise NotTraceable(f"a {type_name(value)}: it has no array to give here") from error
    return value


def _of_pandas(value: Any) -> Any:
    """A frame as its columns; the index names samples, and is not what is trained on."""
    pandas = sys.modules.get("pandas")
    frame = getattr(pandas, "DataFrame", None)
    if frame is None or not isinstance(value, frame):
        return None
    return Described("pandas.DataFrame", [[str(name), column] for name, column in value.items()])


def _of_keras(value: Any) -> Any:
    """A variable of Keras as the array in it; a model, a layer, an optimizer as its variables."""
    keras = sys.modules.get("keras")
    if keras is None:
        return None
    variable = getattr(keras, "Variable", None)
    if variable is not None and isinstance(value, variable):
        return _opened(value.value)
    kinds = (getattr(keras, "Layer", None), getattr(keras, "Optimizer", None))
    if any(kind is not None and isinstance(value, kind) for kind in kinds):
        return dict(_by_path(value.variables))
    return None


def _by_path(variables: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    taken: dict[str, int] = {}
    for variable in variables:
        path = str(variable.path)
        taken[path] = taken.get(path, 0) + 1
        yield path if taken[path] == 1 else f"{path}~{taken[path]}", variable


def _is_key(array: Any) -> bool:
    """Whether an array of JAX holds keys, whose dtype is none of NumPy's."""
    return not isinstance(array.dtype, sys.modules["numpy"].dtype)
