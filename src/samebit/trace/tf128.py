"""TF128: the digest of arrays that lie on a device, of sums that come to the same in any order.

Of words of 32 bits, each times a weight of its place; `docs/formats/trace.md` has the formula. Here
are its constants, where the words of several arrays lie, and the sums as torch does them. Nothing
waits for the device. All numbers are unsigned and modulo 2^64; torch holds them as int64.
"""

import struct
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

from samebit.trace.digests import NotTraceable

__all__ = ["BLOCK", "Layout", "digest", "sums", "weights", "words"]

BLOCK = 4096  # words; the weights inside are the same in each block
_MOST_ROWS = 1024  # blocks that are summed at a time: 16 MB, and 64 MB of products
_MASK64 = (1 << 64) - 1
_MASK32 = (1 << 32) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31
_OF_BLOCKS = 1 << 40  # what is mixed for the weight of a block, and for that of a size
_OF_SIZES = 1 << 41


def _mixed(value: int) -> int:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014), of a value and its constant."""
    value = (value + _GOLDEN) & _MASK64
    for shift, factor in _ROUNDS:
        value = ((value ^ (value >> shift)) * factor) & _MASK64
    return value ^ (value >> _LAST_SHIFT)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _mixed_tensor(values: Any) -> Any:
    """The same of int64 tensors, whose shifts would draw the sign in."""
    values = values + _signed(_GOLDEN)
    for shift, factor in _ROUNDS:
        values = (values ^ ((values >> shift) & (_MASK64 >> shift))) * _signed(factor)
    return values ^ ((values >> _LAST_SHIFT) & (_MASK64 >> _LAST_SHIFT))


def weights(torch: Any, device: Any) -> Any:
    """The weights T of the places inside a block: int64 of shape (2, 4096)."""
    places = torch.arange(BLOCK, dtype=torch.int64, device=device) * 4
    lanes = torch.arange(2, dtype=torch.int64, device=device)
    return _mixed_tensor(places + lanes[:, None]) | 1


def digest(data: bytes) -> bytes:
    """The sixteen bytes of an array that lies here; of one block at most, and best of few words."""
    given = struct.unpack(f"<{-(-len(data) // 4)}I", data + bytes(-len(data) % 4))
    found: list[int] = []
    for q in (0, 1):
        total = sum((_mixed(4 * j + q) | 1) * word for j, word in enumerate(given))
        of_block = _mixed(2 + q + _OF_BLOCKS) | 1
        found.append((total * of_block + _mixed(4 * len(data) + q + _OF_SIZES)) & _MASK64)
    return struct.pack("<2Q", *found)


def words(tensor: Any) -> Any:
    """A tensor's canonical bytes in one line, where it lies: int32, or uint8 where they are odd.

    What is contiguous is not copied. NotTraceable where it has no bytes of its own.
    """
    torch = sys.modules["torch"]
    if tensor.layout is not torch.strided:
        raise NotTraceable(f"a tensor with layout {tensor.layout}")
    try:
        tensor = tensor.detach()
        if tensor.is_complex():
            tensor = torch.view_as_real(tensor.resolve_conj())
        flat = tensor.resolve_neg().contiguous().reshape(-1).view(torch.uint8)
        is_whole = flat.numel() % 4 == 0 and flat.data_ptr() % 4 == 0
    except RuntimeError as error:
        raise NotTraceable("a tensor without memory of its own (torch.func)") from error
    return flat.view(torch.int32) if is_whole and flat.storage_offset() % 4 == 0 else flat


class Layout:
    """Where the words of arrays lie in blocks, one array after the other; made once for its sizes.

    Args:
        sizes: of the arrays; bytes.
        device: on which they lie.
    """

    def __init__(self, sizes: Sequence[int], device: Any) -> None:
        self.sizes = tuple(sizes)
        self.blocks = [-(-size // (4 * BLOCK)) for size in sizes]
        self.first = [0, *accumulate(self.blocks)]
        self._torch = sys.modules["torch"]
        self._device = device

    @property
    def rows(self) -> int:
        """The blocks of all arrays."""
        return self.first[-1]

    @cached_property
    def begin(self) -> Any:
        """What the sums begin with, S of the sizes: int64 of shape (arrays, 2)."""
        found = [[_signed(_mixed(4 * n + q + _OF_SIZES)) for q in (0, 1)] for n in self.sizes]
        return self.there(self._here(found).reshape(-1, 2))

    @cached_property
    def bytes(self) -> Any:
        """The sizes: int64 of shape (arrays,)."""
        return self.there(self._here(self.sizes))

    @cached_property
    def arrays(self) -> Any:
        """To which array each block belongs: int64 of shape (rows,)."""
        return self.there(self._arrays)

    @cached_property
    def numbers(self) -> Any:
        """The number of each block in its array: int64 of shape (rows,)."""
        first = self._here(self.first[:-1])
        return self.there(self._torch.arange(self.rows, device="cpu") - first[self._arrays])

    @cached_property
    def _arrays(self) -> Any:
        return self._torch.repeat_interleave(
            self._here(range(len(self.sizes))), self._here(self.blocks)
        )

    @cached_property
    def weights(self) -> Any:
        """The weights M of the blocks: int64 of shape (2, rows)."""
        lanes = self._torch.arange(2, dtype=self._torch.int64, device=self._device)
        return _mixed_tensor(self.numbers * 4 + (lanes[:, None] + 2 + _OF_BLOCKS)) | 1

    def _here(self, numbers: Sequence[Any]) -> Any:
        # A script may have made another device the default.
        return self._torch.tensor(numbers, dtype=self._torch.int64, device="cpu")

    def there(self, tensor: Any) -> Any:
        """A tensor of the host on the device, without waiting."""
        if self._device.type == "cpu":
            return tensor
        return tensor.pin_memory().to(self._device, non_blocking=True)

    def parts(self, begin: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """What lies in some of the rows: array, its bytes from and to, where they begin there."""
        for at, (first, count) in enumerate(zip(self.first, self.blocks, strict=False)):
            top, bottom = max(first, begin), min(first + count, end)
            if top < bottom:
                from_, to = (top - first) * 4 * BLOCK, (bottom - first) * 4 * BLOCK
                yield at, from_, min(to, self.sizes[at]), (top - begin) * 4 * BLOCK


def sums(layout: Layout, lines: Sequence[Any], places: Any, out: Any) -> None:
    """Put the digests of arrays into `out`, as torch computes them; some ten launches per 16 MB.

    Args:
        layout: of the sizes of these arrays.
        lines: each array's `words`.
        places: `weights` on their device.
        out: int64 of shape (arrays, 2), on their device.
    """
    torch = sys.modules["torch"]
    out.copy_(layout.begin)
    rows = min(layout.rows, _MOST_ROWS)
    scratch = torch.empty((rows, BLOCK), dtype=torch.int32, device=out.device)
    for begin in range(0, layout.rows, _MOST_ROWS):
        end = min(begin + _MOST_ROWS, layout.rows)
        _gather(layout.parts(begin, end), lines, scratch.zero_())
        unsigned = scratch[: end - begin].to(torch.int64) & _MASK32
        for lane in (0, 1):
            found = (unsigned * places[lane]).sum(1) * layout.weights[lane, begin:end]
            out[:, lane].index_add_(0, layout.arrays[begin:end], found)


def _gather(parts: Iterator[tuple[int, int, int, int]], lines: Sequence[Any], scratch: Any) -> None:
    """Copy parts of arrays into a tensor of zeros, in one launch where they are whole words."""
    torch = sys.modules["torch"]
    flat = {1: scratch.view(torch.uint8).view(-1), 4: scratch.view(-1)}
    targets: dict[int, list[Any]] = {1: [], 4: []}
    sources: dict[int, list[Any]] = {1: [], 4: []}
    for at, from_, to, where in parts:
        size = lines[at].element_size()
        targets[size].append(flat[size][where // size : (where + to - from_) // size])
        sources[size].append(lines[at][from_ // size : to // size])
    for size in (1, 4):
        if targets[size]:
            torch._foreach_copy_(targets[size], sources[size])
