# pyright: basic, reportMissingImports=false, reportIndexIssue=false
"""TF128 in one launch for any number of arrays; imported only where Triton is.

Each program takes a block of 4,096 words: two sums, an atomic addition each.
"""

from typing import Any

import triton
import triton.language as tl

from samebit.trace.tf128 import BLOCK, Layout

__all__ = ["sums"]


@triton.jit(do_not_specialize=["rows"])  # one kernel for any number of them
def _sums(addresses, sizes, arrays, numbers, weights, places, out, rows, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    array = tl.load(arrays + row)
    address = tl.load(addresses + array)
    size = tl.load(sizes + array)
    place = tl.arange(0, BLOCK)
    at = tl.load(numbers + row) * BLOCK + place
    whole = size // 4
    words = address.to(tl.pointer_type(tl.int32))
    word = tl.load(words + at, mask=at < whole, other=0).to(tl.int64) & 0xFFFFFFFF
    single = address.to(tl.pointer_type(tl.uint8))
    for k in tl.static_range(3):  # of a last word that is not whole
        where = at * 4 + k
        byte = tl.load(single + where, mask=(at == whole) & (where < size), other=0)
        word |= byte.to(tl.int64) << (8 * k)
    for lane in tl.static_range(2):
        place_weight = tl.load(places + lane * BLOCK + place)
        found = tl.sum(word * place_weight, axis=0) * tl.load(weights + lane * rows + row)
        tl.atomic_add(out + array * 2 + lane, found)


def sums(layout: Layout, addresses: Any, places: Any, out: Any) -> None:
    """Put the digests of arrays into `out`, as `tf128.sums` does.

    Args:
        layout: of the sizes of these arrays.
        addresses: at which each begins, a multiple of 4: int64 on their device.
        places: `tf128.weights` there.
        out: int64 of shape (arrays, 2), there.
    """
    out.copy_(layout.begin)
    if layout.rows:
        of = (addresses, layout.bytes, layout.arrays, layout.numbers, layout.weights, places, out)
        _sums[(layout.rows,)](*of, layout.rows, BLOCK=BLOCK)
