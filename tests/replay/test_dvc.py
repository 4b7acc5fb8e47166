"""A run in a project that uses DVC: shown as what DVC has, and run again from DVC's cache."""

import shutil

import pytest

from tests.data.dvc.projects import DvcProject, everything
from tests.replay.conftest import SAMEBIT, Project

TRAIN = """
import os, numpy, samebit
run = samebit.init(config={"lr": 0.1})
total = sum(open("data/labels.csv", "rb").read())
for name in sorted(os.listdir("data/items")):
    total += int(open(os.path.join("data/items", name)).read())
for step in range(3):
    run.log({"loss": total / (step + 1)}, step=step)
    run.trace(loss=float(total + step), params=numpy.full(3, total - step))
"""
ITEMS = {f"{at}.txt": b"%d" % at for at in range(5)}


@pytest.mark.slow
def test_a_run_is_shown_planned_and_run_again_by_what_dvc_has(project: Project) -> None:
    project.write(train=TRAIN)
    (project.folder / ".gitignore").write_text("/data/items\n/data/labels.csv\n/.dvc/cache\n")
    theirs = DvcProject(project.folder)
    name = theirs.add("data/items", ITEMS)
    labels = theirs.add("data/labels.csv", b"a,b\n")
    project.run("train.py")
    shown = project.call(*SAMEBIT, "show", "@last").stdout
    items = f"data/items: all 5 files, as data/items.dvc has them (md5 {name[:8]})"
    assert items in shown
    assert f"data/labels.csv: as data/labels.csv.dvc has it (md5 {labels[:8]})" in shown
    assert '"same":5' in project.call(*SAMEBIT, "show", "@last", "--json").stdout

    shutil.rmtree(project.folder / "data/items")
    (project.folder / "data/labels.csv").write_bytes(b"other")
    before = everything(project.folder / ".dvc"), everything(project.folder / "data")
    plan = project.call(*SAMEBIT, "verify", "@last", "--plan").stdout
    assert "6 files, 9 B, 6 from DVC's cache" in plan
    assert items in plan
    found = project.verify()
    assert found.verdict["grade"] == "identical", found.text
    assert "data: 6 of them laid out from DVC's cache" in found.verdict["scope"]
    # DVC files of another day do not take away what the run's own said.
    theirs.add("data/labels.csv", b"newer")
    assert "6 from DVC's cache" in project.call(*SAMEBIT, "verify", "@last", "--plan").stdout

    theirs.add("data/labels.csv", b"a,b\n", tree=False)
    assert (
        (everything(project.folder / ".dvc")[str(theirs.at(labels))])
        == before[0][str(theirs.at(labels))]
    )
    theirs.damage(labels)
    theirs.lose(theirs.name(b"3"))
    plan = project.call(*SAMEBIT, "verify", "@last", "--plan", expect=6).stdout
    lines = " ".join(plan.split())
    assert f"DVC's cache is damaged: the md5 of {theirs.at(labels)}" in lines
    assert f"data/items.dvc had the md5 {theirs.name(b'3')} there" in lines
    assert "`dvc fetch data/items.dvc`" in lines
