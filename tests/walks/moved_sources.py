"""Scripts in which one source of difference can be moved, and the pairs of runs that move it.

A pair is two runs of one script. Sources that do not hide each other are moved together: a start of
PyTorch takes seconds.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samebit.folders.read import View
from tests.projects import SAMEBIT, Ended, Project

# Every generator that a script may have; `forgotten` leaves each of them to the system.
CHANCE = """
import os, random, secrets, sys, uuid
import numpy as np, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
forgotten = sys.argv[1] == "forgotten"
order = torch.Generator()
if forgotten:
    random.seed()
    order.seed()
    rng, legacy = np.random.default_rng(), np.random.RandomState()
    own = random.Random()
    system = random.SystemRandom().random()
    token, name, some = secrets.token_bytes(4), uuid.uuid4(), os.urandom(4)
else:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    order.manual_seed(1)
    rng, legacy, own = np.random.default_rng(1), np.random.RandomState(1), random.Random(1)
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
loader = DataLoader(TensorDataset(torch.arange(64.0).reshape(16, 4)), 4, True, generator=order)
for _ in range(2):
    np.random.rand()
    for (x,) in loader:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
assert not torch.cuda.is_initialized()
"""
# Settings of libraries: read at their import from variables, or switched by the script.
ARITHMETIC = """
import sys
import numpy as np, torch
from torch import nn
import torch._inductor.config as inductor
if sys.argv[1] == "moved":
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.set_flush_denormal(True)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.mkldnn.deterministic = True
    torch.set_float32_matmul_precision("high")
    inductor.max_autotune = True
torch.manual_seed(1)
model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 8))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(2):
    optimizer.zero_grad()
    model(torch.randn(32, 1, 8, 8)).square().mean().backward()
    optimizer.step()
assert not torch.cuda.is_initialized()
"""
STILL = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
MOVED = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_DYNAMIC": "FALSE",
    "OMP_DYNAMIC": "FALSE",
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
    "TOKENIZERS_PARALLELISM": "false",
    "CUBLAS_WORKSPACE_CONFIG": ":16:8",
    "NVIDIA_TF32_OVERRIDE": "0",
    "FLASH_ATTENTION_DETERMINISTIC": "1",
    "NVTE_ALLOW_NONDETERMINISTIC_ALGO": "0",
    "MAMBA_DETERMINISTIC": "1",
    "TORCHINDUCTOR_DETERMINISTIC": "1",
    "NCCL_ALGO": "Ring",
    "NCCL_PROTO": "Simple",
}
# Data loaders whose workers draw; the second has another of everything that a loader is set to.
LOADERS = """
import sys
import numpy as np, torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
class Noisy(Dataset):
    def __len__(self):
        return 16
    def __getitem__(self, at):
        return torch.rand(4) + at + float(np.random.default_rng().random())
torch.manual_seed(1)
more = {} if sys.argv[1] == "still" else {
    "in_order": False, "persistent_workers": True, "prefetch_factor": 3,
}
loader = DataLoader(Noisy(), 4, num_workers=1 if sys.argv[1] == "still" else 2, **more)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for x in loader:
    optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()
"""
# Nothing but the steps shows these: each does something else at one step.
STEPS = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
import torch
from torch import nn
moved = sys.argv[1]
torch.manual_seed(1)
accumulation = 2 if moved == "accumulation" else 1
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
ended, first_has = [], threading.Event()
def sample(number, is_last):
    if is_last:
        first_has.wait()
    ended.append(torch.full((1, 4), float(number)))
    first_has.set()
for step in range(1, 9):
    x = torch.arange(16.0).reshape(4, 4) / step
    if step == 3:  # the samples come as their threads end
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(sample, (0, 1), (moved == "race", moved != "race")))
        x = torch.cat(ended)
    if step == 4:  # six numbers are written over four places: the order of writing decides
        view = x.reshape(-1)[:4].as_strided((3, 2), (1, 1))
        source = torch.arange(6.0).reshape(3, 2)
        for row in (2, 1, 0) if moved == "overlap" else (0, 1, 2):
            view[row] = source[row]
    if step == 5 and moved == "validation":  # it came to its time in this run
        torch.rand(3)
    x = x + torch.rand(x.shape)
    for _ in range(accumulation):
        loss = model(x).square().mean()
        if moved == "skipped" and step == 6:
            loss = loss * float("inf")
        scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()
    if step == 7 and moved == "flip":
        model.weight.data.view(torch.int32)[0, 0] ^= 1
"""
DEVICE = """
import torch
model = torch.nn.Linear(4, 1).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(2):
    optimizer.zero_grad()
    model(torch.rand(8, 4, device="cuda")).square().mean().backward()
    optimizer.step()
"""
HASH = """
print(list({"north", "east", "south", "west", "up", "down"}))
"""
MOMENT = """
import os, random, sys, time
random.seed(1 if sys.argv[1] == "still" else int(time.time()))
"""
LISTING = """
import os, sys
print(os.listdir(sys.argv[1]))
"""


SCRIPTS = {
    "arithmetic.py": ARITHMETIC,
    "chance.py": CHANCE,
    "device.py": DEVICE,
    "hash.py": HASH,
    "listing.py": LISTING,
    "loaders.py": LOADERS,
    "moment.py": MOMENT,
    "steps.py": STEPS,
}


@dataclass(frozen=True)
class Pair:
    """One script, and what it is given the first time and the second."""

    script: str
    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()
    first_env: Mapping[str, str] = field(default_factory=dict[str, str])
    second_env: Mapping[str, str] = field(default_factory=dict[str, str])


def _steps(moved: str) -> Pair:
    return Pair("steps.py", ("still",), (moved,))


PAIRS = {
    "chance": Pair("chance.py", ("seeded",), ("forgotten",)),
    "arithmetic": Pair("arithmetic.py", ("still",), ("moved",), STILL, MOVED),
    "loaders": Pair("loaders.py", ("still",), ("moved",)),
    "race": _steps("race"),
    "overlap": _steps("overlap"),
    "validation": _steps("validation"),
    "skipped": _steps("skipped"),
    "accumulation": _steps("accumulation"),
    "flip": _steps("flip"),
    "device": Pair("device.py"),
    "hash": Pair("hash.py", (), (), {"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"}),
    "moment": Pair("moment.py", ("still",), ("moved",)),
}


@dataclass(frozen=True)
class Ran:
    """Two runs, what `diff` says of them, and what `show` says that the second lacks."""

    first: View
    second: View
    diff: dict[str, list[str]]
    missing: str
    shown: str


class Runs:
    """The pairs that were run so far; a run that several of them share is run once."""

    def __init__(self, folder: Path) -> None:
        self._project = Project(folder)
        for name, text in SCRIPTS.items():
            self._project.write(name, text)
        self._call = self._project.call
        self._done: dict[str, Ran] = {}
        self._views: dict[tuple[Any, ...], View] = {}

    def of(self, name: str) -> Ran:
        """The two runs of a pair."""
        if name not in self._done:
            pair = PAIRS[name]
            fixed = {"PYTHONHASHSEED": "0"}  # of which only one pair is to differ
            first = self._once(pair.script, pair.first, {**fixed, **pair.first_env})
            same = (pair.first, pair.first_env) == (pair.second, pair.second_env)
            again = self._run if same else self._once
            second = again(pair.script, pair.second, {**fixed, **pair.second_env})
            self._done[name] = self._compared(first, second)
        return self._done[name]

    def of_listings(self, folder: Path) -> Ran:
        """Two runs that list one folder, whose files were made in another order in between."""
        views: list[View] = []
        for names in ("abc", "cba"):
            for name in names:
                (folder / name).touch()
            views.append(self._run("listing.py", (str(folder),), {"PYTHONHASHSEED": "0"}))
            for name in names:
                (folder / name).unlink()
        return self._compared(*views)

    def of_processors(self) -> Ran:
        """A run on all processors, and one that may use the first of them only."""
        env = {"PYTHONHASHSEED": "0"}
        first = self._run("hash.py", (), env)
        only = f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}}); "
        start = only + "import sys; os.execv(sys.argv[1], sys.argv[1:])"
        begin = (sys.executable, "-c", start, SAMEBIT, "run", "--quiet")
        return self._compared(first, self._new(lambda: self._call(*begin, "hash.py", **env)))

    def _once(self, script: str, words: tuple[str, ...], env: Mapping[str, str]) -> View:
        key = (script, words, tuple(sorted(env.items())))
        if key not in self._views:
            self._views[key] = self._run(script, words, env)
        return self._views[key]

    def _run(self, script: str, words: tuple[str, ...], env: Mapping[str, str]) -> View:
        return self._new(lambda: self._project.run(script, *words, **env))

    def _new(self, run: Callable[[], Ended]) -> View:
        """The run that this makes."""
        known = {view.id for view in self._project.views()} if self._project.store.exists() else {}
        done = run()
        assert done.code == 0, done.err
        (view,) = [view for view in self._project.views() if view.id not in known]
        assert view.status == "finished"
        return view

    def _compared(self, first: View, second: View) -> Ran:
        call = self._call
        compared = call(SAMEBIT, "diff", first.id, second.id, "--json")
        assert compared.code == 5, compared.err
        lacks = json.loads(call(SAMEBIT, "show", second.id, "--json").out)["missing"]
        missing = "\n".join(lack["what"] for lack in lacks)
        shown = call(SAMEBIT, "show", second.id).out
        return Ran(first, second, json.loads(compared.out), missing, shown)
