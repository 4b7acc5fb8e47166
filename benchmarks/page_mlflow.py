"""MLflow's page: its runs as rows of SQLite, and what somebody waits for in it."""

import functools
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import measure
from page_bench import Making, Peer, free_port, losses_of, process

__all__ = ["MLflow"]

Rows = Iterator[tuple[str, Iterable[tuple[Any, ...]]]]

_METRIC = "insert into metrics(key,value,timestamp,step,run_uuid,is_nan) values(?1,?2,1+?3,?3,?4,0)"
_LAST = (
    "insert into latest_metrics(key,value,timestamp,step,run_uuid,is_nan)"
    " values(?1,?2,1+?3,?3,?4,0)"
)


class MLflow(Peer):
    """mlflow server, over SQLite; one worker, as it has then the least memory."""

    name = "mlflow"

    def table(self) -> None:
        """Paint, sort, filter, a new run."""
        client, experiment = self._client("wide")
        runs = self.sizes.runs
        self._runs("wide", experiment, runs, (self._hyper, self._results))
        with self._served("wide") as (origin, pid):
            page = self.bench.open()
            at_runs, rows = f"{origin}/#/experiments/{experiment}/runs", ".ag-row a"
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

            def lived(at: int) -> float:
                client.create_run(experiment, run_name=f"live-{at}")
                there = "texts('.ag-row a').some((one) => one.includes(given.name))"
                again = functools.partial(page.reload, wait_until="commit")
                return self.bench.timed(page, again, there, name=f"live-{at}")

            # It has no button for it; metrics are no columns as it comes.
            self.bench.several(self.name, "a new run, its page loaded anew", lived)
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
                box.fill(f"metrics.metric1 < 0.{5 - at}")
                began = time.monotonic()
                # The first rows may be the same ones.
                with page.expect_response("**/runs/search") as told:
                    box.press("Enter")
                told.value.finished()
                self.bench.wait(page, many)
                return time.monotonic() - began

            self.bench.several(self.name, "filter", filtered)
            page.close()

    def curves(self) -> None:
        """Its charts; it draws the first runs alone, and asks for 320 points of each part."""
        _, experiment = self._client("long")
        self._runs("long", experiment, self.sizes.curves, (self._losses,))
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
            ticks = "deep('.js-plotly-plot .xtick text').map((one) => one.textContent).join()"

            def zoomed(at: int) -> float:
                # It enlarges what it has at once, and asks for the points of the part, as we do.
                with page.expect_response("**/get-history-bulk-interval*start_step*") as told:
                    before = page.evaluate(ticks)
                    there = f"{ticks} !== given.before"
                    self.bench.dragged(page, ".nsewdrag", at, there, before=before)
                    began = time.monotonic()
                told.value.finished()
                self.bench.wait(page, "true")
                return time.monotonic() - began

            self.bench.several(self.name, "zoom, 320 points of each", zoomed)
            lines = page.evaluate("deep('.scatterlayer path.js-line').length")
            print(f"mlflow drew {lines} lines")
            self.tell_size(page, pid, loaded)
            page.close()

    def _client(self, name: str) -> tuple[Any, str]:
        tracking = measure.peer("mlflow.tracking")
        client = tracking.MlflowClient(tracking_uri=f"sqlite:///{self.folder / name}.db")
        return client, client.create_experiment(name)

    def _runs(
        self, name: str, experiment: str, count: int, tables: Sequence[Callable[[int, str], Rows]]
    ) -> None:
        """So many runs as rows of its tables, which is the fastest way that it can read."""
        making, now = Making(self.sizes), int(time.time() * 1000)
        ids = [f"{number:032x}" for number in range(count)]
        run = (
            "insert into runs(run_uuid,name,source_type,source_name,entry_point_name,user_id,"
            "status,start_time,end_time,source_version,lifecycle_stage,artifact_uri,experiment_id)"
            " values(?,?,'UNKNOWN','','','bench','FINISHED',?,?,'','active',?,?)"
        )
        with closing(sqlite3.connect(self.folder / f"{name}.db")) as database:
            for number, one in enumerate(ids):
                making.check(number, count)
                at, artifacts = now + number, f"{self.folder}/none/{one}"
                database.execute(run, (one, f"run-{number}", at, at, artifacts, int(experiment)))
                tag = "insert into tags(key,value,run_uuid) values('mlflow.runName',?,?)"
                database.execute(tag, (f"run-{number}", one))
                for table in tables:
                    for statement, rows in table(number, one):
                        database.executemany(statement, rows)
            database.commit()
        making.told(f"mlflow, {name}")

    def _hyper(self, number: int, run: str) -> Rows:
        chance = random.Random(number)
        settings = [
            (f"key{at}", str(round(chance.random(), 4)), run) for at in range(self.sizes.settings)
        ]
        yield "insert into params(key,value,run_uuid) values(?,?,?)", settings

    def _results(self, number: int, run: str) -> Rows:
        chance = random.Random(-number)
        rows = [(f"metric{at}", chance.random(), 1, run) for at in range(self.sizes.metrics)]
        yield _METRIC, rows
        yield _LAST, rows

    def _losses(self, number: int, run: str) -> Rows:
        points = self.sizes.points
        values = losses_of(number, points)
        yield _METRIC, (("loss", value, step, run) for step, value in enumerate(values))
        yield _LAST, [("loss", 0.1, points - 1, run)]

    @contextmanager
    def _served(self, name: str) -> Iterator[tuple[str, int]]:
        port = free_port()
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder / name}.db"]
        with process(command, f"http://127.0.0.1:{port}/health") as pid:
            yield f"http://127.0.0.1:{port}", pid
