"""Fingerprints of data, against pandas' own hash of rows and against BLAKE3 of as many bytes.

    python benchmarks/fingerprints.py [MB]

A frame of 1 GB (or of as many MB as the argument says), a file of as many bytes, and a folder of
small ones. BLAKE3 on all processors is as fast as any of this could be.
"""

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure
from blake3 import blake3
from measure import clock

from samebit.data.arrays import array_digest
from samebit.data.files import of_path
from samebit.data.fingerprints import fingerprint

ROUNDS = 5
_ROW_BYTES = 128  # of the frame, about
_SET_SHARE = 8  # of the rows, one in so many is summed up: each is hashed on its own
_SMALL_FILES, _SMALL_BYTES = 2_000, 20_000


def frame_of(mb: int) -> Any:
    """Numbers, times, categories and texts, as a table for training has them."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    rows = mb * 1_000_000 // _ROW_BYTES
    dice = np.random.default_rng(0)
    columns: dict[str, Any] = {f"f{at}": dice.standard_normal(rows) for at in range(6)}
    columns |= {f"i{at}": dice.integers(0, 1000, rows) for at in range(6)}
    columns["when"] = np.arange(rows).astype("datetime64[s]").astype("datetime64[ns]")
    columns["kind"] = pd.Categorical.from_codes(
        dice.integers(0, 50, rows), [f"k{n}" for n in range(50)]
    )
    texts = [f"user{at % 10_007}" for at in range(rows)]
    columns["user"] = pd.Series(pa.array(texts), dtype=pd.ArrowDtype(pa.string()))
    return pd.DataFrame(columns)


def milliseconds(call: Callable[[], Any]) -> Callable[[], float]:
    """A case: how long one call takes."""

    def timed() -> float:
        began = clock()
        call()
        return (clock() - began) / 1e6

    return timed


def say(cases: dict[str, Callable[[], Any]], base: str, sizes: dict[str, int]) -> None:
    """Time the cases in turns, and print each as a rate and as a multiple of the base."""
    timed = {name: milliseconds(case) for name, case in cases.items()}
    for case in timed.values():
        case()  # once for what is loaded and cached
    times = measure.take_turns(timed, ROUNDS)
    rows: list[list[object]] = []
    for name, taken in times.items():
        median = statistics.median(taken)
        # Where one saw fewer bytes than another, by rates.
        scale = sizes[name] / sizes[base]
        ratio = measure.median_ratio(taken, times[base]) / scale
        low, high = measure.quartiles(
            [a / b / scale for a, b in zip(taken, times[base], strict=True)]
        )
        rate = sizes[name] / median / 1e6
        rows.append(
            [name, f"{median:.0f}", f"{rate:.2f}", f"{ratio:.2f} ({low:.2f} to {high:.2f})"]
        )
    measure.print_table(["", "ms", "GB/s", f"time, {base} = 1 (quartiles)"], rows)


def frames(mb: int) -> None:
    """A frame: the three levels, pandas' hash of its rows, and the bytes alone."""
    import numpy as np
    import pandas as pd
    import polars as pl

    frame = frame_of(mb)
    size = int(frame.memory_usage(index=False).sum())
    some = frame.iloc[: len(frame) // _SET_SHARE]
    raw = memoryview(np.random.default_rng(1).bytes(size))
    in_polars = pl.from_pandas(frame)
    print(f"a frame of {len(frame):,} rows and {frame.shape[1]} columns, {size / 1e9:.2f} GB\n")
    cases: dict[str, Callable[[], Any]] = {
        "BLAKE3, all processors": lambda: blake3(max_threads=blake3.AUTO).update(raw).digest(),
        "BLAKE3, one processor": lambda: blake3(raw).digest(),
        "content": lambda: fingerprint(frame),
        "content, of polars": lambda: fingerprint(in_polars),
        "strict": lambda: fingerprint(frame, level="strict"),
        f"set, of 1/{_SET_SHARE} of the rows": lambda: fingerprint(some, level="set"),
        "pandas' hash_pandas_object": lambda: pd.util.hash_pandas_object(frame, index=False),
    }
    sizes = dict.fromkeys(cases, size)
    sizes[f"set, of 1/{_SET_SHARE} of the rows"] = size // _SET_SHARE
    say(cases, "BLAKE3, all processors", sizes)


def columns(mb: int) -> None:
    """One column of each kind against pandas' hash of it."""
    import pandas as pd

    frame = frame_of(mb)
    rows: list[list[object]] = []
    for name in ("f0", "i0", "when", "kind", "user"):
        one = frame[[name]]
        ours = milliseconds(lambda one=one: fingerprint(one))
        theirs = milliseconds(lambda one=one: pd.util.hash_pandas_object(one, index=False))
        times = measure.take_turns({"ours": ours, "theirs": theirs}, ROUNDS)
        ratio = measure.median_ratio(times["theirs"], times["ours"])
        medians = [statistics.median(times[who]) for who in ("ours", "theirs")]
        rows.append(
            [f"{name} ({frame[name].dtype})", *(f"{m:.0f}" for m in medians), f"{ratio:.1f}"]
        )
    measure.print_table(["a column", "content, ms", "pandas, ms", "pandas / content"], rows)


def arrays_and_files(mb: int, folder: Path) -> None:
    """An array, a file and a folder of small files, against the hash of bytes in memory."""
    import numpy as np

    size = mb * 1_000_000
    data = np.random.default_rng(2).bytes(size)
    array = np.frombuffer(data, "f4")
    (folder / "large.bin").write_bytes(data)
    (folder / "small").mkdir()
    for at in range(_SMALL_FILES):
        begin = at * _SMALL_BYTES % (size - _SMALL_BYTES)
        (folder / "small" / f"{at}.bin").write_bytes(data[begin : begin + _SMALL_BYTES])
    small = [path.read_bytes() for path in sorted((folder / "small").iterdir())]

    def read_and_hash() -> None:
        with (folder / "large.bin").open("rb", buffering=0) as file:
            hasher, room = blake3(), memoryview(bytearray(1 << 20))
            while count := file.readinto(room):
                hasher.update(room[:count])

    sizes = dict.fromkeys(
        ("bytes in memory", "array", "file, read and hashed", "fingerprint of the file"), size
    )
    say(
        {
            "bytes in memory": lambda: blake3(data, max_threads=blake3.AUTO).digest(),
            "array": lambda: array_digest(array),
            "file, read and hashed": read_and_hash,
            "fingerprint of the file": lambda: of_path(folder / "large.bin"),
        },
        "bytes in memory",
        sizes,
    )
    names = ("bytes in memory", "each read and hashed", "fingerprint of the folder")
    paths = sorted((folder / "small").iterdir())
    print(f"{_SMALL_FILES:,} files of {_SMALL_BYTES:,} bytes\n")
    say(
        {
            names[0]: lambda: [blake3(one).digest() for one in small],
            names[1]: lambda: [blake3(path.read_bytes()).digest() for path in paths],
            names[2]: lambda: of_path(folder / "small"),
        },
        names[0],
        dict.fromkeys(names, _SMALL_FILES * _SMALL_BYTES),
    )


def main() -> None:
    mb = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        frames(mb)
        columns(mb)
        arrays_and_files(mb, folder)


if __name__ == "__main__":
    main()
