"""A checkpoint goes back into the objects to the bit, or nothing of them is changed."""

import copy
import enum
import tempfile
from collections import Counter, deque
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

from torch import nn  # noqa: E402

from samebit import places  # noqa: E402
from samebit.capture import generators  # noqa: E402
from samebit.errors import UsageError  # noqa: E402
from samebit.objects.store import Store  # noqa: E402
from samebit.session import hooks, restoring  # noqa: E402
from samebit.session.positions import Positions  # noqa: E402
from samebit.session.restoring import Into  # noqa: E402
from samebit.states import storing  # noqa: E402
from samebit.states import torch as torch_states  # noqa: E402
from samebit.states.stored import StoredState  # noqa: E402


class Net(nn.Module):
    """Tied weights, a buffer outside of `state_dict()`, and something extra."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.into = nn.Linear(3, width)
        self.norm = nn.BatchNorm1d(width)
        self.again = nn.Linear(3, width, bias=False)
        self.again.weight = self.into.weight
        self.register_buffer("passing", torch.zeros(2), persistent=False)
        self.extra: Any = {"seen": 0}

    def forward(self, x: Any) -> Any:
        self.extra = {"seen": self.extra["seen"] + 1}
        self.passing += 1
        return self.norm(self.into(x) + self.again(x))

    def get_extra_state(self) -> Any:
        return self.extra

    def set_extra_state(self, state: Any) -> None:
        if state["seen"] < 0:
            raise RuntimeError("no such state")
        self.extra = state


class Average:
    """As those that keep an average of weights: arrays of NumPy, and a function."""

    def __init__(self) -> None:
        self.of: dict[str, Any] = {"mean": np.zeros(3, np.float32), "decay": 0.9, "by": max}

    def state_dict(self) -> dict[str, Any]:
        return self.of

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.of = state


def made(kind: str = "AdamW", steps: int = 0, width: int = 4) -> Into:
    torch.manual_seed(steps)
    net = Net(width)
    optimizer = getattr(torch.optim, kind)(net.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step)
    average = Average()
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = scaler.scale(net(torch.randn(5, 3)).square().sum())
        loss.backward()
        return loss

    for step in range(steps):
        if kind == "LBFGS":
            optimizer.step(closure)
        else:
            closure()
            scaler.step(optimizer)
            scaler.update()
        scheduler.step()
        average.of["mean"] = average.of["mean"] + step
    return Into([net], [optimizer], [scheduler], [scaler], [average], [np.random.default_rng(3)])


def state_of(into: Into) -> dict[str, Any]:
    """As a checkpoint has it; what could only be described is described."""
    state: dict[str, Any] = {"model": torch_states.module_state(into.modules[0])}
    state["optimizer"] = torch_states.optimizer_state(into.optimizers[0], {})
    for kind in ("schedulers", "scalers", "others"):
        state[kind] = [thing.state_dict() for thing in getattr(into, kind)]
    own = [generators.generator_state(one) for one in into.generators]
    state["progress"] = {"modules": ["model"], "optimizers": [[0, 0]], "generators": own}
    return torch_states.frozen_copy(state, "text")


def restore(saved: dict[str, Any], into: Into) -> list[str]:
    """From a store of its own, as a resume does."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(places.make_store(Path(folder) / ".samebit"))
        stored = StoredState(store, storing.save(store, saved, unknown="text"))
        return restoring.restore(stored, stored.value(), into, "checkpoint 3")


def plain(value: Any) -> Any:
    """A state in a form in which equal means equal bits."""
    if hasattr(value, "tobytes"):
        return str(value.dtype), value.shape, value.tobytes()
    if hasattr(value, "detach"):
        return str(value.dtype).removeprefix("torch."), tuple(value.shape), value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


@pytest.mark.parametrize("kind", ["AdamW", "SGD", "Adafactor", "LBFGS", "RMSprop"])
def test_everything_comes_back_to_the_bit(kind: str) -> None:
    saved = state_of(made(kind, 3))
    fresh = made(kind)
    weight = fresh.modules[0].into.weight
    restore(saved, fresh)
    assert plain(state_of(fresh)) == plain(saved)
    assert fresh.modules[0].into.weight is weight is fresh.modules[0].again.weight
    assert fresh.others[0].of["by"] is max
    assert isinstance(fresh.others[0].of["mean"], np.ndarray)


def test_a_state_in_another_dtype_than_its_parameter_stays_as_it_is() -> None:
    weight = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    module = nn.ParameterList([weight])
    optimizer = torch.optim.SGD([weight], lr=0.1)
    optimizer.state[weight]["master"] = torch.tensor([1.0000001, 2, 3])
    into = Into([module], [optimizer], [], [], [], [])
    saved = state_of(into)
    optimizer.state.clear()
    restore(saved, into)
    master = optimizer.state[weight]["master"]
    assert (master.dtype, master.tolist()) == (torch.float32, [1.0000001192092896, 2, 3])


class Phase(enum.Enum):
    WARM = 1
    COLD = 2


class Seen(NamedTuple):
    mean: Any
    phase: Phase


@pytest.mark.parametrize("where", ["others", "extra"])
def test_what_is_of_a_type_comes_back_as_that_of_the_living_object(where: str) -> None:
    def put(into: Into, value: dict[str, Any]) -> Into:
        if where == "others":
            into.others[0].of |= value
        else:
            into.modules[0].extra |= value
        return into

    then = {"phase": Phase.COLD, "rows": [Seen(torch.ones(2), Phase.COLD)], "dtype": torch.half}
    saved = state_of(put(made(steps=3), then))
    now = {"phase": Phase.WARM, "rows": [Seen(torch.zeros(2), Phase.WARM)], "dtype": torch.half}
    fresh = put(made(), now)
    assert restore(saved, fresh) == []
    given = fresh.others[0].of if where == "others" else fresh.modules[0].extra
    assert given["phase"] is Phase.COLD
    assert type(given["rows"][0]) is Seen
    assert given["rows"][0].mean.tolist() == [1, 1]
    assert given["rows"][0].phase is Phase.COLD
    assert given["dtype"] is torch.half


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (Phase.COLD, None),
        (torch.half, torch.float),
        (Seen(1, Phase.COLD), (1, Phase.COLD)),
        (np.random.default_rng(1), np.random.default_rng(2)),
        (np.random.RandomState(1), np.random.RandomState(2)),
    ],
)
def test_what_is_of_a_type_that_the_living_object_lacks_is_refused(then: Any, now: Any) -> None:
    into, fresh = made(steps=3), made()
    into.others[0].of["it"], fresh.others[0].of["it"] = then, now
    before = copy.deepcopy(plain(state_of(fresh)["model"]))
    with pytest.raises(UsageError, match=r"Average\.it was another"):
        restore(state_of(into), fresh)
    assert plain(state_of(fresh)["model"]) == before


def formed(kind: str, seed: int) -> Any:
    torch.manual_seed(seed)
    dense = torch.rand(4, 4) * (torch.rand(4, 4) < 0.4)
    if kind == "quantized":
        return torch.quantize_per_tensor(dense, 0.1 * seed, seed, torch.qint8)
    if kind == "channels":
        return torch.quantize_per_channel(dense, dense[0] + 1, torch.arange(4), 0, torch.quint8)
    return dense.to_sparse_csr() if kind == "csr" else dense.to_sparse()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize("kind", ["coo", "csr", "quantized", "channels"])
def test_sparse_and_quantised_buffers_come_back(kind: str, stays: bool) -> None:
    into, fresh = made(steps=3), made()
    for seed, one in ((1, into), (2, fresh)):
        one.modules[0].norm.register_buffer("formed", formed(kind, seed), persistent=stays)
    assert restore(state_of(into), fresh) == []
    then, now = (dict(one.modules[0].named_buffers())["norm.formed"] for one in (into, fresh))
    assert (then.layout, then.dtype) == (now.layout, now.dtype)
    dense = [one.dequantize() if one.is_quantized else one.to_dense() for one in (then, now)]
    assert torch.equal(*dense)
    assert str(then) == str(now)


@pytest.mark.filterwarnings("ignore")
def test_a_sparse_buffer_that_does_not_fit_is_told() -> None:
    into, fresh = made(steps=3), made()
    into.modules[0].register_buffer("formed", formed("coo", 1))
    fresh.modules[0].register_buffer("formed", formed("csr", 1))
    with pytest.raises(
        UsageError, match="is sparse_coo float32 4×4 in the state, sparse_csr float32 4×4"
    ):
        restore(state_of(into), fresh)
    fresh = made()
    with pytest.raises(UsageError, match=r"model\.formed is in the state alone"):
        restore(state_of(into), fresh)


def test_an_equal_description_that_leaves_something_out_is_told() -> None:
    into, fresh = made(steps=3), made()
    whole = {"last": deque([1, 2], maxlen=3), "path": Path("a"), "many": Counter("ab")}
    for one in (into, fresh):
        one.others[0].of |= whole | {"ring": deque([0] * 99), "thing": object()}
    into.others[0].of["ring"].append(7)
    assert restore(state_of(into), fresh) == ["Average.ring", "Average.thing"]


@pytest.mark.parametrize("width", [5])
def test_what_does_not_fit_is_told_and_nothing_is_changed(width: int) -> None:
    saved = state_of(made(steps=3, width=width))
    ours = made(steps=1)
    before = copy.deepcopy(plain(state_of(ours)))
    with pytest.raises(UsageError) as told:
        restore(saved, ours)
    assert "model.into.weight is float32 5×3 in the state, float32 4×3 in the model" in (
        told.value.what
    )
    assert "nothing was changed" in str(told.value)
    assert plain(state_of(ours)) == before


@pytest.mark.parametrize("wrong", ["name", "module", "described", "extra", "scheduler", "group"])
def test_nothing_is_changed_whatever_it_is_that_does_not_fit(wrong: str) -> None:
    saved = state_of(made(steps=3))
    ours = made(steps=1)
    if wrong == "name":
        saved["model"]["more"] = saved["model"].pop("into.bias")
    elif wrong == "module":
        ours = Into([], *(getattr(ours, f) for f in ours.__struct_fields__[1:]))
    elif wrong == "described":
        ours.others[0].of["by"] = min
    elif wrong == "extra":
        saved["model"]["_extra_state"] = {"seen": -1}
    elif wrong == "scheduler":
        saved["schedulers"][0]["other"] = 1
    else:
        saved["optimizer"]["param_groups"][0]["params"].pop()
    before = copy.deepcopy(plain(state_of(ours))) if ours.modules else None
    with pytest.raises(UsageError):
        restore(saved, ours)
    assert before is None or plain(state_of(ours)) == before


class Listens:
    """Of what the hooks tell, what concerns positions."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.positions = Positions(lambda what, detail: self.said.append(f"{what}: {detail}"))
        self.epoch = self.positions.begins
        self.epoch_is_made = self.positions.is_made
        self.epoch_is_asked = self.positions.is_asked
        self.epoch_begun = self.positions.begun
        self.first_batch = self.positions.first_batch
        self.loader_ends = self.positions.ended

    def batch(self, value: Any, iterator: Any) -> None:
        self.positions.gave(iterator)
        self.positions.stepped()

    def trouble(self, source: str, error: Exception) -> None:
        raise error

    def __getattr__(self, name: str) -> Any:
        return lambda *given: None


class Noisy(torch.utils.data.Dataset[Any]):
    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> Any:
        return index + torch.rand(())


def loop(at: int | None, going_on: Any, own: bool, both: bool) -> tuple[list[Any], Any]:
    """What 20 steps of a loop draw, from a checkpoint on; and the checkpoint after step `at`."""
    listens = Listens()
    hooks.install(listens)
    own_generator = torch.Generator().manual_seed(5) if own else None
    first = torch.utils.data.DataLoader(Noisy(), 2, shuffle=True, generator=own_generator)
    second = torch.utils.data.DataLoader(Noisy(), 3, shuffle=True)
    torch.manual_seed(3)
    step, epoch = 0, 0
    if going_on is not None:
        step, epoch, loaders, now = going_on
        listens.positions.go_on(loaders, now)
        torch_states.restore_generators(now)
    drawn: list[Any] = []
    taken: Any = None
    try:
        for number in range(epoch, 99):
            rounds = zip(first, second, strict=False) if both else ((x, x) for x in first)
            for x, y in rounds:
                step += 1
                drawn.append((step, number, x.tolist(), y.tolist(), torch.rand(()).item()))
                if step == at:
                    place = listens.positions.place if not both else (number, 0)
                    now = torch_states.generator_states()
                    taken = copy.deepcopy((step, place[0], listens.positions.state(), now))
                if step == 20:
                    return drawn, taken
    finally:
        hooks.install(None)
        assert listens.said == []
    raise AssertionError


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 19), st.integers(1, 19), st.booleans(), st.booleans())
def test_a_loop_goes_on_from_any_step_as_if_it_had_never_stopped(
    at: int, later: int, own: bool, both: bool
) -> None:
    whole, _ = loop(None, None, own, both)
    begun, taken = loop(at, None, own, both)
    assert begun == whole
    # And once more from a checkpoint of what went on.
    second = at + later if at + later < 20 else None
    again, further = loop(second, taken, own, both)
    assert again == whole[at:]
    if further is not None:
        assert loop(None, further, own, both)[0] == whole[second:]
