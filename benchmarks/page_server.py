"""What the page's server takes: 10,000 runs, 100 curves of 100,000 points, and a run that goes on.

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
from samebit.launch import alive
from samebit.records import ExecutionEnd, ExecutionStart

RUNS, SETTINGS, METRICS, ROWS = 10_000, 50, 20, 3
CURVES, POINTS, COLUMNS = 100, 100_000, 1000
LONG, ROWS_SEEN, GOING_ON = 1_000_000, 20, 10
TIMES = 5


def main() -> None:
    """Print the tables."""
    share = 100 if "--small" in sys.argv else 1
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        os.fsync = os.fdatasync = lambda _: None  # the disk is not what is measured
        table = _make(folder / "table", RUNS // share, SETTINGS, METRICS, ROWS)
        curves = _make(folder / "curves", CURVES // min(share, 10), 2, 2, POINTS // share)
        measure.print_table(
            ["the table", "ms", "of the processor", "kB"], _table(table, folder / "cache")
        )
        measure.print_table(
            ["curves", "ms", "of the processor", "kB"], _curves(curves, folder / "cache")
        )
        lines = _going_on(folder / "going", folder / "cache", LONG // share)
        measure.print_table(["a run that goes on", "ms", "of the processor", "kB"], lines)
    print(
        f"ms: median of {TIMES}, of what is cold once; of the processor: the server's own, of what"
    )
    print(f"takes several looks all it has taken since it began. {measure.load()}")


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
        self.headers = {"authorization": f"Bearer {link.fragment.removeprefix('token=')}"}

    def _get(self, path: str) -> tuple[float, bytes, Any]:
        began = time.perf_counter()
        self.connection.request("GET", path, headers=self.headers)
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
        before = self.processor_s()
        found = [self.ask(path, **query) for _ in range(times)]
        used = 1e3 * (self.processor_s() - before) / times
        taken = statistics.median(ms for ms, _ in found)
        return [label, f"{taken:.0f}", f"{used:.0f}", f"{len(found[0][1]) / 1e3:.0f}"]

    def events(self) -> http.client.HTTPResponse:
        """The stream of events, by a connection of its own."""
        connection = http.client.HTTPConnection(self.connection.host, self.connection.port)
        connection.request("GET", "/api/events", headers=self.headers)
        return connection.getresponse()

    def processor_s(self) -> float:
        """What it has taken of the processor so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

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
        return [f"memory: {now} MB, at most {most} MB", "", "", ""]


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
        lines.append(
            [
                "every run read, no index",
                f"{ui.settled_ms():.0f}",
                f"{1e3 * ui.processor_s():.0f}",
                "",
            ]
        )
        time.sleep(1)
    with _serving(project, cache) as ui:
        lines.append(["from the command to the link", f"{ui.link_ms:.0f}", "", ""])
        lines.append(ui.row("first answer, index warm", "runs", 1))
        lines.append(
            [
                "until all runs are known",
                f"{ui.settled_ms():.0f}",
                f"{1e3 * ui.processor_s():.0f}",
                "",
            ]
        )
        lines.append(ui.row("all of them, first time", "runs", 1))
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
        lines.append(
            [
                "every run read, no index",
                f"{ui.settled_ms():.0f}",
                f"{1e3 * ui.processor_s():.0f}",
                "",
            ]
        )
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


def _going_on(project: Path, cache: Path, points: int) -> list[list[str]]:
    """From `log()` to the answer that has the row, of a run that has become long."""
    store = places.make_store(project / places.STORE_NAME)
    run, writer = _begun(store, "long")
    for step in range(points):
        writer.row({"m0": 1 / (step + 1), "m1": step / 7}, step)
    lines: list[list[str]] = []
    asked: dict[str, Any] = {"ids": run.id, "metric": "m0", "columns": COLUMNS}
    source = random.Random(1)
    with _serving(project, cache) as ui:
        lines.append(
            [
                f"{points} points: its row, first time",
                f"{ui.settled_ms():.0f}",
                f"{1e3 * ui.processor_s():.0f}",
                "",
            ]
        )
        lines.append(ui.row("its curve, first time", "curves", 1, **asked))
        events = ui.events()
        lags: list[float] = []
        curves: list[float] = []
        for at in range(ROWS_SEEN):
            time.sleep(source.uniform(0.2, 1.2))
            value, step = float(at), points + at
            began = time.perf_counter()
            writer.row({"m0": value, "m1": value}, step)
            while _last_value(ui, run.id) != value:
                while not events.readline().startswith(b"event: rows"):
                    pass
            lags.append(1e3 * (time.perf_counter() - began))
            curves.append(ui.ask("curves", **asked)[0])
        lines.append([f"from log() to its row, median of {ROWS_SEEN}", _median(lags), "", ""])
        lines.append(["the same, at most", f"{max(lags):.0f}", "", ""])
        lines.append(["its curve with the new point", _median(curves), "", ""])
        writers = [writer, *(_begun(store, f"n{at}")[1] for at in range(1, GOING_ON))]
        before, step, until = ui.processor_s(), points + ROWS_SEEN, time.monotonic() + 10
        while time.monotonic() < until:
            for one in writers:
                one.row({"m0": 0.5, "m1": 0.5}, step)
            step += 1
            time.sleep(0.01)
        taken = 100 * (ui.processor_s() - before)  # ms of each of the ten seconds
        rows = len(writers) * (step - points - ROWS_SEEN) // 10
        label = f"processor for each second in which {GOING_ON} runs log {rows} rows"
        lines.append([label, "", f"{taken:.0f}", ""])
        lines.append(ui.memory())
    for one in writers:
        one.close()
    return lines


def _begun(store: Path, name: str) -> tuple[runs.RunFolder, Writer]:
    """A run that goes on for as long as this process lives."""
    run = runs.begin(store, name=name)
    start = ExecutionStart(
        number=0,
        started_ns=time.time_ns(),
        how="script",
        argv=("train.py",),
        cwd=str(store.parent),
        host=socket.gethostname(),
        boot=alive.boot_id(),
        pid=os.getpid(),
        pid_started=alive.process_started(os.getpid()) or 0,
    )
    run.begin_execution(start)
    return run, Writer(run.journal, run.id)


def _last_value(ui: Ui, run: str) -> float:
    answer = json.loads(ui.ask("runs", ids=run, columns="metric.m0")[1])
    return float(answer["columns"]["metric.m0"]["same"])


def _median(values: list[float]) -> str:
    return f"{statistics.median(values):.0f}"


if __name__ == "__main__":
    main()
