"""What a script hands over: arrays of any library count by their bytes; none is held."""

import dataclasses
from collections import OrderedDict, UserDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from samebit.states import skeleton
from samebit.trace import given
from samebit.trace.digests import NotTraceable

jax = pytest.importorskip("jax")
jnp = jax.numpy


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclasses.dataclass
class Both:
    weights: Any
    rate: float


def arrays_of(value: Any) -> dict[str, Any]:
    """The arrays that a state would hold of a value, by name."""
    return skeleton.split(given.plain(value), "text")[1]


def test_an_array_counts_by_its_bytes_whichever_library_made_it() -> None:
    torch = pytest.importorskip("torch")
    plain = np.arange(6, dtype=np.float32).reshape(2, 3)
    expected = given.digest({"w": plain})
    assert given.digest({"w": jnp.asarray(plain)}) == expected
    assert given.digest({"w": plain.T.copy().T}) == expected  # in another order in memory
    assert given.digest(UserDict({"w": plain})) == expected
    with_torch = given.digest({"w": torch.from_numpy(plain)})
    assert with_torch != expected  # its dtype has another name
    assert with_torch == given.digest({"w": torch.from_numpy(plain).clone()})
    again = plain.copy()
    again.view(np.uint32)[1, 2] ^= 1  # the last bit of one number
    assert given.digest({"w": again}) != expected


@pytest.mark.parametrize(
    "values",
    [
        (1, 1.0, True, "1", None, b"1", 1j),
        (0.0, -0.0, float("nan")),
        ([1, 2], (1, 3), [2, 1], {"0": 1, "1": 2}, [[1, 2]]),
        (np.zeros(2), np.zeros((2, 1)), np.zeros(2, np.float32), np.zeros(3)),
        (Pair(1, 2), Pair(2, 1), Both(1, 2), OrderedDict(first=1, second=2)),
        (np.array(["a", "b"], object), np.array(["b", "a"], object)),
        (jnp.ones(2, jnp.bfloat16), jnp.ones(2, jnp.float16), jnp.ones(2, jnp.float8_e4m3fn)),
        (jax.random.key(0), jax.random.key(1), jax.random.key_data(jax.random.key(0))),
        (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0]), np.array([1, 2])),
    ],
)
def test_different_values_have_different_digests_and_equal_ones_equal(
    values: tuple[Any, ...],
) -> None:
    digests = [given.digest(value) for value in values]
    assert len(set(digests)) == len(values)
    assert digests == [given.digest(value) for value in values]


def test_columns_of_frames_and_sparse_matrices_are_read() -> None:
    pandas, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0.5, None]})
    assert given.digest(frame) == given.digest(frame.copy())
    assert given.digest(frame) == given.digest(frame.set_index(pandas.Index([7, 8])))
    assert given.digest(frame) != given.digest(frame.assign(b=["x", "z"]))
    assert given.digest(frame["a"]) == given.digest(np.array([1, 2]))
    matrix = sparse.csr_matrix(np.eye(3))
    assert given.digest(matrix) == given.digest(matrix.copy())
    assert given.digest(matrix) != given.digest(sparse.csr_matrix(2 * np.eye(3)))
    other = frame.assign(b=["x", "z"])  # a text that differs is no other order
    assert given.samples(frame) != given.samples(other)


def test_an_estimator_counts_by_what_it_has_learnt() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    samples, labels = np.arange(12.0).reshape(6, 2), np.array([0, 1] * 3)
    model = linear.SGDClassifier(random_state=0).fit(samples, labels)
    before = given.digest(model)
    assert given.digest(model) == before
    model.partial_fit(samples, labels)
    assert given.digest(model) != before
    assert "coef_" in arrays_of(model)


def test_the_order_of_samples_can_be_told_from_other_samples() -> None:
    samples, labels = np.random.default_rng(0).normal(size=(8, 3)), np.arange(8)
    batch, turned = (samples, labels), (samples[::-1].copy(), jnp.asarray(labels[::-1].copy()))
    assert given.digest(batch) != given.digest(turned)
    assert given.samples((samples, labels)) == given.samples((samples[::-1].copy(), labels[::-1]))
    assert given.samples(batch) != given.samples((samples[::-1].copy(), labels))
    assert given.samples((samples, labels[:3])) is None


def test_what_has_no_bytes_to_read_says_why() -> None:
    donated = jnp.ones(3)
    jax.jit(lambda x: x + 1, donate_argnums=0)(donated).block_until_ready()
    said: list[str] = []

    @jax.jit
    def traced(x: Any) -> Any:
        with pytest.raises(NotTraceable) as found:
            given.digest({"x": x})
        said.append(str(found.value))
        return x

    traced(jnp.ones(3))
    assert said == ["an array that is being traced by JAX, which holds no values"]
    with pytest.raises(NotTraceable, match="memory was given back"):
        given.digest([donated])
    with pytest.raises(NotTraceable, match="memory was given back"):
        given.plain([donated])

    class Nowhere:
        def __array__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("on another machine")

    for strange in (Nowhere(), object(), iter([1]), np.array([object()])):
        with pytest.raises(NotTraceable):
            given.digest(strange)
    inside: list[Any] = []
    inside.append(inside)
    with pytest.raises(NotTraceable, match="nested deeper"):
        given.digest(inside)


def test_an_array_of_jax_can_be_donated_in_place_after_it_was_read() -> None:
    grow = jax.jit(lambda x: x + 1, donate_argnums=0)
    array = grow(jnp.ones((64, 64)))
    place = array.block_until_ready().unsafe_buffer_pointer()
    given.digest({"w": array})
    given.samples({"w": array})
    held = given.plain({"w": array})
    assert grow(array).block_until_ready().unsafe_buffer_pointer() == place
    assert held["w"].is_deleted()


def test_a_state_has_the_names_that_the_script_gave() -> None:
    value = {"layers": [Pair(np.ones(1), np.zeros(2))], "both": Both(jnp.ones(3), 0.5)}
    assert list(arrays_of(value)) == ["layers.0.first", "layers.0.second", "both.weights"]


def test_variables_of_keras_have_their_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2, name="out")])
    names = list(arrays_of(model))
    assert [name.rpartition("out")[2] for name in names] == ["/kernel", "/bias"]
    before = given.digest(model)
    assert given.digest({v.path: v for v in model.variables}) == before
    model.variables[1].assign(np.ones(2))
    assert given.digest(model) != before
    assert given.scalars({"lr": keras.Variable(0.5)}) == {"lr": np.float32(0.5)}


def test_scalars_are_those_of_the_library_that_made_them() -> None:
    found = given.scalars({"lr": jnp.asarray(0.5), "deep": {"b": np.float32(0.25)}, "n": 3})
    assert found == {"lr": 0.5, "deep": {"b": 0.25}, "n": 3}
    with pytest.raises(TypeError, match="not a list"):
        given.scalars([1])
