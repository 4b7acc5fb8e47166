"""`samebit run` as words on a screen: usage, what it says, and when it says nothing."""

import os
import pty
import sys
from pathlib import Path

import pytest

from samebit.cli.main import main
from tests.projects import SAMEBIT, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "what is to be run?"),
        (["--"], "after `--` comes a command"),
        (["-m"], "what is to be run?"),
        (["--seed", "x", "a.py"], "a whole number, not 'x'"),
        (["--seed", "-1", "a.py"], "from 0 to 4294967295"),
        (["--seed", "4294967296", "a.py"], "from 0 to 4294967295"),
        (["--seed"], "expected one argument"),
        (["--sed", "3", "a.py"], "--sed"),
        (["-u", "a.py"], "-u"),
    ],
    ids=" ".join,
)
def test_wrong_usage_runs_nothing(project: Project, words: list[str], says: str) -> None:
    project.write("a.py", "print('ran')")
    ended = project.run(*words)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert "Traceback" not in ended.err
    assert not project.store.exists()


def test_a_missing_script_names_the_folder_and_the_way_to_run_a_command(project: Project) -> None:
    ended = project.run("ls")
    assert ended.code == 125
    assert "there is no script ls" in ended.err
    assert "after `--`" in ended.err


@pytest.mark.parametrize(
    ("script", "how", "code"),
    [
        ("pass", "finished", 0),
        ("raise SystemExit(3)", "failed with exit code 3", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL", -9),
    ],
)
def test_a_pipe_gets_one_line_on_stderr_and_the_scripts_own_stdout(
    project: Project, script: str, how: str, code: int
) -> None:
    project.write("a.py", f"print('out', flush=True)\n{script}\n")
    ended = project.call(SAMEBIT, "run", "a.py")
    assert (ended.code, ended.out) == (code, "out\n")
    (line,) = ended.err.splitlines()
    assert line.startswith(f"samebit: run {project.view().id} {how} after ")


def test_quiet_says_nothing(project: Project) -> None:
    project.write("a.py", "print('out')")
    ended = project.run("a.py")
    assert (ended.out, ended.err) == ("out\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="a pty")
def test_a_terminal_learns_the_run_before_it_starts_and_what_to_type_next(
    project: Project,
) -> None:
    project.write("a.py", "print('out')")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.path)
        os.execve(SAMEBIT, [SAMEBIT, "run", "a.py"], project.environ(TERM="dumb", NO_COLOR="1"))
    shown = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.waitpid(pid, 0)
    os.close(terminal)
    run = project.view().id
    lines = shown.decode().splitlines()
    assert lines[:2] == [f"samebit: run {run}", "out"]
    assert lines[2].startswith(f"samebit: run {run} finished after ")
    assert lines[3] == f"samebit: next: samebit show {run}, samebit verify {run}"


def test_name_and_group_are_kept(project: Project) -> None:
    project.write("a.py", "")
    assert project.run("--name", "mine", "--group", "ours", "a.py").code == 0
    assert (project.view().name, project.view().record.group) == ("mine", "ours")


def test_a_reader_that_went_away_changes_no_exit_code(project: Project) -> None:
    project.write("a.py", "raise SystemExit(3)")
    command = f"{SAMEBIT} run a.py 2>&- ; echo $?"
    assert project.call("sh", "-c", command).out == "3\n"


def test_help_tells_the_three_ways(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = capsys.readouterr().out
    for way in ("SCRIPT.py", "-m MODULE", "-- COMMAND", "--seed", "--deterministic"):
        assert way in shown
