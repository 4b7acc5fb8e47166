"""Names and arguments that are no UTF-8: a script gets their bytes, and so does its replay."""

import os
import sys

import pytest

from samebit.capture import secrets
from tests.projects import SAMEBIT, Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are bytes")

SHOW = """
import argparse, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("name")
name = parser.parse_args().name
seen = [sys.argv[0], name, os.path.basename(os.getcwd()), os.environ.get("MINE_X", "")]
print([os.fsencode(text) for text in seen])
"""
SCRIPT = os.fsdecode(b"tr\xffin.py")
ARGUMENT = os.fsdecode(b"a\\b\xc3\xa9\xff\xfe")
FOLDER = os.fsdecode(b"w\xf8rk")
VALUE = os.fsdecode(b"v\\\xff")


@pytest.fixture
def there(project: Project) -> Project:
    project.write(f"{FOLDER}/{SCRIPT}", SHOW)
    return project


def test_a_script_gets_the_bytes_that_it_was_given_and_they_are_recorded(there: Project) -> None:
    folder = there.path / FOLDER
    given = {"cwd": folder, "MINE_X": VALUE, "SAMEBIT_ENV_ALLOW": "MINE_*"}
    plain = there.python(SCRIPT, ARGUMENT, **given)
    assert r"b'a\\b\xc3\xa9\xff\xfe'" in plain.out
    under = there.run(SCRIPT, ARGUMENT, **given)
    assert (under.code, under.out) == (0, plain.out)
    view = there.view()
    assert view.start.argv == (SCRIPT, ARGUMENT)
    assert view.start.cwd == str(folder)
    assert view.facts["config"] == {"name": ARGUMENT}
    assert view.facts["variables"]["MINE_X"] == VALUE
    assert view.all_facts("process")[0]["argv"][-2:] == [SCRIPT, ARGUMENT]
    assert view.facts["code"]["root"] == str(folder)
    assert len(view.all_facts("problem")) <= 1  # `file` facts hold no such names yet


def test_a_name_of_a_run_may_be_any_bytes(there: Project) -> None:
    ended = there.run("--name", ARGUMENT, "--group", VALUE, f"{FOLDER}/{SCRIPT}", "x")
    assert ended.code == 0
    assert (there.view().name, there.view().record.group) == (ARGUMENT, VALUE)


def test_a_secret_among_other_bytes_is_masked() -> None:
    words, masked = secrets.mask_arguments(["--password", "hunter\udcff2", "x\udcff"])
    assert (words, masked) == (["--password", secrets.MASK, "x\udcff"], [1])


@pytest.mark.slow
def test_a_replay_gets_the_same_bytes(there: Project) -> None:
    folder = there.path / FOLDER
    assert there.run(SCRIPT, ARGUMENT, cwd=folder).code == 0
    verified = there.call(SAMEBIT, "verify", "@last", cwd=folder)
    assert len(there.views()) == 2, verified
    run, replay = there.views()
    assert replay.record.of == run.id
    assert replay.start.argv == run.start.argv
    assert replay.facts["config"] == {"name": ARGUMENT}
    log = b"".join(path.read_bytes() for path in replay.folder.console(1).iterdir())
    assert rb"b'a\\\\b\xc3\xa9\xff\xfe'".replace(rb"\\\\", rb"\\") in log
    for command in (["ls"], ["show", run.id], ["show", run.id, "--json"], ["table"]):
        assert there.call(SAMEBIT, *command).code == 0
    assert there.call(SAMEBIT, "diff", run.id, replay.id).code in (0, 5)


@pytest.mark.slow
def test_init_alone_records_the_bytes_too(there: Project) -> None:
    folder = there.path / FOLDER
    (folder / SCRIPT).write_text(SHOW + "import samebit; samebit.init({'n': name})\n")
    ended = there.python(SCRIPT, ARGUMENT, cwd=folder, PYTHONHASHSEED="1")
    assert ended.code == 0
    view = there.view()
    assert view.start.argv == (SCRIPT, ARGUMENT)
    assert view.facts["config"] == {"n": ARGUMENT}
