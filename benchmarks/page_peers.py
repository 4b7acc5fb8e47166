"""The page beside TensorBoard's and MLflow's, in Chromium, over the same runs, in the same hour.

    python benchmarks/page_peers.py [RUNS [CURVES [POINTS]]] [samebit] [mlflow] [tensorboard]

What is timed is what a person waits for: from going to an address, or from a click or Enter, until
what was asked for is in the document and two frames were drawn. Each is used as it comes: MLflow
over SQLite shows a hundred runs and has a button for more, TensorBoard's HParams page shows a
hundred of those that it has, and of a curve it keeps a thousand points chosen at random, but for
`--samples_per_plugin scalars=0`.
"""

import math
import os
import random
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import measure

import page as ours
from samebit import places

SIZES = (10_000, 100, 100_000)
ROUNDS = 3
LONGEST_S = 400.0  # that anything is waited for
# Finds elements in shadow roots, too, of which TensorBoard is made.
DEEP = """
window.deep = (select, root = document) => {
  const found = [...root.querySelectorAll(select)];
  for (const one of root.querySelectorAll('*')) {
    if (one.shadowRoot) found.push(...deep(select, one.shadowRoot));
  }
  return found;
};
window.texts = (select) => deep(select).map((one) => one.textContent.trim());
"""
ROWS = {
    "samebit": ".grid-body .cell.pinned",
    "mlflow": ".ag-row a",
    "tensorboard": "vaadin-grid-cell-content",
}


class Bench:
    """A browser, and the lines of a table."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.lines: list[list[str]] = []

    def open(self) -> Any:
        """A page that knows nothing yet."""
        page = self.browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(LONGEST_S * 1000)
        page.add_init_script(ours.WAIT + DEEP)
        return page

    def timed(self, page: Any, act: Callable[[], Any], there: str, **given: Any) -> float:
        """Seconds from an action until something is there."""
        began = time.monotonic()
        act()
        page.evaluate(f"(given) => window.whenThere(() => ({there}))", given)
        return time.monotonic() - began

    def tell(self, who: str, what: str, times: list[float]) -> None:
        """A line, printed at once: this takes long."""
        times = sorted(times)
        text = f"{statistics.median(times):.2f} s" if times else "not within the time"
        self.lines.append([who, what, text])
        print(f"{who:28} {what:34} {text}  {[round(one, 2) for one in times]}", flush=True)

    def several(self, who: str, what: str, once: Callable[[int], float]) -> None:
        """The same a few times; where it fails, that is told."""
        times: list[float] = []
        try:
            for at in range(ROUNDS):
                times.append(once(at))
        except Exception as error:  # a page that does not come is a finding
            print(f"{who}, {what}: {str(error).splitlines()[0][:200]}", flush=True)
        self.tell(who, what, times)


def main() -> None:
    """Print the table."""
    if measure.peer("playwright") is None:
        return
    from playwright.sync_api import sync_playwright

    given = tuple(int(word) for word in sys.argv[1:] if word.isdecimal())
    chosen = {word for word in sys.argv[1:] if not word.isdecimal()}
    runs, curves, points = given + SIZES[len(given) :]
    browser = next(filter(None, map(ours.shutil.which, ours.BROWSERS)), None)
    if browser is None:
        print("left out: no Chromium is installed")
        return
    with measure.scratch_folder() as folder, sync_playwright() as playwright:
        measure.print_machine(folder)
        begun = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        bench = Bench(begun)
        try:
            for name, one in (("samebit", Ours), ("mlflow", MLflow), ("tensorboard", TensorBoard)):
                if chosen and name not in chosen:
                    continue
                if name == "samebit" or measure.peer(name) is not None:
                    one(bench, folder).table(runs)
                    one(bench, folder).curves(curves, points)
        finally:
            begun.close()
    measure.print_table(["", "", "median"], bench.lines)
    print(f"{runs:,} runs of 70 keys; {curves} curves of {points:,} points. {measure.load()}")


class Peer:
    """One of them: how its runs are made, how it is started, what is waited for."""

    name = ""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.folder = folder / self.name
        self.folder.mkdir(exist_ok=True)

    def tell_size(self, page: Any, pid: int, loaded: list[int]) -> None:
        """What came over the wire for the first view, and the memory of its processes."""
        page.wait_for_timeout(1000)
        print(f"{self.name}: {sum(loaded) / 1e6:.2f} MB over the wire, ", end="")
        print(f"{_memory_mb(pid)} MB of memory in its server's processes", flush=True)

    @staticmethod
    def count(page: Any) -> list[int]:
        """Counts what comes from now on, in bytes as they are sent."""
        loaded: list[int] = []
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on(
            "Network.loadingFinished", lambda told: loaded.append(int(told["encodedDataLength"]))
        )
        return loaded


class Ours(Peer):
    """samebit ui."""

    name = "samebit"

    def table(self, runs: int) -> None:
        """Paint, sort, filter."""
        project = self.folder / "wide"
        store = places.make_store(project / places.STORE_NAME)
        for number in range(runs):
            ours.wide_run(store, number)
        with ours.shown(project, self.folder / "cache") as link:
            page = self.bench.open()
            page.goto(link)
            origin, rows = link.split("/#")[0], ROWS[self.name]
            many = f"document.querySelector('.count')?.textContent.startsWith('{runs:,} run')"
            self.bench.tell(
                self.name,
                "first view, nothing read yet",
                [self.bench.timed(page, lambda: None, many)],
            )
            loaded = self.count(page)
            self.bench.several(
                self.name,
                "runs are seen",
                lambda _: self.bench.timed(
                    page,
                    lambda: page.goto(origin + "/", wait_until="commit"),
                    f"{many} && texts('{rows}').length > 10",
                ),
            )
            print(f"{self.name}: {sum(loaded) / ROUNDS / 1e6:.2f} MB over the wire")
            sort = page.locator(".head .sort").nth(4)

            def sorted_(_: int) -> float:
                first = page.evaluate(f"texts('{rows}')[0]")
                return self.bench.timed(
                    page, sort.click, f"texts('{rows}')[0] !== given.first", first=first
                )

            self.bench.several(self.name, "sort", sorted_)

            def filtered(at: int) -> float:
                before = page.evaluate("document.querySelector('.count').textContent")
                box = page.locator("#filter")
                return self.bench.timed(
                    page,
                    lambda: box.fill(f"metric3 < 0.{5 - at}"),
                    "document.querySelector('.count').textContent !== given.before",
                    before=before,
                )

            self.bench.several(self.name, "filter", filtered)
            page.close()

    def curves(self, curves: int, points: int) -> None:
        """All of them, and a zoom."""
        project = self.folder / "long"
        store = places.make_store(project / places.STORE_NAME)
        for number in range(curves):
            ours.long_run(store, number, points)
        with ours.shown(project, self.folder / "cache") as link:
            page = ours.open_page(self.bench.browser, link)
            ours.until_all(page, curves)
            self.bench.several(
                self.name,
                f"{curves} curves",
                lambda _: ours.goto(page, link, "/curves", ours.DRAWN) / 1000,
            )
            page.close()


class MLflow(Peer):
    """mlflow server, over SQLite; one worker, as it has then the least memory."""

    name = "mlflow"

    def table(self, runs: int) -> None:
        """Paint, sort, filter."""
        client, experiment = self._client("wide")
        entities = measure.peer("mlflow.entities")
        for number in range(runs):
            chance = random.Random(number)
            run = client.create_run(experiment, run_name=f"run-{number}").info.run_id
            params = [
                entities.Param(f"key{at}", str(round(chance.random(), 4))) for at in range(50)
            ]
            now = int(time.time() * 1000)
            metrics = [entities.Metric(f"metric{at}", chance.random(), now, 1) for at in range(20)]
            client.log_batch(run, params=params, metrics=metrics)
            client.set_terminated(run)
        with self._served("wide") as (origin, pid):
            page = self.bench.open()
            at_runs, rows = f"{origin}/#/experiments/{experiment}/runs", ROWS[self.name]
            many = f"texts('{rows}').filter((one) => /^run-/.test(one)).length > 10"
            loaded = self.count(page)
            self.bench.tell(
                self.name,
                "first view, nothing read yet",
                [self.bench.timed(page, lambda: page.goto(at_runs, wait_until="commit"), many)],
            )
            self.tell_size(page, pid, loaded)
            self.bench.several(
                self.name,
                "100 runs are seen",
                lambda _: self.bench.timed(page, lambda: page.reload(wait_until="commit"), many),
            )
            first = "texts('.ag-row[row-index=\"0\"] a').join()"  # in the order that is seen
            head = page.locator("[role=columnheader]", has_text="Created").last

            def sorted_(_: int) -> float:
                before = page.evaluate(first)
                return self.bench.timed(
                    page, head.click, f"{first} !== given.before", before=before
                )

            self.bench.several(self.name, "sort (by when it was created)", sorted_)

            def filtered(at: int) -> float:
                box = page.locator("input[placeholder*='metrics.']")
                box.fill(f"metrics.metric3 < 0.{5 - at}")
                began = time.monotonic()
                # The first rows may be the same ones.
                with page.expect_response("**/runs/search") as told:
                    box.press("Enter")
                told.value.finished()
                page.evaluate(f"window.whenThere(() => {many})")
                return time.monotonic() - began

            self.bench.several(self.name, "filter", filtered)
            page.close()

    def curves(self, curves: int, points: int) -> None:
        """Its charts; it draws the first runs alone, and asks for 320 points of each."""
        client, experiment = self._client("long")
        ids: list[str] = []
        now = int(time.time() * 1000)
        for number in range(curves):
            run = client.create_run(experiment, run_name=f"run-{number}").info.run_id
            client.log_metric(run, "loss", 0.1, now + points, points)
            client.set_terminated(run)
            ids.append(run)
        # By its own door a million points take a minute and a half; these are the same rows.
        rows = (
            "insert into metrics(key,value,timestamp,run_uuid,step,is_nan) values('loss',?,?,?,?,0)"
        )
        with sqlite3.connect(self.folder / "long.db") as database:
            for number, run in enumerate(ids):
                values = _losses(number, points)
                database.executemany(
                    rows, ((value, now + at, run, at) for at, value in enumerate(values))
                )
        with self._served("long") as (origin, pid):
            page = self.bench.open()
            loaded = self.count(page)
            drawn = "deep('.js-plotly-plot .scatterlayer path.js-line').length > 0"
            at_charts = f"{origin}/#/experiments/{experiment}/runs?compareRunsMode=CHART"
            page.goto(at_charts, wait_until="commit")
            self.bench.several(
                self.name,
                "curves, as many as it draws",
                lambda _: self.bench.timed(page, lambda: page.reload(wait_until="commit"), drawn),
            )
            lines = page.evaluate("deep('.scatterlayer path.js-line').length")
            print(f"mlflow drew {lines} lines")
            self.tell_size(page, pid, loaded)
            page.close()

    def _client(self, name: str) -> tuple[Any, str]:
        tracking = measure.peer("mlflow.tracking")
        client = tracking.MlflowClient(tracking_uri=f"sqlite:///{self.folder / name}.db")
        return client, client.create_experiment(name)

    @contextmanager
    def _served(self, name: str) -> Iterator[tuple[str, int]]:
        port = _free_port()
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder / name}.db"]
        with _process(command, f"http://127.0.0.1:{port}/health") as pid:
            yield f"http://127.0.0.1:{port}", pid


class TensorBoard(Peer):
    """tensorboard, with its fast loader."""

    name = "tensorboard"

    def table(self, runs: int) -> None:
        """The HParams page: paint, filter; how it sorts is two menus, and asks the same again."""
        folder = self.folder / "wide"
        for number in range(runs):
            chance = random.Random(number)
            hyper = {f"key{at}": round(chance.random(), 4) for at in range(50)}
            values = {f"metric{at}": chance.random() for at in range(20)}
            _write_events(folder / f"run-{number}", hyper, [(1, values)])
        with self._served(folder) as (origin, pid):
            page = self.bench.open()
            loaded = self.count(page)
            many = (
                "texts('vaadin-grid-cell-content').filter((one) => /^run-/.test(one)).length > 10"
            )
            self.bench.tell(
                self.name,
                "first view, nothing read yet",
                [
                    self.bench.timed(
                        page, lambda: page.goto(f"{origin}/#hparams", wait_until="commit"), many
                    )
                ],
            )
            self.tell_size(page, pid, loaded)
            self.bench.several(
                self.name,
                "100 runs are seen",
                lambda _: self.bench.timed(page, lambda: page.reload(wait_until="commit"), many),
            )
            first = "texts('vaadin-grid-cell-content').filter((one) => /^run-/.test(one)).join()"

            def filtered(at: int) -> float:
                before = page.evaluate(first)
                box = page.locator("tf-hparams-query-pane input").nth(1)  # the most of one key
                box.fill(f"0.{5 - at}")
                there = f"{many} && {first} !== given.before"
                return self.bench.timed(page, lambda: box.press("Enter"), there, before=before)

            self.bench.several(self.name, "filter", filtered)
            page.close()

    def curves(self, curves: int, points: int) -> None:
        """Of all runs, which somebody must choose where they are more than forty."""
        folder = self.folder / "long"
        for number in range(curves):
            losses = _losses(number, points)
            rows = ((at, {"loss": value}) for at, value in enumerate(losses))
            _write_events(folder / f"run-{number}", {}, rows)
        for label, more in (("", []), (", every point", ["--samples_per_plugin", "scalars=0"])):
            with self._served(folder, *more) as (origin, pid):
                self._chosen(origin, pid, curves, f"curves{label}")

    def _chosen(self, origin: str, pid: int, curves: int, what: str) -> None:
        def once(_: int) -> float:
            page = self.bench.open()
            loaded = self.count(page)
            try:
                page.goto(f"{origin}/#timeseries", wait_until="commit")
                box = page.locator("runs-data-table mat-checkbox input").first
                box.wait_for(state="attached")
                with page.expect_response("**/timeSeries", timeout=LONGEST_S * 1000) as told:
                    began = time.monotonic()
                    box.click(force=True)
                told.value.finished()
                there = "deep('line-chart canvas').length > 0"
                page.evaluate(f"window.whenThere(() => {there})")
                return time.monotonic() - began
            finally:
                print(f"tensorboard, {what}: {sum(loaded) / 1e6:.0f} MB, {_memory_mb(pid)} MB held")
                page.close()

        self.bench.several(self.name, f"{curves} {what}", once)

    @contextmanager
    def _served(self, folder: Path, *more: str) -> Iterator[tuple[str, int]]:
        port = _free_port()
        program = str(Path(sys.executable).with_name("tensorboard"))
        command = [program, "--logdir", str(folder), "--port", str(port), *more]
        with _process(command, f"http://127.0.0.1:{port}/data/environment") as pid:
            yield f"http://127.0.0.1:{port}", pid


def _losses(number: int, points: int) -> Iterator[float]:
    chance = random.Random(number)
    return (math.exp(-step / 30_000) + 0.1 * chance.random() for step in range(points))


def _write_events(folder: Path, hyper: dict[str, Any], rows: Any) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import summary_v2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    if hyper:
        told = summary_v2.hparams_pb(hyper, trial_id=folder.name)
        writer.add_event(Event(wall_time=time.time(), step=0, summary=told))
    for step, values in rows:
        many = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=many)))
    writer.close()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _process(command: list[str], until: str) -> Iterator[int]:
    """A server in a group of its own, from when it answers on until it is told to end."""
    env = measure.child_environment(MLFLOW_DISABLE_TELEMETRY="true")
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, env=env, stdout=quiet, stderr=quiet, start_new_session=True
    ) as one:
        began = time.monotonic()
        try:
            while time.monotonic() < began + LONGEST_S:
                with suppress(OSError), urllib.request.urlopen(until, timeout=5):
                    break
                time.sleep(0.1)
            print(f"{Path(command[0]).name}: answers after {time.monotonic() - began:.1f} s")
            yield one.pid
        finally:
            os.killpg(one.pid, signal.SIGTERM)


def _memory_mb(group: int) -> int:
    """What the processes of a session hold, in megabytes of RSS."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ProcessLookupError, IndexError):
            if os.getsid(int(folder.name)) == group:
                lines = (folder / "status").read_text().splitlines()
                held = next((line for line in lines if line.startswith("VmRSS")), "VmRSS: 0 kB")
                total += int(held.split()[1])
    return total // 1000


if __name__ == "__main__":
    os.environ.pop("SAMEBIT_DIR", None)
    main()
