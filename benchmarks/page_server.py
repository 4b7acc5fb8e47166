"""What the page's server takes: 10,000 runs in a table, and 100 curves of 100,000 points.

A real `samebit ui` is asked over the loopback, by the address that the page asks. The stores are
made without waiting for the disk. `--small` makes a hundredth of them, to try the script.
"""

import contextlib
import http.client
import json
import math
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import measure

from samebit import places
from samebit.folders import folder as runs
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd, ExecutionStart

RUNS, SETTINGS, METRICS, ROWS = 10_000, 50, 20, 3
CURVES, POINTS, COLUMNS = 100, 100_000, 1000
TIMES = 5


def main() -> None:
    """Print the tables."""
    share = 100 if "--small" in sys.argv else 1
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        os.fsync = os.fdatasync = lambda _: None  # the disk is not what is measured
        table = _make(folder / "table", RUNS // share, SETTINGS, METRICS, ROWS)
        curves = _make(folder / "curves", CURVES // min(share, 10), 2, 2, POINTS // share)
        measure.print_table(["the table", "ms", "kB"], _table(table, folder / "cache"))
        measure.print_table(["curves", "ms", "kB"], _curves(curves, folder / "cache"))
    print(f"ms: median of {TIMES}, of what is cold once. {measure.load()}")


def _make(project: Path, count: int, settings: int, metrics: int, rows: int) -> Path:
    began = time.monotonic()
    store = places.make_store(project / places.STORE_NAME)
    source = random.Random(1)
    for number in range(count):
        run = runs.begin(store, name=f"run-{number}")
        start = ExecutionStart(
            number=0,
            started_ns=time.time_ns(),
            how="script",
            argv=("train.py", "--lr", str(number / 1000)),
            cwd=str(project),
            host=socket.gethostname(),
            user=runs.user_name(),
            seed=number % 5,
        )
        run.begin_execution(start)
        writer = Writer(run.journal, run.id)
        config: dict[str, Any] = {
            "lr": 10.0 ** -(number % 4),
            "optimizer": ("adam", "sgd")[number % 2],
        }
        config |= {f"c{at}": source.random() if at < 8 else at for at in range(settings - 2)}
        writer.fact("config", config)
        for step in range(rows):
            values = {
                f"m{at}": math.exp(-step / rows) + source.random() / 9 for at in range(metrics)
            }
            writer.row(values, step)
        writer.close()
        run.end_execution(1, ExecutionEnd(time.time_ns(), "finished", exit_code=0))
    before = time.time_ns() - 60_000_000_000
    for folder, _, _ in os.walk(store / "runs"):
        os.utime(folder, ns=(before, before))  # the index trusts what has not changed lately
    print(f"{count} runs of {rows} rows made in {time.monotonic() - began:.0f} s", flush=True)
    return project


class Ui:
    """A `samebit ui`, and one connection to it."""

    def __init__(self, project: Path, cache: Path) -> None:
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "samebit.cli.main", "ui", "--no-open"],
            cwd=project,
            env=measure.child_environment(SAMEBIT_CACHE=str(cache)),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        link = urlsplit(self.process.stdout.readline().strip())
        self.link_ms = 1e3 * (time.perf_counter() - began)
        self.connection = http.client.HTTPConnection(link.netloc, timeout=600)
        self.cookie = ""
        _, _, headers = self._get(f"/?{link.query}")
        self.cookie = headers["set-cookie"].partition(";")[0]

    def _get(self, path: str) -> tuple[float, bytes, Any]:
        began = time.perf_counter()
        self.connection.request("GET", path, headers={"cookie": self.cookie})
        answer = self.connection.getresponse()
        body = answer.read()
        taken = 1e3 * (time.perf_counter() - began)
        if answer.status >= 400:
            raise SystemExit(f"{path[:80]}: {answer.status} {body[:300]!r}")
        return taken, body, answer.headers

    def ask(self, path: str, **query: object) -> tuple[float, bytes]:
        """Milliseconds, and the answer."""
        found = self._get(f"/api/{path}?{urlencode(query)}")
        return found[0], found[1]

    def row(self, label: str, path: str, times: int = TIMES, **query: object) -> list[str]:
        """A line of the table."""
        found = [self.ask(path, **query) for _ in range(times)]
        taken = statistics.median(ms for ms, _ in found)
        return [label, f"{taken:.0f}", f"{len(found[0][1]) / 1e3:.0f}"]

    def settled_ms(self) -> float:
        """How long it takes until every run was read."""
        began = time.perf_counter()
        while json.loads(self.ask("store")[1])["waiting"]:
            time.sleep(0.05)
        return 1e3 * (time.perf_counter() - began)

    def memory(self) -> list[str]:
        """What it holds, and held at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Vm"))
        now, most = (int(found[name].split()[0]) // 1000 for name in ("VmRSS", "VmHWM"))
        return [f"memory: {now} MB, at most {most} MB", "", ""]


@contextlib.contextmanager
def _serving(project: Path, cache: Path) -> Iterator[Ui]:
    ui = Ui(project, cache)
    try:
        yield ui
    finally:
        ui.process.terminate()
        ui.process.wait()


def _table(project: Path, cache: Path) -> list[list[str]]:
    lines: list[list[str]] = []
    with _serving(project, cache) as ui:
        lines.append(["every run read, no index", f"{ui.settled_ms():.0f}", ""])
        time.sleep(1)
    with _serving(project, cache) as ui:
        lines.append(["from the command to the link", f"{ui.link_ms:.0f}", ""])
        lines.append(ui.row("first answer, index warm", "runs", 1))
        lines.append(ui.row("the same again", "runs"))
        where = "m1 > 0.5 and config.lr < 0.01"
        lines.append(ui.row("filter", "runs/filter", where=where))
        lines.append(ui.row("groups", "runs/groups", by="lr,optimizer", metric="m1"))
        every = ",".join(key["key"] for key in json.loads(ui.ask("runs")[1])["keys"])
        lines.append(ui.row("every column, first time", "runs", 1, columns=every))
        lines.append(ui.row("every column", "runs", columns=every))
        lines.append(ui.memory())
    return lines


def _curves(project: Path, cache: Path) -> list[list[str]]:
    lines: list[list[str]] = []
    with _serving(project, cache) as ui:
        lines.append(["every run read, no index", f"{ui.settled_ms():.0f}", ""])
        time.sleep(1)
    with _serving(project, cache) as ui:
        ids = ",".join(json.loads(ui.ask("runs", columns="id")[1])["ids"])
        steps = json.loads(ui.ask("metrics")[1])["metrics"][0]["last"]
        asked: dict[str, Any] = {"ids": ids, "metric": "m0", "columns": COLUMNS}
        zoom: dict[str, Any] = {"from": steps * 0.2, "to": steps * 0.3}
        lines.append(ui.row("first time, journals read", "curves", 1, **asked))
        lines.append(ui.row("again", "curves", **asked))
        lines.append(ui.row("zoom", "curves", **asked, **zoom))
        lines.append(ui.row("x = time", "curves", **asked, x="time"))
        lines.append(ui.row("another metric", "curves", **asked | {"metric": "m1"}))
        lines.append(ui.row("mean and interval of 4 groups", "curves/groups", by="lr", metric="m0"))
        lines.append(ui.memory())
    return lines


if __name__ == "__main__":
    main()
