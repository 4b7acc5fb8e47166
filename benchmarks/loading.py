"""What loading a state costs: against safetensors and a hash of what it read, and torch.load.

    python benchmarks/loading.py [MEGABYTES]     # 256 without

Files lie in the page cache. Everything takes turns in one process; the figure is the median of the
ratios of neighbours. The leaves are bits of chance, which lie as they are; what lies encoded is
measured beside them.
"""

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import blake3
import measure
import safetensors.torch
import torch

from samebit import places
from samebit.objects.store import Store
from samebit.states import storing
from samebit.states.stored import StoredState

_ROUNDS = 9
_MIB = 1 << 20


def chance(size_bytes: int, encoded: bool) -> torch.Tensor:
    """A leaf of float32: of bits that nothing makes smaller, or of weights."""
    if encoded:
        return torch.randn(size_bytes // 4) * 0.02
    return torch.randint(-(2**31), 2**31 - 1, (size_bytes // 4,), dtype=torch.int32).view(
        torch.float32
    )


def make_model(size_bytes: int, leaf_bytes: int, encoded: bool = False) -> torch.nn.Module:
    """A module of that many bytes."""
    torch.manual_seed(0)
    model = torch.nn.Module()
    for at in range(max(1, size_bytes // leaf_bytes)):
        tensor = chance(leaf_bytes, encoded)
        model.register_parameter(f"w{at}", torch.nn.Parameter(tensor, requires_grad=False))
    return model


def hashed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Read every byte, as a check of it must."""
    for tensor in tensors.values():
        blake3.blake3(tensor.numpy().view("u1")).digest()
    return tensors


def timed(work: Callable[[], Any]) -> float:
    """Seconds by the wall, until what it made is let go of."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(title: str, folder: Path, size: int, leaf: int, encoded: bool = False) -> None:
    """One table."""
    model = make_model(size, leaf, encoded)
    tensors = {name: parameter.detach() for name, parameter in model.named_parameters()}
    total = sum(tensor.nbytes for tensor in tensors.values())
    safe, pickled = folder / f"{title}.safetensors", folder / f"{title}.pt"
    safetensors.torch.save_file(tensors, safe)
    torch.save(tensors, pickled)
    store = Store(places.make_store(folder / title / ".samebit"))
    name = storing.save(store, {"model": tensors})
    kept = sum(path.stat().st_size for path in store.object_paths()) / total

    def stored() -> StoredState:
        return StoredState(Store(store.path), name)

    load_file = safetensors.torch.load_file
    cases: dict[str, Callable[[], Any]] = {
        "safetensors + blake3": lambda: hashed(load_file(safe)),
        "the same, and into a model": lambda: model.load_state_dict(hashed(load_file(safe))),
        "torch.load": lambda: torch.load(pickled, weights_only=True),
        "torch.load, mapped": lambda: torch.load(pickled, weights_only=True, mmap=True),
        "samebit, load_into": lambda: stored().load_into(model),
        "samebit, state_dict": lambda: stored().state_dict(),
        "samebit, state_dict mapped": lambda: stored().state_dict(mapped=True),
    }
    for case in cases.values():
        case()
    turns = {key: lambda case=case: timed(case) for key, case in cases.items()}
    times = measure.take_turns(turns, _ROUNDS)
    rows = [
        (
            key,
            f"{min(taken) * 1e3:.1f}",
            f"{total / 1e9 / min(taken):.2f}",
            f"{measure.median_ratio(taken, times['safetensors + blake3']):.2f}",
            f"{measure.median_ratio(taken, times['torch.load']):.2f}",
        )
        for key, taken in times.items()
    ]
    print(f"{title}: {total / _MIB:.0f} MiB in {len(tensors)} leaves, {kept:.2f} of it stored\n")
    measure.print_table(
        ("best of each", "ms", "GB/s", "over safetensors + blake3", "over torch.load"), rows
    )


def main(megabytes: int) -> None:
    """Print the tables."""
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        compare("small", folder, 16 * _MIB, 4 * _MIB)
        compare("layers", folder, megabytes * _MIB, 8 * _MIB)
        compare("one leaf in parts", folder, 96 * _MIB, 96 * _MIB)
        compare("weights", folder, megabytes // 2 * _MIB, 8 * _MIB, encoded=True)
        print(measure.load())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)
