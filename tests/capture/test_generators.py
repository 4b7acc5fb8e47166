"""States of generators as JSON can hold them, read and put back exactly."""

import json
import random
from typing import Any

import numpy as np
import numpy.random
import pytest
import torch

from samebit.capture import generators


def draw(library: str) -> Any:
    if library == "python":
        return random.gauss(0, 1), random.random()
    if library == "numpy":
        return np.random.randn(3).tolist(), np.random.rand()
    return torch.randn(3).tolist(), torch.rand(17).tolist()


@pytest.mark.parametrize("library", ["python", "numpy", "torch"])
def test_a_state_survives_json_and_reading_draws_nothing(library: str) -> None:
    at_first = generators.read_global(library)
    try:
        draw(library)  # one half of a pair of normals may be kept inside now
        state = json.loads(json.dumps(generators.read_global(library)))
        drawn = draw(library)
        generators.put_back(library, state)
        assert generators.read_global(library) == state
        assert draw(library) == drawn
    finally:
        generators.put_back(library, at_first)


def test_another_bit_generator_of_numpy_is_a_state_as_well() -> None:
    state = json.loads(json.dumps(generators.generator_state(np.random.default_rng(3))))
    again = np.random.default_rng()
    again.bit_generator.state = state
    assert again.random() == np.random.default_rng(3).random()


def test_torchs_state_is_its_seed_while_nothing_is_drawn() -> None:
    generator = torch.Generator().manual_seed(2**64 - 1)
    assert generators.generator_state(generator) == {"seed": 2**64 - 1}
    torch.rand(1, generator=generator)
    state = generators.generator_state(generator)
    other = torch.Generator()
    generators.give_torch(other, state)
    assert torch.rand(1, generator=other) == torch.rand(1, generator=generator)
    assert other.initial_seed() == 2**64 - 1


def test_states_are_told_apart() -> None:
    ours = generators.digest_of(generators.generator_state(random.Random(1)))
    assert ours == generators.digest_of(generators.generator_state(random.Random(1)))
    assert ours != generators.digest_of(generators.generator_state(random.Random(2)))


def test_devices_have_a_text_each_and_are_read_when_something_made_them_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With generators of the CPU in their place: no machine of ours has a device."""
    assert generators.read_global("cuda") is None or torch.cuda.is_initialized()
    devices = (torch.Generator().manual_seed(1), torch.Generator().manual_seed(2))
    queued: list[Any] = []
    monkeypatch.setattr(torch.cuda, "default_generators", devices)
    monkeypatch.setattr(torch.cuda, "_lazy_call", queued.append)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    heard: list[Any] = []
    generators.when_ready("cuda", lambda: heard.append(generators.read_global("cuda")))
    assert heard == []
    queued[0]()
    (state,) = heard
    drawn = [torch.rand(1, generator=device).item() for device in devices]
    generators.put_back("cuda", json.loads(json.dumps(state)))
    assert [torch.rand(1, generator=device).item() for device in devices] == drawn
