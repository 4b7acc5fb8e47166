"""`samebit run` as a script sees it: nothing differs from plain Python but that it is recorded."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from samebit.errors import CannotStart
from samebit.folders.read import read_run
from samebit.session.launching import launch
from samebit.session.request import ENTRY, Request
from tests.projects import SAMEBIT, Project

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="real signals and ptys")

# Everything of its surroundings that a script can see, as one line of JSON.
LOOK = """
import json, os, pickle, sys
class Thing:
    pass
import __main__
found = {
    "argv": sys.argv,
    "path": sys.path,
    "name": __name__,
    "file": __file__,
    "package": __package__,
    "spec": [__spec__.name, __spec__.origin] if __spec__ else None,
    "main": [__main__.__file__, __main__.Thing is Thing, sorted(vars(__main__))],
    "class": Thing.__module__,
    "pickled": type(pickle.loads(pickle.dumps(Thing()))) is Thing,
    "flags": list(sys.flags),
    "warnings": sys.warnoptions,
    "cwd": os.getcwd(),
    "orig_argv": sys.orig_argv,
    "stdin": sys.stdin.read(),
    "excepthook": sys.excepthook is sys.__excepthook__,
    "ours on the path": [p for p in sys.path if "samebit" in p and "session" in p],
    "sitecustomize": getattr(sys.modules.get("sitecustomize"), "WHOSE", None),
    "site": getattr(sys, "SITE", None),
}
if "sitecustomize" in sys.modules and found["sitecustomize"] is None:
    found["sitecustomize"] = "a foreign one"
print(json.dumps(found))
sys.exit(7)
"""

# What recording must not hide: the entry is put away, and nobody else's sitecustomize is left.
IGNORED = ("sitecustomize",)


def seen_by(ended: object) -> dict[str, object]:
    found = json.loads(ended.out.splitlines()[-1])  # type: ignore[attr-defined]
    return {name: value for name, value in found.items() if name not in IGNORED}


def test_a_script_sees_what_it_sees_under_plain_python(project: Project) -> None:
    project.write("pkg/look.py", LOOK)
    words = ["pkg/look.py", "--seed", "3", "--", "-x", "it's\n"]
    plain = project.python(*words, stdin="hello\n", PYTHONHASHSEED="5")
    under = project.run(*words, stdin="hello\n", PYTHONHASHSEED="5")
    assert (under.code, under.err) == (plain.code, plain.err) == (7, "")
    assert seen_by(under) == seen_by(plain)
    assert project.view().facts["end"]["status"] == "finished"
    assert (project.view().status, project.view().end.exit_code) == ("failed", 7)


def test_a_module_sees_what_it_sees_under_plain_python(project: Project) -> None:
    project.write("pkg/__init__.py", "")
    project.write("pkg/look.py", LOOK)
    plain = project.python("-m", "pkg.look", "--seed", "3", PYTHONHASHSEED="5")
    under = project.run("-m", "pkg.look", "--seed", "3", PYTHONHASHSEED="5")
    assert seen_by(under) == seen_by(plain)
    assert (under.code, project.view().start.how) == (7, "module")


def test_a_python_path_and_a_sitecustomize_of_the_users_own_are_kept(project: Project) -> None:
    project.write("look.py", LOOK)
    project.write("mine/sitecustomize.py", "import sys\nWHOSE = 'mine'\nsys.SITE = 'mine'\n")
    mine = str(project.path / "mine")
    plain = project.python("look.py", PYTHONPATH=mine, PYTHONHASHSEED="5")
    under = project.run("look.py", PYTHONPATH=mine, PYTHONHASHSEED="5")
    assert under.json == plain.json
    assert under.json["sitecustomize"] == under.json["site"] == "mine"
    project.write("show.py", "import os; print(os.environ['PYTHONPATH'])")
    shown = project.run("show.py", PYTHONPATH=mine)
    assert shown.out == f"{ENTRY}{os.pathsep}{mine}\n"


@pytest.mark.parametrize(
    "broken", ["raise ValueError('mine')", "import no_such_module", "1 +"], ids=str
)
def test_a_broken_sitecustomize_says_what_it_says_and_the_run_is_recorded(
    project: Project, broken: str
) -> None:
    project.write("mine/sitecustomize.py", broken)
    project.write("a.py", "print('trained')")
    mine = str(project.path / "mine")
    plain = project.python("a.py", PYTHONPATH=mine)
    under = project.run("a.py", PYTHONPATH=mine)
    assert (under.code, under.out) == (plain.code, plain.out)
    assert under.err == plain.err * 2  # our command line is a Python with that path, too
    assert "sitecustomize" in plain.err
    assert project.view().facts["end"]["status"] == "finished"


def test_python_options_of_the_environment_reach_the_script(project: Project) -> None:
    project.write("a.py", "import sys; print(sys.flags.optimize, sys.flags.dev_mode)")
    assert project.run("a.py", PYTHONOPTIMIZE="2", PYTHONDEVMODE="1").out == "2 True\n"


@pytest.mark.parametrize(
    ("options", "given", "expected"),
    [([], {}, None), ([], {"PYTHONHASHSEED": "17"}, "17"), (["--seed", "23"], {}, "23")],
    ids=["drawn", "the user's", "from --seed"],
)
def test_the_hash_seed_is_always_a_number_that_a_replay_can_use_again(
    project: Project, options: list[str], given: dict[str, str], expected: str | None
) -> None:
    project.write(
        "a.py",
        "import os; print(os.environ['PYTHONHASHSEED'], *{'a', 'b', 'c', 'd', 'e', 'f'})",
    )
    first = project.run(*options, "a.py", **given)
    start = project.view().start
    assert start.hash_seed == first.out.split()[0]
    assert expected is None or start.hash_seed == expected
    assert start.hash_seed.isdigit()
    assert project.python("a.py", PYTHONHASHSEED=start.hash_seed).out == first.out


def test_the_users_own_hash_seed_wins_over_the_seed(project: Project) -> None:
    project.write("a.py", "import os; print(os.environ['PYTHONHASHSEED'])")
    assert project.run("--seed", "23", "a.py", PYTHONHASHSEED="17").out == "17\n"
    assert project.run("--seed", "23", "a.py", PYTHONHASHSEED="random").out == "23\n"


RAISING = """
import sys
def deep(n):
    if n == 0:
        raise ValueError("of the script")
    deep(n - 1)
try:
    deep(2)
except ValueError as error:
    raise RuntimeError("while training") from error
"""


@pytest.mark.parametrize(
    "script",
    [
        RAISING,
        "import sys; sys.exit('text')",
        "import sys; sys.exit(True)",
        "raise SystemExit(300)",
        "import os; print('x', flush=True); os._exit(9)",
        "1 +",
        "import no_such_module",
        "import broken_module",
        "import argparse; argparse.ArgumentParser().parse_args(['--no'])",
        "import sys; sys.stdout.close()",
        "import sys; print('a'); sys.stdout.close(); sys.stderr.close(); sys.exit(3)",
        "import os; print('a', flush=True); os.close(1); os.close(2)",
        "import os; os.closerange(3, 4096); print('still here')",
        "import sys, io; sys.stdout = io.StringIO(); print('lost'); sys.stderr.write('kept')",
        "import sys; sys.stdout = None; sys.stderr = None; print('nowhere')",
        "import sys; print('x', end=''); sys.stdout.write('y'); sys.stderr.write('z')",
        "import sys; sys.excepthook = lambda *a: print('mine'); 1 / 0",
        "import atexit; atexit.register(print, 'last words')",
        "import threading; threading.Thread(target=lambda: 1 / 0).start()",
        "class A:\n  def __del__(self): print('freed', __name__)\na = A()",
        "import gc; gc.disable(); import sys; sys.setrecursionlimit(60)\n"
        "def f(): f()\ntry: f()\nexcept RecursionError: print('deep')",
        "import logging; logging.warning('w'); import warnings; warnings.warn('careful')",
        "import os; os.chdir('/'); print(os.getcwd())",
        "import sys; del sys.modules['__main__']; print('gone')",
    ],
)
def test_output_and_exit_code_are_those_of_plain_python(project: Project, script: str) -> None:
    project.write("broken_module.py", "import json\n1 / 0\n")
    project.write("a.py", script)
    plain = project.python("a.py")
    under = project.run("a.py")
    assert under == plain
    assert project.view().status == ("failed" if plain.code else "finished")


def test_the_traceback_of_a_library_that_fails_while_loading_has_no_frame_of_ours(
    project: Project,
) -> None:
    # NumPy and torch are modules that we wait for.
    project.write("numpy/__init__.py", "import numpy.random\n")
    project.write("numpy/random.py", "1 / 0\n")
    project.write("torch/__init__.py", "raise ImportError('libcudart.so: no such file')\n")
    project.write("a.py", "try:\n    import numpy\nfinally:\n    import torch\n")
    plain = project.python("a.py")
    under = project.run("a.py")
    assert under == plain
    assert "ZeroDivisionError" in under.err
    assert "libcudart" in under.err


def test_our_options_end_at_the_first_word_that_is_none(project: Project) -> None:
    project.write("a.py", "import sys; print(sys.argv[1:])")
    words = ["--name", "theirs", "--seed", "3", "--deterministic", "--", "--quiet", "-m", "x"]
    assert project.run("--name", "ours", "a.py", *words).out == f"{words}\n"
    view = project.view()
    assert (view.name, view.start.seed, view.start.deterministic) == ("ours", None, False)
    assert list(view.start.argv) == ["a.py", *words]


@linux_only
def test_a_command_is_recorded_by_the_python_that_it_starts(project: Project) -> None:
    project.write("a.py", "import sys; print(sys.argv[1]); sys.exit(4)")
    ended = project.run("--", "sh", "-c", f"echo before; {sys.executable} a.py x; exit $?")
    assert (ended.out, ended.code) == ("before\nx\n", 4)
    view = project.view()
    assert (view.start.how, view.start.argv[0]) == ("command", "sh")
    assert view.facts["end"]["status"] == "finished"
    assert (view.status, view.end.exit_code) == ("failed", 4)


@linux_only
def test_a_second_python_of_one_command_does_not_mix_with_the_first(project: Project) -> None:
    project.write(
        "a.py",
        "import sys, samebit\nrun = samebit.init(); run.log({'x': int(sys.argv[1])}, step=1)\n",
    )
    command = f"{sys.executable} a.py 1; {sys.executable} a.py 2"
    ended = project.run("--", "sh", "-c", command)
    assert ended.code == 0, ended
    first, second = project.views()
    assert first.metrics["x"].values == [1]
    assert second.metrics["x"].values == [2]
    assert second.record.parent == first.id


@pytest.mark.parametrize("option", ["-I", "-E", "-S"])
def test_options_that_shut_us_out_are_refused_before_anything_runs(
    project: Project, option: str
) -> None:
    project.write("a.py", "print('ran')")
    ended = project.run(option, "a.py")
    assert (ended.code, ended.out) == (125, "")
    assert option in ended.err
    assert not project.store.exists()


def test_a_script_that_is_not_there_starts_nothing(project: Project) -> None:
    with pytest.raises(CannotStart, match=r"there is no script nope\.py"):
        launch(Request("script", ["nope.py"], project.path, project.environ()))
    assert project.run("nope.py").code == 125
    assert not project.store.exists()


def test_a_command_that_is_not_there_leaves_a_failed_run(project: Project) -> None:
    ended = project.run("--", "no-such-command-of-ours")
    assert ended.code == 125
    assert project.view().status == "failed"


def test_a_store_that_cannot_be_written_stops_before_the_first_line(project: Project) -> None:
    project.store.write_text("a file where the store should be")
    project.write("a.py", "print('ran')")
    refused = project.run("a.py")
    assert (refused.code, refused.out) == (125, "")
    assert "--or-run-anyway" in refused.err
    anyway = project.run("--or-run-anyway", "a.py")
    assert (anyway.code, anyway.out) == (0, "ran\n")


def talk(project: Project, words: list[str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run at a terminal; each answer is typed when its question has been seen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.path)
        os.execvpe(words[0], words, project.environ(TERM="dumb"))
    seen, answered = "", 0
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data.decode()
        # A prompt is answered once, however its line and the echo of the answer come in pieces.
        if answers and answers[0][0] in seen[answered:].rpartition("\n")[2]:
            os.write(terminal, answers.pop(0)[1].encode())
            answered = len(seen)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), seen


@linux_only
def test_input_and_pdb_work_at_a_terminal(project: Project) -> None:
    project.write(
        "a.py",
        "import sys\n"
        "name = input('who? ')\n"
        "x = 41\n"
        "breakpoint()\n"
        "print('hello', name, x, sys.stdin.isatty(), sys.stdout.isatty())\n",
    )
    answers = [("who? ", "ada\n"), ("(Pdb) ", "x = 42\n"), ("(Pdb) ", "c\n")]
    plain = talk(project, [sys.executable, "a.py"], list(answers))
    under = talk(project, [SAMEBIT, "run", "--quiet", "a.py"], list(answers))
    assert under == plain
    assert "hello ada 42 True True" in under[1]


WAITING = """
import os, sys, time
with open("ready.tmp", "w") as file:
    print(os.getpid(), file=file)
os.rename("ready.tmp", "ready")
time.sleep(60)
"""


@linux_only
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, "SIGINT"), (signal.SIGTERM, "SIGTERM"), (signal.SIGKILL, "SIGKILL")],
)
def test_a_script_that_is_stopped_ends_us_the_same_way(
    project: Project, number: int, status: str
) -> None:
    project.write("a.py", WAITING)
    supervisor = project.start("a.py")
    child = int(project.wait_for("ready"))
    if number == signal.SIGINT:
        os.killpg(supervisor.pid, number)  # as a terminal does
    elif number == signal.SIGTERM:
        supervisor.send_signal(number)
    else:
        os.kill(child, number)
    supervisor.communicate(timeout=100)
    assert supervisor.returncode == -number
    view = project.view()
    assert (view.status, view.end.signal) == ("killed", status)
    if number == signal.SIGINT:
        assert view.facts["end"]["status"] == "killed"


@linux_only
def test_training_goes_on_and_ends_well_when_the_supervisor_is_killed(project: Project) -> None:
    project.write(
        "a.py",
        WAITING.replace("time.sleep(60)", "time.sleep(1)")
        + "print('trained')\nopen('done', 'w').write('x\\n')\n",
    )
    supervisor = project.start("a.py", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    project.wait_for("ready")
    supervisor.kill()
    supervisor.wait()
    assert project.view().status == "running"
    project.wait_for("done")
    until = time.monotonic() + 60
    while project.view().status == "running" and time.monotonic() < until:
        time.sleep(0.05)
    view = project.view()
    assert (view.status, view.end, view.gaps) == ("finished", None, [])


@linux_only
def test_a_script_that_daemonises_keeps_what_its_daemon_logs(project: Project) -> None:
    project.write(
        "a.py",
        """
        import os, sys, time, samebit
        run = samebit.init()
        run.log({"x": 1}, step=1)
        if os.fork():
            sys.exit()
        os.setsid()
        if os.fork():
            os._exit(0)
        for fd in range(3):
            os.close(fd)
        run.log({"x": 2}, step=2)
        while not os.path.exists("go"):
            time.sleep(0.01)
        run.log({"x": 3}, step=3)
        open("done", "w").write("x\\n")
        """,
    )
    assert project.run("a.py").code == 0
    assert project.view().status == "finished"
    project.write("go", "")
    project.wait_for("done")
    view = project.view()
    assert (view.metrics["x"].values, view.gaps) == ([1, 2, 3], [])


@linux_only
def test_children_of_a_script_are_no_part_of_its_run(project: Project) -> None:
    project.write(
        "a.py",
        """
        import multiprocessing, os, subprocess, sys
        import samebit
        def work(how):
            run = samebit.init(config={"of": how})
            run.log({"worker": 1})
            run.finish()
            return repr(run)
        if __name__ == "__main__":
            run = samebit.init()
            run.log({"x": 1}, step=1)
            print(subprocess.run([sys.executable, "-c", "print('child')"],
                                 capture_output=True, text=True).stdout, end="")
            for how in ("spawn", "fork", "forkserver"):
                with multiprocessing.get_context(how).Pool(1) as pool:
                    print(pool.map(work, [how])[0])
            pid = os.fork()
            if pid == 0:
                sys.exit(3)
            os.waitpid(pid, 0)
            run.log({"x": 2}, step=2)
        """,
    )
    ended = project.run("a.py")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "child\n" + "<samebit run of another process>\n" * 3
    view = project.view()
    assert set(view.metrics) == {"x"}
    assert view.metrics["x"].values == [1, 2]
    assert len(view.all_facts("joined")) == 1
    assert view.facts["end"]["status"] == "finished"
    assert (view.gaps, view.all_facts("problem")) == ([], [])


@linux_only
def test_a_script_that_becomes_another_python_goes_on_in_the_same_run(project: Project) -> None:
    project.write(
        "a.py",
        """
        import os, sys, samebit
        run = samebit.init()
        if len(sys.argv) == 1:
            run.log({"x": 1}, step=1)
            print("first", flush=True)
            os.execv(sys.executable, [sys.executable, "a.py", "again"])
        run.log({"x": 2}, step=2)
        print("second")
        """,
    )
    ended = project.run("a.py")
    assert (ended.code, ended.out) == (0, "first\nsecond\n")
    view = project.view()
    assert (view.metrics["x"].values, view.status) == ([1, 2], "finished")
    logs = [Path(view.folder.console(1)) / name for name in ("0.log", "0-2.log")]
    assert b"".join(log.read_bytes() for log in logs) == b"first\nsecond\n"


def test_a_run_inside_a_run_knows_its_parent(project: Project) -> None:
    project.write("inner.py", "print('inner')")
    project.write(
        "outer.py",
        f"import subprocess; subprocess.run([{SAMEBIT!r}, 'run', '--quiet', 'inner.py'])",
    )
    ended = project.run("--or-run-anyway", "outer.py")
    assert (ended.code, ended.out) == (0, "inner\n")
    outer, inner = project.views()
    assert (outer.record.parent, inner.record.parent) == (None, outer.id)
    assert inner.facts["end"]["status"] == "finished"


def test_what_is_printed_is_kept_and_printed_once(project: Project) -> None:
    project.write("a.py", "import sys; print('å', flush=True); sys.stderr.write('b')")
    ended = project.run("a.py")
    assert (ended.out, ended.err) == ("å\n", "b")
    (log,) = project.view().folder.console(1).iterdir()
    assert log.read_text() == "å\nb"


def test_a_python_without_samebit_runs_as_ever(project: Project) -> None:
    # -S leaves out site-packages and sitecustomize; a bare interpreter has no samebit.
    project.write("a.py", "print('ran')")
    ended = project.run("--", sys.executable, "-S", "a.py")
    assert (ended.code, ended.out) == (0, "ran\n")
    assert ended.err.startswith("samebit: nothing was recorded")
    (problem,) = project.view().all_facts("problem")
    assert problem["what"] == "nothing was recorded"
    assert project.view().status == "finished"


def test_launch_gives_how_it_ended(project: Project) -> None:
    project.write("a.py", "import sys; sys.exit(5)")
    begun: list[str] = []
    launched = launch(
        Request("script", ["a.py"], project.path, project.environ(), store=project.store),
        lambda folder: begun.append(folder.id),
    )
    assert launched.folder is not None
    assert begun == [launched.folder.id]
    assert (launched.outcome.exit_code, launched.outcome.signal) == (5, None)
    assert read_run(launched.folder).status == "failed"
