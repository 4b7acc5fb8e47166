"""A run that nobody seeded is run again all the same; what could not be given back is named."""

import json
import sys
from collections.abc import Callable

import pytest

from tests.replay.conftest import SAMEBIT, Project, Verified

# A training whose every number is drawn from a generator that nobody seeded, of each kind.
TRAIN = """
import random
import numpy as np
import torch
from sklearn.model_selection import train_test_split

noise = np.random.default_rng()
own = random.Random()
old = np.random.RandomState()
seeded = np.random.RandomState(5)
bits = np.random.Generator(np.random.PCG64())
inputs = np.random.randn(64, 4).astype("float32")
inputs, _, targets, _ = train_test_split(inputs, inputs.sum(1) > 0)
order = torch.Generator()
order.seed()

class Data(torch.utils.data.Dataset):
    def __len__(self):
        return len(inputs)

    def __getitem__(self, at):
        added = np.random.rand() + random.random() + torch.rand(4)
        return torch.from_numpy(inputs[at]) + added.float(), float(targets[at])

model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(), torch.nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1 * random.random())
loaders = [
    torch.utils.data.DataLoader(Data(), 16, shuffle=True, num_workers=2),
    torch.utils.data.DataLoader(Data(), 16, shuffle=True, generator=order),
]
for epoch in range(2):
    for loader in loaders:
        for batch, labels in loader:
            batch = batch + torch.from_numpy(noise.normal(size=batch.shape)).float()
            batch = batch + own.random() + float(old.rand()) + float(bits.random())
            optimizer.zero_grad()
            outputs = model(batch + float(seeded.rand()))[:, 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(outputs, labels.float())
            loss.backward()
            optimizer.step()
    np.random.seed()
    random.seed()
    torch.seed()
"""

# `samebit verify` that has lost a part of what it gives back.
FORGETFUL = """
import sys
from samebit.cli import main, verifying
whole = verifying.given_back
verifying.given_back = lambda view: {**whole(view), sys.argv[1]: {}}
raise SystemExit(main.main(["verify", "@last", "--json"]))
"""


@pytest.fixture(scope="module")
def unseeded(make: Callable[..., Project]) -> Project:
    project = make("unseeded")
    project.write(train=TRAIN)
    project.run("train.py")
    return project


@pytest.mark.slow
def test_a_run_that_nobody_seeded_is_run_again_bit_for_bit(unseeded: Project) -> None:
    found = unseeded.verify()
    assert (found.code, found.text) == (0, "identical: ")
    scope = "\n".join(found.verdict["scope"])
    assert "how the generators began that nobody seeded: python, numpy, torch" in scope
    lines = TRAIN.splitlines()
    for name in ("default_rng()", "random.Random()", "RandomState()", "PCG64()"):
        at = next(number for number, line in enumerate(lines, 1) if name in line)
        assert f"train.py:{at} {name}" in scope
    assert "the state of loader.generator" in scope


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("generators", ""),
        ("unseeded", "default_rng(), of which the record has no seed"),
        ("loaders", ""),
    ],
)
def test_without_what_is_given_back_the_replay_is_another(
    unseeded: Project, part: str, named: str
) -> None:
    done = unseeded.call(sys.executable, "-c", FORGETFUL, part, expect=5)
    verdict = json.loads(done.stdout)
    assert verdict["grade"] == "different"
    assert named in verdict["cause"]


def trained(*lines: str, before: str = "") -> str:
    """A small training that begins from the number `x`."""
    begin = "\n".join(lines)
    return f"""{before}
import torch
{begin}
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    model(torch.full((1, 4), float(x))).sum().backward()
    optimizer.step()
"""


def test_a_small_unseeded_run_is_identical_with_its_numbers_from_every_library(
    project: Project,
) -> None:
    project.write(
        train=trained(
            "x = random.random() + float(numpy.random.rand())", before="import random, numpy"
        )
    )
    project.run("train.py")
    found = project.verify()
    assert (found.code, found.text) == (0, "identical: ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("x = os.urandom(1)[0]", "train.py:3 os.urandom()"),
        ("torch.manual_seed(secrets.token_bytes(1)[0]); x = 1", "train.py:3 secrets.token_bytes()"),
        ("x = random.SystemRandom().random()", "train.py:3 SystemRandom().random()"),
    ],
)
def test_the_systems_own_bytes_are_not_given_back_and_are_named(
    project: Project, line: str, named: str
) -> None:
    project.write(train=trained(line, before="import os, random, secrets"))
    project.run("train.py")
    found = project.verify()
    assert found.code == 5
    assert f"random, and not given back: {named}" in found.text


def begun_by_init(project: Project, text: str) -> Verified:
    project.write(train=text)
    project.call(sys.executable, "train.py", PYTHONHASHSEED="1")
    return project.verify()


@pytest.mark.slow
def test_a_run_begun_by_init_is_given_back_from_there_on(project: Project) -> None:
    draws = "random.random() + float(numpy.random.default_rng().random())"
    before = "import random, numpy, torch, samebit\nrandom.random(); torch.rand(1); samebit.init()"
    found = begun_by_init(project, trained(f"x = {draws}", before=before))
    assert (found.code, found.text) == (0, "identical: ")
    scope = "\n".join(found.verdict["scope"])
    assert "how the generators began that nobody seeded: python, numpy, torch" in scope


@pytest.mark.slow
def test_what_was_drawn_before_init_is_named(project: Project) -> None:
    before = "import random, samebit\nx = random.random()\nsamebit.init()"
    found = begun_by_init(project, trained(before=before))
    assert found.code == 5
    assert "random, and not given back: what was drawn before init(), but by torch" in found.text
    (remedy, *_) = found.verdict["remedies"]
    assert remedy.startswith("begin the record before what is drawn: with `samebit run`")


@pytest.mark.slow
def test_what_torch_drew_before_the_script_seeded_it_is_not(project: Project) -> None:
    before = "import torch, samebit\nx = torch.rand(1).item(); torch.manual_seed(1)"
    found = begun_by_init(project, trained("samebit.init()", before=before))
    assert found.code == 5
    assert found.text.endswith("random, and not given back: what was drawn before init()")
    assert found.verdict["kind"] == "run-to-run"


@pytest.mark.slow
def test_what_torch_drew_before_init_is_given_back(project: Project) -> None:
    """As of a model that is made before its callback begins the record."""
    before = "import torch, samebit\nx = torch.rand(1).item()"
    found = begun_by_init(project, trained("samebit.init()", before=before))
    assert (found.code, found.text) == (0, "identical: ")


CHILD = """
import numpy, torch
class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, at):
        return torch.tensor(numpy.random.default_rng().random(4), dtype=torch.float32)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for batch in torch.utils.data.DataLoader(Data(), 4, num_workers=1):
    model(batch).sum().backward()
    optimizer.step()
"""


@pytest.mark.slow
def test_a_generator_that_a_loaders_worker_makes_unseeded_is_named(
    make: Callable[..., Project],
) -> None:
    project = make("child")  # a short path: torch's workers hand tensors over by sockets in TMPDIR
    project.write(train=CHILD)
    project.run("train.py")
    found = project.verify()
    assert found.code == 5
    assert "random, and not given back: train.py:7 default_rng()" in found.text


@pytest.mark.slow
def test_a_seeded_run_has_nothing_to_give_back(project: Project) -> None:
    project.write(train=trained("x = 1"))
    project.call(*SAMEBIT, "run", "--quiet", "--seed", "3", "train.py")
    assert project.last().all_facts("generator") == []
    assert "given back" not in "".join(project.verify().verdict["scope"])
