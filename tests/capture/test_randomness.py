"""Seeds as people's own functions set them, determinism as it is read back, seed calls reported."""

import os
import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from samebit.capture import randomness
from samebit.errors import UsageError
from tests.projects import Project

DRAW = """
import json
def draw():
    import random, numpy as np, torch
    from torch.utils.data import DataLoader, Dataset
    class Noise(Dataset):
        def __len__(self):
            return 4
        def __getitem__(self, at):
            return torch.tensor([torch.rand(1).item(), np.random.rand(), random.random()])
    loader = DataLoader(Noise(), 2, num_workers=2, shuffle=True)
    return {
        "python": random.random(), "numpy": np.random.rand(), "torch": torch.rand(3).tolist(),
        "layer": torch.nn.Linear(2, 2).weight.tolist(),
        "workers": [batch.tolist() for _ in range(2) for batch in loader],
    }
"""
OWN = """
import random, numpy as np, torch
def set_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
set_seed(42)
"""


@pytest.mark.slow
def test_our_seed_gives_the_numbers_of_peoples_own_seed_functions(project: Project) -> None:
    project.write("own.py", OWN + DRAW + "print(json.dumps(draw()))\n")
    project.write("later.py", DRAW + "print(json.dumps(draw()))\n")
    project.write(
        "called.py",
        "import numpy, samebit\nsamebit.init(seed=42)\n" + DRAW + "print(json.dumps(draw()))\n",
    )
    expected = project.python("own.py").json
    assert project.run("--seed", "42", "later.py").json == expected
    assert project.python("called.py", PYTHONHASHSEED="1").json == expected
    assert project.run("called.py").json == expected


@pytest.mark.slow
def test_the_scripts_own_seed_wins_and_is_reported_with_its_line(project: Project) -> None:
    path = project.write("own.py", OWN + DRAW + "print(json.dumps(draw()))\n")
    assert project.run("--seed", "7", "own.py").json == project.python("own.py").json
    calls = project.view().all_facts("seed_call")
    lines = path.read_text().splitlines()
    own = [
        (c["library"], c["value"]) for c in calls if c["at"].rpartition(":")[0].endswith("own.py")
    ]
    assert own == [("python", 42), ("numpy", 42), ("torch", 42)]
    for call in calls[:3]:
        line = lines[int(call["at"].rpartition(":")[2]) - 1]
        assert "seed(seed)" in line


DETERMINISTIC = """
import json, os, torch
names = ("CUBLAS_WORKSPACE_CONFIG", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED")
print(json.dumps({name: os.environ.get(name) for name in names}))
model = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
torch.set_float32_matmul_precision("high")
model(torch.ones(1, 2)).sum().backward()
optimizer.step()
torch.set_float32_matmul_precision("highest")
torch.use_deterministic_algorithms(False)
"""


@pytest.mark.slow
def test_strict_determinism_is_in_force_from_before_the_first_line(project: Project) -> None:
    project.write("a.py", DETERMINISTIC)
    ended = project.run("--deterministic", "--seed", "9", "a.py")
    found = ended.json
    assert (found["CUBLAS_WORKSPACE_CONFIG"], found["PYTHONHASHSEED"]) == (":4096:8", "9")
    assert found["OMP_NUM_THREADS"] == found["MKL_NUM_THREADS"]
    # What held at the first step, not what the script did after it.
    settings = project.view().facts["settings"]
    expected = {
        "torch.deterministic_algorithms": True,
        "torch.deterministic_warn_only": False,
        "torch.fill_uninitialized_memory": True,
        "torch.cudnn.benchmark": False,
        "torch.cudnn.deterministic": True,
        "torch.float32_matmul_precision": "high",
        "torch.threads": int(found["OMP_NUM_THREADS"]),
        "torch.initial_seed": 9,
        "python.hash_seed": "9",
    }
    assert {name: settings[name] for name in expected} == expected
    assert ended.err == ""


@pytest.mark.slow
def test_without_being_asked_nothing_is_switched(project: Project) -> None:
    project.write("a.py", DETERMINISTIC)
    found = project.run("a.py", OMP_NUM_THREADS="2").json
    assert (found["CUBLAS_WORKSPACE_CONFIG"], found["OMP_NUM_THREADS"]) == (None, "2")
    assert project.view().facts["settings"]["torch.deterministic_algorithms"] is False


def test_the_users_own_variables_stay() -> None:
    found = randomness.strict_variables({"OMP_NUM_THREADS": "3", "MKL_DYNAMIC": "TRUE"}, 8)
    assert "OMP_NUM_THREADS" not in found
    assert "MKL_DYNAMIC" not in found
    assert found["MKL_NUM_THREADS"] == "3"
    assert "NCCL_ALGO" not in found
    assert randomness.strict_variables({"WORLD_SIZE": "2"}, 8)["NCCL_ALGO"] == "Ring"
    assert randomness.strict_variables({"WORLD_SIZE": ""}, 8)["OMP_NUM_THREADS"] == "8"


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_a_seed_is_what_every_library_takes(seed: int) -> None:
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        randomness.seed_everything(randomness.check_seed(seed))
        found = random.random(), np.random.rand(), torch.rand(1).item()
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
        assert found == (random.random(), np.random.rand(), torch.rand(1).item())
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, True, "1", None])
def test_anything_else_is_refused(seed: Any) -> None:
    with pytest.raises(UsageError, match="a seed must be a whole number"):
        randomness.check_seed(seed)


@pytest.mark.slow
def test_a_wrapped_seed_function_is_what_it_was(project: Project) -> None:
    project.write(
        "a.py",
        """
        import json, pickle, random, inspect
        import numpy as np, torch
        random.seed("text"); random.seed(); random.seed(3.5); random.seed(a=5)
        np.random.seed(np.int64(6)); np.random.seed([1, 2]); np.random.seed(seed=7)
        torch.manual_seed(seed=8)
        try:
            np.random.seed(-1)
        except ValueError as error:
            refused = str(error)
        print(json.dumps([
            random.seed.__name__, random.seed.__doc__, np.random.seed.__doc__, refused,
            torch.manual_seed.__name__, torch.manual_seed.__module__, torch.manual_seed.__doc__,
            str(inspect.signature(torch.manual_seed)), type(torch.manual_seed(1)).__name__,
            pickle.dumps(torch.manual_seed).decode("latin-1"),
        ]))
        """,
    )
    plain, under = project.python("a.py"), project.run("a.py")
    assert under.err == plain.err
    assert under.json == plain.json
    calls = [(c["library"], c["value"]) for c in project.view().all_facts("seed_call")]
    calls = [call for call in calls if call[0] != "torch"]
    assert calls == [
        ("python", "text"),
        ("python", None),
        ("python", 3.5),
        ("python", 5),
        ("numpy", 6),
        ("numpy", None),
        ("numpy", 7),
    ]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="forks")
def test_loader_workers_report_no_seed_calls(project: Project) -> None:
    project.write("later.py", DRAW + "draw()\n")
    project.run("later.py")
    assert project.view().all_facts("seed_call") == []


@pytest.mark.parametrize(
    ("make", "like"),
    [
        (lambda: int(time.time()), "time"),
        (time.time, "time"),
        (lambda: int(time.time() * 1000), "time"),
        (lambda: int(time.time() * 1000) % 2**32, "time"),
        (time.time_ns, "time"),
        (os.getpid, "pid"),
        (lambda: int(time.time()) - 60, None),
        (lambda: 20251125, None),
        (lambda: "text", None),
        (lambda: True, None),
    ],
)
def test_a_seed_that_is_the_moments_own_is_told(
    make: Callable[[], object], like: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(randomness, "_SMALLEST_PID", 1)
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(randomness, "_listeners", [calls.append])
    randomness._report("python", make())
    assert [call.get("like") for call in calls] == [like]


def test_a_small_process_id_is_a_seed_that_people_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 42)
    assert randomness._like(42) is None
