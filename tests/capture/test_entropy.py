"""Seeds that nobody gave are noted with their line; what is seeded is not, and nothing changes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.projects import Project

# Every way to a generator that nobody seeds, a line each; then what must not be taken for one.
UNSEEDED = """
import copy, json, pickle, random
import numpy as np
np.random.default_rng()                      # default_rng()
np.random.RandomState()                      # RandomState()
np.random.SeedSequence()                     # SeedSequence()
np.random.PCG64()                            # PCG64()
np.random.Generator(np.random.Philox())      # Philox()
np.random.MT19937()                          # MT19937()
np.random.RandomState(None)                  # RandomState()
np.random.seed()                             # np.random.seed()
random.Random()                              # random.Random()
random.Random(None)                          # random.Random()
random.seed()                                # random.seed()
[np.random.default_rng() for _ in range(2)]  # default_rng()
seeded = np.random.RandomState(5), np.random.RandomState([1, 2]), np.random.default_rng(3)
np.random.PCG64(1); np.random.SeedSequence(4); np.random.seed(6)
np.random.Generator(seeded[2].bit_generator)
random.Random(7); random.seed(8); random.SystemRandom()
copies = [copy.deepcopy(it) for it in (*seeded, random.Random(9))]
pickles = [pickle.loads(pickle.dumps(it)) for it in seeded]
class Own(random.Random):
    def getstate(self):
        raise RuntimeError("never asked")
Own(1)
"""


def facts(project: Project, name: str) -> list[dict[str, Any]]:
    return project.view().all_facts(name)


def line(fact: dict[str, Any]) -> int:
    return int(fact["at"].rpartition(":")[2])


def test_every_unseeded_constructor_is_noted_with_its_line_and_no_seeded_one(
    project: Project,
) -> None:
    project.write("a.py", UNSEEDED)
    ended = project.run("a.py")
    assert (ended.code, ended.err) == (0, "")
    wanted = {
        number: text.rpartition("# ")[2]
        for number, text in enumerate(UNSEEDED.splitlines(), 1)
        if "  # " in text
    }
    found = [fact for fact in facts(project, "unseeded") if not fact["importing"]]
    assert {line(fact): fact["what"] for fact in found} == wanted
    assert len(found) == len(wanted) + 1  # two on one line
    assert all(fact["seed"] and not fact["through"] for fact in found)


def test_the_noted_seed_makes_the_same_generator(project: Project) -> None:
    project.write(
        "a.py",
        """
        import json, random
        import numpy as np
        rng, old, own = np.random.default_rng(), np.random.RandomState(), random.Random()
        print(json.dumps([rng.random(), own.random()]))
        """,
    )
    drawn = project.run("a.py").json
    import random

    import numpy as np

    first, _, own = [f["seed"] for f in facts(project, "unseeded") if not f["importing"]]
    again = random.Random()
    again.setstate((own[0], tuple(own[1]), None))
    assert [np.random.default_rng(first).random(), again.random()] == drawn


def test_the_systems_bytes_are_noted_by_who_asked_and_never_by_value(project: Project) -> None:
    project.write(
        "a.py",
        """
        import os, random, secrets, tempfile, uuid
        os.urandom(4)
        secrets.token_hex()
        uuid.uuid4()
        random.SystemRandom().choice([1, 2])
        tempfile.mkdtemp()
        for _ in range(9): os.urandom(2)
        try:
            os.urandom(-1)
        except ValueError:
            pass
        """,
    )
    ended = project.run("a.py")
    assert ended.err == ""
    found = facts(project, "entropy")
    assert [(line(fact), fact["what"]) for fact in found] == [
        (3, "os.urandom()"),
        (4, "secrets.token_hex()"),
        (5, "uuid.uuid4()"),
        (6, "SystemRandom().choice()"),
        (8, "os.urandom()"),
        (10, "os.urandom()"),
    ]
    assert {key for fact in found for key in fact} == {"what", "at", "through", "rank"}


SAME = """
import copy, inspect, json, os, pickle, random, sys, traceback
import numpy as np
import torch
def text_of(error):
    return [(f.name, f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
errors = []
for wrong in (lambda: os.urandom(-1), lambda: random.Random([1]), lambda: np.random.default_rng(-1),
              lambda: np.random.RandomState("x"), lambda: random.Random().seed([])):
    try:
        wrong()
    except Exception as error:
        errors.append([type(error).__name__, str(error)])
print(json.dumps([
    errors,
    [type(it).__qualname__ for it in (
        np.random.default_rng(), np.random.RandomState(), np.random.PCG64(), random.Random(),
        np.random.SeedSequence(), np.random.default_rng, np.random.RandomState, random.Random)],
    [pickle.dumps(it).decode("latin-1") for it in (
        os.urandom, random.Random, np.random.default_rng, torch.seed, np.random.PCG64,
        random.Random(3), np.random.default_rng(3))],
    [str(inspect.signature(it)) for it in (random.Random.seed, torch.seed)],
    [os.urandom.__name__, random.Random.seed.__qualname__, torch.seed.__doc__],
    len(np.random.bit_generator.randbits.__call__(128).to_bytes(16, "big")),
    [random.Random(5).random(), float(np.random.RandomState(5).rand()),
     float(np.random.default_rng(5).random()), type(torch.seed()).__name__],
    isinstance(random._inst, random.Random), type(random.seed).__name__ in ("method", "function"),
]))
"""


@pytest.mark.slow
def test_what_the_script_sees_of_the_generators_is_what_it_was(project: Project) -> None:
    project.write("a.py", SAME)
    plain, under = project.python("a.py"), project.run("a.py")
    assert under.err == plain.err
    assert under.json == plain.json


LIBRARY = """
import random
import numpy as np
at_import = np.random.default_rng()
def set_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
def check(state):
    return np.random.RandomState(state)
"""


def test_a_library_is_told_from_the_script_that_calls_it(project: Project) -> None:
    project.write("site-packages/trainer.py", LIBRARY)
    project.write(
        "a.py",
        """
        import sys
        sys.path.append("site-packages")
        import trainer
        trainer.set_seed(4)
        trainer.check(None)
        trainer.check(5)
        """,
    )
    assert project.run("a.py").err == ""
    script = str(project.path / "a.py")
    calls = [(c["library"], c["value"], c["at"], c["through"]) for c in facts(project, "seed_call")]
    at = f"{script}:5"
    assert calls == [("python", 4, at, "trainer.set_seed"), ("numpy", 4, at, "trainer.set_seed")]
    found = [(f["at"], f["what"], f["through"], f["importing"]) for f in facts(project, "unseeded")]
    assert found == [
        (f"{script}:4", "default_rng()", "trainer.<module>", True),
        (f"{script}:6", "RandomState()", "trainer.check", False),
    ]


@pytest.mark.slow
def test_seed_calls_have_their_step_and_jax_its_root_keys(project: Project) -> None:
    pytest.importorskip("jax")
    project.write(
        "a.py",
        """
        import torch
        torch.manual_seed(1)
        model = torch.nn.Linear(1, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            model(torch.ones(1, 1)).sum().backward()
            optimizer.step()
        torch.manual_seed(2)
        import jax
        key = jax.random.key(3)
        jax.jit(lambda seed: jax.random.key_data(jax.random.key(seed)))(4)
        """,
    )
    assert project.run("a.py").err == ""
    calls = [(c["library"], c["value"], c["step"]) for c in facts(project, "seed_call")]
    assert calls[:3] == [("torch", 1, 0), ("torch", 2, 3), ("jax", 3, 3)]
    assert calls[3:] == [("jax", None, 3)]  # inside a transformation it is no number


def test_places_name_no_folder(project: Project) -> None:
    project.write("deep/a.py", "import numpy as np\nnp.random.default_rng()\n")
    project.run("deep/a.py")
    (fact,) = [f for f in facts(project, "unseeded") if not f["importing"]]
    assert fact["place"] == "__main__:2"
    assert Path(fact["at"].rpartition(":")[0]) == project.path / "deep/a.py"
    json.dumps(fact)
