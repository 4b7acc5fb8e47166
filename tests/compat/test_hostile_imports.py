"""Files that claim more than there is: an import stays small, and ends."""

import json
import os
import resource
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

from samebit.compat.files.crc32c import masked
from samebit.compat.files.wandblog import HEADER
from samebit.compat.files.wire import bytes_field, varint_field
from tests.compat import wandb_files as files

LIMIT_BYTES = (
    2 << 30
)  # of address space: NumPy's and pyarrow's threads have much that they never use
EVENTS = "events.out.tfevents.1.h"


def record(payload: bytes, length: int | None = None) -> bytes:
    size = struct.pack("<Q", len(payload) if length is None else length)
    sums = (struct.pack("<I", masked(part, numpy)) for part in (size, payload))
    return size + next(sums) + payload + next(sums)


def events(folder: Path, *payloads: bytes) -> str:
    (folder / EVENTS).write_bytes(b"".join(map(record, payloads)))
    return "tensorboard"


def value(field: bytes) -> bytes:
    return bytes_field(5, bytes_field(1, bytes_field(1, b"t") + field))


def a_record_of_10_gb(folder: Path) -> str:
    (folder / EVENTS).write_bytes(record(b"", 10 << 30) + bytes(100))
    return "tensorboard"


def a_sparse_file_of_10_gb(folder: Path) -> str:
    (folder / EVENTS).write_bytes(record(b"", 10 << 30))
    os.truncate(folder / EVENTS, 10 << 30)
    return "tensorboard"


def a_tensor_of_a_trillion(folder: Path) -> str:
    size = bytes_field(2, varint_field(1, 1 << 20))
    tensor = varint_field(1, 1) + bytes_field(2, size + size) + bytes_field(5, bytes(4))
    plugin = bytes_field(9, bytes_field(1, bytes_field(1, b"images")))
    return events(folder, value(bytes_field(8, tensor) + plugin))


def a_picture_that_is_a_bomb(folder: Path) -> str:
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + bytes(4)
    return events(folder, value(bytes_field(4, bytes_field(4, png))))


def a_wandb_file_of_zeros(folder: Path) -> str:
    (folder / "run-a.wandb").write_bytes(HEADER)
    os.truncate(folder / "run-a.wandb", 300 << 20)
    return "wandb"


def a_sparse_wandb_file_of_10_gb(folder: Path) -> str:
    (folder / "run-a.wandb").write_bytes(HEADER)
    os.truncate(folder / "run-a.wandb", 10 << 30)
    return "wandb"


def pipes_of_every_name(folder: Path) -> str:
    for name in (EVENTS, "run-a.wandb", "a.csv", "a.parquet"):
        os.mkfifo(folder / name)
    return "wandb"


def a_histogram_of_2_to_the_60(folder: Path) -> str:
    packed = {
        "_type": "histogram",
        "values": [1],
        "packedBins": {"min": 0, "size": 1, "count": 2**60},
    }
    files.write(folder, "a", [files.run("a"), files.history(0, {"h": packed})])
    return "wandb"


def a_key_of_a_million_parts(folder: Path) -> str:
    files.write(folder, "a", [files.run("a"), files.history(0, {("x",) * 1_000_000: 1})])
    return "wandb"


def a_bomb_of_yaml(folder: Path) -> str:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{at}: &a{at} [{','.join([f'*a{at - 1}'] * 9)}]" for at in range(1, 30)]
    (folder / "meta.yaml").write_text("run_id: x\n" + "\n".join(lines))
    return "mlflow"


def a_metric_file_that_is_sparse(folder: Path) -> str:
    (folder / "meta.yaml").write_text("run_id: x\n")
    (folder / "metrics").mkdir()
    (folder / "metrics" / "m").write_bytes(b"1 2 3\n")
    os.truncate(folder / "metrics" / "m", 10 << 30)
    return "mlflow"


def a_device_for_a_metric(folder: Path) -> str:
    (folder / "meta.yaml").write_text("run_id: x\n")
    (folder / "metrics").mkdir()
    os.mkfifo(folder / "metrics" / "m")
    return "mlflow"


def a_database_with_a_view_for_ever(folder: Path) -> str:
    words = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT x FROM t"
    with sqlite3.connect(folder / "m.db") as connection:
        for name in ("experiments", "params", "metrics", "tags"):
            connection.execute(f"CREATE TABLE {name} (run_uuid)")
        connection.execute(f"CREATE VIEW runs AS {words}")
    connection.close()
    return "mlflow"


def parquet_that_claims_too_much(folder: Path) -> str:
    import pyarrow as pa
    from pyarrow import parquet

    many = 21_000_000
    zeros = pa.array(numpy.zeros(many, numpy.int8))
    parquet.write_table(pa.table({"_step": zeros, "x": zeros}), folder / "a.parquet")
    return "wandb"


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        a_record_of_10_gb,
        a_sparse_file_of_10_gb,
        a_tensor_of_a_trillion,
        a_picture_that_is_a_bomb,
        a_wandb_file_of_zeros,
        a_sparse_wandb_file_of_10_gb,
        pipes_of_every_name,
        a_histogram_of_2_to_the_60,
        a_key_of_a_million_parts,
        a_bomb_of_yaml,
        a_metric_file_that_is_sparse,
        a_device_for_a_metric,
        a_database_with_a_view_for_ever,
        parquet_that_claims_too_much,
    ],
)
def test_claims_cost_nothing(tmp_path: Path, make: Callable[[Path], str]) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    tool = make(folder)
    path = folder / "m.db" if (folder / "m.db").exists() else folder
    store = tmp_path / ".samebit"
    done = subprocess.run(
        [sys.executable, "-m", "samebit.cli.main", "import", tool, str(path), "--json"],
        env={**os.environ, "SAMEBIT_DIR": str(store), "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, 7), done.stderr
    for line in done.stdout.splitlines():
        assert not json.loads(line)["points"]
    assert not list((store / "tmp").iterdir()) if store.exists() else True
