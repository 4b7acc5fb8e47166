"""CUDA devices: digests of the arrays that lie on one, begun there and fetched when they are ready.

On the stream on which the training is just then, so that no later step of it can come between; in
memory that is used again, so that nothing is allocated at each step. Never a value, an event or a
stream is waited for.
"""

import ctypes
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from samebit.errors import UsageError
from samebit.trace import tf128
from samebit.trace.digests import NotTraceable
from samebit.trace.ring import Busy, Leaf, Ring
from samebit.trace.tf128 import Layout

__all__ = ["HasCome", "fetch", "generators", "is_there", "leaves", "look", "wait"]

_MOST_LAYOUTS = 256  # beyond it, of batches of ever other sizes, they are made anew
_DIGEST_BYTES = 16
_SMALL = 64  # bytes: so little is copied here and its digest computed here, at a tenth of the time

HasCome = Callable[[], bool]

_rings: dict[Any, Ring] = {}  # by torch.device: those on which an array was met


def leaves(tensors: Sequence[Any]) -> list[Leaf]:
    """The digests of tensors on devices, to come.

    Raises:
        NotTraceable: a device is none of CUDA, has no memory or too much under way, or a graph is
            being captured there.
    """
    places: dict[Any, list[int]] = {}
    for at, tensor in enumerate(tensors):
        places.setdefault(tensor.device, []).append(at)
    found: dict[int, Leaf] = {}
    for device, of_it in places.items():
        ring = _rings.get(device) or _ring(device)
        try:
            found.update(zip(of_it, ring.put([tensors[at] for at in of_it]), strict=True))
        except Busy as error:
            raise NotTraceable(
                f"{device} is far behind: its digests were not waited for"
            ) from error
    return [found[at] for at in range(len(tensors))]


def is_there(value: Any) -> bool:
    """Whether a value is an array of torch's own that lies on a CUDA device."""
    torch = sys.modules.get("torch")
    if torch is None or type(value).__module__.partition(".")[0] != "torch":
        return False
    return isinstance(value, torch.Tensor) and bool(value.is_cuda)


def fetch(tensor: Any) -> tuple[Any, HasCome]:
    """Begin to copy a tensor from its device; gives the copy, and whether it is filled.

    Raises:
        UsageError: a graph is being captured.
    """
    torch = sys.modules["torch"]
    with torch.inference_mode(False), torch.no_grad(), torch.cuda.device(tensor.device):
        if torch.cuda.is_current_stream_capturing():
            raise UsageError(
                "cannot read a value while a CUDA graph is captured",
                hint="read it after the graph was replayed",
            )
        copy = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu", pin_memory=True)
        copy.copy_(tensor.detach(), non_blocking=True)
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(tensor.device))
    return copy, lambda: not torch.cuda.is_current_stream_capturing() and bool(event.query())


def look() -> bool:
    """Take what has come from any device; whether nothing is under way."""
    return all([ring.look() for ring in _rings.values()])  # each, not until one says no


def wait(until: float) -> bool:
    """Wait for what is under way, until `time.monotonic()` says so; whether it has come."""
    return all([ring.wait(until) for ring in _rings.values()])


def generators() -> bytes | None:
    """The states of the generators of the devices that were met; None where there are none."""
    if not _rings:
        return None
    states = [ring.device.generator() for ring in _rings.values()]
    found = [state for state in states if state is not None]
    return b"".join(found) if found and len(found) == len(states) else None


def _ring(device: Any) -> Ring:
    if device.type != "cuda":
        raise NotTraceable(f"a tensor on {device}")
    ring = _rings[device] = Ring(_Card(device))
    return ring


class _Slot:
    """Memory for the digests of so many arrays, there and here, and when they have come."""

    def __init__(self, torch: Any, device: Any, count: int) -> None:
        def pair(*shape: int) -> tuple[Any, Any]:
            there = torch.empty(shape, dtype=torch.int64, device=device)
            return there, torch.empty(shape, dtype=torch.int64, device="cpu", pin_memory=True)

        self.sums, self.digests = pair(count, 2)
        self.there, self.addresses = pair(count)
        self.told: list[int] = []  # the addresses that lie there, which are often those of before
        self.began, self.ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.layout: Layout | None = None  # what the device reads is kept until it has

    @property
    def count(self) -> int:
        """How many arrays."""
        return len(self.digests)


class _Small:
    """Memory here for one small array, and when it has come."""

    def __init__(self, torch: Any, size: int) -> None:
        self.here = torch.empty((size,), dtype=torch.uint8, device="cpu", pin_memory=True)
        self.ended = torch.cuda.Event()


class _Card:
    """One device, as a ring asks it."""

    def __init__(self, device: Any) -> None:
        self._torch = sys.modules["torch"]
        self._device = device
        # What was made on one stream may not be there yet for another: each has its own.
        self._places: dict[int, Any] = {}  # the weights inside a block, by stream
        self._layouts: dict[tuple[int, tuple[int, ...]], Layout] = {}
        self._free: dict[int, list[_Slot]] = {}
        self._free_small: dict[int, list[_Small]] = {}  # by size
        self._kernel = _kernel()

    def begin(self, arrays: Sequence[Any]) -> _Slot | _Small:
        """Launch the sums of these arrays, and the copy of their digests behind them."""
        torch = self._torch
        if self._is_captured():
            raise NotTraceable("a graph is captured: what it does again is not seen")
        with ExitStack() as stack:
            for context in self._to_enter():
                stack.enter_context(context)
            try:
                return self._begin([tf128.words(array) for array in arrays])
            except torch.cuda.OutOfMemoryError as error:
                raise NotTraceable(f"{self._device} has no memory left for its digest") from error

    def _to_enter(self) -> Iterator[AbstractContextManager[Any]]:
        """What makes torch an ordinary one; each costs more than the launch, and is rarely needed.

        Of what is not differentiated nothing is remembered, so `no_grad` is none of them.
        """
        torch = self._torch
        if torch.is_inference_mode_enabled():
            yield torch.inference_mode(False)
        modes = torch._ops._len_torch_dispatch_stack_pre_dispatch()
        if modes or torch._C._len_torch_dispatch_stack():
            yield torch.utils._python_dispatch._disable_current_modes()
        if torch.cuda.current_device() != self._device.index:
            yield torch.cuda.device(self._device)

    def _begin(self, lines: list[Any]) -> _Slot | _Small:
        current = self._torch.cuda.current_stream(self._device)
        if len(lines) == 1 and 0 < lines[0].numel() * lines[0].element_size() <= _SMALL:
            return self._bring(lines[0].view(self._torch.uint8), current)
        stream = current.cuda_stream
        if stream not in self._places:
            self._places[stream] = tf128.weights(self._torch, self._device)
        layout = self._layout(stream, lines)
        free = self._free.setdefault(len(lines), [])
        slot = free.pop() if free else _Slot(self._torch, self._device, len(lines))
        slot.layout = layout
        slot.began.record(current)
        self._add_up(slot, layout, lines, self._places[stream])
        slot.digests.copy_(slot.sums, non_blocking=True)
        slot.ended.record(current)
        return slot

    def _bring(self, line: Any, stream: Any) -> _Small:
        free = self._free_small.setdefault(len(line), [])
        slot = free.pop() if free else _Small(self._torch, len(line))
        slot.here.copy_(line, non_blocking=True)
        slot.ended.record(stream)
        return slot

    def _add_up(self, slot: _Slot, layout: Layout, lines: list[Any], places: Any) -> None:
        if self._kernel is not None:
            aligned = [line.clone() if line.data_ptr() % 4 else line for line in lines]
            addresses = [line.data_ptr() for line in aligned]
            if addresses != slot.told:
                slot.addresses.copy_(self._torch.tensor(addresses, device="cpu"))
                slot.there.copy_(slot.addresses, non_blocking=True)
                slot.told = addresses
            try:
                self._kernel(layout, slot.there, places, slot.sums)
                return
            except Exception:
                self._kernel = None  # it cannot be compiled here: torch does the same, slower
        tf128.sums(layout, lines, places, slot.sums)

    def _layout(self, stream: int, lines: list[Any]) -> Layout:
        sizes = tuple(line.numel() * line.element_size() for line in lines)
        layout = self._layouts.get((stream, sizes))
        if layout is None:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.clear()  # those in use are held by their slots
            layout = self._layouts[stream, sizes] = Layout(sizes, self._device)
        return layout

    def _is_captured(self) -> bool:
        """Whether a graph is captured: what is asked of the device then would spoil it."""
        return bool(self._torch.cuda.is_current_stream_capturing())

    def has_come(self, token: _Slot | _Small) -> bool:
        """Whether the copy is over."""
        return not self._is_captured() and bool(token.ended.query())

    def generator(self) -> bytes | None:
        """Seed and offset of torch's generator of this device, which the host holds."""
        if self._is_captured():
            return None
        state = self._torch.cuda.default_generators[self._device.index].get_state()
        return ctypes.string_at(state.data_ptr(), state.numel())

    def read(self, token: _Slot | _Small) -> tuple[Sequence[bytes], float]:
        """The digests; the slot is free again."""
        if isinstance(token, _Small):
            size = len(token.here)
            self._free_small[size].append(token)
            return [tf128.digest(ctypes.string_at(token.here.data_ptr(), size))], 0.0
        data = ctypes.string_at(token.digests.data_ptr(), token.count * _DIGEST_BYTES)
        found = [data[at : at + _DIGEST_BYTES] for at in range(0, len(data), _DIGEST_BYTES)]
        seconds = token.began.elapsed_time(token.ended) / 1000
        token.layout = None
        self._free[token.count].append(token)
        return found, seconds


def _kernel() -> Callable[..., None] | None:
    """The sums in one launch, where Triton is."""
    try:
        from samebit.trace import kernel  # noqa: PLC0415
    except Exception:
        return None
    return kernel.sums
