"""A run's data: leaks that harm a result most come first, and say what they harm."""

from typing import Any

from samebit import places
from tests.page.conftest import opened_at, shown
from tests.projects import Project

LEAKY = """
import numpy as np, samebit
run = samebit.init(name="leaky")
rows = np.arange(80.0).reshape(40, 2)
parts = {"train": range(20), "val": range(12, 30), "test": range(29, 40)}
run.splits(**{name: list(of) for name, of in parts.items()}, of=rows, name="mine")
"""


def test_what_leaks_into_the_test_comes_before_what_leaks_into_validation(
    browser: Any, tmp_path: Any
) -> None:
    project = Project(tmp_path / "project")
    project.write("make.py", LEAKY)
    places.make_store(project.store)
    done = project.run("make.py")
    assert done.code == 0, done.err
    with shown(project.store.parent) as site, opened_at(browser, site) as opened:
        page = opened.page
        page.get_by_role("link", name="leaky").click()
        page.get_by_role("link", name="Data", exact=True).click()
        leaks = page.locator(".leak")
        leaks.first.wait_for()
        told = leaks.all_inner_texts()
        assert "of test" in told[0]
        assert "what is told of the test may be too good" in told[0]
        assert "of val" in told[-1]
        assert "what was chosen by it may have been chosen wrongly" in told[-1]
        meters = [float(one.get_attribute("value")) for one in leaks.locator("meter").all()]
        assert meters[0] == 1 / 11
        assert meters[-1] == 8 / 18
