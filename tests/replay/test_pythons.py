"""Which Python an environment is made of."""

import os
import sys
from pathlib import Path

from samebit.replay.pythons import Interpreter, find_interpreter
from samebit.replay.recipe import Recipe


def python(folder: Path, name: str, version: str, abi: str) -> str:
    """A program that answers as a Python does."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho \'["{version}", "{abi}", "linux-x86_64"]\'\n')
    path.chmod(0o755)
    return str(path)


def test_the_python_of_the_same_version_is_taken_and_else_one_that_fits(tmp_path: Path) -> None:
    environ = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}/bin:/usr/bin"}
    recipe = Recipe("3.99.2", "cpython-399", ())
    assert find_interpreter(recipe, {}, None, environ) is None
    other = python(tmp_path / "bin", "python3.99", "3.99.1", "cpython-399")
    python(tmp_path / "bin", "python3", "3.99.2", "cpython-399t")  # without a lock: fits no other
    found = find_interpreter(recipe, {}, None, environ)
    assert found == Interpreter(other, "3.99.1", "cpython-399", "linux-x86_64")
    exact = python(tmp_path / "then/bin", "python3.99", "3.99.2", "cpython-399")
    recorded = {"base_prefix": str(tmp_path / "then")}
    found = find_interpreter(recipe, recorded, None, environ)
    assert found is not None
    assert found.executable == exact


def test_this_python_is_taken_where_it_is_the_same(tmp_path: Path) -> None:
    version = sys.version.split()[0]
    abi = f"{sys.implementation.cache_tag}{sys.abiflags}"
    found = find_interpreter(Recipe(version, abi, ()), {}, None, {"PATH": str(tmp_path)})
    assert found is not None
    assert found.executable == sys.executable
