"""TF128 as the page says it, in NumPy and whole: what every way of computing it is held to."""

import numpy as np

_B = 4096


def _mixed(values: np.ndarray) -> np.ndarray:
    z = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def tf128(data: bytes, first: int = 0, size: int | None = None) -> bytes:
    """The sixteen bytes of an array's canonical bytes.

    Args:
        data: they, or those of a shard.
        first: the word at which a shard begins; its sum is without what the size gives.
        size: of the whole array, where this is its first shard; bytes.
    """
    n = len(data) if size is None else size
    x = np.frombuffer(data + bytes(-len(data) % 4), "<u4").astype(np.uint64)
    i = np.arange(first, first + len(x), dtype=np.uint64)
    c, j = i // np.uint64(_B), i % np.uint64(_B)
    lanes = []
    for q in (0, 1):
        t = _mixed(np.uint64(4) * j + np.uint64(q)) | np.uint64(1)
        m = _mixed(np.uint64(4) * c + np.uint64(2 + q + (1 << 40))) | np.uint64(1)
        d = (m * t * x).sum(dtype=np.uint64, keepdims=True)
        if first == 0:
            d = d + _mixed(np.array([4 * n + q + (1 << 41)], np.uint64))
        lanes.append(d)
    return np.concatenate(lanes).astype("<u8").tobytes()
