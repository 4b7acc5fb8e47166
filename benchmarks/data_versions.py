"""`samebit data add` against `dvc add`, and against hashing and copying as many bytes.

    python benchmarks/data_versions.py [MB]

10,000 files of 10 kB, and one file of 1 GB (or of as many MB as the argument says): added; added
again with nothing changed; added again with 1 % changed. Each `add` is a process of its own; `dvc`
is the one on PATH. Files are in the page cache, and older than two seconds.
"""

import os
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import measure
from blake3 import blake3
from measure import clock, files_of, write_large, write_small

ROUNDS = 3
SMALL_FILES, SMALL_BYTES = 10_000, 10_000
_BLOCK_BYTES = 1 << 20


class Adder:
    """One tool: a fresh place for its store, and its `add`."""

    def __init__(self, name: str, top: Path, words: list[str], store: str) -> None:
        self.name = name
        self.top = top
        self._words = words
        self._store = top / store
        self._environ = measure.child_environment(
            SAMEBIT_CACHE=str(top / "cache"),
            DVC_NO_ANALYTICS="true",
            XDG_CACHE_HOME=str(top / "cache"),
        )

    def begin(self) -> None:
        """Forget everything."""
        for name in (".samebit", ".dvc", "cache"):
            shutil.rmtree(self.top / name, ignore_errors=True)
        for path in self.top.glob("*.dvc"):
            path.unlink()
        if self.name == "dvc":
            self._call("init", "--no-scm", "-q")

    def add(self, data: str) -> float:
        """Seconds."""
        return self._call(*(["data"] if self.name == "samebit" else []), "add", data)

    def size_bytes(self) -> int:
        """What the store takes."""
        return sum(path.stat().st_size for path in self._store.rglob("*") if path.is_file())

    def _call(self, *words: str) -> float:
        whole = [*self._words, *words]
        return measure.time_process(whole, cwd=self.top, env=self._environ) / 1e3


def raw(data: Path, to: Path | None) -> float:
    """Read and hash everything, and with `to` write it to one durable file; seconds."""
    began = clock()
    room = memoryview(bytearray(_BLOCK_BYTES))
    with open(to or os.devnull, "wb", buffering=0) as out:
        for path in files_of(data):
            hasher = blake3()
            with open(path, "rb", buffering=0) as stream:
                while count := stream.readinto(room):
                    hasher.update(room[:count])
                    if to is not None:
                        out.write(room[:count])
            hasher.digest()
        if to is not None:
            os.fsync(out.fileno())
            to.unlink()
    return (clock() - began) / 1e9


def change_small(data: Path, seed: int) -> None:
    chance = random.Random(seed)
    for path in chance.sample(files_of(data), SMALL_FILES // 100):
        path.write_bytes(chance.randbytes(SMALL_BYTES))


def change_large(data: Path, seed: int) -> None:
    """Put 1 % in somewhere, which moves all that follows."""
    size = data.stat().st_size
    whole = data.read_bytes()
    place = int(size * random.Random(seed).uniform(0.2, 0.8))
    # DVC may have made it a read-only link.
    data.unlink()
    data.write_bytes(whole[:place] + os.urandom(size // 100) + whole[place:])


def compare(
    top: Path, data: Path, change: Callable[[Path, int], None], adders: list[Adder]
) -> None:
    size = sum(path.stat().st_size for path in files_of(data))
    seconds: dict[str, list[float]] = {}
    grown: dict[str, int] = {}
    for _ in range(ROUNDS):
        time.sleep(2.5)  # until then nobody may trust a time
        seconds.setdefault("hash", []).append(raw(data, None))
        seconds.setdefault("hash and copy", []).append(raw(data, top / "copy"))
        for adder in adders:
            adder.begin()
            seconds.setdefault(f"{adder.name}: first", []).append(adder.add(data.name))
            seconds.setdefault(f"{adder.name}: unchanged", []).append(adder.add(data.name))
    for turn in range(ROUNDS):
        change(data, turn)
        time.sleep(2.5)
        for adder in adders:
            before = adder.size_bytes()
            seconds.setdefault(f"{adder.name}: 1 % changed", []).append(adder.add(data.name))
            grown[f"{adder.name}: 1 % changed"] = adder.size_bytes() - before
    limit = statistics.median(seconds["hash and copy"])
    rows = []
    for name, values in seconds.items():
        median = statistics.median(values)
        what = name.partition(": ")[2]
        dvc = statistics.median(seconds.get(f"dvc: {what}", [0.0])) if what else 0.0
        rows.append(
            (
                name,
                f"{median:.2f}",
                f"{min(values):.2f} to {max(values):.2f}",
                f"{size / median / 1e9:.2f}",
                f"{limit / median:.2f}",
                f"{dvc / median:.1f}" if dvc and name.startswith("samebit") else "",
                f"{100 * grown[name] / size:.2f} %" if name in grown else "",
            )
        )
    head = ("", "s", "range", "GB/s", "of hash and copy", "faster than dvc", "store grew by")
    measure.print_table(head, rows)


def main(mb: int) -> None:
    with measure.scratch_folder() as top:
        measure.print_machine(top)
        adders = [Adder("samebit", top, [sys.executable, "-m", "samebit.cli.main"], ".samebit")]
        if (dvc := shutil.which("dvc")) is not None:
            adders.append(Adder("dvc", top, [dvc], ".dvc"))
        else:
            print("dvc is not on PATH, and left out")
        for title, data, change in (
            (
                f"{SMALL_FILES:,} files of {SMALL_BYTES:,} bytes",
                write_small(top / "small", SMALL_FILES, SMALL_BYTES),
                change_small,
            ),
            (f"one file of {mb:,} MB", write_large(top / "large.bin", mb), change_large),
        ):
            print(f"\n{title}\n")
            compare(top, data, change, adders)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
