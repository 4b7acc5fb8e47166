"""The page in Chromium: 10,000 runs until they are seen, sorted, filtered; 100 × 100,000 points.

And the first of 2,000 charts, and a value that has just been logged.

What is timed is what a person waits for: from going to an address, or from a key or a click, until
what was asked for is in the document and two frames have been drawn. The server is warm, as it is
from its second second on; its first answer after a cold start is told apart.
"""

import math
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import measure

from samebit import places
from samebit.folders import folder as runs
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd, ExecutionStart

RUNS, KEYS = 10_000, 50  # and 20 metrics
CURVES, POINTS = 100, 100_000
MANY_METRICS = 2_000  # of each of three runs
MANY_POINTS = 1_000_000  # of a run that goes on
ROUNDS = 7
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Resolves with the time since the page was begun when something is there, and has been drawn.
WAIT = """
window.whenThere = (check, since = 0) => new Promise((done) => {
  const look = () => {
    if (!check()) requestAnimationFrame(look);
    else requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - since)));
  };
  look();
});
"""
# Counts how often a chart that had asked again was painted anew.
ANSWERED = """
window.answered = 0;
new MutationObserver((all) => {
  for (const { target, oldValue } of all) {
    const was = /\\bstale\\b/.test(oldValue ?? '');
    if (was && !target.classList.contains('stale')) window.answered += 1;
  }
}).observe(document, { subtree: true, attributeFilter: ['class'], attributeOldValue: true });
"""
# A canvas is drawn once it has a column of pixels that are not those of its paper.
DRAWN = """() => { const all = [...document.querySelectorAll('.chart')].filter((one) => {
    const { top, bottom } = one.getBoundingClientRect(); return top < innerHeight && bottom > 0; });
  return all.length > 0 && !document.querySelector('.plot-box.stale') && all.every((one) => {
    const canvas = one.querySelector('canvas'); if (!canvas || !canvas.width) return false;
    const { data } = canvas.getContext('2d').getImageData(canvas.width >> 2, 0, 1, canvas.height);
    let colours = 0;
    for (let at = 0; at < data.length; at += 4) colours += data[at + 3] > 200;
    return colours > 8; }); }"""


def main() -> None:
    """Print the table."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("left out: playwright is not installed")
        return
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("left out: no Chromium is installed")
        return
    with measure.scratch_folder() as folder, sync_playwright() as playwright:
        measure.print_machine(folder)
        begun = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        try:
            _table(begun, folder)
            _curves(begun, folder)
            _many(begun, folder)
            _live(begun, folder)
        finally:
            begun.close()
    told = "Targets: 1 s, 100 ms, 100 ms beside the wait; 1 s, 200 ms; 1 s after log()."
    print(f"{told} {measure.load()}")


def _table(browser: Any, folder: Path) -> None:
    project = folder / "wide"
    store = places.make_store(project / places.STORE_NAME)
    began = time.monotonic()
    for number in range(RUNS):
        wide_run(store, number)
    print(f"{RUNS:,} runs of {KEYS + 20} keys made in {time.monotonic() - began:.0f} s", flush=True)
    with shown(project, folder / "cache") as link:
        page = open_page(browser, link)
        seen = page.evaluate(f"window.whenThere({_SOME_ROWS})")
        print(f"first rows of a cold index: {seen:.0f} ms", flush=True)
        print(f"all rows of a cold index: {until_all(page):.1f} s later\n", flush=True)
        say("first paint of all runs", [goto(page, link, "/", _ROWS) for _ in range(ROUNDS)])
        sort = f"const first = {_FIRST}; document.querySelectorAll('.head .sort')[4].click()"
        say("sort by a column", [act(page, sort, _OTHER_ORDER) for _ in range(ROUNDS)])
        filters: list[float] = []
        for at in range(ROUNDS):
            said = "document.querySelector('.count').textContent"
            before = page.evaluate(said)
            there = f"() => {said} !== {before!r}"
            filters.append(act(page, typed(f"config.key3 < 0.{at + 1}"), there))
        say("filter, 200 ms of it for another key", filters)
        page.close()


def _curves(browser: Any, folder: Path) -> None:
    project = folder / "long"
    store = places.make_store(project / places.STORE_NAME)
    began = time.monotonic()
    for number in range(CURVES):
        long_run(store, number)
    print(
        f"\n{CURVES} runs of {POINTS:,} points made in {time.monotonic() - began:.0f} s", flush=True
    )
    with shown(project, folder / "cache") as link:
        page = open_page(browser, link)
        until_all(page, CURVES)
        print(f"first time, journals unread: {goto(page, link, '/curves', DRAWN) / 1000:.1f} s\n")
        say("100 curves", [goto(page, link, "/curves", DRAWN) for _ in range(ROUNDS)])
        zooms: list[float] = []
        for at in range(ROUNDS):
            low, high = 10_000 + 5000 * at, 40_000 + 5000 * at
            zoom = f"""history.pushState(null, '', '/curves?zoom={low}~{high}');
                dispatchEvent(new PopStateEvent('popstate'));"""
            painted = "() => window.answered > window.before"
            zooms.append(act(page, f"window.before = window.answered; {zoom}", painted))
        say("zoom", zooms)
        page.close()


def _many(browser: Any, folder: Path) -> None:
    """The first of very many charts."""
    project = folder / "many"
    store = places.make_store(project / places.STORE_NAME)
    for number in range(3):
        chance = random.Random(number)
        _, writer, end = begin_run(store, f"run-{number}")
        for step in range(20):
            metrics = {f"part{at // 100}/{at}": chance.random() for at in range(MANY_METRICS)}
            writer.row(metrics, step)
        end()
    print()
    with shown(project, folder / "cache") as link:
        page = open_page(browser, link)
        until_all(page, 3)
        say("first chart of 2,000", [goto(page, link, "/curves", _A_CHART) for _ in range(ROUNDS)])
        page.close()


def _live(browser: Any, folder: Path) -> None:
    """From `log()` in another process until the value is on the screen."""
    print()
    for points in (0, MANY_POINTS):
        project = folder / f"live{points}"
        places.make_store(project / places.STORE_NAME)
        with shown(project, folder / "cache") as link, _logging(project, points) as said:
            next(said)  # it has logged what it had, and the page knows its columns
            page = open_page(browser, link)
            until_all(page, 1)
            lags: list[float] = []
            for line in said:
                value, at = line.split()
                there = f"() => [...document.querySelectorAll('.grid-body .cell')].some({_IS})"
                page.evaluate(f"window.whenThere({there.replace('VALUE', value)})")
                lags.append(1000 * (page.evaluate("Date.now()") / 1000 - float(at)))
            say(f"a new value in the table, after {points:,} points", lags[1:])
            page.close()


# It, or one that came meanwhile: a run of many points is read now and then.
_IS = "({ textContent: text }) => Number(text) >= VALUE && Number(text) < 200"
_LOGS = """
import sys, time
import samebit
run = samebit.init()
for step in range(int(sys.argv[1])):
    run.log({"loss": 1 / (1 + step)}, step=step)
run.log({"live": 100})
print("now", flush=True)
for value in range(101, 101 + int(sys.argv[2])):
    time.sleep(3.7)
    at = time.time()
    run.log({"live": value})
    print(value, at, flush=True)
time.sleep(5)
"""


@contextmanager
def _logging(project: Path, points: int) -> Iterator[Iterator[str]]:
    command = [sys.executable, "-c", _LOGS, str(points), str(ROUNDS + 1)]
    env = measure.child_environment(SAMEBIT_DIR=str(project / places.STORE_NAME))
    with subprocess.Popen(
        command, cwd=project, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as one:
        assert one.stdout is not None
        yield iter(one.stdout)
        one.kill()


# The first row is another one than it was.
_FIRST = "document.querySelector('[aria-rowindex=\"2\"]').id"
_OTHER_ORDER = f"() => {_FIRST} !== first"
_SOME_ROWS = "() => document.querySelectorAll('.grid-body .grid-row').length > 20"
_A_CHART = "() => [...document.querySelectorAll('.chart canvas')].some(({ width }) => width > 0)"
_ROWS = f"() => document.querySelector('.count')?.textContent.startsWith('{RUNS:,} ') " + (
    "&& document.querySelectorAll('.grid-body .grid-row').length > 20"
)


def say(what: str, times: list[float]) -> None:
    times.sort()
    print(
        f"{what:40} {statistics.median(times):7.0f} ms  ({times[0]:.0f} to {times[-1]:.0f})",
        flush=True,
    )


def open_page(browser: Any, link: str) -> Any:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.add_init_script(WAIT)
    page.add_init_script(ANSWERED)
    page.goto(link)
    page.set_default_timeout(180_000)
    return page


def until_all(page: Any, count: int = RUNS) -> float:
    began = time.monotonic()
    there = f"() => document.querySelector('.count')?.textContent.startsWith('{count:,} run')"
    page.evaluate(f"window.whenThere({there})")
    return time.monotonic() - began


def goto(page: Any, link: str, path: str, there: str) -> float:
    page.goto(link.split("/#")[0] + path, wait_until="commit")
    return float(page.evaluate(f"window.whenThere({there})"))


def act(page: Any, action: str, there: str) -> float:
    return float(
        page.evaluate(
            f"async () => {{ const began = performance.now(); {action};"
            f" return window.whenThere({there}, began); }}"
        )
    )


def typed(text: str) -> str:
    return (
        f"const box = document.querySelector('#filter'); box.value = {text!r};"
        " box.dispatchEvent(new Event('input', { bubbles: true }))"
    )


@contextmanager
def shown(project: Path, cache: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "samebit.cli.main", "ui", "--no-open"]
    env = measure.child_environment(SAMEBIT_CACHE=str(cache))
    with subprocess.Popen(command, cwd=project, env=env, stdout=subprocess.PIPE, text=True) as one:
        try:
            assert one.stdout is not None
            yield one.stdout.readline().strip()
        finally:
            status = Path(f"/proc/{one.pid}/status")
            if status.exists():
                peak = next(line for line in status.read_text().splitlines() if "VmHWM" in line)
                print(f"memory of the server, at most: {int(peak.split()[1]) // 1000} MB")
            one.send_signal(signal.SIGINT)


def begin_run(store: Path, name: str) -> tuple[runs.RunFolder, Writer, Callable[[], None]]:
    run = runs.begin(store, name=name)
    start = run.begin_execution(
        ExecutionStart(
            number=0,
            started_ns=time.time_ns(),
            how="script",
            argv=("train.py",),
            cwd=str(store.parent),
            host=socket.gethostname(),
            user=runs.user_name(),
        )
    )
    writer = Writer(run.journal, run.id)

    def end() -> None:
        writer.close()
        run.end_execution(start.number, ExecutionEnd(time.time_ns(), "finished", exit_code=0))

    return run, writer, end


def wide_run(store: Path, number: int, settings: int = KEYS, metrics: int = 20) -> None:
    chance = random.Random(number)
    _, writer, end = begin_run(store, f"run-{number}")
    writer.fact("config", {f"key{at}": round(chance.random(), 4) for at in range(settings)})
    writer.row({f"metric{at}": chance.random() for at in range(metrics)}, 1)
    end()


def long_run(store: Path, number: int, points: int = POINTS) -> None:
    chance = random.Random(number)
    _, writer, end = begin_run(store, f"run-{number}")
    for step in range(points):
        writer.row({"loss": math.exp(-step / 30_000) + 0.1 * chance.random()}, step)
    end()


if __name__ == "__main__":
    os.environ.pop("SAMEBIT_DIR", None)
    main()
