"""Which sources a process loaded; each test asks a real one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from samebit import digest
from samebit.capture.sources import import_root

ASK = """
import json
from samebit.capture import noise, sources
stored = []
found = sources.loaded_sources(noise.noise_prefixes(), stored.extend)
print(json.dumps([found, [data.decode() for data in stored]]))
"""


def ask(folder: Path, code: str) -> tuple[dict[str, Any], list[str]]:
    (folder / "main.py").write_text(code + ASK)
    done = subprocess.run(
        [sys.executable, "-B", str(folder / "main.py")],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found, stored = json.loads(done.stdout)
    return found, stored


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").write_text("")
    (tmp_path / "pkg/part.py").write_text("X = 1\n")
    return tmp_path.resolve()


def test_the_users_own_modules_are_listed_and_stored(folder: Path) -> None:
    found, stored = ask(folder, "import pkg.part, json, msgspec")
    modules = {name: (file, content) for name, file, content in found["modules"]}
    mine = {name for name in modules if not name.startswith("samebit")}
    assert mine >= {"__main__", "pkg", "pkg.part"}
    assert not mine & {"json", "msgspec", "os"}
    assert modules["pkg.part"] == (str(folder / "pkg/part.py"), digest.of_bytes(b"X = 1\n"))
    assert "X = 1\n" in stored
    assert found["path"][0] == str(folder)


HOSTILE = {
    "raises": "class M:\n    def __getattr__(self, name): raise OSError('no')\nbad = M()",
    "none": "bad = None",
    "lies": "import types; bad = types.ModuleType('m'); bad.__file__ = 7",
    "gone": "import types; bad = types.ModuleType('m'); bad.__file__ = '/nowhere/m.py'",
}


@pytest.mark.parametrize("how", HOSTILE)
def test_whatever_lies_among_the_modules_does_no_harm(folder: Path, how: str) -> None:
    code = f"{HOSTILE[how]}\nimport sys, pkg.part\nsys.modules['m'] = bad\n"
    found, _ = ask(folder, code)
    names = [name for name, _, _ in found["modules"]]
    assert "pkg.part" in names
    assert "m" not in names


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
