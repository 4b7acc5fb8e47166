"""What scripts do to their own process, and what a machine refuses: the script never notices us.

Each is run without us and with us: exit code and output are the same. Then the record is read: the
rows are there, and what it lacks is said.
"""

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from samebit.folders.read import View
from samebit.query.lacks import find_lacks
from tests.projects import SAMEBIT, Ended, Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="signals, uids and /proc"),
]

# A training of two rows that does something odd in between; without samebit it only does that.
SCRIPT = """
import os, sys
class Nothing:
    def log(self, *given, **named): pass
if "plainly" in sys.argv:
    run = Nothing()
else:
    import samebit
    run = samebit.init()
run.log({"x": 1}, step=1)
"""
SECOND = '\nrun.log({"x": 2}, step=2)\n'


def both(project: Project, odd: str, **env: str) -> tuple[Ended, View]:
    """The script as it ended under `samebit run`, which is as it ends without us; and its run."""
    project.write("a.py", SCRIPT + textwrap.dedent(odd) + SECOND)
    plainly = project.python("a.py", "plainly", **env)
    ended = project.run("a.py", **env)
    assert (ended.code, ended.out) == (plainly.code, plainly.out), ended
    return ended, project.view()


def lacks(view: View) -> list[str]:
    """Keys of what the record lacks, but for a lock, which no script here has."""
    return [lack.key for lack in find_lacks(view) if lack.key != "lock"]


HARMLESS = {
    "changes directory": """
        os.makedirs("deep"); os.chdir("deep")
        open("in.txt", "w").write("x"); print(open("in.txt").read())
        os.chdir("/")
        import shutil; shutil.rmtree(os.path.join(os.path.dirname(__file__), "deep"))
    """,
    "closes stdout": "print('before'); sys.stdout.close()",
    "closes its standard descriptors": "os.close(0); os.close(1); os.close(2)",
    "closes every descriptor": "os.closerange(3, 65536)",
    "puts nothing at the place of stdout": "print('before'); sys.stdout = sys.stderr = None",
    "puts something odd at the place of stdout": """
        class Shouting:
            def write(self, text): sys.__stdout__.write(text.upper())
            def flush(self): sys.__stdout__.flush()
        sys.stdout = Shouting()
        print("heard")
    """,
    "is interrupted all the time": """
        import signal, time
        caught = []
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM, signal.SIGCHLD):
            signal.signal(number, lambda number, frame: caught.append(number))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        for n in range(300):
            open(os.devnull).close(); run.log({"y": n}, step=n); print(n)
        os.kill(os.getpid(), signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(signal.SIGTERM in caught and signal.SIGALRM in caught)
    """,
    "ignores its children's ends": "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "patches open": """
        import builtins, io
        true = builtins.open
        builtins.open = lambda *given, **named: true(*given, **named)
        true_os = os.open
        os.open = lambda path, flags, mode=0o777, **more: true_os(path, flags, mode, **more)
        print(open(__file__).readline() == "\\n")
    """,
    "takes away what we are built on": """
        import json, threading, time
        os.write = os.fork = json.dumps = json.loads = threading.Thread = None
        time.time = time.time_ns = time.monotonic = lambda: 0
    """,
    "empties its environment": "os.environ.clear()",
    "allows nobody to read what it writes": "os.umask(0o777); open('o', 'w'); os.remove('o')",
    "traces itself": "sys.settrace(lambda *given: None); sys.setprofile(lambda *given: None)",
    "has little stack left": "sys.setrecursionlimit(70)",
    "makes every warning an error": "import warnings; warnings.simplefilter('error')",
    "forgets what it imported": """
        for name in [name for name in sys.modules if name.startswith("samebit")]:
            del sys.modules[name]
    """,
    "fails at its exit": "import atexit; atexit.register(lambda: 1 / 0)",
    "has a thread that goes on": """
        import threading, time
        threading.Thread(target=lambda: (time.sleep(0.3), print("late"))).start()
    """,
}


@pytest.mark.parametrize("what", HARMLESS)
def test_a_script_that_does_odd_things_is_recorded_whole(project: Project, what: str) -> None:
    _, view = both(project, HARMLESS[what])
    assert (view.status, view.metrics["x"].steps, view.gaps) == ("finished", [1, 2], [])
    assert lacks(view) == []


REFUSED = {
    "has no descriptor left": (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
        [1, 2],
        "Too many open files",
    ),
    "may write no byte to a file": (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
        [1],
        "left before its record was complete",
    ),
    "refuses all that reads files": (
        """
        def refuse(event, given):
            if event in ("open", "os.listdir", "os.scandir"): raise PermissionError("mine")
        sys.addaudithook(refuse)
        """,
        [1, 2],
        "mine",
    ),
    "breaks the standard library": (
        "os.stat = os.path.abspath = None",
        [1, 2],
        "'NoneType' object is not callable",
    ),
    "leaves at once": ("os._exit(0)", [1], "left before its record was complete"),
    "leaves at once with a code": ("os._exit(3)", [1], "left before its record was complete"),
    "becomes another program": (
        "os.execv('/bin/sh', ['sh', '-c', 'echo other; exit 7'])",
        [1],
        "left before its record was complete",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_could_not_be_recorded_is_said_and_the_script_goes_on(
    project: Project, what: str
) -> None:
    odd, rows, words = REFUSED[what]
    _, view = both(project, odd)
    assert view.metrics["x"].steps == rows
    assert words in "\n".join(map(str, find_lacks(view)))


def test_a_script_that_becomes_another_program_has_that_among_its_commands(
    project: Project,
) -> None:
    ended, view = both(project, "os.execv('/bin/sh', ['sh', '-c', 'exit 7'])")
    assert (ended.code, view.status) == (7, "failed")
    assert ["sh", "-c", "exit 7"] in [fact["command"] for fact in view.all_facts("child")]


def test_a_run_whose_store_goes_away_is_said_to_be_gone(project: Project) -> None:
    project.write(
        "a.py",
        SCRIPT + "import shutil; shutil.rmtree(os.environ['SAMEBIT_DIR'])" + SECOND + "print(1)",
    )
    ended = project.run("a.py")
    assert (ended.code, ended.out) == (0, "1\n")
    assert "the run's folder is gone" in ended.err
    assert "no Python was started" not in ended.err


def commit(project: Project) -> None:
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        project.call("git", *who, *words)


def _no_git(project: Project) -> dict[str, str]:
    commit(project)
    return {"PATH": str(project.path / "nowhere")}


def _no_head(project: Project) -> dict[str, str]:
    commit(project)
    (project.path / ".git" / "HEAD").write_bytes(b"\0rubbish")
    return {}


def _no_index(project: Project) -> dict[str, str]:
    commit(project)
    (project.path / ".git" / "index").write_bytes(b"\0rubbish")
    return {}


def _no_objects(project: Project) -> dict[str, str]:
    commit(project)
    project.call("rm", "-rf", ".git/objects")
    return {}


@pytest.mark.parametrize("broken", [_no_git, _no_head, _no_index, _no_objects])
def test_where_git_fails_the_files_are_kept_and_the_commit_is_missed(
    project: Project, broken: Callable[[Project], dict[str, str]]
) -> None:
    project.write("helper.py", "H = 1\n")
    project.write("a.py", SCRIPT + SECOND)
    ended, view = both(project, "", **broken(project))
    assert (ended.err, view.status, view.metrics["x"].steps) == ("", "finished", [1, 2])
    assert view.code is not None
    assert (view.code.commit, view.code.files >= 2) == (None, True)
    assert lacks(view) == ["git"]
    (lack,) = [lack for lack in find_lacks(view) if lack.key == "git"]
    assert "no commit of the code" in lack.what
    assert lack.what.splitlines()[0] in project.call(SAMEBIT, "show", view.id).out


@pytest.mark.slow
def test_a_repository_of_many_files_is_taken_whole(project: Project) -> None:
    for n in range(20_000):
        path = project.path / f"d{n % 100}" / f"f{n}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(n))
    project.write("a.py", SCRIPT + SECOND)
    commit(project)
    project.write("d7/f7.txt", "changed")
    _, view = both(project, "print('went on')")
    assert view.code is not None
    assert view.code.files == 20_001
    assert view.code.commit is not None
    assert {*view.code.changed} == {"M a.py", "M d7/f7.txt"}
    assert lacks(view) == []


@pytest.mark.slow
def test_a_hundred_thousand_modules_hold_nobody_up(project: Project) -> None:
    odd = """
    import types
    for n in range(100_000):
        sys.modules[f"m{n}"] = module = types.ModuleType(f"m{n}")
        module.__file__ = f"/nowhere/m{n}.py"
    print("went on")
    """
    ended, view = both(project, odd)
    assert (ended.out, view.status, view.metrics["x"].steps) == ("went on\n", "finished", [1, 2])
    assert lacks(view) == []


def test_a_package_without_metadata_is_named_and_no_hindrance(project: Project) -> None:
    for name in ("hollow-1.0.dist-info", "~orch-2.0.dist-info"):
        (project.path / "site-packages" / name).mkdir(parents=True)
    (project.path / "site-packages" / "hollow.py").write_text("H = 1\n")
    folder = str(project.path / "site-packages")
    ended, view = both(project, "import hollow; print(hollow.H)", PYTHONPATH=folder)
    assert (ended.out, ended.err) == ("1\n", "")
    assert view.facts["packages"]["broken"] == ["hollow-1.0.dist-info", "~orch-2.0.dist-info"]
    assert "hollow" not in view.facts["packages"]["versions"]


# Root may read all, unless it has given that up.
_WITHOUT = "-dac_override,-dac_read_search"


@pytest.fixture
def somebody() -> list[str]:
    """The words before a command by which it may read only what its owner may."""
    if os.getuid() != 0:
        return []
    words = ["setpriv", f"--bounding-set={_WITHOUT}", f"--inh-caps={_WITHOUT}"]
    if shutil.which("setpriv") is None or subprocess.run([*words, "true"]).returncode != 0:
        pytest.skip("root cannot give up its rights here")
    return words


def test_files_without_permission_are_the_scripts_own_trouble_and_named(
    project: Project, somebody: list[str]
) -> None:
    project.write("a.py", "pass")
    commit(project)
    project.write("closed.txt", "mine").chmod(0)
    project.write("helper.py", "H = 1\n").chmod(0)
    (project.path / "closed").mkdir(mode=0)
    project.write(
        "a.py",
        SCRIPT
        + """
for use, path in ((open, "closed.txt"), (os.listdir, "closed"), (__import__, "helper")):
    try:
        use(path)
    except PermissionError as error:
        print(error.strerror)
raise SystemExit(4)
""",
    )
    ended = project.call(*somebody, SAMEBIT, "run", "--quiet", "a.py")
    assert (ended.code, ended.out) == (4, "Permission denied\n" * 3), ended
    (project.path / "closed").chmod(0o700)
    view = project.view()
    assert (view.status, view.metrics["x"].steps) == ("failed", [1])
    assert lacks(view) == ["data", "code"]
    assert "without the permission to read: closed.txt" in "".join(map(str, find_lacks(view)))
    assert view.code is not None
    assert {line.partition(":")[0] for line in view.code.left_out} == {"closed.txt", "helper.py"}
    (fact,) = [fact for fact in view.files if Path(fact["path"]).name == "closed.txt"]
    assert (fact.get("unreadable"), "digest" in fact) == (True, False)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can")
def test_a_script_that_gives_up_its_rights_goes_on(project: Project) -> None:
    ended, view = both(project, "os.setgid(65534); os.setuid(65534); print(os.getuid())")
    assert (ended.out, view.status) == ("65534\n", "finished")
    assert (view.metrics["x"].steps, view.gaps) == ([1, 2], [])
