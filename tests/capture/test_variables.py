"""Which variables are known, which are kept, and what a replay is given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.capture.secrets import MASK
from samebit.capture.variables import CLASSES, for_replay, variable_class, variables

RESULT = """
SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_COUNT SLURM_CPUS_PER_TASK PBS_ARRAY_INDEX SGE_TASK_ID
PYTHONHASHSEED PYTHONOPTIMIZE PYTHONUTF8 OMP_NUM_THREADS MKL_CBWR MKL_NUM_THREADS KMP_AFFINITY
OPENBLAS_NUM_THREADS ATEN_CPU_CAPABILITY CUBLAS_WORKSPACE_CONFIG CUDNN_DETERMINISTIC
NVIDIA_TF32_OVERRIDE CUDA_LAUNCH_BLOCKING NCCL_ALGO NCCL_NVLS_ENABLE NVTE_FLASH_ATTN
TORCHINDUCTOR_MAX_AUTOTUNE TORCHDYNAMO_DISABLE TORCH_ALLOW_TF32_CUBLAS_OVERRIDE
PYTORCH_CUDA_ALLOC_CONF TOKENIZERS_PARALLELISM XLA_FLAGS JAX_ENABLE_X64 TF_DETERMINISTIC_OPS
LANG LC_ALL TZ HYDRA_FULL_ERROR ACCELERATE_MIXED_PRECISION HF_HUB_OFFLINE MPLBACKEND
"""
PLACE = """
RANK LOCAL_RANK WORLD_SIZE MASTER_ADDR MASTER_PORT TORCHELASTIC_RUN_ID CUDA_VISIBLE_DEVICES
SLURM_JOB_ID PBS_JOBID HOME USER TMPDIR PATH PYTHONPATH PYTHONHOME LD_LIBRARY_PATH LD_PRELOAD
VIRTUAL_ENV CONDA_PREFIX XDG_CACHE_HOME HF_HOME TORCH_HOME PWD NCCL_SOCKET_IFNAME NCCL_DEBUG
TORCH_NCCL_BLOCKING_WAIT TORCHINDUCTOR_CACHE_DIR TRITON_CACHE_DIR PIP_INDEX_URL UV_INDEX_URL
UV_DEFAULT_INDEX PIP_EXTRA_INDEX_URL
"""
SECRET = "WANDB_API_KEY HF_TOKEN AWS_SECRET_ACCESS_KEY SLURM_JWT CONDA_TOKEN PL_API_KEY DB_PASSWORD"
UNKNOWN = "SAMEBIT_DIR SAMEBIT_TOKEN EDITOR TF_VAR_region TF_CLI_CONFIG_FILE MY_DATA LANGUAGES"


@pytest.mark.parametrize(
    ("names", "expected"),
    [(RESULT, "result"), (PLACE, "place"), (SECRET, "secret"), (UNKNOWN, None)],
)
def test_each_variable_has_its_class(names: str, expected: str | None) -> None:
    assert {name: variable_class(name) for name in names.split()} == dict.fromkeys(
        names.split(), expected
    )


def test_no_pattern_of_the_classes_is_taken_for_a_secret() -> None:
    for patterns in CLASSES.values():
        for pattern in patterns:
            assert variable_class(pattern.replace("*", "X")) is not None
            assert variable_class(pattern.replace("*", "X")) != "secret"


def test_only_known_and_allowed_variables_are_kept_and_never_a_secret() -> None:
    environ = {
        "OMP_NUM_THREADS": "4",
        "HOME": "/home/me",
        "HF_TOKEN": "abc",
        "WANDB_API_KEY": "def",
        "EDITOR": "vi",
        "MY_DATA": "/data",
        "MY_URL": "https://me:hunter2@example.org",
        "SAMEBIT_TOKEN": "ghi",
        "PYTHONWARNINGS": "ghp_" + "aB3" * 12,
        "PIP_INDEX_URL": "https://me:hunter2@example.org/simple",
    }
    assert variables(environ, allow=["MY_*", "HF_TOKEN", "SAMEBIT_*"]) == {
        "HF_TOKEN": MASK,
        "HOME": "/home/me",
        "MY_DATA": "/data",
        "MY_URL": f"https://me:{MASK}@example.org",
        "OMP_NUM_THREADS": "4",
        "PIP_INDEX_URL": f"https://me:{MASK}@example.org/simple",
        "PYTHONWARNINGS": MASK,
    }


def test_a_replay_gets_the_recorded_result_variables_and_its_own_places() -> None:
    recorded = {
        "OMP_NUM_THREADS": "4",
        "PYTHONHASHSEED": "7",
        "HOME": "/home/author",
        "LANG": "C",
        "MY_DATA": "small",
        "HF_TOKEN": MASK,
        "MY_URL": f"https://me:{MASK}@h",
    }
    current = {
        "OMP_NUM_THREADS": "16",
        "MKL_CBWR": "AVX2",
        "HOME": "/home/verifier",
        "HF_TOKEN": "own",
        "LANG": "C",
        "EDITOR": "vi",
        "WANDB_MODE": "offline",
        "NEPTUNE_MODE": "offline",
        "SWANLAB_MODE": "offline",
        "CLEARML_OFFLINE_MODE": "1",
    }
    replay, said = for_replay(recorded, current)
    given_back = {"OMP_NUM_THREADS": "4", "PYTHONHASHSEED": "7", "MY_DATA": "small"}
    del current["MKL_CBWR"]
    assert replay == current | given_back
    assert said == [
        "MKL_CBWR unset, was 'AVX2'",
        "MY_DATA set to 'small'",
        "MY_URL is not set here, and its recorded value is a secret",
        "OMP_NUM_THREADS set to '4', was '16'",
        "PYTHONHASHSEED set to '7'",
    ]


def test_a_replay_tells_no_tracker_s_server() -> None:
    current = {"WANDB_MODE": "online", "MLFLOW_TRACKING_URI": "https://lab"}
    replay, said = for_replay({"WANDB_MODE": "online"}, current)
    assert replay == {
        "WANDB_MODE": "offline",
        "NEPTUNE_MODE": "offline",
        "CLEARML_OFFLINE_MODE": "1",
        "SWANLAB_MODE": "offline",
    }
    assert len(said) == 5
    assert "WANDB_MODE set to 'offline', so that the replay tells no server" in said


def test_a_tracker_that_was_silent_stays_as_it_was() -> None:
    replay, _ = for_replay({"WANDB_MODE": "disabled"}, {"WANDB_MODE": "online"})
    assert replay["WANDB_MODE"] == "disabled"


environments = st.dictionaries(
    st.sampled_from(["OMP_NUM_THREADS", "LANG", "HOME", "HF_TOKEN", "X", "WANDB_MODE", "RANK"]),
    st.text(max_size=4),
)


@given(environments, environments)
def test_a_replay_has_the_recorded_value_of_every_result_variable(
    then: dict[str, str], now: dict[str, str]
) -> None:
    replay, _ = for_replay(variables(then), now)
    for name in ("OMP_NUM_THREADS", "LANG"):
        assert replay.get(name) == then.get(name)
    for name in ("HOME", "HF_TOKEN", "RANK", "X"):
        assert replay.get(name) == now.get(name)
    assert for_replay(variables(then), replay) == (replay, [])
