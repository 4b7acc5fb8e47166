"""Bad days, as somebody who looks sees them: the page says what is wrong, and goes on."""

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from tests.page import stores
from tests.page.conftest import Site, opened_at, shown
from tests.projects import SAMEBIT, Project
from tests.server.recorded import begin

HUGE = "x" * 1_000_000
FIFTY = "x" * 50_000_000
TEN = 10


def damage(folder: Path) -> None:
    """Other bytes at the end of everything that lies there."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:-20] + b"rubbish, of twenty b")


@contextmanager
def writing(runs: list[tuple[RunFolder, Writer]]) -> Iterator[None]:
    """All of them log, until this is over."""
    is_over = threading.Event()

    def log(writer: Writer) -> None:
        step = 0
        while not is_over.wait(0.05):
            step += 1
            writer.row({"loss": 1 / step, "at": step}, step)

    threads = [threading.Thread(target=log, args=(writer,)) for _, writer in runs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def test_ten_runs_that_are_written_are_looked_at_meanwhile(browser: Any, tmp_path: Path) -> None:
    store = stores.new_store(tmp_path / "p")
    runs = [begin(store, name=f"writer-{at}") for at in range(TEN)]
    for _, writer in runs:
        writer.row({"loss": 2.0, "at": 0}, 0)
    with shown(tmp_path / "p") as site, opened_at(browser, site) as opened, writing(runs):
        page = opened.page
        page.get_by_text(f"{TEN} runs").wait_for()
        highest = """() => Math.max(...[...document.querySelectorAll('.grid-body .cell')]
            .map((one) => Number(one.textContent)).filter((one) => Number.isInteger(one)))"""
        first = page.evaluate(highest)
        page.wait_for_function(f"() => ({highest})() > {first} + 5")
        ids = ",".join(run.id for run, _ in runs)
        opened.go(f"/curves?ids={ids}")
        page.locator(".chart").first.wait_for()
        opened.go(f"/run/{runs[0][0].id}")
        page.get_by_role("heading", name="writer-0").wait_for()
    for _, writer in runs:
        writer.close()


def test_a_filter_is_answered_however_often_runs_write(browser: Any, tmp_path: Path) -> None:
    """Each row may change the answer; asked anew for each, a slow server never gave one."""
    store = stores.new_store(tmp_path / "p")
    runs = [begin(store, name=f"writer-{at}") for at in range(TEN)]
    for _, writer in runs:
        writer.row({"loss": 2.0, "at": 0}, 0)
    slow = """() => { const plain = window.fetch;
        window.fetch = async (address, how) => {
          const wait = String(address).includes("runs/filter") ? 1500 : 0;
          await new Promise((next) => setTimeout(next, wait));
          return plain(address, how); }; }"""
    with shown(tmp_path / "p") as site, opened_at(browser, site) as opened, writing(runs):
        page = opened.page
        page.get_by_text(f"{TEN} runs").wait_for()
        page.evaluate(slow)
        page.get_by_role("searchbox", name="filter runs").fill("name == 'writer-3'")
        page.get_by_text(f"1 of {TEN} runs").wait_for()
        page.get_by_role("searchbox", name="filter runs").fill("nothing == 3")
        page.get_by_text("no run here has 'nothing'").wait_for()
        seen = [
            page.get_by_role("alert").is_visible()
            for _ in range(20)
            if not page.wait_for_timeout(100)
        ]
        assert all(seen), "an error stays as long as what it is about"
    for _, writer in runs:
        writer.close()


def test_a_run_that_is_deleted_while_it_is_read_is_said_to_be_gone(
    browser: Any, tmp_path: Path
) -> None:
    store = stores.new_store(tmp_path / "p")
    kept, gone, other = (
        stores.record(store, name=name, rows=[{"loss": 1.0}]) for name in ("kept", "gone", "other")
    )
    with shown(tmp_path / "p") as site, opened_at(browser, site) as opened:
        page = opened.page
        opened.go(f"/run/{gone.id}")
        page.get_by_role("heading", name="gone").wait_for()
        shutil.rmtree(gone.path)
        page.reload()
        page.get_by_text("no such run").first.wait_for()
        opened.go(f"/curves?ids={gone.id},{kept.id}")
        page.locator(".chart canvas").first.wait_for()
        # Of those that are still there it goes on.
        opened.go(f"/compare?all=1&ids={gone.id},{kept.id},{other.id}")
        page.get_by_text(f"{gone.id} is left out: there is no such run here").wait_for()
        page.locator(".versus thead th").filter(has_text="other").first.wait_for()
        opened.go("/")
        page.get_by_text("2 runs", exact=True).wait_for()


def test_a_torn_journal_shows_what_is_there_and_says_what_is_not(
    browser: Any, tmp_path: Path
) -> None:
    store = stores.new_store(tmp_path / "p")
    run = stores.record(store, name="torn", rows=[{"loss": float(at)} for at in range(200)])
    (segment,) = run.journal.glob("*.sbj")
    segment.write_bytes(segment.read_bytes()[:-1500] + bytes(1000))
    with shown(tmp_path / "p") as site, opened_at(browser, site) as opened:
        opened.go(f"/run/{run.id}")
        opened.page.get_by_text("Not all of its journal can be read").wait_for()
        opened.go(f"/run/{run.id}?tab=curves")
        opened.page.locator(".chart canvas").first.wait_for()


def test_damaged_objects_are_errors_of_their_own_parts(browser: Any, tmp_path: Path) -> None:
    store = stores.new_store(tmp_path / "p")
    run, _ = stores.traced_pair(store)
    damage(store / "packs")
    damage(store / "objects")
    with shown(tmp_path / "p") as site, opened_at(browser, site) as opened:
        page = opened.page
        opened.go(f"/run/{run.id}?tab=code")
        page.get_by_role("alert").first.wait_for()
        for tab in ("console", "config", "curves"):
            opened.go(f"/run/{run.id}?tab={tab}")
            page.get_by_role("heading", name="first-twin").wait_for()
            page.locator(".waiting").first.wait_for(state="detached")
        # A picture, a histogram, a table and a text: each says so in its own place, as an error.
        opened.go(f"/run/{run.id}?tab=media")
        for name in ("samples", "weights", "answers", "said"):
            one = page.locator(".card").filter(has=page.get_by_role("heading", name=name))
            one.get_by_role("alert").filter(has_text="a damaged pack").wait_for()
        assert page.get_by_text('{"error"').count() == 0
        opened.go(f"/run/{run.id}?tab=console")
        page.get_by_text("step 39 loss").first.wait_for()


def test_a_record_that_is_none_is_a_row_that_says_so(browser: Any, tmp_path: Path) -> None:
    store = stores.new_store(tmp_path / "p")
    stores.record(store, name="good", rows=[{"loss": 1.0}])
    bad = stores.record(store, name="bad", rows=[{"loss": 1.0}])
    (bad.path / "run.json").write_bytes(b"rubbish")
    with shown(tmp_path / "p") as site, opened_at(browser, site) as opened:
        page = opened.page
        page.get_by_text("damaged").first.wait_for()
        opened.go(f"/run/{bad.id}")
        page.get_by_text("damaged record").first.wait_for()


def test_values_of_fifty_megabytes_do_not_stop_the_page(browser: Any, tmp_path: Path) -> None:
    store = stores.new_store(tmp_path / "p")
    many = {"list": list(range(50_000)), **{f"key{at}": at for at in range(2000)}}
    run, other = (
        stores.record(store, name=name, config={"text": FIFTY + name, **many}, rows=[{"loss": 1.0}])
        for name in ("huge", "other")
    )
    stores.record(store, name="small", config={"text": "a"}, rows=[{"loss": 2.0}])
    (run.console(1) / "0.log").parent.mkdir(parents=True, exist_ok=True)
    (run.console(1) / "0.log").write_text(HUGE)
    both = f"/compare?ids={run.id},{other.id}"
    with shown(tmp_path / "p") as site, opened_at(browser, site) as opened:
        page = opened.page
        for view in ("/", f"/run/{run.id}", f"/run/{run.id}?tab=config", "/hyper", both):
            opened.go(view)
            page.locator("main").wait_for()
            page.locator(".waiting").first.wait_for(state="detached")
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, view
        page.get_by_text("50,000,004 characters").wait_for()
        opened.go(f"/run/{run.id}?tab=config")
        page.get_by_text("the first 10,000 characters of 50,000,004").click()
        with page.expect_download() as kept:
            page.get_by_role("link", name="all of it as a file, 50.0 MB").click()
        assert Path(kept.value.path()).stat().st_size == len(FIFTY) + 4
        opened.go(f"/run/{run.id}?tab=console")
        page.get_by_text("xxxxxxxxxx").first.wait_for()


def test_a_remote_that_is_gone_is_said_until_it_is_back(browser: Any, tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    store = stores.new_store(project.path)
    stores.record(store, name="afar", rows=[{"loss": 1.0}])
    place = tmp_path / "there"
    for words in (("remote", "add", "lab", place.as_uri()), ("push", "--with", "none")):
        assert project.call(SAMEBIT, *words).code == 0
    with shown(project.path, "--remote", "lab") as site, opened_at(browser, site) as opened:
        page = opened.page
        page.get_by_text("afar").first.wait_for()
        away = place.rename(tmp_path / "away")
        page.get_by_text("'lab'").first.wait_for()
        away.rename(place)
        page.get_by_text("afar").first.wait_for()
        opened.troubles.clear()


def test_a_store_that_is_gone_is_said_until_it_is_back(browser: Any, tmp_path: Path) -> None:
    store = stores.new_store(tmp_path / "p")
    stores.record(store, name="mine", rows=[{"loss": 1.0}])
    with shown(tmp_path / "p") as site, opened_at(browser, site) as opened:
        page = opened.page
        away = store.rename(tmp_path / "away")
        page.get_by_text("the store is gone").first.wait_for()
        away.rename(store)
        page.get_by_text("the store is gone").first.wait_for(state="detached")
        page.get_by_role("link", name="mine", exact=True).wait_for()


def test_a_server_that_has_ended_is_said(browser: Any, tmp_path: Path) -> None:
    store = stores.new_store(tmp_path / "p")
    run = stores.record(store, name="mine", rows=[{"loss": 1.0}])
    command = [sys.executable, "-m", "samebit.cli.main", "ui", "--no-open"]
    with subprocess.Popen(command, cwd=tmp_path / "p", stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        site = Site(store, one.stdout.readline().strip())
        with opened_at(browser, site) as opened:
            page = opened.page
            one.send_signal(signal.SIGINT)
            one.wait(60)
            page.get_by_role("link", name="mine", exact=True).click()
            page.get_by_text("reconnecting").or_(page.get_by_text("not connected")).wait_for()
            page.get_by_text("the server does not answer").wait_for()
            assert run.id in page.url
            opened.troubles.clear()


def test_more_pages_than_a_browser_has_connections_are_all_live_when_they_are_seen(
    browser: Any, tmp_path: Path
) -> None:
    """Of one server a browser has six connections; each page that listens keeps one."""
    store = stores.new_store(tmp_path / "p")
    stores.record(store, name="mine", rows=[{"loss": 1.0}])
    seen = """(seen) => { Object.defineProperty(document, 'hidden', { get: () => !seen,
        configurable: true }); document.dispatchEvent(new Event('visibilitychange')); }"""
    with shown(tmp_path / "p") as site, opened_at(browser, site) as opened:
        pages = [opened.page]
        for _ in range(8):
            pages[-1].evaluate(seen, False)
            pages.append(opened.page.context.new_page())
            pages[-1].set_default_timeout(60_000)
            pages[-1].goto(site.origin)
            pages[-1].get_by_role("link", name="mine", exact=True).wait_for()
        stores.record(store, name="later", rows=[{"loss": 1.0}])
        pages[-1].get_by_role("link", name="later", exact=True).wait_for()
        pages[0].evaluate(seen, True)
        pages[0].get_by_role("link", name="later", exact=True).wait_for()
