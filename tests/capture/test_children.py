"""Commands and children: what was started is told, without its secrets; names are told once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from samebit.capture.children import Marks, ToldByChildren
from samebit.journal.writer import Writer
from tests.descriptors import opened

COMMANDS = """
import json, os, subprocess, sys
from samebit.capture.children import CommandWatch
told = []
watch = CommandWatch(told.append, lambda job: job(), lambda *trouble: told.append(str(trouble)))
watch.install()
{code}
watch.finish()
subprocess.run(["true", "after"])
print(json.dumps(told))
"""


def commands(code: str) -> list[dict[str, object]]:
    import json

    script = COMMANDS.format(code=code)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def test_every_way_to_start_a_command_is_told_once() -> None:
    code = """
subprocess.run(["true", "a"], cwd="/")
for _ in range(3): subprocess.check_output("echo b", shell=True)
os.system("true c")
os.waitpid(os.posix_spawn("/bin/true", ["true", "d"], {}), 0)
subprocess.run([b"true", os.fsencode("e")])
"""
    assert [(fact["command"], fact["cwd"]) for fact in commands(code)] == [
        (["true", "a"], "/"),
        (["/bin/sh", "-c", "echo b"], None),
        (["true c"], None),
        (["true", "d"], None),
        (["true", "e"], None),
    ]


def test_the_secrets_of_a_command_are_masked_and_its_environment_is_not_told() -> None:
    code = """
subprocess.run(["true", "--password", "hunter2abc", "--lr", "0.1"], env={"TOKEN": "hunter2abc"})
os.system("true --api-key=hunter2abc")
"""
    told = repr(commands(code))
    assert "--lr" in told
    assert "hunter2abc" not in told


def test_a_command_that_cannot_be_started_fails_as_it_does() -> None:
    code = """
for given in (["no such command"], [], [None], "", [b"\\xff"]):
    try: subprocess.run(given)
    except Exception as error: print(type(error).__name__, file=sys.stderr)
"""
    assert commands(code)[0]["command"] == ["no such command"]


def test_marks_are_found_by_a_process_that_was_not_forked() -> None:
    before, marks = Marks(100, "earlier"), Marks(100, "run")  # one process may record two runs
    assert before.add("/data/b")
    assert marks.add("/data/ä\udcff")
    code = f"""
from samebit.capture.children import Marks
marks = Marks(100, "run", {os.getpid()})
print(marks.add("/data/ä\\udcff"), marks.add("/data/b"), marks.count)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if sys.platform == "linux":
        assert done.stdout.split() == ["False", "True", "2"]
        assert not marks.add("/data/b")
    before.close()
    marks.close()


def test_marks_that_cannot_be_found_are_new_ones() -> None:
    assert Marks(10, "run", 0).add("a")
    assert not Marks(2, "run", os.getpid()).is_full


def test_marks_that_are_closed_leave_nothing_for_the_next_run_of_the_process() -> None:
    before = opened()
    marks = Marks(10, "closed")
    assert marks.add("a")
    marks.close()
    assert opened().items() <= before.items()
    assert Marks(10, "closed", os.getpid()).add("a")


def test_a_full_table_takes_no_more_and_ends() -> None:
    marks = Marks(1, "run")
    assert [marks.add(str(at)) for at in range(9)].count(True) == 4
    assert marks.is_full


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    (tmp_path / "journal").mkdir()
    return tmp_path / "journal"


def test_children_are_read_on_from_where_they_were(journal: Path) -> None:
    earlier = Writer(journal, "0123456789", "0")
    earlier.fact("file", {"path": "of an earlier execution"})
    own, child, other = (Writer(journal, "0123456789", rank) for rank in ("0", "0", "1"))
    told = ToldByChildren(journal, "0", lambda: own.writer)
    own.fact("file", {"path": "own"})
    other.fact("file", {"path": "of another rank"})
    child.fact("file", {"path": "a"})
    child.fact("child", {"command": ["x"]})
    assert [fact["path"] for fact in told()] == ["a"]
    child.fact("file", {"path": "b"})
    segment = next(journal.glob(f"0-{child.writer}-*"))
    with open(segment, "ab") as stream:
        stream.write(b"\x10\0\0\0half a frame")
    assert [fact["path"] for fact in told()] == ["b"]
    assert list(told()) == []
