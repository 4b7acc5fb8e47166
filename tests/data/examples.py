"""The data of which the golden fingerprints are, made by whatever libraries there are.

As a script it prints them as JSON: by it an environment with other versions is asked. It names the
source of each value (`people.content` from pandas, polars, Arrow): all sources must say the same.
"""

import datetime as dt
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from samebit.data.arrays import of_indices
from samebit.data.fingerprints import fingerprint

ROWS = 5
UTC = dt.UTC
TIMES = [dt.datetime(2024, 2, 29, 12, 30, 0, 250000), dt.datetime(1969, 12, 31, 23, 59, 59, 1)]
DAYS = [dt.date(2024, 2, 29), dt.date(1900, 1, 1)]

Found = Iterator[tuple[str, str, str]]  # name, source, fingerprint


def people() -> dict[str, list[Any]]:
    """One logical table, as plain values; what all libraries of all versions can hold."""
    return {
        "name": ["Ada", None, "", "Ünal", "日本"],
        "age": [36, -1, 0, 2**40, 7],
        "score": [1.5, None, -0.0, float("inf"), 1e-300],
        "ok": [True, False, True, True, False],
        "raw": [b"\0\xff", b"", None, b"a", b"bb"],
        "seen": [TIMES[0], TIMES[1], None, TIMES[0], TIMES[0]],
        "born": [DAYS[0], None, DAYS[1], DAYS[0], DAYS[1]],
        "tags": [["a", "b"], [], None, [""], ["c", "a"]],
        "empty": [None] * ROWS,
    }


def of_pandas() -> Found:
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({k: pd.Series(v) for k, v in people().items() if k != "empty"})
    frame["empty"] = pd.Series([None] * ROWS, dtype=object)
    frame["ok"] = frame["ok"].astype(bool)
    for variant in (
        frame,
        frame[frame.columns[::-1]],
        frame.assign(name=frame["name"].astype("category")),
    ):
        yield from _levels("people", "pandas", variant)
    unit = frame.assign(seen=frame["seen"].astype("datetime64[ns]"))
    yield from _levels("people", "pandas, nanoseconds", unit)
    yield (
        "people shuffled.set",
        "pandas",
        str(fingerprint(frame.iloc[[3, 1, 4, 0, 2]], level="set")),
    )
    exact = pd.DataFrame(
        {
            "i": np.arange(3, dtype="int16"),
            "f": np.array([0.5, np.nan, -0.0]),
            "n": pd.array([1, None, 3], dtype="Int64"),
            "c": pd.Categorical.from_codes([1, 0, -1], [30, 20], ordered=True),
            "t": np.array([0, 1, 2], "datetime64[ns]"),
            "z": pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin").astype(
                "datetime64[ns, Europe/Berlin]"
            ),
            "d": np.array([1, -1, 0], "timedelta64[ns]"),
            7: np.array([True, False, True]),
        },
        index=pd.Index([5, 6, 9], name="row"),
    )
    for level in ("content", "strict", "set"):
        yield f"pandas frame.{level}", "pandas", str(fingerprint(exact, level=level))


def of_arrow() -> Found:
    import pyarrow as pa

    table = _arrow_people(pa)
    halves = pa.concat_tables([table.slice(0, 2), table.slice(2)])
    yield from _levels("people", "arrow", table)
    yield from _levels("people", "arrow, in chunks", halves)
    yield from _levels("people", "arrow, sliced", pa.concat_tables([halves, table]).slice(5))
    yield "people.strict", "arrow", str(fingerprint(table, level="strict"))
    yield "people shuffled.set", "arrow", str(fingerprint(table.take([2, 0, 4, 1, 3]), level="set"))
    nested = pa.table(
        {
            "struct": pa.array(
                [{"a": 1, "b": ["x"]}, None, {"a": None, "b": []}],
                pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))]),
            ),
            "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int8())),
            "fixed": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int64(), 2)),
            "dec": pa.array([Decimal("1.50"), None, Decimal("-7.25")], pa.decimal128(20, 2)),
            "wide": pa.array([Decimal("1.50"), None, Decimal("-7.25")], pa.decimal256(60, 2)),
            "zone": pa.array([0, 1, None], pa.timestamp("ms", "Europe/Berlin")),
            "utc": pa.array([0, 1, None], pa.timestamp("s", "+00:00")),
            "clock": pa.array([dt.time(1, 2, 3), None, dt.time(0)], pa.time64("us")),
            "long": pa.array([1, None, -1], pa.duration("ms")),
            "half": pa.array([1, 2, None], pa.uint16()).cast(pa.float32()),
            "kind": pa.array(["x", None, "y"]).dictionary_encode(),
            "bits": pa.array([b"ab", None, b"cd"], pa.binary(2)),
            "old": pa.array([dt.date(2000, 1, 1), None, None], pa.date64()),
        }
    )
    for level in ("content", "strict", "set"):
        yield f"nested.{level}", "arrow", str(fingerprint(nested, level=level))
        empty = pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())})
        yield f"no rows.{level}", "arrow", str(fingerprint(empty, level=level))


def of_polars() -> Found:
    import polars as pl

    held = people()
    frame = pl.DataFrame(
        {k: pl.Series(k, v) for k, v in held.items() if k not in ("tags", "empty")}
    )
    frame = frame.with_columns(
        [pl.Series("tags", held["tags"]), pl.lit(None).cast(pl.Utf8).alias("empty")]
    )
    yield from _levels("people", "polars", frame)
    yield from _levels("people", "polars, in chunks", frame.slice(0, 2).vstack(frame.slice(2, 3)))
    coded = frame.with_columns(pl.col("name").cast(pl.Categorical))
    yield from _levels("people", "polars, categories", coded)


def of_datasets() -> Found:
    import datasets
    import pyarrow as pa

    table = _arrow_people(pa)
    whole = datasets.Dataset(datasets.table.InMemoryTable(table))
    yield from _levels("people", "datasets", whole)
    mixed = whole.select([3, 1, 4, 0, 2])
    yield from _levels("people", "datasets, chosen", mixed.select([3, 1, 4, 0, 2]))
    yield "people shuffled.set", "datasets", str(fingerprint(mixed, level="set"))


def of_numpy() -> Found:
    import numpy as np

    grid = np.arange(6, dtype="int32").reshape(2, 3)
    for how, array in (
        ("C", grid),
        ("F", np.asfortranarray(grid)),
        ("big endian", grid.astype(">i4")),
    ):
        yield "array.int32", f"numpy, {how}", str(fingerprint(array))
    floats = np.array([0.0, -0.0, np.inf, np.nan])
    yield "array.float64", "numpy", str(fingerprint(floats))
    yield "array.bool", "numpy", str(fingerprint(np.array([True, False])))
    yield "array.complex", "numpy", str(fingerprint(np.array([1 + 2j, -1j])))
    yield "array.scalar", "numpy", str(fingerprint(np.float32(1.5)))
    yield "array.empty", "numpy", str(fingerprint(np.zeros((0, 3))))
    yield "array.times", "numpy", str(fingerprint(np.array(["2024-01-01"], "datetime64[D]")))
    for dtype in ("U2", "U9"):
        yield "array.texts", f"numpy, {dtype}", str(fingerprint(np.array(["a", "ü"], dtype)))
    yield "group", "numpy", str(fingerprint({"b": grid, "a": floats}))
    yield "indices", "numpy", str(of_indices(np.array([3, 1, 2], "int16")))
    yield "indices as a set", "numpy", str(of_indices(np.array([3, 1, 2]), ordered=False))


def of_files() -> Found:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "root"
        (root / "empty").mkdir(parents=True)
        (root / "a").mkdir()
        (root / "a" / "x.bin").write_bytes(b"hello")
        (root / "ä.txt").write_bytes(b"")
        (root / "run.sh").write_bytes(b"#!/bin/sh\n")
        (root / "run.sh").chmod(0o755)
        (root / "link").symlink_to("a/x.bin")
        yield "file", "files", str(fingerprint(root / "a" / "x.bin"))
        yield "folder", "files", str(fingerprint(root))
        yield "folder.strict", "files", str(fingerprint(root, level="strict"))
        absolute = root / "link"
        absolute.unlink()
        absolute.symlink_to(os.path.realpath(root) + "/a/x.bin")
        yield "folder", "files, an absolute link", str(fingerprint(root))


def of_plain() -> Found:
    yield "indices", "plain", str(of_indices([3, 1, 2]))
    yield "indices as a set", "plain", str(of_indices((2, 3, 1), ordered=False))
    yield "items", "plain", str(fingerprint(Items()))
    yield "items.sample", "plain", str(fingerprint(Items(), sample=3))


class Items:
    """A data set by position, without torch."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, at: int) -> Any:
        return {
            "n": at,
            "half": at / 2,
            "none": None,
            "yes": True,
            "text": "é" * at,
            "two": (b"x", []),
        }


def _arrow_people(pa: Any) -> Any:
    kinds = {
        "name": pa.string(),
        "age": pa.int64(),
        "score": pa.float64(),
        "ok": pa.bool_(),
        "raw": pa.binary(),
        "seen": pa.timestamp("us"),
        "born": pa.date32(),
        "tags": pa.list_(pa.string()),
        "empty": pa.null(),
    }
    return pa.table({name: pa.array(v, kinds[name]) for name, v in people().items()})


def _levels(name: str, source: str, frame: Any) -> Found:
    for level in ("content", "set"):
        yield f"{name}.{level}", source, str(fingerprint(frame, level=level))


SOURCES: dict[str, Callable[[], Found]] = {
    "pandas": of_pandas,
    "pyarrow": of_arrow,
    "polars": of_polars,
    "datasets": of_datasets,
    "numpy": of_numpy,
    "tempfile": of_files,
    "json": of_plain,
}


def main() -> None:
    """All values of the libraries that are named; each must be there."""
    found: list[tuple[str, str, str]] = []
    versions: dict[str, str] = {}
    for library in sys.argv[1:]:
        versions[library] = getattr(importlib.import_module(library), "__version__", "")
        found += SOURCES[library]()
    print(json.dumps({"versions": versions, "found": found}))


if __name__ == "__main__":
    main()
