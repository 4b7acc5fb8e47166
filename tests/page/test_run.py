"""One run and its twin as a person looks at them: record, verdict, states, code, machine, trace."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.media.given import Histogram, Image, Media, Table
from samebit.objects.store import Store
from samebit.records import Verdict
from samebit.states import storing
from samebit.trace.leaves import LeafFiles
from tests.page import stores
from tests.page.conftest import Opened, Site, opened_at, shown
from tests.page.test_accessibility import axe_finds

EVIL = stores.EVIL[1]
PARTS_AT = 700
SCOPE = ("steps 1 to 900: batch, loss bit-identical", "initial state identical: 2 arrays")


def state(change: float) -> dict[str, Any]:
    weight = np.arange(24.0, dtype=np.float32).reshape(4, 6)
    weight[0, :3] += np.float32(change)
    return {"model": {"weight": weight, EVIL: np.ones(3), "bias": np.zeros(4)}, "lr": 0.1}


def twin(store: Path, name: str, change: float, parts_at: int | None) -> RunFolder:
    media: dict[str, Media] = {
        "samples": Image(np.full((80, 80, 3), int(change), np.uint8), caption=EVIL),
        "weights": Histogram(np.arange(100.0) * (1 + change), bins=10),
        "answers": Table(["n", "answer"], [[2, "b"], [10, "a"], [1, EVIL]]),
    }
    run = stores.record(
        store,
        name=name,
        config={"lr": 0.1 + change / 1e9, "optimizer": "sgd"},
        rows=[{"loss": 1.0 + change / 1e7}],
        traced=900,
        parts_at=parts_at,
        sources={"train.py": f"lr = 0.1\nx = {change}\n".encode(), "same.py": b"pass\n"},
        media=media,
    )
    writer = Writer(run.journal, run.id)
    for step, (word, value) in enumerate((("step 0", 0.0), ("final", change))):
        manifest = storing.save(Store(store), state(value))
        writer.fact("state", {"name": word, "manifest": manifest, "step": step, "size_bytes": 9})
    writer.fact("packages", {"versions": {"numpy": f"2.{int(change)}", "evil": EVIL}})
    writer.fact("settings", {"torch.deterministic_algorithms": False, "torch.threads": 1})
    writer.fact("machine", {"host": EVIL, "cpu": {"model": "EPYC", "logical": 2}})
    for at in range(20):
        writer.sample({"cpu_percent": 10.0 * at, "rss_bytes": 3_000_000_000 + at * 1_000_000})
    writer.close()
    leaves = LeafFiles(run.trace, lambda: "0-abc", lambda *_: None)
    for count in (1, PARTS_AT):
        digests = [b"equal---", int(change if count == PARTS_AT else 0).to_bytes(8, "little")]
        leaves.keep(0, count, {"grad": (["a.weight", EVIL], digests)}, first=True)
    return run


@pytest.fixture(scope="module")
def two() -> list[str]:
    return []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, two: list[str]) -> Iterator[Site]:
    """Two runs that part at a step, the first of which was verified."""
    project = tmp_path_factory.mktemp("run") / "vision"
    store = stores.new_store(project)
    first = twin(store, "first-twin", 1, None)
    second = twin(store, "second-twin", 2, PARTS_AT)
    two += [first.id, second.id]
    evidence = {"divergence": {"where": f"step {PARTS_AT}", "facts": [f"loss: {EVIL}"]}}
    for grade, more in (("identical", {}), ("different", {"cause": EVIL, "evidence": evidence})):
        verdict = Verdict(grade, first.id, second.id, scope=SCOPE, at_ns=time.time_ns(), **more)
        first.add_note("verdict", verdict)
    with shown(project, "--edit") as found:
        yield found


@pytest.fixture
def opened(browser: Any, site: Site) -> Iterator[Opened]:
    with opened_at(browser, site) as found:
        yield found


def test_the_record_is_told_whole_and_a_fix_is_a_command_to_copy(
    opened: Opened, two: list[str]
) -> None:
    page = opened.page
    opened.go(f"/run/{two[0]}")
    missing = page.locator(".lack-list")
    missing.get_by_text("environment not locked").wait_for()
    assert missing.locator("code").all_inner_texts() == ["pip freeze > requirements.txt", "uv lock"]
    missing.get_by_role("button", name="copy the command: uv lock").wait_for()
    told = page.locator(".aspects").inner_text()
    assert "2 files" in told
    assert "900 steps" in told
    assert "step 0, final" in told
    page.get_by_text(re.compile("nothing to record:.*splits")).wait_for()
    page.locator(".aspects").get_by_role("link", name="states").click()
    page.get_by_role("heading", name="Leaf by leaf").wait_for()


def test_a_verdict_has_its_evidence_as_a_list_and_ways_to_go_on(
    opened: Opened, two: list[str]
) -> None:
    page = opened.page
    opened.go(f"/run/{two[0]}")
    verdict = page.locator(".one-verdict").first
    verdict.get_by_text(f"step {PARTS_AT}").first.wait_for()
    assert verdict.locator("li").all_inner_texts() == list(SCOPE)
    page.get_by_text("1 earlier verdict").wait_for()
    verdict.get_by_role("link", name="where the traces part").click()
    page.get_by_role("heading", name=re.compile(f"^step {PARTS_AT}: the backward")).wait_for()


def test_states_are_compared_leaf_by_leaf_also_with_another_runs(
    opened: Opened, two: list[str]
) -> None:
    page = opened.page
    opened.go(f"/run/{two[0]}?tab=states")
    table = page.get_by_role("region", name="leaves of both states")
    row = table.get_by_role("row").filter(has_text="model.weight")
    row.get_by_text("3 of 24").wait_for()
    assert row.get_by_role("cell").all_inner_texts()[-2] == "1"
    assert table.get_by_role("row").count() == 2  # only what differs
    page.get_by_role("checkbox", name="only what differs").uncheck()
    table.get_by_text(f"model.{EVIL}").wait_for()
    table.get_by_role("button", name="leaf").click()
    names = table.get_by_role("rowheader").all_inner_texts()
    assert names == sorted(names)
    assert len(names) == 3
    page.get_by_role("searchbox", name="another run").fill("second")
    page.get_by_role("button", name=re.compile("^second-twin")).click()
    page.get_by_role("combobox", name="second state").select_option("step 0")
    page.get_by_role("combobox", name="first state").select_option("step 0")
    page.get_by_text("= equal to the bit").wait_for()
    page.reload()
    page.get_by_text("= equal to the bit").wait_for()
    assert f"samebit state diff '{two[0]}:step 0' '{two[1]}:step 0'" in page.inner_text("main")


def test_code_and_environment_are_laid_beside_another_runs(opened: Opened, two: list[str]) -> None:
    page = opened.page
    opened.go(f"/run/{two[0]}?tab=code&with={two[1]}")
    page.get_by_role("button", name="what differs from another run").click()
    page.get_by_text("1 file differs").wait_for()
    page.locator(".line.added").first.wait_for()  # its lines are asked for behind the list
    assert page.locator(".line.added").all_inner_texts() == ["+x = 1"]
    assert page.locator(".line.removed").all_inner_texts() == ["-x = 2"]
    page.get_by_role("link", name="Environment").click()
    page.get_by_text("1 fact differs").wait_for()
    table = page.get_by_role("region", name="environments")
    assert table.get_by_role("rowheader").all_inner_texts() == ["packages.versions.numpy"]
    page.get_by_role("button", name="show all").click()
    table.get_by_role("cell", name=EVIL).first.wait_for()


def test_the_machine_is_described_and_its_use_drawn(opened: Opened, two: list[str]) -> None:
    page = opened.page
    opened.go(f"/run/{two[0]}?tab=machine")
    chart = page.locator("figure").filter(has_text="processor in use")
    chart.locator("canvas").wait_for()
    chart.get_by_text("all of 20 points").wait_for()
    chart.get_by_role("button", name="table").click()
    chart.get_by_role("cell", name="190", exact=True).first.wait_for()
    page.get_by_text(EVIL).first.wait_for()


def test_notes_are_written_by_the_keyboard(opened: Opened, two: list[str]) -> None:
    page = opened.page
    opened.go(f"/run/{two[1]}")
    page.get_by_role("heading", name="second-twin").wait_for()
    page.get_by_role("button", name="add").wait_for()
    page.keyboard.press("e")
    page.keyboard.type("good one")
    page.keyboard.press("Enter")
    page.locator(".title .tag").filter(has_text="good one").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+E")
    page.keyboard.type(EVIL)
    page.keyboard.press("Enter")
    page.locator("main > .note-text").filter(has_text=EVIL).wait_for()
    page.get_by_role("button", name="archive").click()
    page.locator(".title").get_by_text("archived").wait_for()
    page.get_by_role("button", name="take back").click()
    page.locator(".title").get_by_text("archived").wait_for(state="detached")


def test_beside_each_other_runs_are_told_in_few_words_and_opened_to_what_differs(
    opened: Opened, two: list[str]
) -> None:
    page = opened.page
    opened.go(f"/compare?ids={','.join(two)}")
    config = page.get_by_role("region", name="config")
    config.get_by_role("row").nth(1).wait_for()
    # As many digits as tell them apart, and all of them where one points.
    assert config.get_by_role("row").nth(1).get_by_role("cell").all_inner_texts() == [
        *("0.100000001", "0.100000002"),
    ]
    result = page.get_by_role("region", name="results").get_by_role("row").nth(1)
    assert result.get_by_role("cell").first.inner_text() == "1.0000001"
    page.get_by_text("the same in all:").wait_for()
    page.locator(".line.added").filter(has_text="x = 2").wait_for()
    states = page.get_by_role("region", name="states")
    assert states.get_by_role("rowheader").all_inner_texts() == ["final"]
    states.get_by_role("button", name=re.compile("leaf by leaf: final of second-twin")).click()
    page.get_by_role("region", name="leaves of both states").get_by_text("3 of 24").wait_for()
    page.locator(".beside img").nth(1).wait_for()
    assert page.locator(".beside").count() == 3


def test_a_table_that_was_logged_is_sorted_by_its_numbers(opened: Opened, two: list[str]) -> None:
    page = opened.page
    opened.go(f"/run/{two[0]}?tab=media")
    table = page.locator("table").filter(has_text="answer")
    table.get_by_role("button", name="n", exact=True).click()
    cells = table.locator("tbody tr td:first-child")
    page.wait_for_function("one => document.querySelector(one).textContent === '1'", arg="td")
    assert cells.all_inner_texts() == ["1", "2", "10"]


def test_a_trace_shows_the_whole_run_in_a_strip_and_the_leaves_of_a_row(
    opened: Opened, two: list[str]
) -> None:
    page = opened.page
    opened.go(f"/trace?ids={','.join(two)}")
    strip = page.get_by_role("img", name=re.compile("grad differs in 201 of 900 rows"))
    strip.wait_for()
    page.get_by_role("button", name="which leaves").click()
    page.locator(".row-leaves").get_by_text("of 2 leaves").wait_for()
    assert page.locator(".row-leaves code").inner_text() == EVIL
    box = strip.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.97, box["y"] + 20)
    page.get_by_text(re.compile(r"rows 8\d\d to 900 of 900")).wait_for()
    page.get_by_role("button", name="first difference").click()
    page.locator("tr.first").wait_for()


def test_axe_finds_nothing_and_no_view_is_wider_than_a_phone(
    browser: Any, site: Site, two: list[str]
) -> None:
    both = ",".join(two)
    views = [
        (f"/run/{two[0]}", ".one-verdict"),
        (f"/run/{two[0]}?tab=config", ".rates, .config"),
        (f"/run/{two[0]}?tab=data", ".card"),
        (f"/run/{two[0]}?tab=media", ".media img"),
        (f"/run/{two[0]}?tab=states&with={two[1]}", ".leaf-table"),
        (f"/run/{two[0]}?tab=code&against=run&with={two[1]}", ".line.added"),
        (f"/run/{two[0]}?tab=environment&with={two[1]}", ".versus"),
        (f"/run/{two[0]}?tab=machine", ".chart canvas"),
        (f"/compare?ids={both}&state=final", ".leaf-table"),
        (f"/trace?ids={both}&leaves=0.{PARTS_AT}", ".row-leaves"),
    ]
    for scheme, width in (("light", 400), ("dark", 1360)):
        how = {"color_scheme": scheme, "viewport": {"width": width, "height": 820}}
        with opened_at(browser, site, bypass_csp=True, **how) as opened:
            for address, there in views:
                opened.go(address)
                opened.page.locator(there).first.wait_for()
                wide = opened.page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, address
                assert axe_finds(opened) == [], address
