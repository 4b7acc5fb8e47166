"""What is read back is what the libraries do, and reading it changes and says nothing."""

import json
import subprocess
import sys
from typing import Any

import pytest

from samebit.capture import environment, settings
from tests.projects import Project

READ = "\nimport json\nfrom samebit.capture import settings\nprint(json.dumps(settings.read()))\n"


def read_after(code: str, *options: str) -> dict[str, Any]:
    """The settings in a process that has run this; what it prints besides is an error."""
    words = [sys.executable, "-W", "error", *options, "-c", code + READ]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    return json.loads(line)


def test_nothing_is_loaded_to_be_read() -> None:
    found = read_after("import sys; before = set(sys.modules)")
    assert {name.partition(".")[0] for name in found} == {"python"}
    assert found["python.denormals_flushed"] is False


@pytest.mark.parametrize("has_begun", [False, True])
def test_what_would_wake_a_card_is_not_asked_before_the_script_has(
    monkeypatch: pytest.MonkeyPatch, has_begun: bool
) -> None:
    torch = pytest.importorskip("torch")
    calls: list[str] = []
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: has_begun)
    monkeypatch.setattr(torch.__config__, "show", lambda: calls.append("asks the driver"))
    settings.read()
    assert bool(calls) == has_begun


@pytest.fixture(scope="module")
def both() -> tuple[dict[str, Any], dict[str, Any]]:
    """Fresh, and after a script has set everything otherwise."""
    code = """
import numpy, torch
torch.set_num_threads(1)
torch.set_flush_denormal(True)
torch.use_deterministic_algorithms(True, warn_only=True)
torch.set_float32_matmul_precision("high")
torch.backends.cudnn.benchmark = True
torch.backends.cuda.enable_flash_sdp(False)
torch.backends.mkldnn.enabled = False
torch.set_default_dtype(torch.float64)
torch.set_autocast_enabled("cpu", True)
torch.backends.opt_einsum.strategy = "optimal"
"""
    return read_after("import numpy, torch"), read_after(code)


@pytest.mark.slow
def test_every_setting_is_read_back(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    fresh, otherwise = both
    found = {name: now for name, (_, now) in settings.changed(fresh, otherwise).items()}
    for passing in ("python.hash_probe", "torch.initial_seed", "openblas.numpy.libs.threads"):
        found.pop(passing, None)
    threads = {n: v for n, v in found.items() if "threads" in n}
    assert threads.keys() <= {
        *("torch.threads", "torch.omp_threads", "torch.mkl_threads", "openmp.torch.threads")
    }
    assert otherwise["torch.threads"] == otherwise["torch.omp_threads"] == 1
    found = {n: v for n, v in found.items() if n not in threads}
    precision = {n: found.pop(n) for n in list(found) if n.endswith("fp32_precision")}
    assert precision  # which of them follow the old switch is for torch to say
    assert found == {
        "python.denormals_flushed": True,
        "torch.deterministic_algorithms": True,
        "torch.deterministic_warn_only": True,
        "torch.float32_matmul_precision": "high",
        "torch.cudnn.benchmark": True,
        "torch.sdp.flash": False,
        "torch.mkldnn.enabled": False,
        "torch.default_dtype": "torch.float64",
        "torch.opt_einsum.strategy": "optimal",
    }
    assert otherwise["torch.autocast.cpu"] == "torch.bfloat16"
    assert "torch.autocast.cpu" not in fresh


def test_no_setting_of_this_torch_is_unreadable(
    both: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    fresh, _ = both
    assert not [n for n, v in fresh.items() if str(v).startswith("unreadable")]
    assert fresh["torch.cpu_capability"] in ("DEFAULT", "AVX2", "AVX512", "NO AVX", "SVE256")
    assert fresh["numpy.cpu_features"]
    assert "torch.version" in fresh
    assert "torch.cuda.devices" not in fresh  # CUDA was not begun by us


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's list of libraries")
def test_a_blas_says_its_version_and_how_many_threads_it_takes() -> None:
    code = """
import os
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy
"""
    found = read_after(code)
    if not any(name.startswith("openblas.") for name in found):
        pytest.skip("this NumPy was built with another BLAS")
    names = [n for n in found if n.startswith("openblas.") and n.endswith(".threads")]
    assert [found[name] for name in names] == [1]
    assert "OpenBLAS" in found[names[0].replace("threads", "version")]
    assert found["numpy.blas"].split()[0] in ("scipy-openblas", "openblas")


def test_a_module_that_only_has_the_name_of_a_library_does_no_harm() -> None:
    code = """
import sys, types
class Bare(types.ModuleType): pass
sys.modules["torch"] = Bare("torch")
sys.modules["numpy"] = Bare("numpy")
sys.modules["jax"] = Bare("jax")
sys.modules["tensorflow"] = Bare("tensorflow")
sys.modules["tensorflow"].__version__ = ("2", "0")
"""
    found = read_after(code)
    assert {name.partition(".")[0] for name in found} == {"python"}


@pytest.mark.slow
def test_settings_are_of_what_is_loaded_and_a_later_change_is_told(project: Project) -> None:
    project.write(
        "a.py",
        """
        import torch
        model = torch.nn.Linear(1, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(torch.ones(1, 1)).sum().backward()
        optimizer.step()
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("medium")
        """,
    )
    assert project.run("a.py").code == 0
    facts = project.view().facts
    assert facts["settings"]["torch.cudnn.benchmark"] is False
    assert facts["settings_changed"]["torch.cudnn.benchmark"] == [False, True]
    assert facts["settings_changed"]["torch.float32_matmul_precision"] == ["highest", "medium"]


def test_another_blas_or_number_of_threads_is_said_before_lesser_things() -> None:
    then = {
        "settings": {
            "openblas.numpy.libs.version": "0.3.30",
            "torch.default_dtype": "torch.float32",
        }
    }
    now = {
        "settings": {
            "openblas.numpy.libs.version": "0.3.31",
            "torch.default_dtype": "torch.float64",
        }
    }
    assert environment.differences(then, now) == [
        "openblas.numpy.libs.version: 0.3.30 then, 0.3.31 now",
        "torch.default_dtype: torch.float32 then, torch.float64 now",
    ]


@pytest.mark.slow
def test_what_decides_jaxs_numbers_is_read_back() -> None:
    pytest.importorskip("jax")
    otherwise = """
import jax
jax.config.update("jax_threefry_partitionable", False)
jax.config.update("jax_random_seed_offset", 3)
jax.config.update("jax_default_matmul_precision", "float32")
"""
    found = settings.changed(read_after("import jax"), read_after(otherwise))
    assert found["jax.threefry_partitionable"] == [True, False]
    assert found["jax.random_seed_offset"] == [0, 3]
    assert found["jax.default_matmul_precision"] == [None, "float32"]
    assert {name for name in found if name.startswith("jax.devices")} == set()  # none was begun


@pytest.mark.slow
def test_the_threads_of_xgboost_are_read_back() -> None:
    pytest.importorskip("xgboost")
    found = read_after("import xgboost\nxgboost.set_config(nthread=1)")
    assert found["xgboost.threads"] == 1
    assert found["xgboost.version"]
