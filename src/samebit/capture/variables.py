"""Which environment variables a run keeps, and with which it is run again.

Variables have classes. *Result* variables can change the bits of a result and are given back at a
replay. *Place* variables say where a process runs and are left to the verifier's machine. Secrets
are never recorded, and of all others nothing is known, so nothing is recorded either.
"""

import fnmatch
from collections.abc import Mapping, Sequence

from samebit.capture.secret_names import is_secret_name
from samebit.capture.secrets import MASK, mask_text

__all__ = ["CLASSES", "for_replay", "variable_class", "variables"]

_RESULT = """
OMP_* MKL_* KMP_* GOMP_* OPENBLAS_* GOTO_NUM_THREADS NUMEXPR_* VECLIB_* BLIS_* BLAS_*
ATEN_CPU_CAPABILITY ONEDNN_* DNNL_* GLIBC_TUNABLES RAYON_NUM_THREADS POLARS_MAX_THREADS
CUBLAS_* CUBLASLT_* CUDNN_* CUTLASS_* NVIDIA_TF32_OVERRIDE CUDA_LAUNCH_BLOCKING
CUDA_DEVICE_MAX_CONNECTIONS CUDA_MODULE_LOADING CUDA_FORCE_PTX_JIT CUDA_DISABLE_PTX_JIT
NCCL_* ROCBLAS_* HIPBLASLT_* MIOPEN_*
HSA_OVERRIDE_GFX_VERSION TORCH_* TORCHINDUCTOR_* TORCHDYNAMO_* PYTORCH_* TRITON_* NVTE_*
FLASH_ATTENTION_* MAMBA_DETERMINISTIC XFORMERS_* TOKENIZERS_PARALLELISM XLA_* JAX_*
TF_DETERMINISTIC_OPS TF_CUDNN_* TF_ENABLE_* TF_DISABLE_* TF_XLA_* TF_NUM_* TF_GPU_* TF_FORCE_*
TF_USE_*
KERAS_BACKEND NUMBA_* NPY_* SCIPY_ARRAY_API SKLEARN_* VLLM_* BNB_* PL_*
LOKY_MAX_CPU_COUNT JOBLIB_MULTIPROCESSING HCCL_* MALLOC_PERTURB_ ACCELERATE_* DEEPSPEED_* HYDRA_*
PYTHON* LANG LANGUAGE LC_* TZ MPLBACKEND
SLURM_ARRAY_TASK_* SLURM_CPUS_PER_TASK PBS_ARRAY_INDEX PBS_ARRAYID LSB_JOBINDEX SGE_TASK_ID
HF_HUB_OFFLINE HF_DATASETS_OFFLINE TRANSFORMERS_OFFLINE
WANDB_MODE WANDB_DISABLED NEPTUNE_MODE CLEARML_OFFLINE_MODE SWANLAB_MODE
"""
_PLACE = """
RANK LOCAL_RANK NODE_RANK GROUP_RANK WORLD_SIZE LOCAL_WORLD_SIZE GROUP_WORLD_SIZE ROLE_*
MASTER_ADDR MASTER_PORT TORCHELASTIC_* TORCH_NCCL_* TF_CONFIG SLURM_* SLURMD_* PBS_* LSB_*
OMPI_* PMI_* CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER ROCR_VISIBLE_DEVICES
HIP_VISIBLE_DEVICES GPU_DEVICE_ORDINAL NVIDIA_VISIBLE_DEVICES
NCCL_SOCKET_* NCCL_IB_* NCCL_NET* NCCL_DEBUG*
PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS UV_INDEX UV_INDEX_URL UV_DEFAULT_INDEX
UV_EXTRA_INDEX_URL UV_FIND_LINKS
HOME USER LOGNAME HOSTNAME SHELL PWD TMPDIR TEMP TMP PATH LD_LIBRARY_PATH LD_PRELOAD
DYLD_* CUDA_HOME CUDA_PATH VIRTUAL_ENV CONDA_* XDG_*
PYTHONPATH PYTHONHOME PYTHONUSERBASE PYTHONPYCACHEPREFIX PYTHONSTARTUP PYTHONEXECUTABLE
TORCH_HOME TORCH_EXTENSIONS_DIR TORCHINDUCTOR_CACHE_DIR TRITON_CACHE_DIR NUMBA_CACHE_DIR
JAX_COMPILATION_CACHE_DIR MIOPEN_USER_DB_PATH MIOPEN_CUSTOM_CACHE_DIR
HF_HOME HF_HUB_CACHE HF_DATASETS_CACHE TRANSFORMERS_CACHE KERAS_HOME MPLCONFIGDIR
"""
CLASSES: Mapping[str, tuple[str, ...]] = {
    "result": tuple(_RESULT.split()),
    "place": tuple(_PLACE.split()),
}
# The longer pattern knows better: PYTHONPATH is a place, though PYTHON* changes results.
_LONGEST_FIRST = sorted(
    (
        (pattern.rstrip("*"), pattern.endswith("*"), name)
        for name, patterns in CLASSES.items()
        for pattern in patterns
    ),
    key=lambda row: len(row[0]),
    reverse=True,
)


def variable_class(name: str) -> str | None:
    """`result`, `place`, `secret`, or None for a variable of which nothing is known."""
    if name.startswith("SAMEBIT_"):
        return None
    if is_secret_name(name):
        return "secret"
    for beginning, any_end, found in _LONGEST_FIRST:
        if name == beginning or (any_end and name.startswith(beginning)):
            return found
    return None


def variables(environ: Mapping[str, str], allow: Sequence[str] = ()) -> dict[str, str]:
    """The variables that a run keeps: the known ones, and those whose names `allow` matches.

    A pattern of `allow` may hold `*`. Of an allowed secret the name is kept, never the value.
    """
    kept: dict[str, str] = {}
    for name, value in sorted(environ.items()):
        known = variable_class(name)
        if name.startswith("SAMEBIT_"):
            continue
        if known in CLASSES:
            kept[name] = mask_text(value)
        elif any(fnmatch.fnmatchcase(name, pattern) for pattern in allow):
            kept[name] = MASK if known == "secret" else mask_text(value)
    return kept


# What makes a tracker keep to this machine. Not "disabled": that would take other paths through the
# code. MLflow has no such switch; without an address it writes into the working directory.
_OFFLINE = {
    "WANDB_MODE": "offline",
    "NEPTUNE_MODE": "offline",
    "CLEARML_OFFLINE_MODE": "1",
    "SWANLAB_MODE": "offline",
    "MLFLOW_TRACKING_URI": None,
}
_QUIET_ALREADY = frozenset({"offline", "disabled", "dryrun", "local", "debug"})


def for_replay(
    recorded: Mapping[str, str], current: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The environment in which a recorded run is run again, and what had to be changed for it.

    Result variables, and those that the user had asked to record, get their recorded values;
    result variables that were not set are unset. Places and secrets stay the verifier's own.
    Trackers are set offline.
    """
    replay = dict(current)
    said: list[str] = []
    for name in sorted({*recorded, *current}):
        known = variable_class(name)
        then, now = recorded.get(name), current.get(name)
        if known == "place" or name in _OFFLINE or name.startswith("SAMEBIT_"):
            continue
        if known == "secret" or (then is not None and MASK in then):
            if then is not None and now is None:
                said.append(f"{name} is not set here, and its recorded value is a secret")
            continue
        if then is not None and then != now:
            replay[name] = then
            was = f", was {mask_text(now)!r}" if now is not None else ""
            said.append(f"{name} set to {then!r}{was}")
        elif then is None and now is not None and known == "result":
            del replay[name]
            said.append(f"{name} unset, was {mask_text(now)!r}")
    for name, offline in _OFFLINE.items():
        then = recorded.get(name)
        wanted = then if then in _QUIET_ALREADY else offline
        if wanted == current.get(name):
            continue
        replay.pop(name, None)
        if wanted is not None:
            replay[name] = wanted
        done = "unset" if wanted is None else f"set to {wanted!r}"
        said.append(f"{name} {done}, so that the replay tells no server")
    return replay, said
