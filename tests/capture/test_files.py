"""What a process opens is seen, and the process never notices; each test watches a real one."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from samebit import digest

WATCH = """
import json, os, signal, sys
from samebit import digest
from samebit.capture import files, noise
told_in = os.getcwd() + "/facts.told"
facts = os.open(told_in, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

def emit(fact):
    os.write(facts, (json.dumps(fact) + "\\n").encode())

def keep(data):
    name = digest.of_bytes(data)
    emit({{"path": "kept " + name, "how": data.decode()}})
    return name

def trouble(source, error):
    emit({{"path": "trouble", "how": str(error)}})

at, cache = 0, None
def told():
    global at
    lines = open(told_in).read().splitlines()
    at, new = len(lines), [json.loads(line) for line in lines[at:]]
    return [fact for fact in new if "pid" in fact]

{before}
prefixes = noise.noise_prefixes(os.getcwd() + "/noise")
watch = files.FileWatch(emit, keep, prefixes, {budget}, trouble, run="r", told=told, cache=cache)
watch.install()
{code}
watch.finish()
"""


@dataclass(frozen=True)
class Watched:
    """The facts of a process: of each path all, and the last."""

    folder: Path
    facts: list[dict[str, Any]]
    printed: str

    def all(self, name: str) -> list[dict[str, Any]]:
        path = name if name == "trouble" else str(self.folder / name)
        return [fact for fact in self.facts if fact["path"] == path]

    def __getitem__(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for fact in self.all(name):
            found |= fact
        return found

    @property
    def names(self) -> set[str]:
        inside = str(self.folder) + os.sep
        return {f["path"].removeprefix(inside) for f in self.facts if f["path"].startswith(inside)}

    @property
    def kept(self) -> dict[str, str]:
        return {f["path"][5:]: f["how"] for f in self.facts if f["path"].startswith("kept ")}


def watch(
    folder: Path, code: str, *, before: str = "", budget: int = 1 << 30, timeout: float = 30
) -> Watched:
    script = folder / "script"
    script.write_text(WATCH.format(code=code, before=before, budget=budget))
    done = subprocess.run(
        [sys.executable, "-B", str(script)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "TMPDIR": str(folder / "scratch")},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = (folder / "facts.told").read_text().splitlines()
    return Watched(folder, [json.loads(line) for line in told], done.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = (tmp_path / "project").resolve()
    (project / "sub").mkdir(parents=True)
    (project / "scratch").mkdir()
    for name in ("a", "b", "sub/a", "c"):
        path = project / name
        path.write_text(f"content of {name}")
        os.utime(path, ns=(10**18, 10**18))
    return project


def test_a_file_that_is_read_is_told_with_its_digest(folder: Path) -> None:
    found = watch(folder, "open('a').read(); open(os.path.abspath('b')).read()")
    assert found["a"] == {
        "path": str(folder / "a"),
        "how": "read",
        "given": "relative",
        "size_bytes": 12,
        "mtime_ns": 10**18,
        "written": False,
        "digest": digest.of_bytes(b"content of a"),
    }
    assert found["b"]["given"] == "absolute"


OPENINGS = {
    "text": "open({path!r}).close()",
    "bytes": "open(os.fsencode({path!r})).close()",
    "path": "import pathlib; pathlib.Path({path!r}).read_bytes()",
    "own path": "open(type('P', (), dict(__fspath__=lambda self: {path!r}))()).close()",
    "raw": "import io, pathlib; io.FileIO(pathlib.Path({path!r})).close()",
    "flags": "os.close(os.open({path!r}, os.O_RDONLY | os.O_CLOEXEC))",
    "opener": "open({path!r}, opener=os.open).close()",
    "chdir": "os.chdir('sub'); open('../' + {path!r}).close()",
}


@pytest.mark.parametrize("how", OPENINGS)
def test_every_way_to_name_a_file_leads_to_it(folder: Path, how: str) -> None:
    found = watch(folder, OPENINGS[how].format(path="a"))
    assert found["a"]["how"] == "read"
    assert found["a"]["digest"] == digest.of_bytes(b"content of a")


def test_a_relative_name_means_another_file_after_chdir(folder: Path) -> None:
    found = watch(folder, "open('a').close(); os.chdir('sub'); open('a').close()")
    assert found.names == {"a", "sub/a"}


@pytest.mark.parametrize("name", ["'a'", "os.path.abspath('sub/a')"])
def test_a_name_that_begins_at_an_open_folder_leads_to_its_file(folder: Path, name: str) -> None:
    code = f"""
sub = os.open("sub", os.O_RDONLY)
os.close(os.open({name}, os.O_RDONLY, dir_fd=sub))
os.close(os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=sub))
os.rename("new", "newer", src_dir_fd=sub, dst_dir_fd=sub)
os.mkdir("made", dir_fd=sub)
import shutil
assert os.open in os.supports_dir_fd and shutil.rmtree.avoids_symlink_attacks
"""
    found = watch(folder, code)
    hows = {name: found[name]["how"] for name in found.names}
    assert hows == {"sub/a": "read", "sub/new": "write", "sub/newer": "write", "sub/made": "folder"}


def test_a_file_that_changes_after_it_was_read_is_flagged_at_the_end(folder: Path) -> None:
    found = watch(folder, "open('a').close(); open('b').close(); os.system('echo more >> a')")
    assert found["a"]["changed"] is True
    assert "changed" not in found["b"]


def test_another_file_of_the_same_size_and_time_is_flagged_too(folder: Path) -> None:
    code = "open('a').close(); time.sleep(.1); os.system('cp -p a t; mv t a')"
    assert watch(folder, code, before="import time")["a"]["changed"] is True


def test_a_script_may_close_all_descriptors_and_replace_open(folder: Path) -> None:
    code = """
import builtins
os.closerange(3, facts); os.closerange(facts + 1, 400)
real = builtins.open
builtins.open = lambda *given: real(*given)
open('a').close()
if not os.fork():
    open('b').close(); os._exit(0)
os.wait()
"""
    found = watch(folder, code)
    assert "digest" in found["a"]
    assert "digest" in found["b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_no_input(folder: Path) -> None:
    (folder / "a").chmod(0)
    code = "try: open('a')\nexcept PermissionError: print('ok')"
    found = watch(folder, code)
    assert found["a"]["unreadable"] is True
    assert found.printed == "ok\n"


WRITINGS = {
    "open": "open('a', 'w').write('new')",
    "flags": "os.write(os.open('a', os.O_WRONLY | os.O_TRUNC), b'new')",
    "in place": "open('a', 'r+').write('new')",
    "append": "open('a', 'a').write('new')",
    "replace": "open('t', 'w').write('new'); os.replace('t', 'a')",
    "remove": "os.remove('a')",
    "database": "import sqlite3; sqlite3.connect('a').close()",
    "rename": "os.rename('a', 'z')",
    "truncate": "os.truncate('a', 0)",
}


@pytest.mark.parametrize("how", WRITINGS)
def test_what_was_read_is_kept_before_it_is_overwritten(folder: Path, how: str) -> None:
    found = watch(folder, f"open('a').close(); {WRITINGS[how]}")
    assert found["a"]["how"] == "read"
    assert found["a"]["written"] is True
    assert found.kept[found["a"]["kept"]] == "content of a"


def test_of_what_was_read_and_written_it_is_known_what_it_was_in_the_end(folder: Path) -> None:
    found = watch(folder, "open('a').read(); open('a', 'a').write(' and more')")
    assert found.kept[found["a"]["kept"]] == "content of a"
    assert found["a"]["left"] == digest.of_bytes(b"content of a and more")


def test_a_file_changed_in_place_is_an_input_though_it_was_never_read_before(folder: Path) -> None:
    found = watch(folder, "open('a', 'r+b').write(b'x')")
    assert (found["a"]["how"], found.kept[found["a"]["kept"]]) == ("read", "content of a")


def test_a_file_too_large_to_keep_that_was_left_as_it_was_stays_an_input(folder: Path) -> None:
    found = watch(folder, "open('a', 'r+b').read()", before="files.KEPT_BYTES = 3")
    assert found["a"]["written"] is False
    assert found["a"]["digest"] == digest.of_bytes(b"content of a")


def test_an_output_is_told_at_once_and_hashed_at_the_end(folder: Path) -> None:
    found = watch(folder, "open('new', 'w').write('1'); open('new').read()")
    first, last = found.all("new")
    assert first == {"path": str(folder / "new"), "how": "write", "given": "relative"}
    assert last["digest"] == digest.of_bytes(b"1")


def test_a_file_that_another_program_made_meanwhile_is_no_input(folder: Path) -> None:
    found = watch(folder, "os.system('echo 1 > made'); open('made').read()")
    assert found["made"]["how"] == "write"


def test_a_file_that_was_looked_for_in_vain_and_then_written_is_an_output(folder: Path) -> None:
    code = "try: open('new')\nexcept OSError: open('new', 'w').close()"
    assert watch(folder, code)["new"]["how"] == "write"


def test_a_folder_that_the_run_makes_is_told_and_one_that_was_there_is_not(folder: Path) -> None:
    found = watch(folder, "os.makedirs('sub/x/y'); os.makedirs('sub', exist_ok=True)")
    assert {fact["path"]: fact["how"] for fact in found.facts} == {
        str(folder / "sub/x"): "folder",
        str(folder / "sub/x/y"): "folder",
    }


def test_a_library_that_writes_without_an_event_is_seen_all_the_same(folder: Path) -> None:
    """`torch.save` opens its file in C++."""
    (folder / "torch").mkdir()
    (folder / "torch/__init__.py").write_text("from .serialization import save\n")
    (folder / "torch/serialization.py").write_text(
        "import os\ndef save(obj, f): os.system(f'echo new > {f}')\n"
    )
    code = "sys.path.insert(0, os.getcwd()); import torch; open('a').close(); torch.save(1, 'a')"
    found = watch(folder, code)
    assert (found["a"]["written"], found.kept[found["a"]["kept"]]) == (True, "content of a")
    late = watch(folder, "torch.save(1, f='b')", before="sys.path.insert(0, '.'); import torch")
    assert late["b"]["how"] == "write"


def test_children_made_by_fork_tell_what_they_read_once(folder: Path) -> None:
    code = """
for epoch in range(3):
    if not os.fork():
        open('a').close(); open('b').close(); open('new', 'w').close()
        os._exit(0)
    os.wait()
"""
    found = watch(folder, code)
    by_children = [fact for fact in found.facts if "pid" in fact]
    assert sorted(Path(fact["path"]).name for fact in by_children) == ["a", "b", "new"]
    assert found["a"]["digest"] == digest.of_bytes(b"content of a")


def test_what_is_no_file_is_never_opened_by_us(folder: Path) -> None:
    code = """
os.mkfifo('pipe')
reading = os.open('pipe', os.O_RDONLY | os.O_NONBLOCK)
writing = os.open('pipe', os.O_WRONLY)
os.close(os.open('.', os.O_RDONLY)); open('/dev/null', 'w').write('x'); open('/proc/self/stat')
watch.finish()
os.write(writing, b'x'); print(os.read(reading, 9))
"""
    found = watch(folder, code)
    assert (found.facts, found.printed) == ([], "b'x'\n")


def test_a_pipe_that_takes_the_place_of_a_file_stops_nobody(folder: Path) -> None:
    code = "open('a').close(); os.remove('a'); os.mkfifo('a'); os.open('a', os.O_RDWR)"
    assert watch(folder, code)["a"]["written"] is True


def test_a_file_that_is_gone_before_it_could_be_hashed_is_told_without_digest(
    folder: Path,
) -> None:
    wait = "watch.later(gate.wait)"
    before = "import threading, subprocess; gate = threading.Event()"
    found = watch(folder, f"{wait}; open('a'); os.system('rm a'); gate.set()", before=before)
    assert found["a"]["changed"] is True
    assert "digest" not in found["a"]


def test_a_file_that_changes_while_it_is_hashed_has_no_digest(folder: Path) -> None:
    before = """
of_file = digest.of_file
def slow(path):
    name = of_file(path)
    os.system('echo more >> a')
    return name
digest.of_file = slow
"""
    found = watch(folder, "open('a').close()", before=before)
    assert found["a"]["changed"] is True
    assert "digest" not in found["a"]


def test_beyond_the_budget_size_and_time_are_told(folder: Path) -> None:
    found = watch(folder, "open('a').close(); open('b').close()", budget=15)
    assert "digest" in found["a"]
    assert (found["b"]["size_bytes"], found["b"].get("digest")) == (12, None)


def test_of_too_many_files_the_folders_are_told(folder: Path) -> None:
    code = """
for name in ('a', 'b', 'c'):
    open(name).close()
for _ in range(2):
    if not os.fork():
        open('sub/a').close(); os._exit(0)
    os.wait()
"""
    found = watch(folder, code, before="files.MAX_FILES = 2")
    assert found.names == {"a", "b", "sub"}
    told = {f["path"]: f["count"] for f in found.facts if f["how"] == "many" and "count" in f}
    assert told == {str(folder / "sub"): 1, str(folder): len([*folder.iterdir()]) - 2}


def test_children_together_tell_no_more_than_one_process_may(folder: Path) -> None:
    code = """
for name in ('a', 'b', 'c', 'sub/a'):
    if not os.fork():
        open(name).close(); os._exit(0)
    os.wait()
"""
    found = watch(folder, code, before="files.MAX_FILES = 2")
    assert {fact["path"] for fact in found.facts if fact["how"] == "read"} == {
        str(folder / "a"),
        str(folder / "b"),
    }
    assert found["sub"]["how"] == "many"


def test_too_many_outputs_are_said(folder: Path) -> None:
    code = "for name in 'xyz': open(name, 'w').close()"
    found = watch(folder, code, before="files.MAX_FILES = 2")
    assert found.names == {"x", "y"}
    assert [fact["how"] for fact in found.all("trouble")] == [
        "more than 2 files: not all others are recorded"
    ]


def test_scratch_files_are_not_told_even_when_they_are_read_again(folder: Path) -> None:
    code = """
import tempfile
with tempfile.NamedTemporaryFile() as file:
    open(file.name).read()
    os.rename(file.name, file.name + "x"); os.rename(file.name + "x", file.name)
"""
    assert watch(folder, code).facts == []


def test_shared_memory_is_data_and_other_devices_are_not(folder: Path) -> None:
    name = f"/dev/shm/samebit-test-{os.getpid()}"
    with open(name, "w") as stream:
        stream.write("staged")
    os.utime(name, ns=(10**18, 10**18))
    try:
        found = watch(folder, f"open({name!r}).read()")
    finally:
        os.unlink(name)
    assert [fact["path"] for fact in found.facts] == [name]


def test_caches_are_no_data(folder: Path) -> None:
    code = """
for name in ("cache/fonts.json", ".triton/x", "a"):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    open(name, "a").close()
"""
    before = "os.environ.update(MPLCONFIGDIR=os.getcwd() + '/cache', HOME=os.getcwd())"
    found = watch(folder, code, before=before)
    assert {name for name in found.names if found[name]["how"] != "folder"} == {"a"}


@pytest.mark.parametrize("what", ["sys.prefix = os.getcwd()", "noise._SYSTEM = ('/',)"])
def test_a_project_in_a_systems_folder_or_an_environment_is_no_noise(
    folder: Path, what: str
) -> None:
    found = watch(folder, "open('a').read()", before="sys.prefix = os.getcwd()")
    assert found.names == {"a"}
    found = watch(
        folder, "open('b').read()", before="noise._SYSTEM = (os.path.dirname('b') or '/',)"
    )
    assert "b" in found.names


HOSTILE = {
    "no path": """
try: open(None)
except TypeError: print("ok")
""",
    "a null byte": """
try: open("a\\0b")
except ValueError: print("ok")
""",
    "an event of one's own": """
sys.audit("open", 1); sys.audit("open"); print("ok")
""",
    "no working folder": """
os.mkdir("g"); os.chdir("g"); os.rmdir("../g")
try: open("x")
except FileNotFoundError: print("ok")
""",
    "a name that is no text": """
open(b"\\xff", "w").close(); print("ok")
""",
    "a path that fails": """
class Path:
    def __fspath__(self): raise LookupError
try: open(Path())
except LookupError: print("ok")
""",
    "deep recursion": """
def deep():
    try: deep()
    finally:
        try: open("a").close()
        except RecursionError: pass
try: deep()
except RecursionError: print("ok")
""",
    "a finalizer": """
class File:
    def __del__(self): open("a").close()
File(); print("ok")
""",
    "a signal handler": """
signal.signal(signal.SIGALRM, lambda *_: open("a").close())
signal.setitimer(signal.ITIMER_REAL, 1e-3, 1e-3)
for at in range(5000): open("b").close()
signal.setitimer(signal.ITIMER_REAL, 0); print("ok")
""",
    "threads": """
import threading
def work():
    for at in range(500): open("a").close()
them = [threading.Thread(target=work) for _ in range(8)]
for one in them: one.start()
for one in them: one.join()
print("ok")
""",
    "a fork in the middle": """
import threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of its thread, from Python 3.12 on
def work():
    for at in range(2000): open(f"n{at}", "w").close()
thread = threading.Thread(target=work); thread.start()
for _ in range(20):
    if not os.fork():
        open("a").close(); os._exit(0)
    os.wait()
thread.join(); print("ok")
""",
    "the end of the interpreter": """
import atexit
atexit.register(lambda: open("a").close())
class File:
    def __del__(self, open=open): open("/dev/null").close()
kept_to_the_end = File(); print("ok")
""",
}


@pytest.mark.parametrize("how", HOSTILE)
def test_the_script_never_notices(folder: Path, how: str) -> None:
    assert watch(folder, HOSTILE[how]).printed == "ok\n"


def test_a_name_that_is_no_text_is_recorded(folder: Path) -> None:
    found = watch(folder, HOSTILE["a name that is no text"])
    assert found["\udcff"]["how"] == "write"


@pytest.mark.parametrize("where", ["emit", "keep"])
def test_trouble_of_ours_is_told_once_and_the_script_goes_on(folder: Path, where: str) -> None:
    before = (
        f"def {where}_fails(*_): raise OSError('disk full')\nreal, {where} = {where}, {where}_fails"
    )
    if where == "emit":
        before += "\ndef trouble(source, error): real({'path': 'trouble', 'how': str(error)})"
    code = "open('a').close(); open('a', 'r+').close(); open('b').close(); print('ok')"
    found = watch(folder, code, before=before)
    assert [fact["how"] for fact in found.all("trouble")] == ["disk full"]
    assert found.printed == "ok\n"
