"""What lies on a device: its digests come later, and the rows are those of one that is at once.

The devices here keep their arrays in the host's memory, and answer late, slowly or never.
"""

import ctypes
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samebit.errors import UsageError
from samebit.trace import cards, fingerprint, tf128
from samebit.trace.digests import NotTraceable, combine
from samebit.trace.groups import GROUPS
from samebit.trace.recorder import Recorder
from samebit.trace.ring import Busy, Ring
from samebit.trace.rows import Emit
from tests.trace import tf128 as page

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

HOST = torch.device("cpu")
DTYPES = (
    torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.float8_e4m3fn,
    torch.float8_e5m2, torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.complex64, torch.complex128,
)  # fmt: skip


def canonical(tensor: Any) -> bytes:
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    plain = torch.view_as_real(plain) if plain.is_complex() else plain
    return bytes(plain.reshape(-1).view(torch.uint8).numpy().tobytes())


PLACES = tf128.weights(torch, HOST)


def digests(tensors: Sequence[Any]) -> list[bytes]:
    """As eager torch computes them, together."""
    lines = [tf128.words(tensor) for tensor in tensors]
    layout = tf128.Layout([line.numel() * line.element_size() for line in lines], HOST)
    out = torch.empty((len(tensors), 2), dtype=torch.int64, device=HOST)
    tf128.sums(layout, lines, PLACES, out)
    return [bytes(row.numpy().tobytes()) for row in out]


def some(dtype: Any, count: int) -> Any:
    numbers = torch.randint(-128, 128, (count * dtype.itemsize,), dtype=torch.int8)
    return numbers.view(dtype) if dtype is not torch.bool else numbers > 0


# The formula.


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_eager_torch_computes_what_the_page_says(dtype: Any) -> None:
    sizes = (0, 1, 2, 3, 5, 4095, 4096, 4097, 8192, 100_003)
    tensors = [some(dtype, size) for size in sizes]
    assert digests(tensors) == [page.tf128(canonical(tensor)) for tensor in tensors]


def test_more_blocks_than_are_summed_at_a_time() -> None:
    tensors = [some(torch.float32, 3_000_000), some(torch.bfloat16, 3), some(torch.int8, 9_000_001)]
    assert digests(tensors) == [page.tf128(canonical(tensor)) for tensor in tensors]


def test_views_are_their_elements_whatever_lies_between() -> None:
    whole = torch.randn(300, 500)
    views = [
        whole.t(), whole[3:, 7::2], whole.reshape(-1)[1:], whole.to(torch.bfloat16).reshape(-1)[1:],
        torch.randn(40, dtype=torch.complex64).conj(), torch.randn(40, dtype=torch.complex64).imag,
        torch.randn(40, dtype=torch.complex64).conj().imag, torch.tensor(3.0),
        torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last), whole.expand(2, -1, -1),
    ]  # fmt: skip
    assert digests(views) == [page.tf128(canonical(view)) for view in views]
    assert digests([whole, whole.t()])[0] != digests([whole, whole.t()])[1]


@given(st.data())
def test_the_sums_of_shards_add_up(data: st.DataObject) -> None:
    words = data.draw(st.integers(1, 20_000))
    whole = np.random.default_rng(words).bytes(4 * words)
    cuts = sorted({0, words, *data.draw(st.lists(st.integers(0, words), max_size=5))})
    lanes = np.zeros(2, np.uint64)
    for begin, end in pairwise(cuts):
        part = page.tf128(whole[4 * begin : 4 * end], begin, len(whole))
        lanes += np.frombuffer(part, "<u8")
    assert lanes.tobytes() == page.tf128(whole)


def test_it_sees_what_simpler_sums_do_not() -> None:
    """Swaps, two signs, and steps in the last place: of 400, it misses none."""
    draw = random.Random(7)
    missed = 0
    for _ in range(100):
        before = torch.randn(4096)
        words = before.view(torch.int32)
        a, b, c = draw.sample(range(1, 4095), 3)
        changed = [words.clone() for _ in range(4)]
        changed[0][[a, b]] = words[[b, a]]
        changed[1][[a, b]] ^= -(1 << 31)
        changed[2][[c - 1, c, c + 1]] += torch.tensor([1, -2, 1], dtype=torch.int32)
        changed[3] = words.roll(1)
        found = digests([words, *changed])
        missed += found[1:].count(found[0])
    assert missed == 0


def test_one_kernel_for_all_computes_the_same() -> None:
    """Triton's, run by its own interpreter."""
    pytest.importorskip("triton", reason="Triton is not installed")
    program = """if True:
        import torch
        from tests.trace import test_cards as t
        from samebit.trace import kernel, tf128
        tensors = [t.some(dtype, n) for dtype in t.DTYPES for n in (0, 1, 3, 5, 4096, 9001)]
        lines = [tf128.words(tensor) for tensor in tensors]
        lines = [line.clone() if line.data_ptr() % 4 else line for line in lines]
        layout = tf128.Layout([line.numel() * line.element_size() for line in lines], t.HOST)
        out = torch.empty((len(lines), 2), dtype=torch.int64)
        addresses = torch.tensor([line.data_ptr() for line in lines])
        kernel.sums(layout, addresses, t.PLACES, out)
        assert [bytes(row.numpy().tobytes()) for row in out] == t.digests(tensors)
    """
    surroundings = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", program], check=True, env=surroundings)


def test_another_default_device_changes_nothing() -> None:
    tensors = [some(torch.float32, 9000), some(torch.int8, 7)]
    expected = digests(tensors)
    with torch.device("meta"):
        assert digests(tensors) == expected


def test_what_has_no_bytes_of_its_own_is_refused() -> None:
    with pytest.raises(NotTraceable, match="layout"):
        tf128.words(torch.eye(3).to_sparse())
    with pytest.raises(NotTraceable, match="memory of its own"):
        torch.func.vmap(tf128.words)(torch.randn(3, 4))


# A card, of which torch's own functions are imitated: they are called, and in the right order.


class Cuda:
    """What a card is asked, in a machine that has none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.captures = False
        self.behind = False  # whether what is recorded has not come
        self.stream = 1
        self.device: int | None = HOST.index
        self.entered: list[Any] = []
        self.events: list[Any] = []
        here, empty = self, torch.empty

        class Event:
            def __init__(self, enable_timing: bool = False) -> None:
                self.timed, self.recorded = enable_timing, 0
                here.events.append(self)

            def record(self, stream: Any) -> None:
                assert stream.cuda_stream == here.stream
                self.recorded += 1

            def query(self) -> bool:
                assert not here.captures, "it would spoil the graph"
                return bool(self.recorded) and not here.behind

            def elapsed_time(self, end: "Event") -> float:
                assert (self.timed, end.timed) == (True, True)
                assert self.recorded == end.recorded
                return 1.5

        def without_pinning(*shape: Any, pin_memory: bool = False, **how: Any) -> Any:
            assert how["device"] == HOST or how["device"] == "cpu"
            return empty(*shape, **how)

        monkeypatch.setattr(torch, "empty", without_pinning)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: self.device)
        monkeypatch.setattr(torch.cuda, "device", self.enter)
        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: self.captures)
        stream = lambda device: SimpleNamespace(cuda_stream=self.stream)  # noqa: E731
        monkeypatch.setattr(torch.cuda, "current_stream", stream)
        monkeypatch.setattr(torch.cuda, "OutOfMemoryError", MemoryError, raising=False)

    def enter(self, device: Any) -> AbstractContextManager[None]:
        self.entered.append(device)
        return nullcontext()


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    return Cuda(monkeypatch)


def card() -> Any:
    return cards._Card(HOST)  # pyright: ignore[reportPrivateUsage]


def odd() -> list[Any]:
    """Arrays of which one lies at no multiple of four bytes; an empty one; no whole words."""
    return [
        torch.randn(5000),
        torch.randn(7001).to(torch.bfloat16)[1:],
        torch.zeros(0),
        some(torch.int8, 9),
        torch.randn(30, 40).t(),
    ]


def by_address(layout: tf128.Layout, addresses: Any, places: Any, out: Any) -> None:
    """A kernel: reads what lies at the addresses."""
    for at, (address, size) in enumerate(zip(addresses.tolist(), layout.sizes, strict=True)):
        assert address % 4 == 0
        lanes = page.tf128(ctypes.string_at(address, size) if size else b"")
        out[at] = torch.frombuffer(bytearray(lanes), dtype=torch.int64)


@pytest.mark.parametrize("kernel", [None, by_address], ids=["eager", "kernel"])
def test_a_card_gives_back_what_was_there_and_uses_its_memory_again(
    cuda: Cuda, kernel: Any
) -> None:
    one = card()
    one._kernel = kernel
    tensors = odd()
    expected = [page.tf128(canonical(tensor)) for tensor in tensors]
    cuda.behind = True
    first, second = one.begin(tensors), one.begin(tensors)
    assert first is not second
    for tensor in tensors:
        tensor.zero_()  # the training goes on
    assert not one.has_come(first)
    cuda.behind = False
    for slot in (first, second):
        assert one.has_come(slot)
        assert one.read(slot) == (expected, 0.0015)
        assert slot.layout is None
    assert one.begin(tensors) in (first, second)
    assert len(cuda.events) == 4


def test_a_kernel_that_does_not_compile_gives_way_to_torch(cuda: Cuda) -> None:
    one, calls = card(), []

    def broken(*given: Any) -> None:
        calls.append(given)
        raise RuntimeError("no compiler here")

    one._kernel = broken
    for _ in range(2):
        tensors = odd()
        digests_, _ = one.read(one.begin(tensors))
        assert digests_ == [page.tf128(canonical(tensor)) for tensor in tensors]
    assert len(calls) == 1


def test_a_graph_that_is_captured_is_left_alone(cuda: Cuda) -> None:
    one = card()
    slot = one.begin([torch.ones(3)])
    cuda.captures = True
    assert not one.has_come(slot)
    assert one.generator() is None
    with pytest.raises(NotTraceable, match="graph"):
        one.begin([torch.ones(3)])
    with pytest.raises(UsageError, match="graph"):
        cards.fetch(torch.tensor(1.0))
    cuda.captures = False
    assert one.has_come(slot)


def test_a_card_without_memory_loses_a_digest_and_nothing_else(
    cuda: Cuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = card()
    one._kernel = None

    def full(*given: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(tf128, "sums", full)
    with pytest.raises(NotTraceable, match="no memory"):
        one.begin([torch.ones(300)])
    monkeypatch.undo()


def test_layouts_are_made_once_for_a_stream_and_not_kept_without_end(cuda: Cuda) -> None:
    one = card()
    one._kernel = None
    tensors = [torch.ones(300)]
    layouts = [one.begin(tensors).layout for _ in range(2)]
    assert layouts[0] is layouts[1]
    cuda.stream = 2
    assert one.begin(tensors).layout is not layouts[0]
    for size in range(20, 600):
        one.read(one.begin([torch.ones(size)]))
    assert len(one._layouts) <= 256


def test_in_inference_mode_it_is_the_same(cuda: Cuda) -> None:
    one = card()
    one._kernel = None
    for mode in (True, False, True):
        with torch.inference_mode(mode):
            tensor = torch.randn(5000)
            (found,), _ = one.read(one.begin([tensor]))
        assert found == page.tf128(canonical(tensor))


def test_of_a_script_that_watches_torch_nothing_is_shown_to_it(cuda: Cuda) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            raise AssertionError(func)

    one, tensor = card(), torch.randn(5000)
    one._kernel = None
    with Watching():
        slot = one.begin([tensor])
    (found,), _ = one.read(slot)
    assert found == page.tf128(canonical(tensor))


def test_another_device_than_the_current_one_is_entered(cuda: Cuda) -> None:
    one = card()
    one.begin([torch.randn(5)])
    assert cuda.entered == []
    cuda.device = 1
    one.begin([torch.randn(5)])
    assert cuda.entered == [HOST]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 16, 63, 64, 65])
def test_a_small_array_is_brought_here_and_has_the_same_digest(cuda: Cuda, size: int) -> None:
    one, tensor = card(), some(torch.uint8, size)
    one._kernel = by_address
    for _ in range(2):
        (found,), _ = one.read(one.begin([tensor]))
        assert found == page.tf128(canonical(tensor))
        tensor = tensor.flip(0).contiguous()
    assert len(cuda.events) == (1 if size <= 64 else 2)
    two = [tensor, torch.tensor(2.5)]
    assert one.read(one.begin(two))[0] == [page.tf128(canonical(each)) for each in two]


@given(st.binary(max_size=300))
def test_a_digest_computed_here_is_that_of_the_page(data: bytes) -> None:
    assert tf128.digest(data) == page.tf128(data)


def test_what_lies_elsewhere_than_before_is_found_there(cuda: Cuda) -> None:
    one = card()
    one._kernel = by_address
    tensors = [torch.randn(50), torch.randn(50), torch.randn(50)]
    for tensor in [*tensors, tensors[0], tensors[0]]:
        (found,), _ = one.read(one.begin([tensor]))
        assert found == page.tf128(canonical(tensor))


def test_a_scalar_is_fetched_as_it_is_now(cuda: Cuda) -> None:
    value = torch.tensor(2.5, dtype=torch.bfloat16, requires_grad=True)
    cuda.behind = True
    copy, has_come = cards.fetch(value)
    assert not has_come()
    cuda.behind = False
    with torch.no_grad():
        value.zero_()
    assert has_come()
    assert (copy.item(), copy.dtype, copy.requires_grad) == (2.5, torch.bfloat16, False)


# The rows.


class Late:
    """A device that has what it was asked for after some more questions; None: never."""

    def __init__(self, delay: Callable[[], int | None]) -> None:
        self._delay = delay
        self.asked = 0

    def begin(self, arrays: Sequence[Any]) -> list[Any]:
        return [digests(arrays), self._delay()]

    def has_come(self, token: list[Any]) -> bool:
        self.asked += 1
        if token[1]:
            token[1] -= 1
        return token[1] == 0

    def read(self, token: list[Any]) -> tuple[list[bytes], float]:
        return token[0], 25.0

    def generator(self) -> bytes:
        return b"its seed and offset"


class Sink:
    """Takes what a recorder emits."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, dict[str, bytes]]] = []
        self.times: list[int] = []
        self.facts: list[tuple[str, Any]] = []
        self.leaves: list[tuple[int, int, Any, bool]] = []

    def trace(self, optimizer: int, count: int, mask: int, digests: bytes, time_ns: int) -> None:
        names = [name for at, name in enumerate(GROUPS) if mask >> at & 1]
        found = {name: digests[8 * at : 8 * at + 8] for at, name in enumerate(names)}
        self.rows.append((optimizer, count, found))
        self.times.append(time_ns)

    def keep(self, optimizer: int, count: int, groups: Any, *, first: bool) -> None:
        kept = {group: (tuple(names), list(found)) for group, (names, found) in groups.items()}
        self.leaves.append((optimizer, count, kept, first))

    def fact(self, name: str, value: Any) -> None:
        self.facts.append((name, value))

    def recorder(self, rates: Mapping[Any, Any] | None = None) -> Recorder:
        return Recorder(Emit(self.trace, lambda *_: None, self.fact, self.keep), rates)


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Ring]:
    """Puts every tensor of floating point on a device, of which the ring comes back."""
    memory = fingerprint._tensor_memory  # pyright: ignore[reportPrivateUsage]

    def of(torch: Any, tensor: Any) -> Any:
        if tensor.is_floating_point():
            raise fingerprint._OnADevice(tensor)  # pyright: ignore[reportPrivateUsage]
        return memory(torch, tensor)

    def put(device: Any, most: int = 1024) -> Ring:
        monkeypatch.setattr(fingerprint, "_tensor_memory", of)
        monkeypatch.setattr("samebit.trace.ring._POLL_S", 0)
        monkeypatch.setattr(cards, "_rings", {HOST: Ring(device, most)})
        return cards._rings[HOST]  # pyright: ignore[reportPrivateUsage]

    return put


def train(recorder: Recorder, steps: int) -> None:
    """Some steps of a small network, every third of them of two batches; and a loop beside it."""
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(model.parameters())
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for step in range(steps):
        for _ in range(2 if step % 3 == 2 else 1):
            x, y = torch.randn(8, 3), torch.arange(8) % 4
            recorder.batch([x, y])
            recorder.entered((x,), {})
            output = model(x)
            recorder.returned(output)
            loss = torch.nn.functional.cross_entropy(output, y)
            recorder.loss(loss)
            loss.backward()
        recorder.before_step(optimizer, lambda: names)
        optimizer.step()
        recorder.after_step(optimizer, lambda: dict(model.named_buffers()))
        optimizer.zero_grad()
    recorder.finish(optimizer)
    recorder.close()


RATES = {(0, 10): (1, 0)}


@settings(
    deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10_000), most=st.integers(0, 40))
def test_a_device_that_answers_late_gives_the_rows_of_one_that_answers_at_once(
    away: Callable[[Any], Ring], seed: int, most: int
) -> None:
    found: list[Sink] = []
    draw = random.Random(seed)
    for delay in (lambda: 0, lambda: draw.randint(0, most)):
        away(Late(delay))
        sink = Sink()
        train(sink.recorder(RATES), 13)
        found.append(sink)
    at_once, late = found
    assert late.rows == at_once.rows
    assert late.leaves == at_once.leaves
    assert late.facts == at_once.facts
    assert late.times == sorted(late.times)
    assert {"batch", "rng.cuda", "entering", "grad", "param", "state"} <= late.rows[0][2].keys()
    digested = [value["group"] for name, value in late.facts if name == "digested"]
    assert digested[:3] == ["batch", "input", "entering"]
    assert not [value for name, value in late.facts if name == "problem"]


def test_a_row_has_the_time_of_its_step_and_not_of_its_digests(
    away: Callable[[Any], Ring],
) -> None:
    away(Late(lambda: 400))
    sink = Sink()
    before = time.monotonic_ns()
    recorder = sink.recorder(RATES)
    recorder.row(0, 1, {"loss": fingerprint.of_values(torch.tensor(1.0))}, lambda _: None)
    after = time.monotonic_ns()
    assert sink.rows == []
    recorder.close()
    assert before < sink.times[0] < after


def test_what_a_device_has_not_given_back_is_not_waited_for_in_training(
    away: Callable[[Any], Ring], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samebit.trace.rows._PATIENCE_S", 0.05)
    away(Late(lambda: None), most=20)
    sink = Sink()
    train(sink.recorder(RATES), 14)
    assert [row for row in sink.rows if row[2].keys() & {"param", "loss"}] == []
    problems = {value["what"]: value["detail"] for name, value in sink.facts if name == "problem"}
    assert "far behind" in problems["param not traced"]
    assert "of 14 rows had not come" in problems["trace not whole"]


def test_no_more_is_begun_than_the_ring_takes() -> None:
    device = Late(lambda: 2)
    ring = Ring(device, most=2)
    leaves = [ring.put([torch.ones(3)])[0] for _ in range(2)]
    with pytest.raises(Busy):
        ring.put([torch.ones(3)])
    assert not leaves[0].has_come
    with pytest.raises(RuntimeError, match="not come"):
        _ = leaves[0].value
    ring.look()
    assert leaves[0].value == page.tf128(canonical(torch.ones(3)))
    ring.put([torch.ones(3)])


def test_what_a_device_spends_counts_for_the_budget(away: Callable[[Any], Ring]) -> None:
    away(Late(lambda: 3))
    sink = Sink()
    train(sink.recorder(), 14)
    rate = next(value for name, value in sink.facts if name == "rate")
    assert rate["count"] >= 10
    assert (
        rate["k"] > 8
    )  # half minutes, of steps of milliseconds, or of tenths where much else runs
    assert rate["data"] > 4


@pytest.mark.parametrize("late", [0, 40])
def test_scalars_on_a_device_are_in_the_schedule_and_in_the_rows(
    away: Callable[[Any], Ring], monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """A learning rate, the scale of a loss, and whether a fused step had an effect."""
    away(Late(lambda: late))

    def fetch(tensor: Any) -> tuple[Any, Callable[[], bool]]:
        copy, left = tensor.clone(), [late]

        def has_come() -> bool:
            left[0] = max(0, left[0] - 1)
            return left[0] == 0

        return copy, has_come

    monkeypatch.setattr(cards, "fetch", fetch)
    monkeypatch.setattr(cards, "is_there", lambda value: isinstance(value, torch.Tensor))
    told: list[tuple[int, int, Any]] = []
    sink = Sink()
    emit = Emit(sink.trace, lambda _, *more: told.append(more), sink.fact)
    recorder = Recorder(emit, RATES)
    lr, scale, infinite = torch.tensor(0.5), torch.tensor(8.0), torch.tensor(0.0)
    parameter = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.Adam([parameter], lr=lr, foreach=False, capturable=False)
    optimizer.found_inf = infinite
    for step in range(1, 7):
        parameter.grad = torch.ones(3)
        lr.fill_(0.5 if step < 4 else 0.25)
        infinite.fill_(float(step in (2, 5)))
        recorder.asked(optimizer, scale)
        if step != 3:
            recorder.before_step(optimizer, dict)
            recorder.after_step(optimizer)
        recorder.answered(optimizer)
        scale.fill_(4.0 if step == 3 else scale.item())
    recorder.close()
    rates = [(count, values["lr"]) for count, group, values in told if "lr" in values]
    assert rates == [(1, 0.5), (3, 0.25)]
    of_scaler = [(count, values) for count, group, values in told if group == -1]
    assert of_scaler == [
        (1, {"scale": 8.0}),
        (2, {"without_effect": [1, 8.0]}),
        (3, {"skipped": [1, 8.0]}),
        (3, {"scale": 4.0}),
        (4, {"without_effect": [2, 4.0]}),
    ]
    hyper = [groups["hyper"] for _, _, groups in sink.rows]
    assert [hyper.index(one) for one in hyper] == [0, 0, 2, 2, 2]
    assert not [value for name, value in sink.facts if name == "problem"]


def test_what_is_left_for_a_checkpoint_is_waited_for(away: Callable[[Any], Ring]) -> None:
    found: list[Any] = []
    for delay in (0, 9):
        away(Late(lambda delay=delay: delay))
        recorder = Sink().recorder()
        recorder.batch([torch.ones(3, 4)])
        recorder.batch([torch.zeros(3, 4)])
        found.append(recorder.since_the_step)
    assert found[0] == found[1]
    assert len(found[0]["batch"]) == 2


def test_backwards_without_a_step_keep_nothing_of_a_device(away: Callable[[Any], Ring]) -> None:
    ring = away(Late(lambda: 2))
    recorder = Sink().recorder()
    for _ in range(5000):
        recorder.loss(torch.ones(()))
        ring.look()
    parts = recorder._pending["loss"]  # pyright: ignore[reportPrivateUsage]
    assert len(parts) < 4096
    assert len(getattr(parts[0], "parts", [])) < 2 * 4096


def test_a_group_of_which_a_part_has_not_come_is_that_of_its_parts(
    away: Callable[[Any], Ring],
) -> None:
    ring = away(Late(lambda: 1))
    leaf = fingerprint.leaf(torch.ones(3))
    group = combine(b"header", [leaf, b"of the host"])
    nested = combine(b"", [group, b"more"])
    assert not isinstance(nested, bytes)
    ring.look()
    ring.look()
    at_once = combine(b"header", [page.tf128(canonical(torch.ones(3))), b"of the host"])
    assert nested.value == combine(b"", [at_once, b"more"])
