"""What a run read is found in versions of data, and laid out from there when it is another now."""

import random
import shutil
from pathlib import Path

import pytest

from samebit import digest
from samebit.data import adding, files, linking, versions
from samebit.objects.store import Store
from samebit.objects.tree import read_tree
from samebit.replay.plan import make_plan
from samebit.replay.rebuild import lay_out_run
from tests.replay.conftest import SAMEBIT, Project, Recorder, file_fact

LARGE = digest.of_bytes(random.Random(1).randbytes(3 << 20))
TRAIN = """
import os, numpy, samebit
run = samebit.init(config={"lr": 0.1})
total = sum(open("data/large.bin", "rb").read())
for name in sorted(os.listdir("data/items")):
    total += int(open(os.path.join("data/items", name)).read())
for step in range(3):
    run.log({"loss": total / (step + 1)}, step=step)
    run.trace(loss=float(total + step), params=numpy.full(3, total - step))
"""


def write_data(folder: Path) -> None:
    (folder / "data/items").mkdir(parents=True)
    (folder / "data/large.bin").write_bytes(random.Random(1).randbytes(3 << 20))
    for at in range(5):
        (folder / f"data/items/{at}.txt").write_text(str(at))


def test_a_run_is_verified_with_the_version_that_it_read_when_the_data_is_gone(
    project: Project,
) -> None:
    project.write(train=TRAIN)
    write_data(project.folder)
    project.run("train.py")
    added = project.call(*SAMEBIT, "data", "add", "data", "--name", "train").stdout
    name = added.split()[1].rstrip(":")
    assert f"{name}, all 6 files" in project.call(*SAMEBIT, "show", "@last").stdout
    shutil.rmtree(project.folder / "data/items")
    (project.folder / "data/large.bin").write_bytes(b"other")
    plan = project.call(*SAMEBIT, "verify", "@last", "--plan").stdout
    assert f"6 from {name}" in plan
    found = project.verify()
    assert found.verdict["grade"] == "identical", found.text
    assert f"data: 6 of them laid out from {name}" in found.verdict["scope"]
    # And what lies there is as it was.
    assert (project.folder / "data/large.bin").read_bytes() == b"other"
    project.call(*SAMEBIT, "data", "rm", "train")
    assert project.call(*SAMEBIT, "verify", "@last", "--plan", expect=6)


@pytest.mark.slow
def test_a_run_that_kept_what_it_read_is_verified_when_that_is_gone(project: Project) -> None:
    project.write(train=TRAIN)
    write_data(project.folder)
    run = project.run("--save-data", "train.py")
    project.call(*SAMEBIT, "check", "--full")
    shown = project.call(*SAMEBIT, "show", "@last").stdout
    assert f"kept  6 of those read, 3.1 MB; samebit data restore {run}" in shown
    shutil.rmtree(project.folder / "data/items")
    (project.folder / "data/large.bin").write_bytes(b"other")
    plan = project.call(*SAMEBIT, "verify", "@last", "--plan").stdout
    assert "6 from what the run kept" in plan
    found = project.verify()
    assert found.verdict["grade"] == "identical", found.text
    assert "data: 6 of them laid out from what the run kept" in found.verdict["scope"]
    replay = project.view(found.verdict["replay"])
    assert not any("saved" in fact for fact in replay.files)
    # What is in the way is not written over, and then it is as it was; code is no data.
    project.write(train=TRAIN + "# edited")
    refused = project.call(*SAMEBIT, "data", "restore", run, expect=2).stderr
    assert "1 of the files are others now" in refused
    project.call(*SAMEBIT, "data", "restore", run, "--to", "elsewhere")
    project.call(*SAMEBIT, "data", "restore", run, "--force")
    for folder in (project.folder, project.folder / "elsewhere" / str(project.folder)[1:]):
        assert digest.of_file(folder / "data/large.bin")[0] == LARGE
        assert (folder / "data/items/3.txt").read_text() == "3"
    assert (project.folder / "train.py").read_text().endswith("# edited")
    assert not (project.folder / "elsewhere" / str(project.folder)[1:] / "train.py").exists()


def test_data_that_lies_among_the_code_is_restored_too(project: Project) -> None:
    project.write(train=TRAIN)
    write_data(project.folder)
    (project.folder / ".gitignore").write_text("")
    run = project.run("--save-data", "train.py")
    code = project.view(run).code
    assert code is not None
    tree = read_tree(Store(project.folder / ".samebit"), code.tree)
    assert "data/items/3.txt" in {entry.path for entry in tree.entries}
    (project.folder / "data/items/3.txt").unlink()
    (project.folder / "data/items/4.txt").write_text("others")
    refused = project.call(*SAMEBIT, "data", "restore", run, expect=2).stderr
    assert "4.txt" in refused
    project.call(*SAMEBIT, "data", "restore", run, "--force")
    assert [(project.folder / f"data/items/{n}.txt").read_text() for n in (3, 4)] == ["3", "4"]


@pytest.fixture
def data(recorder: Recorder, tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    write_data(folder)
    return folder / "data"


def add(recorder: Recorder, path: Path, name: str, *, keep: bool = True) -> versions.DataRecord:
    store = Store(recorder.store)
    return adding.add(store, files.survey(path), name, keep=keep).record


def test_a_file_that_is_read_in_place_is_not_laid_out_elsewhere(
    recorder: Recorder, data: Path, tmp_path: Path
) -> None:
    outside = shutil.copytree(data, tmp_path / "outside")
    fact = file_fact(outside / "large.bin", given="absolute")
    view = recorder.run([recorder.code(data.parent, train="x = 1\n"), fact])
    record = add(recorder, outside, "train")
    (outside / "large.bin").write_bytes(b"other")
    (blocker,) = make_plan(view, {}).blockers
    assert f"`samebit data checkout {versions.short_name(record)}`" in blocker


def test_a_reference_lays_nothing_out(recorder: Recorder, data: Path) -> None:
    facts = [recorder.code(data.parent, train="x = 1\n"), file_fact(data / "large.bin")]
    view = recorder.run(facts)
    add(recorder, data, "train", keep=False)
    (data / "large.bin").unlink()
    assert "not there any more" in make_plan(view, {}).blockers[0]


def test_a_large_file_is_laid_out_from_its_pieces(
    recorder: Recorder, data: Path, tmp_path: Path
) -> None:
    view = recorder.run(
        [recorder.code(data.parent, train="x = 1\n"), file_fact(data / "large.bin")]
    )
    add(recorder, data / "large.bin", "large")
    whole = (data / "large.bin").read_bytes()
    (data / "large.bin").write_bytes(b"other")
    plan = make_plan(view, {})
    assert plan.blockers == ()
    layout = lay_out_run(plan, tmp_path / "replay", tmp_path / "temporary", link=True)
    assert Path(f"{layout.files}{data}/large.bin").read_bytes() == whole


def test_of_each_name_the_version_is_linked_of_which_most_was_read(
    recorder: Recorder, data: Path
) -> None:
    store = Store(recorder.store)
    old = add(recorder, data, "train")
    (data / "items/4.txt").write_text("44")
    new = add(recorder, data, "train")
    add(recorder, data / "large.bin", "large")
    view = recorder.run([file_fact(path) for path in sorted(data.rglob("*.*"))])
    read = {fact["path"]: fact["digest"] for fact in view.files}
    found = {link.version.name: link for link in linking.find_links(store, read)}
    assert {name: link.files for name, link in found.items()} == {"train": 6, "large": 1}
    assert found["train"].version == new
    assert linking.find_links(store, {"/elsewhere/0.txt": read[str(data / "items/0.txt")]}) == []
    versions.let_go(recorder.store, new)
    found = {link.version.name: link for link in linking.find_links(store, read)}
    assert (found["train"].version, found["train"].files) == (old, 5)
