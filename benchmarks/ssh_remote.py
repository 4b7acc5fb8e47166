"""A place that `ssh` leads to, against `scp`, `sftp` and `rsync` of the same bytes, on loopback.

    python benchmarks/ssh_remote.py [MB]

1 GB (or as many MB as the argument says) in files of 32 MiB, as packs are, sent and fetched; and
10,000 files of 1 kB, each by itself, as no push sends them, which puts them into packs. Ours are
durable at the server, theirs are not. The server is OpenSSH's, started as the tests start it.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import measure
import pytest
from measure import clock

sys.path.insert(0, str(measure.REPOSITORY))

from tests import servers

from samebit.remotes import moving, named, sftp
from samebit.remotes.moving import Job
from samebit.remotes.place import Place, read_whole

ROUNDS = 1
SMALL_FILES, SMALL_BYTES, FOLDERS = 10_000, 1_000, 100
LARGE_BYTES = 32 << 20


def make(folder: Path, files: int, size_bytes: int) -> list[Path]:
    made = [folder / f"{at % FOLDERS:02}" / f"{at}.bin" for at in range(files)]
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size_bytes))
    return made


def jobs(paths: Iterable[Path], do: Callable[[Path], object]) -> None:
    moving.move(Job(path.stat().st_size, lambda path=path: do(path)) for path in paths)


def compare(top: Path, place: Place, host_folder: Path, files: int, size_bytes: int) -> None:
    source = top / "source"
    paths = make(source, files, size_bytes)
    there, here = host_folder / "theirs", top / "here"
    seconds: dict[str, list[float]] = {}

    def timed(name: str, do: Callable[[], object]) -> None:
        os.sync()
        began = clock()
        do()
        seconds.setdefault(name, []).append((clock() - began) / 1e9)

    def ours(path: Path) -> str:
        return f"ours/{path.relative_to(source)}"

    def call(*words: str, said: str = "") -> None:
        subprocess.run(words, check=True, input=said, text=True, stdout=subprocess.DEVNULL)

    ssh = ("-q", "-S", "ssh")  # the one on PATH
    theirs: dict[str, Callable[[], object]] = {
        "scp": lambda: call("scp", *ssh, "-r", str(source), f"lab:{there}"),
        "scp, back": lambda: call("scp", *ssh, "-r", f"lab:{there}", str(here)),
        "sftp": lambda: call("sftp", *ssh, "-b-", "lab", said=f"put -R {source} {there}\n"),
        "rsync": lambda: call("rsync", "-a", f"{source}/", f"lab:{there}"),
        "rsync, back": lambda: call("rsync", "-a", f"lab:{there}/", str(here)),
    }
    for _ in range(ROUNDS):
        timed("samebit: put", lambda: jobs(paths, lambda p: place.put(ours(p), p.read_bytes())))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sftp.Session, "sync", lambda _self, _handle: None)
            shutil.rmtree(host_folder / "ours")
            name = "samebit: put, not durable"
            timed(name, lambda: jobs(paths, lambda p: place.put(ours(p), p.read_bytes())))
        timed("samebit: list", lambda: list(place.list("ours")))
        timed("samebit: get", lambda: jobs(paths, lambda p: read_whole(place, ours(p), size_bytes)))
        for name, do in theirs.items():
            if shutil.which(name.partition(",")[0]) is not None:
                shutil.rmtree(here if name.endswith("back") else there, ignore_errors=True)
                timed(name, do)
        shutil.rmtree(host_folder / "ours")
    rows: list[tuple[str, ...]] = []
    for name, values in seconds.items():
        against = "scp, back" if "get" in name or "back" in name else "scp"
        ratio = measure.median_ratio(values, seconds[against])
        median = statistics.median(values)
        rows.append(
            (name, f"{median:.2f}", f"{files * size_bytes / 1e6 / median:.1f}", f"{ratio:.2f}")
        )
    for folder in (source, there, here):
        shutil.rmtree(folder, ignore_errors=True)
    print(f"### {files:,} files of {size_bytes:,} bytes\n")
    measure.print_table(("", "s", "MB/s", "scp = 1"), rows)


def main(mb: int) -> None:
    top = Path(tempfile.mkdtemp(prefix="samebit-bench-"))
    try:
        with servers.sshd(top) as server, pytest.MonkeyPatch.context() as patch:
            server.patch(patch)
            measure.print_machine(top)
            place = named.open_place(named.of_url("lab", server.url, {}))
            began = time.perf_counter()
            place.find("format")
            print(f"until the first answer: {time.perf_counter() - began:.2f} s\n")
            compare(top, place, Path(server.top), SMALL_FILES, SMALL_BYTES)
            compare(top, place, Path(server.top), mb * 1_000_000 // LARGE_BYTES, LARGE_BYTES)
            print(measure.load())
    finally:
        shutil.rmtree(top, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
