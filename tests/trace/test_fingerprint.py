import random
import struct
from typing import Any

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from samebit.trace import fingerprint
from samebit.trace.digests import NotTraceable

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")


@given(st.lists(st.floats(width=32), max_size=40))
def test_a_leaf_is_xxh3_of_its_little_endian_bytes(values: list[float]) -> None:
    expected = xxhash.xxh3_128_digest(struct.pack(f"<{len(values)}f", *values))
    assert fingerprint.leaf(torch.tensor(values, dtype=torch.float32)) == expected
    assert fingerprint.leaf(np.array(values, dtype=np.float32)) == expected


@given(st.integers(2, 200), st.data())
def test_one_flipped_bit_anywhere_is_seen(n: int, data: st.DataObject) -> None:
    raw = np.random.default_rng(n).integers(0, 256, n, dtype=np.uint8)
    before = fingerprint.leaf(torch.from_numpy(raw.copy()))
    raw[data.draw(st.integers(0, n - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert fingerprint.leaf(torch.from_numpy(raw)) != before


def test_the_layout_in_memory_is_no_part_of_it() -> None:
    x = torch.randn(4, 3, 5, 6)
    assert fingerprint.leaf(x) == fingerprint.leaf(x.to(memory_format=torch.channels_last))
    assert fingerprint.leaf(x.transpose(0, 1).contiguous()) == fingerprint.leaf(x.transpose(0, 1))
    wide = torch.randn(3, 10)
    assert fingerprint.leaf(wide[:, ::2]) == fingerprint.leaf(wide[:, ::2].clone())
    z = torch.randn(3, dtype=torch.complex64)
    assert fingerprint.leaf(z.conj()) == fingerprint.leaf(z.conj().resolve_conj())
    big = np.arange(5, dtype=">i4")
    assert fingerprint.leaf(big) == fingerprint.leaf(big.astype("<i4"))


@pytest.mark.parametrize(
    "dtype",
    ["float64", "float16", "bfloat16", "float8_e4m3fn", "bool", "uint8", "int64", "complex128"],
)
def test_every_dtype_of_plain_tensors_has_a_fingerprint(dtype: str) -> None:
    x = torch.arange(6).to(getattr(torch, dtype))
    assert len(fingerprint.leaf(x)) == 16
    assert len(fingerprint.leaf(x[:0])) == 16


def test_shape_and_dtype_are_part_of_a_group() -> None:
    x = torch.zeros(4)
    alike = [x, x.reshape(2, 2), x.view(torch.int32), x.double()[:2]]
    assert len({fingerprint.of_values(value) for value in alike}) == 4


def test_nan_payloads_and_the_sign_of_zero_count() -> None:
    one, other = torch.tensor([0.0]), torch.tensor([-0.0])
    assert fingerprint.leaf(one) != fingerprint.leaf(other)
    nans = torch.tensor([0x7FC00000, 0x7FC00001], dtype=torch.int32).view(torch.float32)
    assert fingerprint.leaf(nans[:1]) != fingerprint.leaf(nans[1:])


@given(st.integers(2, 12), st.randoms())
def test_the_order_of_samples_changes_the_batch_and_not_its_samples(
    n: int, rnd: random.Random
) -> None:
    x, y = torch.randn(n, 3), torch.arange(n)
    order = list(range(n))
    rnd.shuffle(order)
    moved = (x[order], y[order])
    assert fingerprint.samples((x, y)) == fingerprint.samples(moved)
    same = order == list(range(n))
    assert (fingerprint.of_values((x, y)) == fingerprint.of_values(moved)) == same
    mismatched = (x[order], y)
    assert (fingerprint.samples((x, y)) == fingerprint.samples(mismatched)) == same


def test_batches_of_any_nesting_are_taken() -> None:
    x = torch.zeros(2)
    kinds = [[x], (x,), {"x": x}, {"y": x}, [x, 1], [x, 1.0], [x, True], [x, "1"], [x, None]]
    assert len({fingerprint.of_values(kind) for kind in kinds}) == len(kinds) - 1  # list = tuple

    class Thing:
        pass

    assert fingerprint.of_values(Thing()) == fingerprint.of_values(Thing())  # no address in it


def test_what_has_no_bytes_here_is_refused_with_its_reason() -> None:
    for value, reason in (
        (torch.zeros(2, device="meta"), "meta"),
        (torch.eye(2).to_sparse(), "sparse"),
        (np.array([object()]), "Python objects"),
    ):
        with pytest.raises(NotTraceable, match=reason):
            fingerprint.leaf(value)


def test_reading_the_generators_draws_nothing_and_sees_every_draw() -> None:
    random.random(), np.random.rand(), torch.rand(1)
    before = fingerprint.generators()
    assert fingerprint.generators() == before
    for draw, stream in (
        (random.random, "rng.python"),
        (np.random.rand, "rng.numpy"),
        (lambda: torch.rand(1), "rng.torch"),
    ):
        now = fingerprint.generators()
        draw()
        moved = fingerprint.generators()
        assert {name for name in now if now[name] != moved[name]} == {stream}


def test_the_state_of_a_seeded_generator_has_the_same_fingerprint_in_every_process() -> None:
    state = random.getstate()
    random.seed(5)
    found = fingerprint.generators()["rng.python"]
    random.setstate(state)
    words = random.Random(5).getstate()[1]
    expected = xxhash.xxh3_128_digest(struct.pack("<625I", *words) + b"None")[:8]
    assert found == expected


def _replaced(at: int, parameter: Any) -> Any:
    """What a script may do to a parameter between two steps."""
    with torch.no_grad():
        kinds = (
            lambda p: p.add_(1),
            lambda p: p.data.mul_(2),
            lambda p: torch.nn.Parameter(p.detach().clone()),
            lambda p: torch.nn.Parameter(p.detach().t()),  # the same memory, another order
            lambda p: torch.nn.Parameter(p.detach()[:2]),  # the same address, fewer of them
            lambda p: torch.nn.Parameter(p.detach().view(torch.int32), requires_grad=False),
            lambda p: torch.nn.Parameter(p.detach().double()),
            lambda p: torch.nn.Parameter(p.detach().to(torch.complex64)),
            lambda p: None,
            lambda p: p.detach().to_sparse(),
            lambda p: p[:0].detach(),
        )
        found = kinds[at](parameter)
    return found


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 10)), max_size=8))
def test_where_an_array_lay_does_not_decide_what_it_is(changes: list[tuple[int, int]]) -> None:
    def digest(leaves: fingerprint.Leaves) -> bytes | str:
        try:
            return leaves.digest("param", arrays)
        except fingerprint.NotTraceable as reason:
            return str(reason)

    first = [torch.nn.Parameter(torch.arange(12.0).reshape(4, 3) + at) for at in range(2)]
    arrays: list[Any] = list(first)
    remembers = fingerprint.Leaves(["a", "b"], first)
    for which, kind in [(0, 0), *changes]:
        made = _replaced(kind, first[which])
        arrays[which] = made
        assert digest(remembers) == digest(fingerprint.Leaves(["a", "b"], first))
