"""The hooks in torch: everything that people do to modules still works, and compiles as before."""

from typing import Any

import pytest

from tests.projects import Project

# Prints what happens, for plain Python and under us alike.
TRACERS = """
import json, sys, warnings
import torch
from torch import nn

found = {}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.head = nn.Linear(4, 1)
    def forward(self, x, scale: float = 1.0):
        return self.head(self.body(x)) * scale

def net():
    torch.manual_seed(0)
    return Net()

X = torch.arange(15.0).reshape(5, 3)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    for model in (net(), net().eval()):
        traced = torch.jit.trace(model, X, check_trace=False)
        found[f"jit.trace {model.training}"] = [str(traced.graph), traced(X).tolist()]
    found["jit.script"] = str(torch.jit.script(net()).code)
found["warnings"] = [str(w.message) for w in seen]
graph = torch.fx.symbolic_trace(net())
found["fx"] = [str(graph.graph), graph(X).tolist()]
model = net()
parameters = {k: v.detach() for k, v in model.named_parameters()}
buffers = dict(model.named_buffers())
def loss(p, x):
    return torch.func.functional_call(model.eval(), (p, buffers), (x,)).sum()
found["func.grad"] = {k: v.tolist() for k, v in torch.func.grad(loss)(parameters, X).items()}
model.train()
plain = nn.Linear(3, 2)
def single(p, x):
    return torch.func.functional_call(plain, p, (x,)).sum()
p = dict(plain.named_parameters())
torch.manual_seed(0); [torch.nn.init.ones_(v) for v in p.values()]
found["vmap"] = torch.func.vmap(torch.func.grad(single), (None, 0))(p, X)["weight"].tolist()
found["jvp"] = [v.tolist() for v in torch.func.jvp(lambda x: plain(x), (X,), (X,))]
found["export"] = str(torch.export.export(net().eval(), (X,)).graph) if "export" in sys.argv else 0
with torch.device("meta"):
    found["meta"] = str(nn.Linear(2, 2)(torch.ones(1, 2)).shape)
from torch._subclasses.fake_tensor import FakeTensorMode
with FakeTensorMode():
    found["fake"] = str(nn.Linear(2, 2)(torch.ones(1, 2)).shape)
found["hooks"] = []
model = net()
model.register_forward_pre_hook(lambda m, a: found["hooks"].append("pre"))
model.register_forward_hook(lambda m, a, o: found["hooks"].append("post"))
model.register_full_backward_hook(lambda m, i, o: found["hooks"].append("back"))
model(X).sum().backward()
import copy, inspect, pickle
found["pickled"] = pickle.loads(pickle.dumps(nn.Linear(1, 1))).in_features
found["copied"] = type(copy.deepcopy(model)).__name__
found["signature"] = str(inspect.signature(nn.Module.__call__))
found["name"] = [nn.Module.__call__.__name__, nn.Module.__call__.__doc__]
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model(X).sum().backward(); optimizer.step()  # training goes on after all of this
print(json.dumps(found))
"""


@pytest.fixture
def both(project: Project) -> Any:
    def run(script: str, *words: str) -> tuple[Any, Any, str]:
        project.write("a.py", script)
        plain = project.python("a.py", *words, PYTHONHASHSEED="1")
        under = project.run("a.py", *words, PYTHONHASHSEED="1")
        assert plain.code == 0, plain.err
        assert under.code == 0, under.err
        return under.json, plain.json, under.err

    return run


@pytest.mark.parametrize("words", [[], pytest.param(["export"], marks=pytest.mark.slow)], ids=repr)
@pytest.mark.slow
def test_tracers_and_transforms_give_what_they_give_without_us(
    both: Any, project: Project, words: list[str]
) -> None:
    under, plain, said = both(TRACERS, *words)
    for name, value in plain.items():
        assert under[name] == value, name
    assert "samebit: hooks" not in said
    view = project.view()
    assert [row.count for row in view.trace] == [1]
    assert {"loss", "grad", "param"} <= set(view.trace[0].groups)


COMPILED = """
import json, sys
import torch
from torch import nn
from torch._dynamo.utils import counters

backend = sys.argv[1]
graphs = []
def counting(graph, inputs):
    graphs.append(len(list(graph.graph.nodes)))
    if backend == "eager":
        return graph.forward
    from torch._dynamo.backends.registry import lookup_backend
    return lookup_backend(backend)(graph, inputs)

class Two(nn.Module):  # torch.compile leaves torch's own Sequential alone
    def __init__(self, first, second):
        super().__init__()
        self.first, self.second = first, second
    def forward(self, x):
        return self.second(self.first(x))

def net():
    torch._dynamo.reset(); counters.clear(); graphs.clear()
    torch.manual_seed(0)
    return Two(nn.Linear(3, 4), Two(nn.Linear(4, 4), nn.Dropout(0.5)))

X = torch.arange(15.0).reshape(5, 3)
found = {}
def train(name, model, call):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = call(X).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item().hex())
    found[name] = {"graphs": list(graphs), "losses": losses,
                   "breaks": dict(counters["graph_break"]), "stats": dict(counters["stats"])}

model = net()
train("module", model, torch.compile(model, backend=counting))
model = net()
train("function", model, torch.compile(lambda x: model(x), backend=counting, fullgraph=True))
model = net()
model.compile(backend=counting)
train("Module.compile", model, model)
model = net()
model.second.compile(backend=counting)
train("a part", model, model)
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["eager", pytest.param("aot_eager", marks=pytest.mark.slow)])
def test_a_compiled_model_is_compiled_once_into_one_graph_as_without_us(
    both: Any, project: Project, backend: str
) -> None:
    under, plain, said = both(COMPILED, backend)
    assert under == plain
    for name, one in under.items():
        assert len(one["graphs"]) == 1, name
        assert one["breaks"] == {}, name
    assert said == ""
    view = project.view()
    assert len(view.trace) == 16
    assert view.all_facts("problem") == []


COMPILED_STEP = """
import json
import torch
from torch._dynamo.utils import counters

data = torch.utils.data.TensorDataset(torch.arange(24.0).reshape(8, 3) / 24)
found = {}
for name in ("the step", "all of it", "an epoch"):
    torch._dynamo.reset(); counters.clear()
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    compiled = torch.compile(backend="eager")
    step = compiled(lambda: optimizer.step()) if name == "the step" else optimizer.step
    def train(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        step()
        return loss
    def epoch():
        for (x,) in torch.utils.data.DataLoader(data, 2, shuffle=True):
            loss = train(x)
        return loss
    if name == "all of it":
        train = compiled(train)
    loss = (compiled(epoch) if name == "an epoch" else epoch)()
    found[name] = [loss.item().hex(), dict(counters["stats"])]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_a_compiled_step_is_compiled_as_without_us(both: Any, project: Project) -> None:
    under, plain, said = both(COMPILED_STEP)
    assert under == plain  # the same graphs: of our own code there is none
    assert "samebit" not in said  # torch itself says that it leaves its profiler out
    view = project.view()
    assert len(view.trace) == 12
    assert all("param" in row.groups for row in view.trace)
    assert view.all_facts("problem") == []


FAILING = """
import torch
class Net(torch.nn.Module):
    def forward(self, x):
        return x @ torch.ones(7, 7)
class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 2
    def __getitem__(self, at):
        raise KeyError("no such file")
try:
    for _ in torch.utils.data.DataLoader(Data()):
        pass
except KeyError:
    import traceback
    traceback.print_exc()
try:
    torch.autograd.backward([torch.ones(2)])
except RuntimeError:
    traceback.print_exc()
torch.nn.Sequential(Net())(torch.ones(3))
"""


@pytest.mark.slow
def test_tracebacks_have_no_file_of_ours(project: Project) -> None:
    project.write("a.py", FAILING)
    plain = project.python("a.py")
    under = project.run("a.py")
    assert under.code == plain.code == 1
    assert "samebit/" not in under.err
    shown = [
        line for line in under.err.splitlines() if line.startswith(("  File", "Runtime", "Key"))
    ]
    assert [line for line in shown if "<lambda>" not in line] == [
        line for line in plain.err.splitlines() if line.startswith(("  File", "Runtime", "Key"))
    ]


@pytest.mark.parametrize(
    "point", ["hooks.batch", "hooks.backward", "hooks.forward", "hooks.pre_step", "hooks.post_step"]
)
@pytest.mark.slow
def test_a_hook_that_fails_is_switched_off_and_said_once(project: Project, point: str) -> None:
    project.write(
        "a.py",
        """
        import torch
        model = torch.nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for batch in torch.utils.data.DataLoader(torch.ones(8, 3), batch_size=2):
            optimizer.zero_grad(); model(batch).sum().backward(); optimizer.step()
        print(model.weight.sum().item().hex())
        """,
    )
    # The same numbers, whatever fails.
    project.write("seed.py", "")
    under = project.run("--seed", "3", "a.py")
    broken = project.run("--seed", "3", "a.py", SAMEBIT_FAULTS=f"{point}=raise@2+")
    assert (broken.code, broken.out) == (0, under.out)
    assert broken.err.count("injected fault") == 1
    whole, hurt = project.views()
    assert (whole.missing, hurt.status) == ([], "finished")
    assert hurt.missing
