"""What `import samebit` gives, and that nothing can take a name of it away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import samebit


def test_no_name_of_the_face_is_also_a_module() -> None:
    # Python would set the attribute to the module as soon as anything imports it.
    inside = {path.stem for path in Path(samebit.__file__).parent.iterdir()}
    assert not inside & set(samebit.__all__)


@pytest.mark.slow
def test_every_name_of_the_face_can_be_had_after_everything_is_loaded() -> None:
    script = """
import pkgutil, samebit

import pytest
for found in pkgutil.walk_packages(samebit.__path__, "samebit."):
    if "sitecustomize" not in found.name:
        try:
            __import__(found.name)
        except ModuleNotFoundError as error:  # what only a machine with a GPU has
            assert error.name == "triton", found.name
        except ImportError:  # what wandb has and we refuse, in words
            assert found.name == "samebit.compat.wandb.integration", found.name
apart = {"__version__", "sklearn"}  # a text, a module
names = {name: getattr(samebit, name) for name in samebit.__all__}
assert all(callable(value) for name, value in names.items() if name not in apart), names
"""
    environ = {**os.environ, "KERAS_BACKEND": "torch"}  # by itself it wants TensorFlow
    subprocess.run([sys.executable, "-c", script], check=True, env=environ)


def test_runs_are_listed_in_the_process_that_records_one(tmp_path: Path) -> None:
    script = """
import samebit
run = samebit.init()
assert [each.id for each in samebit.runs()] == [run.id]
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
