"""Laying out a run: everything at the place it had, and nothing of the user's in danger."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samebit.errors import Damaged
from samebit.replay.plan import Plan, make_plan
from samebit.replay.rebuild import Layout, lay_out_run
from tests.replay.conftest import Recorder, file_fact


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = (tmp_path / "project").resolve()
    (folder / "data").mkdir(parents=True)
    (folder / "data/x.csv").write_text("1,2,3")
    return folder


Rebuild = Callable[..., tuple[Plan, Layout, Path]]


@pytest.fixture
def rebuild(recorder: Recorder, root: Path, tmp_path: Path) -> Rebuild:
    def rebuild(
        *facts: tuple[str, Any], link: bool = True, **how: Any
    ) -> tuple[Plan, Layout, Path]:
        code = recorder.code(root, train="x = 1\n", src__pkg__part="y = 1\n")
        plan = make_plan(recorder.run([code, *facts], cwd=root, **how), {"PATH": "/bin"})
        assert plan.blockers == ()
        folder = tmp_path / "replay"
        folder.mkdir()
        (folder / "tmp").mkdir(exist_ok=True)
        layout = lay_out_run(plan, folder, folder / "tmp", link=link)
        return plan, layout, layout.files / root.relative_to("/")

    return rebuild


def test_code_and_working_folder_stand_where_they_stood(rebuild: Rebuild, root: Path) -> None:
    _, layout, inside = rebuild()
    assert layout.cwd == inside
    assert (inside / "train.py").read_text() == "x = 1\n"
    assert layout.original(str(inside / "train.py")) == str(root / "train.py")
    assert layout.original(f"{layout.files}-other/x") == f"{layout.files}-other/x"


@pytest.mark.parametrize("link", [True, False])
def test_what_the_run_only_read_is_there_and_what_it_wrote_is_a_copy(
    rebuild: Rebuild, root: Path, link: bool
) -> None:
    (root / "data/y.csv").write_text("both")
    _, _, inside = rebuild(
        file_fact(root / "data/x.csv"),
        file_fact(root / "data/y.csv"),
        file_fact(root / "data/y.csv", "write"),
        link=link,
    )
    assert (inside / "data/x.csv").read_text() == "1,2,3"
    (inside / "data/y.csv").write_text("changed")
    assert (root / "data/y.csv").read_text() == "both"
    if not link:
        (inside / "data/x.csv").write_text("changed")
        assert (root / "data/x.csv").read_text() == "1,2,3"


def test_the_bytes_that_the_run_overwrote_come_back_also_over_a_file_of_the_code(
    rebuild: Rebuild, recorder: Recorder, root: Path
) -> None:
    (root / "train.py").write_text("now")
    fact = file_fact(root / "train.py", written=True, kept=recorder.put(b"then"))
    _, _, inside = rebuild(fact)
    assert (inside / "train.py").read_text() == "then"
    assert (root / "train.py").read_text() == "now"


def test_folders_of_outputs_are_there_unless_the_run_made_them(
    rebuild: Rebuild, root: Path
) -> None:
    _, _, inside = rebuild(
        file_fact(root / "out/old/log", "write"),
        file_fact(root / "made", "folder"),
        file_fact(root / "made/deep", "folder"),
        file_fact(root / "made/deep/log", "write"),
        file_fact(root / "../beside/log", "write"),
        file_fact(root / "there/made", "folder"),
    )
    assert (inside / "out/old").is_dir()
    assert not (inside / "out/old/log").exists()
    assert not (inside / "made").exists()
    assert (inside / "there").is_dir()
    assert (inside / "../beside").is_dir()


def test_import_roots_of_the_project_come_first_at_their_new_place(
    rebuild: Rebuild, root: Path, recorder: Recorder
) -> None:
    part = str(root / "src/pkg/part.py")
    modules = [["pkg.part", part, recorder.put(b"y = 1\n")]]
    sources = {"path": ["/usr/lib/python", str(root / "src")], "modules": modules}
    _, layout, inside = rebuild(("sources", sources))
    assert layout.environ["PYTHONPATH"].split(os.pathsep) == [str(inside / "src")]


def test_sources_outside_any_repository_are_written_from_the_store(
    rebuild: Rebuild, root: Path, recorder: Recorder
) -> None:
    modules = [["sibling", str(root / "sibling.py"), recorder.put(b"z = 1\n")]]
    _, _, inside = rebuild(("sources", {"path": [], "modules": modules}))
    assert (inside / "sibling.py").read_text() == "z = 1\n"


def test_a_word_that_names_a_file_of_the_code_leads_to_the_recorded_one(
    rebuild: Rebuild, root: Path, tmp_path: Path
) -> None:
    (root / "train.py").touch()
    (tmp_path / "link").symlink_to(root)
    script, data = str(tmp_path / "link/train.py"), str(root / "data/x.csv")
    argv = (script, f"--again={root}/train.py", data, f"x={root}/train.py")
    _, layout, inside = rebuild(argv=argv)
    assert layout.words == (
        str(inside / "train.py"),
        f"--again={inside}/train.py",
        data,
        f"x={root}/train.py",
    )


def test_damaged_code_is_never_laid_out(rebuild: Rebuild, recorder: Recorder) -> None:
    def damage() -> None:
        for pack in (recorder.store / "packs").glob("*.pack"):
            data = pack.read_bytes()
            if b"x = 1\n" in data:
                pack.chmod(0o644)
                pack.write_bytes(data.replace(b"x = 1\n", b"x = 2\n"))

    original = recorder.run
    object.__setattr__(recorder, "run", lambda *a, **k: (original(*a, **k), damage())[0])
    with pytest.raises(Damaged, match="is damaged"):
        rebuild()
