import io
import random
from typing import Any

import numpy as np
import pytest
import torch

from samebit.errors import UsageError
from samebit.states import leaves, skeleton
from samebit.states import torch as states


class Tied(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(5, 4)
        self.norm = torch.nn.BatchNorm1d(4)
        self.head = torch.nn.Linear(4, 5, bias=False)
        self.head.weight = self.embed.weight
        self.again = self.norm
        self.head.same = self.head.weight
        self.register_buffer("table", torch.arange(3.0), persistent=False)
        self.register_buffer("absent", None)


def trained(model: torch.nn.Module, **kwargs: Any) -> torch.optim.Optimizer:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, **kwargs)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return optimizer


def test_a_module_has_the_names_and_order_of_its_state_dict() -> None:
    model = Tied()
    state = states.module_state(model)
    hidden = state.pop(states.NON_PERSISTENT)
    assert list(state) == list(model.state_dict())
    assert all(state[k].data_ptr() == v.data_ptr() for k, v in model.state_dict().items())
    assert list(hidden) == ["table"]
    assert state["head.weight"] is state["embed.weight"]


def test_wrapped_and_parametrised_modules_keep_their_own_names() -> None:
    inner = torch.nn.Linear(2, 2)
    torch.nn.utils.parametrizations.weight_norm(inner)
    compiled = torch.compile(inner, backend="eager")
    for model in (inner, torch.nn.Sequential(inner, torch.nn.LSTM(2, 2)), compiled):
        assert list(states.module_state(model)) == list(model.state_dict())


def test_extra_state_of_a_module_is_part_of_it() -> None:
    class Extra(torch.nn.Linear):
        def get_extra_state(self) -> dict[str, int]:
            return {"calls": 3}

    state = states.module_state(torch.nn.Sequential(Extra(1, 1)))
    assert state["0._extra_state"] == {"calls": 3}


def test_an_optimizer_is_told_by_the_names_of_its_parameters() -> None:
    model = Tied()
    optimizer = trained(model, betas=(0.8, 0.9))
    names = {id(p): name for name, p in model.named_parameters()}
    state = states.optimizer_state(optimizer, names)
    assert list(state["state"]) == ["embed.weight", "norm.weight", "norm.bias"]
    (group,) = state["param_groups"]
    assert group["params"] == ["embed.weight", "norm.weight", "norm.bias"]
    assert (group["lr"], group["betas"]) == (0.1, (0.8, 0.9))
    assert list(group) == list(optimizer.param_groups[0])
    _, arrays = skeleton.split({"optimizer": state})
    assert "optimizer.state.embed.weight.exp_avg" in arrays


def test_unknown_parameters_are_numbered_as_torch_does() -> None:
    model = Tied()
    optimizer = trained(model)
    state = states.optimizer_state(optimizer, {})
    theirs = optimizer.state_dict()
    assert state["param_groups"] == theirs["param_groups"]
    assert list(state["state"]) == list(theirs["state"])
    frame, arrays = skeleton.split(state)
    fresh = torch.optim.AdamW(model.parameters(), lr=9.0)
    fresh.load_state_dict(skeleton.join(frame, arrays))
    assert fresh.param_groups[0]["lr"] == 0.1


def test_two_parameters_of_one_name_do_not_replace_each_other() -> None:
    model = Tied()
    same_name = {id(p): "weight" for p in model.parameters()}
    state = states.optimizer_state(trained(model), same_name)
    assert list(state["state"]) == ["weight", 1, 2]


def test_state_of_a_parameter_that_left_its_group_is_numbered() -> None:
    model = Tied()
    optimizer = trained(model)
    optimizer.param_groups[0]["params"].pop(0)
    assert list(states.optimizer_state(optimizer, {})["state"]) == [2, 0, 1]


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "Adagrad", "LBFGS", "RMSprop", "Adafactor"])
def test_every_optimizer_of_torch_can_be_split(optimizer: str) -> None:
    model = torch.nn.Linear(3, 2)
    made = getattr(torch.optim, optimizer)(model.parameters(), lr=0.1)

    def closure() -> torch.Tensor:
        made.zero_grad()
        loss = model(torch.ones(1, 3)).square().sum()
        loss.backward()
        return loss

    made.step(closure)
    skeleton.split(states.optimizer_state(made, {}))


def draws() -> list[float]:
    torch_draws = [torch.rand(()).item(), torch.randn(()).item()]
    return [random.gauss(0, 1), random.random(), np.random.normal(), np.random.rand(), *torch_draws]


def test_every_generator_goes_on_from_where_it_was() -> None:
    draws()  # leaves half of a pair of normal numbers in two of them
    found = states.generator_states()
    assert set(found) == {"python", "numpy", "torch"}
    first = draws()
    states.restore_generators(found)
    assert draws() == first
    frame, arrays = skeleton.split(found)
    for convert in (torch.as_tensor, np.asarray):
        back = skeleton.join(frame, {name: convert(array) for name, array in arrays.items()})
        states.restore_generators(back)
        assert draws() == first


def test_numpys_generator_may_be_of_another_kind() -> None:
    old = np.random.get_bit_generator()
    try:
        for kind in (np.random.PCG64, np.random.Philox, np.random.SFC64):
            np.random.set_bit_generator(kind(1))
            found = states.generator_states()
            first = draws()
            frame, arrays = skeleton.split(found)
            back = skeleton.join(frame, {k: torch.as_tensor(v) for k, v in arrays.items()})
            states.restore_generators(back)
            assert draws() == first
    finally:
        np.random.set_bit_generator(old)


def test_looking_at_generators_draws_nothing_and_does_not_start_cuda() -> None:
    before = repr(random.getstate()), repr(np.random.get_state()), torch.get_rng_state()
    states.generator_states()
    after = repr(random.getstate()), repr(np.random.get_state()), torch.get_rng_state()
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    assert not torch.cuda.is_initialized()


def test_states_of_generators_do_not_follow_later_draws() -> None:
    found = states.generator_states()
    _, arrays = skeleton.split(found)
    before = {name: bytes(leaves.canonical(array).data) for name, array in arrays.items()}
    for _ in range(700):
        draws()
    assert before == {name: bytes(leaves.canonical(array).data) for name, array in arrays.items()}


def test_a_frozen_copy_does_not_follow_the_training() -> None:
    model = Tied()
    optimizer = trained(model)
    state = {
        "model": states.module_state(model),
        "optimizer": states.optimizer_state(optimizer, {}),
        "numpy": np.ones(2),
        "scalar": np.float32(1),
    }
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    copy = states.frozen_copy(state)
    optimizer.step()
    state["numpy"] += 1
    old = torch.load(io.BytesIO(buffer.getvalue()))
    assert all(torch.equal(copy["model"][name], tensor) for name, tensor in old.items())
    assert copy["model"]["head.weight"] is copy["model"]["embed.weight"]
    assert copy["optimizer"]["state"][0]["step"] == 1
    assert copy["numpy"].tolist() == [1, 1]
    assert type(copy["scalar"]) is np.float32
    assert not copy["model"]["embed.weight"].requires_grad


def test_a_frozen_copy_refuses_or_describes_as_asked() -> None:
    with pytest.raises(UsageError):
        states.frozen_copy({"a": object()})
    assert states.frozen_copy({"a": object()}, "text") == {"a": skeleton.Text("<object object>")}
