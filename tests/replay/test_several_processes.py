"""Several Pythons of one command, none of them seeded: each is given back its own."""

import sys

import pytest

from samebit.replay.given import given_back
from tests.replay.conftest import Project

TRAIN = """
import random, sys
import numpy as np
import torch

noise = np.random.default_rng()
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1 * random.random())
for _ in range(3):
    optimizer.zero_grad()
    model(torch.randn(3, 4) + float(noise.random()) + float(np.random.rand())).sum().backward()
    optimizer.step()
"""
DRAWN = """
import random, samebit
samebit.init().log({"drawn": random.random()}, step=0)
"""
REPLACES_ITSELF = """
import os, sys, random
import numpy as np
first = np.random.default_rng().random() + random.random()
if len(sys.argv) < 3:
    words = [sys.executable, sys.argv[0], str(first), *sys.argv[1:]]
    os.execv(sys.executable, words)
import torch
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model(torch.full((3, 4), first - float(sys.argv[1]))).sum().backward()
optimizer.step()
"""

ONE_AFTER_THE_OTHER = f"{sys.executable} a.py; {sys.executable} b.py; {sys.executable} a.py"
AT_ONCE = f"{sys.executable} a.py & {sys.executable} b.py & {sys.executable} b.py --two & wait"


@pytest.mark.slow
@pytest.mark.parametrize("commands", [ONE_AFTER_THE_OTHER, AT_ONCE])
def test_each_of_several_pythons_is_given_back_its_own(project: Project, commands: str) -> None:
    project.write(a=TRAIN, b=TRAIN)
    project.run("--", "sh", "-c", commands)
    found = project.verify()
    assert found.text == "identical: "
    assert "9 steps of several processes" in found.verdict["scope"][0]
    assert "final state identical: 6 arrays" in found.verdict["scope"]


@pytest.mark.slow
def test_a_process_that_is_not_what_it_was_is_named(project: Project) -> None:
    """The comparison sees every process, not only the last that trained."""
    project.write(
        a=TRAIN.replace(
            "optimizer.step()", "optimizer.step()\n    torch.manual_seed(__import__('os').getpid())"
        ),
        b=TRAIN,
    )
    project.run("--", "sh", "-c", f"{sys.executable} a.py; {sys.executable} b.py")
    found = project.verify()
    assert found.verdict["grade"] == "different"
    assert found.verdict["evidence"]["divergence"]["where"] == "step 2 of a.py"


@pytest.mark.slow
def test_a_script_that_replaces_itself_is_given_back_both_halves(project: Project) -> None:
    project.write(a=REPLACES_ITSELF)
    project.run("a.py", "x")
    assert project.verify().text == "identical: "


def test_what_is_given_back_is_told_apart_by_the_process_that_drew_it(project: Project) -> None:
    project.write(a=DRAWN, b="import random")
    python = sys.executable
    project.run("--", "sh", "-c", f"{python} a.py --x /some/where; {python} b.py; {python} b.py")
    given = given_back(project.last())["generators"]["0"]
    assert list(given) == ["a.py --x where", "b.py", "b.py (2)"]
    first, second = (given[name]["python"] for name in ("b.py", "b.py (2)"))
    assert first != second


def test_of_a_run_of_one_process_it_does_not_matter_how_it_is_started(project: Project) -> None:
    project.write(a="import random")
    project.run("--", sys.executable, "-u", "a.py")
    assert list(given_back(project.last())["generators"]["0"]) == [""]
