"""What is in force now, read back from the interpreter and the libraries that a script has loaded.

Nothing is imported, no device is initialised, and nothing is read that warns: a warning that is
given once would be taken from the script. What a version of a library lacks is left out.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from samebit.capture import native
from samebit.capture.randomness import hash_seed

__all__ = ["changed", "read"]

# Each line: the name under `torch.` if it is another than the path, and the path to read.
_TORCH = """
version: __version__
git_version: version.git_version
cuda_version: version.cuda
hip_version: version.hip
threads: get_num_threads()
interop_threads: get_num_interop_threads()
cpu_capability: backends.cpu.get_cpu_capability()
deterministic_algorithms: are_deterministic_algorithms_enabled()
deterministic_warn_only: is_deterministic_algorithms_warn_only_enabled()
fill_uninitialized_memory: utils.deterministic.fill_uninitialized_memory
float32_matmul_precision: get_float32_matmul_precision()
fp32_precision: backends.fp32_precision
default_dtype: get_default_dtype()
default_device: get_default_device()
initial_seed: initial_seed()
anomaly_detection: is_anomaly_enabled()
cudnn.enabled: backends.cudnn.enabled
cudnn.benchmark: backends.cudnn.benchmark
cudnn.benchmark_limit: backends.cudnn.benchmark_limit
cudnn.deterministic: backends.cudnn.deterministic
cudnn.fp32_precision: backends.cudnn.fp32_precision
cudnn.conv.fp32_precision: backends.cudnn.conv.fp32_precision
cudnn.rnn.fp32_precision: backends.cudnn.rnn.fp32_precision
cuda.matmul.fp32_precision: backends.cuda.matmul.fp32_precision
cuda.matmul.fp16_reduction: backends.cuda.matmul.allow_fp16_reduced_precision_reduction
cuda.matmul.bf16_reduction: backends.cuda.matmul.allow_bf16_reduced_precision_reduction
cuda.matmul.fp16_accumulation: backends.cuda.matmul.allow_fp16_accumulation
cuda.linalg_library: backends.cuda.preferred_linalg_library()
sdp.flash: backends.cuda.flash_sdp_enabled()
sdp.mem_efficient: backends.cuda.mem_efficient_sdp_enabled()
sdp.math: backends.cuda.math_sdp_enabled()
sdp.cudnn: backends.cuda.cudnn_sdp_enabled()
sdp.math_reduction: backends.cuda.fp16_bf16_reduction_math_sdp_allowed()
mha_fastpath: backends.mha.get_fastpath_enabled()
mkl: backends.mkl.is_available()
mkldnn.enabled: backends.mkldnn.enabled
mkldnn.deterministic: backends.mkldnn.deterministic
mkldnn.fp32_precision: backends.mkldnn.fp32_precision
mkldnn.matmul.fp32_precision: backends.mkldnn.matmul.fp32_precision
mkldnn.conv.fp32_precision: backends.mkldnn.conv.fp32_precision
mkldnn.rnn.fp32_precision: backends.mkldnn.rnn.fp32_precision
opt_einsum.enabled: backends.opt_einsum.enabled
opt_einsum.strategy: backends.opt_einsum.strategy
"""
# Before they had `fp32_precision`; where both are there, the old names warn.
_TORCH_TF32 = """
cudnn.allow_tf32: backends.cudnn.allow_tf32
cuda.matmul.allow_tf32: backends.cuda.matmul.allow_tf32
"""
# Only once the script has initialised CUDA itself.
_TORCH_CUDA = """
cuda.blas_library: backends.cuda.preferred_blas_library()
cuda.current_device: cuda.current_device()
cudnn.version: backends.cudnn.version()
nccl.version: cuda.nccl.version()
"""
_TORCH_DISTRIBUTED = """
distributed.backend: get_backend()
distributed.world_size: get_world_size()
"""
_INDUCTOR = """
inductor.deterministic: deterministic
inductor.fallback_random: fallback_random
inductor.max_autotune: max_autotune
inductor.max_autotune_pointwise: max_autotune_pointwise
inductor.max_autotune_gemm: max_autotune_gemm
inductor.max_autotune_gemm_backends: max_autotune_gemm_backends
inductor.coordinate_descent_tuning: coordinate_descent_tuning
inductor.autotune_local_cache: autotune_local_cache
inductor.autotune_remote_cache: autotune_remote_cache
inductor.fx_graph_cache: fx_graph_cache
inductor.use_fast_math: use_fast_math
inductor.cpp.threads: cpp.threads
inductor.cpp.simdlen: cpp.simdlen
inductor.cpp.fp_contract: cpp.enable_floating_point_contract_flag
inductor.cpp.unsafe_math: cpp.enable_unsafe_math_opt_flag
inductor.cpp.dynamic_threads: cpp.dynamic_threads
inductor.cpp.gemm_max_k_slices: cpp.gemm_max_k_slices
inductor.cpp.weight_prepack: cpp.weight_prepack
inductor.triton.cudagraphs: triton.cudagraphs
inductor.emulate_precision_casts: emulate_precision_casts
inductor.freezing: freezing
"""
_DYNAMO = "dynamo.disable: disable\n"
_JAX = """
jax.version: __version__
jax.enable_x64: config.jax_enable_x64
jax.default_matmul_precision: config.jax_default_matmul_precision
jax.default_prng_impl: config.jax_default_prng_impl
jax.random_seed_offset: config.jax_random_seed_offset
jax.threefry_gpu_kernel: config.jax_threefry_gpu_kernel_lowering
jax.threefry_partitionable: config.jax_threefry_partitionable
jax.numpy_dtype_promotion: config.jax_numpy_dtype_promotion
jax.disable_jit: config.jax_disable_jit
jax.platforms: config.jax_platforms
"""
_KERAS = """
keras.backend: config.backend()
keras.floatx: config.floatx()
keras.epsilon: config.epsilon()
keras.image_data_format: config.image_data_format()
"""
_OTHERS = """
tensorflow keras xgboost lightgbm catboost sklearn scipy transformers accelerate deepspeed
pandas datasets flax torchvision timm peft trl stable_baselines3
lightning pytorch_lightning flash_attn triton xformers bitsandbytes apex transformer_engine
"""
_PARALLEL = re.compile(r"^\s*(omp|mkl)_get_max_threads\(\) : (\d+)", re.MULTILINE)
_BUILT_WITH = {
    "mkl_version": re.compile(r"Math Kernel Library Version ([\w.]+(?:-Product Build \d+)?)"),
    "mkldnn.version": re.compile(r"MKL-DNN v([\w.]+)"),
    "openmp": re.compile(r"OpenMP (\d+)"),
    "blas": re.compile(r"BLAS_INFO=(\w+)"),
}


def read() -> dict[str, Any]:
    """The settings by name, plain values; a framework that is not loaded has none."""
    found: dict[str, Any] = {
        "python.hash_seed": hash_seed(),
        "python.hash_randomization": sys.flags.hash_randomization,
        "python.hash_probe": hash("samebit"),  # equal probes mean equal set orders
        "python.denormals_flushed": _flushes_denormals(),
    }
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_num_threads"):
        found.update(_torch(torch))
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "__version__"):
        found.update(_numpy(numpy))
    jax = sys.modules.get("jax")
    if jax is not None and hasattr(jax, "config"):
        found.update(_listed(jax, _JAX))
        found.update(_jax_devices())
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(keras, "config"):
        found.update(_listed(keras, _KERAS))
    for name in _OTHERS.split():
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            found[f"{name}.version"] = version
    xgboost = sys.modules.get("xgboost")
    if (config := _value(xgboost, "get_config()")) is not None:
        found["xgboost.threads"] = config.get("nthread")  # 0: as many as OpenMP has
    found.update(native.libraries())
    return {name: _plain(value) for name, value in found.items()}


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The settings that are others now than they were: what they were and what they are."""
    return {
        name: [before[name], after[name]]
        for name in before
        if name in after and before[name] != after[name]
    }


def _flushes_denormals() -> bool:
    """Whether this thread's processor takes the smallest numbers for zero."""
    # A library that was linked with -ffast-math switches it on for whoever loads it.
    smallest = sys.float_info.min
    return smallest / 2 == 0.0


def _torch(torch: Any) -> dict[str, Any]:
    found = _listed(torch, _TORCH, "torch.")
    if "torch.cuda.matmul.fp32_precision" not in found:
        found.update(_listed(torch, _TORCH_TF32, "torch."))
    has_begun = _value(torch, "cuda.is_initialized()") is True
    text = str(_value(torch, "__config__.parallel_info()"))
    if has_begun or not (_value(torch, "version.cuda") or _value(torch, "version.hip")):
        # It asks the driver, with which CUDA begins: no child by `fork` could use a card any more.
        text += f"\n{_value(torch, '__config__.show()')}"
    for name, count in _PARALLEL.findall(text):
        found[f"torch.{name}_threads"] = int(count)
    for name, pattern in _BUILT_WITH.items():
        if match := pattern.search(text):
            found[f"torch.{name}"] = match[1]
    if has_begun:
        found.update(_listed(torch, _TORCH_CUDA, "torch."))
        found["torch.cuda.devices"] = list(_cuda_devices(torch))
    for kind in ("cpu", "cuda"):
        try:
            if torch.is_autocast_enabled(kind):
                found[f"torch.autocast.{kind}"] = str(torch.get_autocast_dtype(kind))
        except Exception:
            break  # older ones take no argument
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and _value(distributed, "is_initialized()") is True:
        found.update(_listed(distributed, _TORCH_DISTRIBUTED, "torch."))
    for name, listed in (("torch._inductor.config", _INDUCTOR), ("torch._dynamo.config", _DYNAMO)):
        if name in sys.modules:
            found.update(_listed(sys.modules[name], listed, "torch."))
    return found


def _cuda_devices(torch: Any) -> Iterator[str]:
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        capability = f"{facts.major}.{facts.minor}"
        yield f"{facts.name}, {facts.multi_processor_count} multiprocessors, {capability}"


def _numpy(numpy: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"numpy.version": str(numpy.__version__)}
    built = getattr(getattr(numpy, "__config__", None), "CONFIG", None)
    if isinstance(built, dict):
        for name in ("blas", "lapack"):
            facts = built.get("Build Dependencies", {}).get(name, {})
            if facts.get("name"):
                found[f"numpy.{name}"] = f"{facts['name']} {facts.get('version', '')}".strip()
    for name in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        module = sys.modules.get(name)
        features = getattr(module, "__dict__", {}).get("__cpu_features__")
        if isinstance(features, dict):
            # Those it was built for decide which kernels it takes here.
            built_for = [*module.__dict__["__cpu_baseline__"], *module.__dict__["__cpu_dispatch__"]]
            found["numpy.cpu_features"] = [name for name in built_for if features.get(name)]
            break
    return found


def _jax_devices() -> dict[str, Any]:
    """The devices of JAX's platforms that the script has begun; asking JAX would begin them."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    platforms = getattr(bridge, "_backends", None)
    if not isinstance(platforms, dict) or not platforms:
        return {}
    try:
        return {
            f"jax.devices.{name}": [str(device.device_kind) for device in platform.devices()]
            for name, platform in platforms.items()
        }
    except Exception as error:
        return {"jax.devices": f"unreadable: {type(error).__name__}"}


def _listed(root: Any, lines: str, before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in lines.strip().splitlines():
        name, _, path = line.partition(": ")
        try:
            found[before + name] = _walk(root, path)
        except AttributeError:
            pass  # this version has no such setting
        except Exception as error:  # one that cannot be read hides no other
            found[before + name] = f"unreadable: {type(error).__name__}"
    return found


def _value(root: Any, path: str) -> Any:
    try:
        return _walk(root, path)
    except Exception:
        return None


def _walk(at: Any, path: str) -> Any:
    for part in path.split("."):
        at = getattr(at, part.removesuffix("()"))
        if part.endswith("()"):
            at = at()
    return at


def _plain(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str):  # an enumeration may be a text
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(getattr(value, "name", None) or value)  # an enumeration's, or a dtype's text
