"""Which code a process executed; each test asks a real one."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from samebit import digest
from samebit.capture import sources
from samebit.capture.sources import import_root

WATCH = """
import json, sys
sys.path[:0] = [{folder!r}]
from samebit.capture import sources
stored, facts, said = [], [], []
watch = sources.SourceWatch(
    facts.append, stored.extend, lambda job: job(), sources.library_folders(),
    lambda source, error: said.append(str(error)))
"""
TELL = """
watch.finish()
stored = [data.decode('latin-1') for data in stored]
print(json.dumps([facts[-1], stored, len(facts), said]))
"""


def ask(folder: Path, code: str, *, before: str = "") -> tuple[dict[str, Any], list[str]]:
    """What a watch tells of a process that runs this code."""
    words = before + WATCH.format(folder=str(folder)) + f"watch.install()\n{code}\n" + TELL
    done = subprocess.run(
        [sys.executable, "-B", "-c", words], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found, stored, _, said = json.loads(done.stdout.splitlines()[-1])
    assert said == []
    return found, stored


def files(found: dict[str, Any]) -> dict[str, str]:
    return {file: content for _, file, content in found["modules"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").write_text("")
    (tmp_path / "pkg/part.py").write_text("X = 1\n")
    (tmp_path / "other.py").write_text("Y = 2\n")
    return tmp_path.resolve()


def test_the_users_own_modules_are_listed_and_stored(folder: Path) -> None:
    found, stored = ask(folder, "import pkg.part, json, msgspec")
    modules = {name: (file, content) for name, file, content in found["modules"]}
    mine = {name for name in modules if not name.startswith("samebit")}
    assert mine == {"pkg", "pkg.part"}
    assert modules["pkg.part"] == (str(folder / "pkg/part.py"), digest.of_bytes(b"X = 1\n"))
    assert "X = 1\n" in stored
    assert found["path"][0] == str(folder)
    assert found["edited"] == found["left_out"] == []


def test_code_that_is_no_module_counts_when_it_runs(folder: Path) -> None:
    found, stored = ask(folder, "import runpy; runpy.run_path('other.py')")
    assert files(found)[str(folder / "other.py")] == digest.of_bytes(b"Y = 2\n")
    assert "Y = 2\n" in stored


def test_a_source_that_is_edited_after_its_import_keeps_the_bytes_that_ran(folder: Path) -> None:
    path = folder / "pkg/part.py"
    code = f"import pkg.part; open({str(path)!r}, 'w').write('X = 3\\n')"
    found, stored = ask(folder, code)
    ran, now = digest.of_bytes(b"X = 1\n"), digest.of_bytes(b"X = 3\n")
    assert files(found)[str(path)] == ran
    assert found["edited"] == [[str(path), ran, now]]
    assert "X = 1\n" in stored


def test_a_source_that_is_only_touched_was_not_edited(folder: Path) -> None:
    found, _ = ask(folder, f"import os, pkg.part; os.utime({str(folder / 'pkg/part.py')!r})")
    assert found["edited"] == []


def test_a_source_that_is_edited_and_loaded_again_is_named(folder: Path) -> None:
    path = folder / "pkg/part.py"
    code = f"""
import importlib, pkg.part
open({str(path)!r}, 'w').write('X = 33\\n')
importlib.reload(pkg.part)
assert pkg.part.X == 33
"""
    found, stored = ask(folder, code)
    before, after = digest.of_bytes(b"X = 1\n"), digest.of_bytes(b"X = 33\n")
    assert files(found)[str(path)] == after
    assert found["edited"] == [[str(path), before, after]]
    assert {"X = 1\n", "X = 33\n"} <= set(stored)


def test_a_source_that_changed_before_anybody_listened_is_of_unknown_version(folder: Path) -> None:
    path = folder / "pkg/part.py"
    before = f"""
import sys, time; sys.path[:0] = [{str(folder)!r}]
import pkg.part, other
time.sleep(0.05)
open({str(path)!r}, 'w').write('X = 4\\n')
"""
    os.utime(folder / "other.py")
    found, _ = ask(folder, "", before="import time; time.sleep(0.05)\n" + before)
    assert found["edited"] == [[str(path), None, digest.of_bytes(b"X = 4\n")]]


def test_a_module_in_an_archive_is_its_archive(folder: Path) -> None:
    with zipfile.ZipFile(folder / "lib.zip", "w") as archive:
        archive.writestr("zipped.py", "Z = 1\n")
    path = str(folder / "lib.zip")
    found, _ = ask(folder, f"sys.path.insert(0, {path!r}); import zipped")
    assert [name for name, file, _ in found["modules"] if file == path] == ["zipped"]
    assert files(found)[path] == digest.of_file(path)[0]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's list of libraries")
def test_extension_modules_and_libraries_of_ones_own_are_taken(folder: Path) -> None:
    import _json
    import _zoneinfo

    for name, module in (("_mine", _json), ("libmine", _zoneinfo)):
        if not getattr(module, "__file__", None):
            pytest.skip("this interpreter has its extension modules inside")
        (folder / f"{name}.so").write_bytes(Path(module.__file__ or "").read_bytes())
    code = f"""
import ctypes, importlib.machinery, importlib.util
path = {str(folder / "_mine.so")!r}
loader = importlib.machinery.ExtensionFileLoader("_json", path)
importlib.util.module_from_spec(importlib.util.spec_from_file_location("_json", loader=loader))
ctypes.CDLL({str(folder / "libmine.so")!r})
"""
    found, _ = ask(folder, code)
    for name in ("_mine", "libmine"):
        path = str(folder / f"{name}.so")
        assert files(found)[path] == digest.of_file(path)[0]


HOSTILE = {
    "raises": "class M:\n    def __getattr__(self, name): raise OSError('no')\nbad = M()",
    "none": "bad = None",
    "lies": "import types; bad = types.ModuleType('m'); bad.__file__ = 7",
    "gone": "import types; bad = types.ModuleType('m'); bad.__file__ = '/nowhere/m.py'",
    "surrogate": "import types; bad = types.ModuleType('m'); bad.__file__ = '/x\\udc80.py'",
    "zero": "import types; bad = types.ModuleType('m'); bad.__file__ = '/x\\0.py'",
}


@pytest.mark.parametrize("how", HOSTILE)
def test_whatever_lies_among_the_modules_does_no_harm(folder: Path, how: str) -> None:
    code = f"{HOSTILE[how]}\nimport sys, pkg.part\nsys.modules['m'] = bad\n"
    found, _ = ask(folder, code)
    names = [name for name, _, _ in found["modules"]]
    assert "pkg.part" in names
    assert "m" not in names


def test_a_source_that_cannot_be_kept_is_named_with_its_reason(folder: Path) -> None:
    code = """
import pkg.part
def refuse(path): raise PermissionError(13, "Permission denied")
original, sources.Path.read_bytes = sources.Path.read_bytes, refuse
import other
sources.Path.read_bytes = original
"""
    found, _ = ask(folder, code)
    assert found["left_out"] == [f"{folder / 'other.py'}: cannot be read (Permission denied)"]
    assert str(folder / "pkg/part.py") in files(found)


def test_a_source_named_like_a_secret_is_not_kept(folder: Path) -> None:
    (folder / ".env.py").write_text("KEY = 'hunter2'\n")
    found, stored = ask(folder, "import runpy; runpy.run_path('.env.py')")
    assert found["left_out"] == [f"{folder / '.env.py'}: looks like a secret"]
    assert not [data for data in stored if "hunter2" in data]


def test_many_modules_take_no_long_time_and_nothing_is_lost(folder: Path) -> None:
    code = """
import types
for n in range(20_000):
    module = sys.modules[f"m{n}"] = types.ModuleType(f"m{n}")
    module.__file__ = f"/nowhere/m{n}.py"
import pkg.part
"""
    found, _ = ask(folder, code)
    assert str(folder / "pkg/part.py") in files(found)


def test_what_a_program_wrote_into_the_temporary_folder_is_no_source(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("scratch")
    code = f"""
import tempfile
watch._temporary, watch._project = {str(elsewhere.parent)!r} + "/", {str(folder)!r} + "/"
sys.path.insert(0, {str(elsewhere)!r})
import time; time.sleep(0.05)
open({str(elsewhere / "made.py")!r}, "w").write("")
import made
"""
    (elsewhere / "own.py").write_text("")
    found, _ = ask(folder, code + "import own\n")
    assert str(elsewhere / "own.py") in files(found)
    assert str(elsewhere / "made.py") not in files(found)


def test_a_failure_of_ours_is_told_and_the_import_goes_on(folder: Path) -> None:
    code = """
sources._look = lambda path: 1 / 0
import pkg.part
assert pkg.part.X == 1 and said == ["division by zero"], said
said.clear()
sources._look = lambda path: None
"""
    found, _ = ask(folder, code)
    assert str(folder / "pkg/part.py") not in files(found)


@pytest.mark.parametrize(
    ("module", "file", "root"),
    [
        ("pkg.part", "/p/src/pkg/part.py", "/p/src"),
        ("pkg", "/p/src/pkg/__init__.py", "/p/src"),
        ("pkg.deep", "/p/src/pkg/deep/__init__.py", "/p/src"),
        ("single", "/p/single.py", "/p"),
        ("pkg.fast", "/p/pkg/fast.cpython-311-x86_64-linux-gnu.so", "/p"),
        ("__main__", "/p/train.py", "/p"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="paths are written as POSIX has them")
def test_the_root_of_an_import_is_found_from_name_and_file(
    module: str, file: str, root: str
) -> None:
    assert import_root(module, file) == root


def test_libraries_are_those_of_the_interpreter_and_of_distributions() -> None:
    folders = sources.library_folders("/mine")
    assert os.__file__.startswith(folders)
    assert pytest.__file__.startswith(folders)
    assert "/mine/x.py".startswith(folders)
    assert not "/usr/local/lib/ours/x.py".startswith(folders)
