"""`samebit push` and `pull` between folders, as somebody calls them."""

import shutil
from pathlib import Path

from tests.projects import SAMEBIT, Ended, Project


def test_data_that_a_run_kept_under_a_name_travels_with_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write(
        "a.py",
        """
        import samebit
        with samebit.init() as run:
            run.data("train", "data", save=True)
        """,
    )
    (project.path / "data").mkdir()
    (project.path / "data/rows.txt").write_text("1 2 3")
    project.python("a.py")
    cache = str(tmp_path / "cache")

    def call(*words: str, where: Project = project) -> Ended:
        done = where.call(SAMEBIT, *words, SAMEBIT_CACHE=cache)
        assert done.code == 0, done.out + done.err
        return done

    call("remote", "add", "x", "../remote")
    call("push", "@last", "--with", "none")
    call("push", "@last")
    call("clone", "../remote", "../other", "--with", "none")  # a path is an address here, too
    call("clone", "../remote", "../whole")
    other = Project(project.path.parent / "whole")
    assert call("data", "ls", "--json", where=other).json["data"][0]["name"] == "data"
    # Asked for by its id alone, too.
    late = Project(project.path.parent / "late")
    late.path.mkdir(exist_ok=True)
    call("remote", "add", "x", "../remote", where=late)
    run = call("ls", "--json").json[0]["id"]
    assert "data data" in call("pull", run, where=late).out
    assert call("pull", run, where=late).out == "everything of x is here\n"
    call("data", "checkout", "data", "mine", where=late)
    assert (late.path / "mine/rows.txt").read_text() == "1 2 3"


def test_a_clone_that_was_stopped_goes_on_by_the_same_command(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write("a.py", "import samebit; samebit.init().log({'x': 1})")
    project.python("a.py")
    there = tmp_path / "a #1?%20 ü"  # a path is no address with options in it

    def call(*words: str) -> Ended:
        return project.call(SAMEBIT, *words, SAMEBIT_CACHE=str(tmp_path / "cache"))

    assert call("remote", "add", "x", str(there)).code == 0
    nothing = call("clone", str(there), "../copy")
    assert (nothing.code, (tmp_path / "copy").exists()) == (7, False)
    assert call("clone", str(tmp_path / "nowhere"), "../copy").code == 7
    assert not (tmp_path / "nowhere").exists()  # a clone makes no remote
    unknown = call("push", "--where", "nope > 1")
    assert (unknown.code, "no run here has 'nope'" in unknown.err) == (2, True)
    assert call("push").code == 0
    assert there.joinpath("format").exists()
    assert call("clone", str(there), "../copy", "--with", "none").out.startswith(
        "cloning into ../copy\npulled from origin: 1 run"
    )
    again = call("clone", str(there), "../copy")
    assert (again.code, "pulled from origin" in again.out) == (0, True), again.err
    assert call("clone", str(tmp_path), "../copy").code == 7
    assert call("remote", "add", "y", str(tmp_path / "y")).code == 0
    assert call("push", "--remote", "y").code == 0
    other = call("clone", str(tmp_path / "y"), "../copy")
    assert (other.code, "there is a store already" in other.err) == (2, True)


def test_a_disk_that_is_not_mounted_gets_no_second_remote(tmp_path: Path) -> None:
    """Nothing is said to be pushed where what was pushed before is not."""
    project = Project(tmp_path / "project")
    project.write("a.py", "import samebit; samebit.init().log({'x': 1})")
    project.python("a.py")
    disk = tmp_path / "disk"

    def call(*words: str) -> Ended:
        return project.call(SAMEBIT, *words, SAMEBIT_CACHE=str(tmp_path / "cache"))

    assert call("remote", "add", "usb", str(disk)).code == 0
    shutil.rmtree(disk / "claims")
    (disk / "packs").touch()  # a push that fails midway has begun to be there
    assert call("push").code == 1
    (disk / "packs").unlink()
    disk.rename(tmp_path / "away")
    disk.mkdir()  # where it would be mounted
    for words in (["push"], ["push", "--dry-run"], ["sync"]):
        done = call(*words)
        assert (done.code, "is not there" in done.err) == (1, True), words
    assert "what was pushed there before is not there" in call("remote", "show", "usb").out
    assert not any(disk.iterdir())
    disk.rmdir()
    (tmp_path / "away").rename(disk)
    assert "1 run" in call("push").out
    shutil.rmtree(disk)
    assert call("remote", "test", "usb").code == 0  # a new one is what is meant
    assert "1 run" in call("push").out
