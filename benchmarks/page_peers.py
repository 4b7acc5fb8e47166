"""The page beside TensorBoard's and MLflow's, in Chromium, over the same runs, in the same hour.

    python benchmarks/page_peers.py [--few] [RUNS [CURVES [POINTS]]] [samebit mlflow tensorboard]

What is timed is what a person waits for: from going to an address, or from a click or Enter, until
what was asked for is in the document and two frames were drawn. Each is used as it comes: MLflow
over SQLite shows a hundred runs and has a button for more, TensorBoard's HParams page shows a
hundred of those that it has, and of a curve it keeps a thousand points chosen at random, but for
`--samples_per_plugin scalars=0`. Their data is made in the fastest way that they can read: rows of
SQLite, and files of events.

`--few` is all of it in a quarter of an hour: runs of five settings and two metrics instead of fifty
and twenty, two minutes for the data of each, one for anything that is waited for.
"""

import argparse
import functools
import os
from collections.abc import Callable

import measure
from page_bench import ROUNDS, Bench, GivenUp, Making, Peer, Sizes
from page_mlflow import MLflow
from page_tensorboard import TensorBoard

import page as ours
from samebit import places

_FEW = {"settings": 5, "metrics": 2, "longest_s": 60.0, "making_s": 120.0}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*")
    parser.add_argument("--few", action="store_true")
    options = parser.parse_args()
    if measure.peer("playwright") is None:
        return
    from playwright.sync_api import sync_playwright

    given = [int(word) for word in options.words if word.isdecimal()]
    chosen = {word for word in options.words if not word.isdecimal()}
    sizes = Sizes(*given, *(10_000, 100, 100_000)[len(given) :], **(_FEW if options.few else {}))
    browser = next(filter(None, map(ours.shutil.which, ours.BROWSERS)), None)
    if browser is None:
        print("left out: no Chromium is installed")
        return
    with measure.scratch_folder() as folder, sync_playwright() as playwright:
        measure.print_machine(folder)
        begun = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        bench = Bench(begun, sizes)
        try:
            for name, one in (("samebit", Ours), ("mlflow", MLflow), ("tensorboard", TensorBoard)):
                if chosen and name not in chosen:
                    continue
                if name == "samebit" or measure.peer(name) is not None:
                    peer = one(bench, folder)
                    for part in (peer.table, peer.curves):
                        _tried(bench, name, part)
        finally:
            begun.close()
    measure.print_table(["", "", "median"], bench.lines)
    keys = sizes.settings + sizes.metrics
    told = f"{sizes.runs:,} runs of {keys} keys; {sizes.curves} curves of {sizes.points:,} points."
    print(f"{told} {measure.load()}")


def _tried(bench: Bench, name: str, part: Callable[[], None]) -> None:
    """A part of the table; what fails is a finding, and the others go on."""
    try:
        part()
    except GivenUp as late:
        bench.lines.append([name, f"{part.__name__}: {late}", "none"])
        print(f"{name}, {part.__name__}: {late}", flush=True)
    except Exception as error:
        print(f"{name}, {part.__name__}: {str(error).splitlines()[0][:200]}", flush=True)
        bench.tell(name, part.__name__, [])


class Ours(Peer):
    """samebit ui."""

    name = "samebit"

    def table(self) -> None:
        """Paint, sort, filter, a new value."""
        project = self.folder / "wide"
        store = places.make_store(project / places.STORE_NAME)
        making, runs = Making(self.sizes), self.sizes.runs
        for number in range(runs):
            making.check(number, runs)
            ours.wide_run(store, number, self.sizes.settings, self.sizes.metrics)
        making.told("samebit, runs")
        with ours.shown(project, self.folder / "cache") as link:
            page = self.bench.open()
            page.goto(link)
            origin, rows = link.split("/#")[0], ".grid-body .cell.pinned"
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
                    lambda: box.fill(f"metric1 < 0.{5 - at}"),
                    "document.querySelector('.count').textContent !== given.before",
                    before=before,
                )

            self.bench.several(self.name, "filter", filtered)
            page.locator("#filter").fill("")
            self.bench.wait(page, many)
            _, writer, end = ours.begin_run(store, "live")
            cells = "texts('.grid-body .cell').includes(given.value)"

            def lived(at: int) -> float:
                value = 1001 + at
                log = functools.partial(writer.row, {"metric0": value}, at)
                return self.bench.timed(page, log, cells, value=str(value))

            page.locator(".head .sort", has_text="started").first.click()
            self.bench.several(self.name, "a new value is seen", lived)
            end()
            page.close()

    def curves(self) -> None:
        """All of them, and a zoom."""
        project = self.folder / "long"
        store = places.make_store(project / places.STORE_NAME)
        making, curves = Making(self.sizes), self.sizes.curves
        for number in range(curves):
            making.check(number, curves)
            ours.long_run(store, number, self.sizes.points)
        making.told("samebit, curves")
        with ours.shown(project, self.folder / "cache") as link:
            page = ours.open_page(self.bench.browser, link)
            ours.until_all(page, curves)
            self.bench.several(
                self.name,
                f"{curves} curves",
                lambda _: ours.goto(page, link, "/curves", ours.DRAWN) / 1000,
            )

            def zoomed(at: int) -> float:
                before = page.evaluate("window.answered")
                painted = "window.answered > given.before"
                return self.bench.dragged(page, ".u-over", at, painted, before=before)

            self.bench.several(self.name, "zoom (every point of the part)", zoomed)
            page.close()


if __name__ == "__main__":
    os.environ.pop("SAMEBIT_DIR", None)
    main()
