"""What every adapter of states promises, on the real library."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from samebit import digest, records
from samebit.records import LeafRecord, StateManifest
from samebit.states import leaves, skeleton
from samebit.states.forms import FORMS
from tests.contract.adapters import ADAPTERS, Adapter

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries

PLAIN = (
    type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset,
    skeleton.Text, skeleton.OrderedDict, np.ndarray,
)  # fmt: skip


def manifest(value: Any) -> str:
    """The digest of the manifest that a state of this one thing would have."""
    frame, arrays = skeleton.split({"thing": value})
    found: dict[str, LeafRecord] = {}
    for name, array in arrays.items():
        leaf = leaves.canonical(array)
        size = leaf.data.nbytes
        found[name] = LeafRecord(leaf.dtype, leaf.shape, digest.of_bytes(leaf.data), size)
    return digest.of_bytes(records.encode(StateManifest(frame, found)))


def from_bytes(value: Any) -> Any:
    """A thing as a reader gets it who has nothing but what was stored."""
    frame, arrays = skeleton.split(value)
    made: dict[str, Any] = {}
    for name, array in arrays.items():
        leaf = leaves.canonical(array)
        record = LeafRecord(leaf.dtype, leaf.shape, "", leaf.data.nbytes)
        made[name] = leaves.restore(record, bytes(leaf.data), as_torch=False)
    return skeleton.join(digest.from_json(digest.canonical_json(frame)), made)


def is_plain(value: Any) -> bool:
    if type(value) in FORMS.values():
        return all(map(is_plain, structs.astuple(value)))
    if isinstance(value, dict):
        return type(value) in PLAIN and all(is_plain(x) for pair in value.items() for x in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value) in PLAIN and all(map(is_plain, value))
    return type(value) in PLAIN or isinstance(value, np.generic)


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> Adapter:
    found = ADAPTERS[request.param]
    for package in found.needs:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    return found


def test_a_thing_is_plain_when_it_is_read_and_stored_again_the_same(adapter: Adapter) -> None:
    thing = adapter.make()
    back = from_bytes(thing)
    assert is_plain(back)
    assert manifest(back) == manifest(thing)


def test_equal_things_are_equal_and_changed_ones_are_not(adapter: Adapter) -> None:
    one, other = adapter.make(), adapter.make()
    before = manifest(one)
    assert manifest(one) == before == manifest(other)  # looking has changed nothing
    adapter.change(other)
    assert manifest(other) != before
    assert manifest(one) == before


@pytest.mark.slow
def test_every_process_gives_a_thing_the_same_name() -> None:
    code = (
        "import gc; gc.disable()  # of what so many libraries are made of\n"
        "import importlib.util, json, warnings; warnings.simplefilter('ignore')\n"
        "from tests.contract.adapters import ADAPTERS\n"
        "from tests.contract.test_state_adapters import manifest\n"
        "have = lambda names: all(map(importlib.util.find_spec, names))\n"
        "made = {n: manifest(a.make()) for n, a in ADAPTERS.items() if have(a.needs)}\n"
        "print(json.dumps(made))\n"
        "gc.freeze()"
    )
    found: list[dict[str, str]] = []
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[2],
            env=env,
            check=True,
            capture_output=True,
            text=True,
        )
        found.append(json.loads(ran.stdout.splitlines()[-1]))
    assert len(found[0]) >= 25
    assert {name for name in found[0] if found[0][name] != found[1][name]} == set()
