"""States and schedules of every shape of training, to the bit; a run for each, in one process."""

from pathlib import Path
from typing import Any

import pytest

from samebit.folders.read import View
from tests.loaded import load
from tests.projects import Project

# Each case trains, and says what it knows itself; `checked` compares that with the record.
CASES = '''
import collections, copy, gc, json, random, sys, warnings, weakref
import numpy as np
import torch
from torch import nn
import samebit

cases = {}
def case(function):
    cases[function.__name__] = function
    return function

def same(a, b):
    """Equal names, types and bits."""
    if list(a) != list(b):
        return f"{list(a)} != {list(b)}"
    for name in a:
        x, y = a[name].detach(), b[name].detach()
        if x.dtype != y.dtype or x.shape != y.shape:
            return f"{name}: {x.dtype} {tuple(x.shape)} != {y.dtype} {tuple(y.shape)}"
        x, y = (t.contiguous().reshape(-1).view(torch.uint8) for t in (x, y))
        if not torch.equal(x, y):
            return name
    return True

def snapshot(model):
    return {k: v.detach().clone() for k, v in model.state_dict().items()}

def step(model, optimizer, data, closure=False):
    optimizer.zero_grad()
    model(data).float().pow(2).sum().backward()
    optimizer.step()

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))

X = torch.arange(15.0).reshape(5, 3)

def train(model, optimizer, n=3):
    for _ in range(n):
        step(model, optimizer, X)

def states(run, model, before, part="model"):
    run.finish()
    stored = samebit.open_run(run.id)
    return {"step 0": same(stored.state_dict("step 0", part), before),
            "final": same(stored.state_dict("final", part), model.state_dict())}

def simple(run, model, optimizer, n=3):
    before = snapshot(model)
    train(model, optimizer, n)
    return states(run, model, before)

@case
def sgd(run):
    model = net()
    return simple(run, model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9))

@case
def adam_fused_bfloat16(run):
    model = nn.Linear(3, 4, dtype=torch.bfloat16)
    before = snapshot(model)
    optimizer = torch.optim.Adam(model.parameters(), fused=True, lr=torch.tensor(0.125))
    for _ in range(3):
        step(model, optimizer, X.bfloat16())
    return states(run, model, before)

@case
def foreach(run):
    model = net()
    return simple(run, model, torch.optim.AdamW(model.parameters(), foreach=True))

@case
def lbfgs(run):
    model = nn.Linear(3, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)
    before = snapshot(model)
    def closure():
        optimizer.zero_grad()
        loss = model(X).pow(2).sum()
        loss.backward()
        return loss
    for _ in range(3):
        optimizer.step(closure)
    return states(run, model, before)

@case
def subclass(run):
    class Mine(torch.optim.SGD):
        def step(self, closure=None):
            return super().step(closure)
    model = net()
    return simple(run, model, Mine(model.parameters(), lr=0.01))

@case
def accumulation(run):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = snapshot(model)
    for _ in range(3):
        optimizer.zero_grad()
        for part in (X[:2], X[2:]):
            model(part).sum().backward()
        optimizer.step()
    return states(run, model, before)

@case
def evaluation_first(run):
    model = net()
    before = snapshot(model)
    model.eval()
    with torch.no_grad():
        model(X)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    train(model, optimizer)
    return states(run, model, before)

@case
def optimizer_before_load_state_dict(run):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()})
    return simple(run, model, optimizer)

@case
def loaded_after_a_first_training_forward(run):
    model = net()
    model(X)
    model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()})
    return simple(run, model, torch.optim.SGD(model.parameters(), lr=0.01))

@case
def lazy(run):
    model = nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 2))
    model(X)
    return simple(run, model, torch.optim.SGD(model.parameters(), lr=0.01))

@case
def tied(run):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3)
            self.b = nn.Linear(3, 3)
            self.b.weight = self.a.weight
            self.register_buffer("scratch", torch.ones(2), persistent=False)
        def forward(self, x):
            return self.b(self.a(x))
    model = Tied()
    return simple(run, model, torch.optim.SGD(model.parameters(), lr=1e-6))

@case
def sparse(run):
    model = nn.Sequential(nn.Embedding(10, 3, sparse=True))
    optimizer = torch.optim.SparseAdam(model.parameters())
    before = snapshot(model)
    for _ in range(3):
        step(model, optimizer, torch.tensor([1, 2, 2]))
    return states(run, model, before)

@case
def group_added_later(run):
    model = net()
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.01)
    before = snapshot(model)
    train(model, optimizer, 2)
    optimizer.add_param_group({"params": list(model[2].parameters()), "lr": 0.5})
    train(model, optimizer, 2)
    return states(run, model, before)

@case
def schedule(run):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=8)
    run.watch(model, optimizer, scheduler)
    used = []
    for _ in range(8):
        used.append([optimizer.param_groups[0][k] for k in ("lr", "momentum")])
        step(model, optimizer, X)
        scheduler.step() if len(used) < 8 else None
    run.finish()
    return {"used": used, "expected": len(used)}

class Shadow:
    """An average of weights that is no module, as some libraries have it."""
    def __init__(self, model): self.mean = snapshot(model)
    def update(self, model):
        for name, value in model.state_dict().items(): self.mean[name].copy_(value)
    def state_dict(self): return {"decay": 0.5, "mean": self.mean}
    def load_state_dict(self, state): self.mean = state["mean"]

class Asked(torch.utils.data.DataLoader):
    """A loader with a state, as torchdata's: it draws where it is asked behind the loop."""
    def state_dict(self): raise RuntimeError("asked")
    def load_state_dict(self, state): pass

@case
def averages(run):
    model, teacher = net(), net()
    average, shadow = torch.optim.swa_utils.AveragedModel(model), Shadow(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    before = snapshot(model)
    run.watch(model, average, teacher, optimizer, scaler, shadow, Asked([0]))
    for _ in range(3):
        optimizer.zero_grad()
        scaler.scale(model(X).pow(2).sum()).backward()
        scaler.step(optimizer); scaler.update()
        average.update_parameters(model); shadow.update(model)
        teacher(X)
    found = states(run, model, before)
    state = samebit.open_run(run.id).state().value()
    began = samebit.open_run(run.id).state("step 0").value()
    return found | {
        "average": same(state["model_2"], average.state_dict()),
        "teacher": same(state["model_3"], teacher.state_dict()),
        "shadow": same(state["others"][0]["mean"], shadow.mean),
        "others": len(state["others"]) == 1 and state["others"][0]["decay"] == 0.5,
        "scaler": state["scalers"] == [scaler.state_dict()],
        "at step 0": sorted(began) == ["generators", "model", "optimizer"],
    }

def gan_of(run):
    torch.manual_seed(1)
    g, d = nn.Linear(2, 3), nn.Linear(3, 1)
    og, od = (torch.optim.Adam(m.parameters(), lr=0.01) for m in (g, d))
    before = snapshot(d), snapshot(g)
    for _ in range(4):
        fake = g(torch.randn(5, 2))
        od.zero_grad(); d(fake.detach()).sum().backward(); od.step()
        og.zero_grad(); d(fake).sum().backward(); og.step()
    return before, snapshot(d), snapshot(g)

@case
def gan(run):
    before, d, g = gan_of(run)  # its models are gone by now, and held by the record alone
    gc.collect()
    run.finish()
    stored = samebit.open_run(run.id)
    # The generator ran first, so it is `model`; the discriminator stepped first.
    return {"d 0": same(stored.state_dict("step 0", "model_2"), before[0]),
            "d": same(stored.state_dict("final", "model_2"), d),
            "g 0": same(stored.state_dict("step 0 of optimizer 1", "model"), before[1]),
            "g": same(stored.state_dict("final of optimizer 1", "model"), g)}

@case
def folds(run):
    finals, freed = [], []
    for fold in range(4):
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01 * (fold + 1))
        train(model, optimizer, fold + 1)
        finals.append(snapshot(model))
        freed.append((weakref.ref(model), weakref.ref(optimizer)))
        del model, optimizer
        gc.collect()
    alive = [bool(m() or o()) for m, o in freed]
    run.finish()
    stored = samebit.open_run(run.id)
    names = ["final", *(f"final of optimizer {at}" for at in range(1, 4))]
    parts = ["model", "model_2", "model_3", "model_4"]
    return {"alive": alive == [False] * 3 + [True],
            **{n: same(stored.state_dict(n, p), f)
               for n, p, f in zip(names, parts, finals, strict=True)}}

@case
def parts_called_alone(run):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(3, 4), nn.Linear(4, 1)
        def forward(self, x):
            return self.head(torch.utils.checkpoint.checkpoint(self.body, x, use_reentrant=False))
    import torch.utils.checkpoint
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = snapshot(model)
    train(model, optimizer)
    model.head(model.body(X))
    train(model, optimizer, 1)
    run.finish()
    stored = samebit.open_run(run.id)
    try:
        stored.state_dict("final", "model_2")
        others = "there is a second model"
    except samebit.errors.NotFound:
        others = True
    return {"others": others, "step 0": same(stored.state_dict("step 0"), before),
            "final": same(stored.state_dict("final"), model.state_dict())}

@case
def loose_parameters(run):
    weights = [torch.ones(3, requires_grad=True), torch.zeros(2, requires_grad=True)]
    optimizer = torch.optim.SGD(weights, lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        (weights[0].sum() + weights[1].sum()).backward()
        optimizer.step()
    run.finish()
    final = samebit.open_run(run.id).state_dict("final", "parameters")
    return {"final": same(final, {"0": weights[0], "1": weights[1]})}

@case
def generators(run):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    random.seed(5); np.random.seed(6); torch.manual_seed(7)
    torch_then, numpy_then = torch.get_rng_state(), np.random.get_state()[1].copy()
    step(model, optimizer, X)
    random.random(); np.random.rand(); torch.rand(1)
    run.finish()
    from samebit.objects.store import Store
    from samebit.states.stored import StoredState
    from samebit.folders.read import read_run
    from samebit.folders.folder import RunFolder
    view = read_run(RunFolder(run.path))
    found = [StoredState(Store(run.path.parent.parent), view.manifest(at)).value("numpy")
             ["generators"] for at in ("step 0", "final")]
    return {"torch": bool((found[0]["torch"] == torch_then.numpy()).all()),
            "numpy": bool((found[0]["numpy"]["state"]["key"] == numpy_then).all()),
            "python": found[1]["python"]["words"].tolist() == list(random.getstate()[1]),
            "final": bool((found[1]["torch"] == torch.get_rng_state().numpy()).all())}

@case
def batches(run):
    Point = collections.namedtuple("Point", "x y")
    class Own(collections.UserDict):
        pass
    kinds = {"dict": lambda a: {"x": a, "n": {"y": 1}}, "tuple": lambda a: (a, "text"),
             "named": lambda a: Point(a, a), "mapping": lambda a: Own(x=a), "tensor": lambda a: a}
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for make in kinds.values():
        loader = torch.utils.data.DataLoader([0, 1], batch_size=2, collate_fn=lambda _: make(X))
        for _ in loader:
            step(model, optimizer, X)
    run.finish()
    return {}

@case
def an_error_in_a_step(run):
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    before = snapshot(model)
    def closure():
        raise MemoryError
    for batch in torch.utils.data.DataLoader(X, batch_size=3):
        try:
            optimizer.step(closure)
        except MemoryError:
            pass
    for batch in torch.utils.data.DataLoader(X, batch_size=2):
        step(model, optimizer, batch)
    return states(run, model, before)

@case
def a_loader_read_in_a_thread(run):
    import threading, queue
    batches = queue.Queue()
    loader = torch.utils.data.DataLoader(X, batch_size=5)
    def read():
        for _ in range(3):
            for batch in loader:
                batches.put(batch)
    thread = threading.Thread(target=read); thread.start(); thread.join()
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = snapshot(model)
    while not batches.empty():
        step(model, optimizer, batches.get())
    return states(run, model, before)

results = {}
for name in sys.argv[1:] or cases:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = samebit.init(name=name)
        results[name] = cases[name](run)
    run.finish()
print(json.dumps(results))
'''

NAMES = [
    line.removeprefix("def ").partition("(")[0]
    for before, line in zip(CASES.splitlines(), CASES.splitlines()[1:], strict=False)
    if before == "@case"
]


class Trained:
    """What the cases said of themselves, and what was recorded of each."""

    def __init__(self, results: dict[str, Any], said: str, views: list[View]) -> None:
        self.results = results
        self.said = said
        self.view = {view.name: view for view in views}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    project = Project(Path(tmp_path_factory.mktemp("models")))
    project.write("cases.py", CASES)
    ended = project.python("cases.py", PYTHONHASHSEED="1")
    if ended.code:
        pytest.exit(ended.err)
    return Trained(ended.json, ended.err, project.views())


def counts(view: View, optimizer: int = 0) -> list[int]:
    return [row.count for row in view.trace if row.optimizer == optimizer]


@pytest.mark.parametrize("name", NAMES)
def test_step_0_and_the_end_are_the_models_own_to_the_bit(trained: Trained, name: str) -> None:
    found = {at: said for at, said in trained.results[name].items() if at not in _NOT_STATES}
    assert all(said is True for said in found.values()), found


_NOT_STATES = ("used", "expected")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_training_is_traced_step_by_step_without_a_problem(trained: Trained, name: str) -> None:
    view = trained.view[name]
    problems = view.all_facts("problem")
    if name == "sparse":
        (problem,) = problems
        assert "sparse" in problem["detail"]
        problems = []
    assert (view.status, problems, view.gaps) == ("finished", [], [])
    steps = {"schedule": 8, "gan": 4, "folds": 1, "group_added_later": 4, "loose_parameters": 2}
    steps |= {"parts_called_alone": 4, "generators": 1, "batches": 5}
    assert counts(view) == list(range(1, steps.get(name, 3) + 1))
    for row in view.trace:
        expected = {"rng.torch", "rng.python", "hyper", "loss", "param"}
        if name not in ("sparse",):
            expected |= {"grad"}
        if name != "loose_parameters":
            expected |= {"input", "output"}
        if name == "batches":
            expected |= {"batch"}
        assert set(row.groups) >= expected, (row, expected - set(row.groups))


def test_two_optimizers_count_each_their_own_steps(trained: Trained) -> None:
    view = trained.view["gan"]
    assert counts(view, 0) == counts(view, 1) == [1, 2, 3, 4]


def test_optimizers_that_follow_each_other_are_never_taken_for_one(trained: Trained) -> None:
    view = trained.view["folds"]
    assert [counts(view, at) for at in range(4)] == [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]
    assert set(view.states) == {
        f"{name}{number}"
        for name in ("step 0", "final")
        for number in ("", *(f" of optimizer {at}" for at in (1, 2, 3)))
    }


def test_the_schedule_is_the_one_that_the_optimizer_used(trained: Trained) -> None:
    rows = {
        count: values for _, count, group, values in trained.view["schedule"].schedule if not group
    }
    used = trained.results["schedule"]["used"]
    assert [[rows[at]["lr"], rows[at]["momentum"]] for at in range(1, 9)] == used
    later = [
        values for _, count, group, values in trained.view["group_added_later"].schedule if group
    ]
    assert [values["lr"] for values in later] == [0.5]
    first = trained.view["adam_fused_bfloat16"].schedule[0]
    assert (first[3]["lr"], first[3]["fused"]) == (0.125, True)
    assert all(count == 1 for _, count, _, _ in trained.view["sgd"].schedule)


def test_batches_of_every_shape_are_fingerprinted(trained: Trained) -> None:
    digests = [row.groups["batch"] for row in trained.view["batches"].trace]
    assert len(set(digests[:3])) == 3


def test_a_watched_scheduler_is_in_the_state(trained: Trained) -> None:
    from samebit.objects.store import Store

    view = trained.view["schedule"]
    state = load(Store(view.folder.store), view.manifest("final"), as_torch=False)
    assert state["schedulers"][0]["last_epoch"] == 7
