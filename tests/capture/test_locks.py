"""What locks of each kind pin, and how an environment differs from them."""

import json
from pathlib import Path

import pytest

from samebit.capture import locks, secrets
from samebit.objects.store import Store
from tests.projects import Project

NUMPY = {"numpy": {"1.26.4"}}
UV = """
version = 1
requires-python = ">=3.11"

[[package]]
name = "demo"
source = { editable = "." }

[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://example.org/simple" }

[[package]]
name = "numpy"
version = "2.0.1"

[[package]]
name = "torch"
version = "2.13.0+cpu"
"""
POETRY = '[[package]]\nname = "NumPy"\nversion = "1.26.4"\n[metadata]\ncontent-hash = "0"\n'
PYLOCK = 'lock-version = "1.0"\n[[packages]]\nname = "numpy"\nversion = "1.26.4"\n'
PIPFILE = json.dumps(
    {
        "_meta": {},
        "default": {"numpy": {"version": "==1.26.4", "hashes": []}, "mine": {"path": "."}},
        "develop": {"py_test": {"version": "==8.0"}},
    }
)
PIXI = """
version: 6
environments:
  default:
    packages:
      linux-64:
      - conda: https://example.org/conda-forge/linux-64/mkl-2024.0-h1_2.conda
      - pypi: https://example.org/numpy-1.26.4-cp311.whl
packages:
- conda: https://example.org/conda-forge/linux-64/mkl-2024.0-h1_2.conda
  sha256: 0a
  depends:
  - libblas
- conda: https://example.org/conda-forge/linux-64/python-dateutil-2.9.0-pyhd8.tar.bz2
- pypi: https://example.org/numpy-1.26.4-cp311.whl
  name: numpy
  version: 1.26.4
"""
CONDA_LOCK = """
version: 1
package:
- name: mkl
  version: '2024.0'
  manager: conda
  dependencies:
    libblas: ''
- name: numpy
  version: 1.26.4
  manager: pip
"""
REQUIREMENTS = """
# by a tool
--index-url https://example.org/simple
numpy==1.26.4 \\
    --hash=sha256:00 \\
    --hash=sha256:01
    # via torch
torch[opt]==2.13.0+cpu ; python_version >= "3.11"
"""


@pytest.mark.parametrize(
    ("name", "text", "python", "conda"),
    [
        ("uv.lock", UV, {"numpy": {"1.26.4", "2.0.1"}, "torch": {"2.13.0+cpu"}}, {}),
        ("poetry.lock", POETRY, {"numpy": {"1.26.4"}}, {}),
        ("pdm.lock", POETRY, {"numpy": {"1.26.4"}}, {}),
        ("pylock.toml", PYLOCK, {"numpy": {"1.26.4"}}, {}),
        ("Pipfile.lock", PIPFILE, {"numpy": {"1.26.4"}, "py-test": {"8.0"}}, {}),
        (
            "pixi.lock",
            PIXI,
            {"numpy": {"1.26.4"}},
            {"mkl": {"2024.0"}, "python-dateutil": {"2.9.0"}},
        ),
        ("conda-lock.yml", CONDA_LOCK, {"numpy": {"1.26.4"}}, {"mkl": {"2024.0"}}),
        ("requirements.txt", REQUIREMENTS, {"numpy": {"1.26.4"}, "torch": {"2.13.0+cpu"}}, {}),
    ],
)
def test_each_kind_of_lock_is_read(
    name: str, text: str, python: dict[str, set[str]], conda: dict[str, set[str]]
) -> None:
    assert locks.read(name, text.encode()) == locks.Pins(python, conda)


@pytest.mark.parametrize("name", ["uv.lock", "Pipfile.lock", "pylock.toml"])
@pytest.mark.parametrize("content", [b"\xff\xfe", b"<<<<<<< HEAD\n", b'package = "no"', b"[1]"])
def test_a_lock_that_is_broken_is_no_lock(name: str, content: bytes) -> None:
    found = locks.read(name, content)
    assert found is None or found == locks.Pins({}, {})


def test_what_differs_is_said_in_words() -> None:
    pins = locks.read("uv.lock", UV.encode())
    assert pins is not None
    installed = {"numpy": "1.26.4", "torch": "2.13.0+cpu", "pip": "25", "demo": "0.1"}
    origins = {"demo": {"kind": "editable", "url": "file:///demo"}}
    packages = {"versions": installed, "origins": origins, "conda": []}
    assert locks.differences(pins, packages) == []
    installed |= {"numpy": "2.1", "torch": "2.13.0", **{f"new{n}": "1" for n in range(7)}}
    assert locks.differences(pins, packages) == [
        "numpy: 1.26.4 or 2.0.1 locked, 2.1 installed",
        "torch: 2.13.0+cpu locked, 2.13.0 installed",
        "installed, and not in the lock: new0, new1, new2, new3, new4 and 2 more",
    ]
    pins = locks.read("conda-lock.yml", CONDA_LOCK.encode())
    assert pins is not None
    packages = {"versions": {"numpy": "1.26.4"}, "conda": ["mkl-2024.1-h1_2", "_libgcc-0.1-main"]}
    assert locks.differences(pins, packages) == ["mkl: 2024.0 locked, 2024.1 installed"]


def test_the_locks_around_a_script_are_found_up_to_the_top(tmp_path: Path) -> None:
    inner = tmp_path / "top/a/b"
    inner.mkdir(parents=True)
    for name, text in {
        "uv.lock": "",
        "top/uv.lock": UV,
        "top/requirements.txt": "numpy\n",
        "top/requirements-dev.txt": REQUIREMENTS,
        "top/a/pdm.lock": "",
        "top/a/b/requirements.txt": "numpy==1\ntorch>=2\n",
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "top/a/b/poetry.lock").mkdir()
    found = locks.find(inner, tmp_path / "top")
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "top/a/pdm.lock",
        "top/uv.lock",
        "top/requirements-dev.txt",
    ]
    assert locks.find(inner, None) == []


def test_a_run_keeps_the_lock_of_its_project_without_credentials(project: Project) -> None:
    project.write("a.py", "")
    url = "https://me:hunter2@example.org/simple"
    project.write("requirements.txt", f"--index-url {url}\nnumpy==1.26.4\n")
    project.run("a.py")
    view = project.view()
    (fact,) = view.facts["lock"]
    assert fact["path"] == str(project.path / "requirements.txt")
    assert fact["masked"] is True
    kept = Store(project.store).read(fact["kept"])
    assert kept.decode() == f"--index-url {secrets.mask_url(url)}\nnumpy==1.26.4\n"
    assert locks.read("requirements.txt", kept) == locks.Pins({"numpy": {"1.26.4"}}, {})
