"""Each known source of difference, moved between two runs: it is in the record, and it is named.

The rows are those of docs/design/011-sources-of-difference.md, and so are their numbers. Sources
that nothing but the outcome shows are found as the step at which the traces part.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from samebit.folders.read import View
from tests.walks.moved_sources import Ran, Runs

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Case:
    """One source, the pair that moves it, and what must say so."""

    row: str  # number and word
    pair: str
    # Settings, or variables of the environment, that have another value in the second run.
    moved: tuple[str, ...] = ()
    # By section of `diff` (or `missing` and `shown` of the second run): a part of what it says.
    told: tuple[tuple[str, str], ...] = ()


CASES = [
    Case("1-torch", "chance", told=(("missing", "torch's global generator"),
         ("randomness", "script seeds: torch with 1 (chance.py:"))),
    Case("3-generator", "chance", told=(("missing", "the data loader's own torch.Generator"),
         ("randomness", "loader.generator seeded with 1 → "))),
    Case("4-random", "chance", told=(("missing", "random.seed()"),
         ("randomness", "script seeds: python with 1 "))),
    Case("5-own-random", "chance", told=(("randomness", "random.Random()"),
         ("missing", "SystemRandom().random()"))),
    Case("6-numpy", "chance", told=(("missing", "NumPy's global generator"),
         ("randomness", "numpy with 1"))),
    Case("7-default-rng", "chance", told=(("randomness", "default_rng()"),
         ("randomness", "RandomState()"))),
    Case("8-system", "chance", told=(("missing", "os.urandom()"),)),
    Case("9-hash", "hash", ("python.hash_seed", "python.hash_probe", "PYTHONHASHSEED"),
         (("environment", "PYTHONHASHSEED: 1 then, 2 now"),)),
    Case("10-shuffle", "chance", told=(("randomness", "data loader chance.py:"),)),
    Case("11-worker-generators", "loaders", told=(("missing", "default_rng()"),
         ("shown", "2 workers (fork)"))),
    Case("12-workers", "loaders", told=(("randomness", "workers 1 → 2"),)),
    Case("13-in-order", "loaders", told=(("randomness", "batches in order yes → no"),)),
    Case("14-prefetch", "loaders", told=(("randomness", "batches fetched ahead 2 → 3"),
         ("randomness", "persistent workers no → yes"))),
    Case("16-time", "moment", told=(("missing", "python seeded with the time"),
         ("randomness", "the time"))),
    Case("17-race", "race", told=(("trace", "step 3: "),)),
    Case("18-tokenizers", "arithmetic", ("TOKENIZERS_PARALLELISM",),
         (("environment", "TOKENIZERS_PARALLELISM: nothing then, false now"),)),
    Case("19-dropout", "chance", told=(("trace", "step 0: the initial state"),)),
    Case("20-validation", "validation", told=(("trace", "step 5: "),)),
    Case("21-uninitialized", "arithmetic", ("torch.fill_uninitialized_memory",),
         (("environment", "torch.fill_uninitialized_memory: True then, False now"),)),
    Case("22-overlap", "overlap", told=(("trace", "step 4: "),)),
    Case("23-threads", "arithmetic", ("torch.threads", "torch.omp_threads", "OMP_NUM_THREADS"),
         (("environment", "torch.threads: 2 then, 1 now"),)),
    Case("24-dynamic", "arithmetic", ("MKL_DYNAMIC", "OMP_DYNAMIC"),
         (("environment", "MKL_DYNAMIC: nothing then, FALSE now"),
          ("environment", "OMP_DYNAMIC: nothing then, FALSE now"))),
    Case("25-aten", "arithmetic", ("torch.cpu_capability", "ATEN_CPU_CAPABILITY"),
         (("environment", "torch.cpu_capability: "), ("environment", "then, DEFAULT now"))),
    Case("26-mkl", "arithmetic", ("MKL_CBWR",),
         (("environment", "MKL_CBWR: nothing then, COMPATIBLE now"),)),
    Case("27-onednn", "arithmetic", ("ONEDNN_MAX_CPU_ISA", "torch.mkldnn.deterministic"),
         (("environment", "ONEDNN_MAX_CPU_ISA: nothing then, SSE41 now"),)),
    Case("28-openblas", "arithmetic",
         ("openblas.numpy.libs.threads", "openblas.numpy.libs.cpu", "OPENBLAS_CORETYPE"),
         (("environment", "openblas.numpy.libs.cpu: "),)),
    Case("29-cpu-ops", "arithmetic", ("torch.deterministic_algorithms",),
         (("environment", "torch.deterministic_algorithms: False then, True now"),)),
    Case("30-atomics", "arithmetic", ("torch.deterministic_algorithms",),
         (("environment", "torch.deterministic_algorithms: False then, True now"),)),
    Case("31-cublas", "arithmetic", ("CUBLAS_WORKSPACE_CONFIG",),
         (("environment", "CUBLAS_WORKSPACE_CONFIG: nothing then, :16:8 now"),)),
    Case("32-cudnn", "arithmetic", ("torch.cudnn.benchmark", "torch.cudnn.deterministic"),
         (("environment", "torch.cudnn.benchmark: False then, True now"),)),
    Case("33-tf32", "arithmetic",
         ("torch.float32_matmul_precision", "torch.cuda.matmul.bf16_reduction",
          "NVIDIA_TF32_OVERRIDE"),
         (("environment", "torch.float32_matmul_precision: highest then, high now"),)),
    Case("34-attention", "arithmetic", ("torch.sdp.flash", "FLASH_ATTENTION_DETERMINISTIC"),
         (("environment", "torch.sdp.flash: True then, False now"),)),
    Case("35-engine", "arithmetic", ("NVTE_ALLOW_NONDETERMINISTIC_ALGO", "MAMBA_DETERMINISTIC"),
         (("environment", "NVTE_ALLOW_NONDETERMINISTIC_ALGO: nothing then, 0 now"),)),
    Case("36-inductor", "arithmetic",
         ("torch.inductor.max_autotune", "torch.inductor.deterministic"),
         (("environment", "torch.inductor.max_autotune: False then, True now"),)),
    Case("37-nccl", "arithmetic", ("NCCL_ALGO", "NCCL_PROTO"),
         (("environment", "NCCL_ALGO: nothing then, Ring now"),)),
    Case("38-scaler", "skipped", told=(("trace", "step 6: "), ("shown", "1 of 8 steps skipped"))),
    Case("39-accumulation", "accumulation", told=(("config", "(batches to a step): 1 → 2"),)),
    Case("41-corruption", "flip", told=(("trace", "step 8: "),)),
    Case("42-denormals", "arithmetic", ("python.denormals_flushed",),
         (("environment", "python.denormals_flushed: False then, True now"),)),
]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("sources"))


def recorded(view: View, name: str) -> Any:
    """A setting or a variable, as it is in the record."""
    found = {**(view.facts.get("variables") or {}), **(view.facts.get("settings") or {})}
    return found.get(name)


@pytest.mark.parametrize("case", CASES, ids=[case.row for case in CASES])
def test_a_source_that_moved_is_recorded_and_told(runs: Runs, case: Case) -> None:
    ran = runs.of(case.pair)
    for name in case.moved:
        assert recorded(ran.first, name) != recorded(ran.second, name), name
        assert recorded(ran.second, name) is not None, name
    for section, words in case.told:
        assert words in said(ran, section), section
    assert case.moved or case.told


def said(ran: Ran, section: str) -> str:
    """What `diff` or `show` says, as one text."""
    if section in ("missing", "shown"):
        return getattr(ran, section)
    return "\n".join(ran.diff[section])


def test_15_a_folder_that_came_in_another_order_is_told(runs: Runs) -> None:
    if not os.path.isdir("/dev/shm"):
        pytest.skip("no file system in memory, which gives names in the order of their making")
    folder = Path("/dev/shm") / f"samebit-sources-{os.getpid()}"
    folder.mkdir()
    try:
        ran = runs.of_listings(folder)
    finally:
        shutil.rmtree(folder)
    (fact,) = [fact for fact in ran.first.files if fact["path"] == str(folder)]
    assert fact["how"] == "list"
    assert said(ran, "randomness") == (f"folder {folder}: its 3 names were listed in another order")


def test_40_another_machine_is_told(runs: Runs) -> None:
    if len(os.sched_getaffinity(0)) == 1:
        pytest.skip("a part of one processor is not another machine")
    ran = runs.of_processors()
    cpu = ran.first.facts["machine"]["cpu"]
    assert cpu["model"]
    assert cpu["flags"]
    assert "machine.cpu.allowed: " in said(ran, "environment")


def test_2_no_device_is_touched_to_record_it(runs: Runs) -> None:
    """The scripts themselves assert that CUDA was not made ready."""
    for view in (runs.of("chance").first, runs.of("arithmetic").second):
        settings = view.facts["settings"]
        assert "torch.cuda.devices" not in settings
        assert "torch.cuda_version" in settings
        assert not [f for f in view.all_facts("generator") if f["library"] == "cuda"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device in this machine")
def test_2_and_40_a_device_and_its_generator_are_recorded(runs: Runs) -> None:
    ran = runs.of("device")
    for view in (ran.first, ran.second):
        settings = view.facts["settings"]
        assert settings["torch.cuda.devices"]
        assert settings["torch.cuda.current_device"] == 0
        assert {"torch.cudnn.version", "torch.nccl.version"} <= settings.keys()
        assert view.facts["machine"]["gpu_driver"]
    states = [
        next(f["state"] for f in view.all_facts("generator") if f["library"] == "cuda")
        for view in (ran.first, ran.second)
    ]
    assert states[0] != states[1]
    assert "torch.cuda.manual_seed" not in said(ran, "randomness")
    assert "torch's global generator" in ran.missing


def test_every_row_of_the_table_has_its_case() -> None:
    here = {int(case.row.partition("-")[0]) for case in CASES} | {2, 15, 40}
    assert here == set(range(1, 43))
