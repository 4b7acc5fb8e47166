"""Configurations as plain values: what people really hand over."""

import argparse
import collections
import dataclasses
import enum
import functools
import pathlib
import re
import sys
import types
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samebit.capture import parsing
from samebit.capture.config import flat, plain
from samebit.journal.values import plain_number
from tests.projects import Project


class Color(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 3


@dataclasses.dataclass
class Optim:
    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.999)


@dataclasses.dataclass
class Training:
    optim: Optim = dataclasses.field(default_factory=Optim)
    layers: list[int] = dataclasses.field(default_factory=lambda: [1, 2])


class Pydantic:
    """Has what a pydantic model has."""

    def model_dump(self) -> dict[str, Any]:
        return {"lr": 0.1, "nested": {"n": 1}}


class Bare:
    def __init__(self) -> None:
        self.lr = 0.1
        self._cache = object()


class Empty:
    pass


class Tap(argparse.Namespace):
    pass


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": {"b": [1, (2, None)]}, 3: "x"}, {"a": {"b": [1, [2, None]]}, "3": "x"}),
        (Training(), {"optim": {"lr": 0.1, "betas": [0.9, 0.999]}, "layers": [1, 2]}),
        (Pydantic(), {"lr": 0.1, "nested": {"n": 1}}),
        (types.SimpleNamespace(a=1, b=types.SimpleNamespace(c=2)), {"a": 1, "b": {"c": 2}}),
        (argparse.Namespace(a=1), {"a": 1}),
        (Tap(a=1), {"a": 1}),
        (Bare(), {"lr": 0.1}),
        (Point(1, 2), {"x": 1, "y": 2}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        ({"s": {3, 1, 2}}, {"s": [1, 2, 3]}),
        ({"n": np.float32(0.5), "t": torch.tensor(3), "e": Size.BIG}, {"n": 0.5, "t": 3, "e": 3}),
        ({"big": 10**30, "bool": True}, {"big": 10**30, "bool": True}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_people_hand_over_becomes_plain(value: Any, expected: Any) -> None:
    found = plain(value)
    assert found == expected
    assert repr(found) == repr(expected)  # a bool stays a bool, a float a float


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (pathlib.PurePosixPath("data/x"), "data/x"),
        (Color.RED, "Color.RED"),
        (Optim, "tests.capture.test_config.Optim"),
        (torch.nn.functional.relu, "torch.nn.functional.relu"),
        (len, "builtins.len"),
        (torch.float32, "torch.float32"),
        (torch.device("cpu"), "cpu"),
        (b"bytes", "b'bytes'"),
        (torch.nn.Linear(1, 2), "Linear(in_features=1, out_features=2, bias=True)"),
        (Empty(), "<tests.capture.test_config.Empty object>"),
        (np.array([1, 2]), "[1 2]"),
        (1j, "1j"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_not_plain_keeps_a_readable_text_and_is_marked(value: Any, text: str) -> None:
    assert plain({"v": value}) == {"v": {"text": text}}


def test_no_address_is_ever_kept() -> None:
    partial = functools.partial(torch.nn.functional.gelu, approximate="tanh")
    for value in (partial, object(), (x for x in ()), lambda: 0, Empty(), [Empty(), object]):
        assert not re.search(r"0x[0-9a-f]{4}", repr(plain(value)))
    assert "tanh" in plain(partial)["text"]


def test_what_holds_itself_ends() -> None:
    loop: dict[str, Any] = {"a": 1}
    loop["one"] = loop["two"] = loop
    assert plain(loop) == {"a": 1, "one": {"text": "<dict>"}, "two": {"text": "<dict>"}}
    parent = types.SimpleNamespace(children=[])
    parent.children = [types.SimpleNamespace(parent=parent, n=n) for n in range(40)]
    assert len(plain(parent)["children"]) == 40
    shared = {"x": 1}
    assert plain([shared, shared]) == [shared, shared]
    deep: list[Any] = []
    for _ in range(2000):
        deep = [deep]
    assert plain(deep)


def test_values_that_raise_are_a_text() -> None:
    class Angry:
        def __str__(self) -> str:
            raise RuntimeError

    assert plain({"a": Angry(), "b": 1}) == {"a": {"text": "Angry"}, "b": 1}


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
names = st.text(min_size=1).filter(lambda name: "." not in name and name != "text")
nested = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=20
)


@given(nested)
def test_plain_values_stay_what_they_are(value: Any) -> None:
    assert plain(value) == value
    assert plain(plain(value)) == plain(value)


@pytest.mark.slow
@given(st.dictionaries(names, nested, min_size=1))
def test_flat_names_lead_to_the_values(value: dict[str, Any]) -> None:
    for name, found in flat(plain(value)).items():
        at: Any = value
        for part in name.split("."):
            at = at[part]
        assert at == found


def test_flat_takes_the_text_of_what_was_marked_and_keeps_empty_ones() -> None:
    value = {"a": {"text": "relu"}, "b": {}, "c": [], "d": {"e": {"text": 1, "f": 2}}}
    assert flat(value) == {"a": "relu", "b": {}, "c": [], "d.e.text": 1, "d.e.f": 2}


def test_numbers_are_exact() -> None:
    assert plain(np.float32(0.1)) == float(np.float32(0.1))
    assert plain_number(torch.tensor(2.0)) == 2.0


ARGPARSE = """
import argparse, sys
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--api-key", default="")
parser.add_argument("--path", type=__import__("pathlib").Path, default=None)
commands = parser.add_subparsers(dest="command")
train = commands.add_parser("train")
train.add_argument("--epochs", type=int, default=3)
deeper = train.add_subparsers(dest="how").add_parser("fast")
deeper.add_argument("--gpus", type=int, default=0)
"""


@pytest.mark.parametrize("own", ["", "sys.argv[1:]"], ids=["implicit", "explicit"])
@pytest.mark.parametrize("method", ["parse_args", "parse_known_args", "parse_intermixed_args"])
def test_what_argparse_made_is_the_configuration(project: Project, own: str, method: str) -> None:
    if method == "parse_intermixed_args":
        script = "import argparse, sys\np = argparse.ArgumentParser()\np.add_argument('--lr', "
        script += f"type=float)\np.add_argument('f', nargs='*')\nargs = p.{method}({own})\n"
        words, expected = ["a", "--lr", "1", "b"], {"lr": 1.0, "f": ["a", "b"]}
    else:
        script = ARGPARSE + f"args = parser.{method}({own})\n"
        words = ["--lr", "0.5", "train", "fast", "--gpus", "2"]
        expected = {"lr": 0.5, "api_key": "", "path": None, "command": "train", "epochs": 3}
        expected |= {"how": "fast", "gpus": 2}
    project.write("a.py", script + "print(args)")
    under = project.run("a.py", *words)
    assert under == project.python("a.py", *words)
    assert project.view().facts["config"] == expected


def test_what_the_script_changes_after_parsing_is_read_again_at_the_end(project: Project) -> None:
    script = "args = parser.parse_args()\nargs.lr *= 2\nargs.device = 'cpu'\nargs.me = args\n"
    project.write("a.py", ARGPARSE + script)
    assert project.run("a.py", "--lr", "2").err == ""
    found = project.view().facts["config"]
    assert (found["lr"], found["device"], found["me"]) == (4.0, "cpu", {"text": "<Namespace>"})


def test_a_parse_of_other_words_gives_way_to_one_of_the_command_line(project: Project) -> None:
    project.write(
        "a.py",
        ARGPARSE + "print(parser.parse_args(['--lr', '7']))\n"
        "import samebit\nrun = samebit.init()\nrun.config = {'mine': 1}\nparser.parse_args()\n",
    )
    assert project.run("a.py", "--lr", "2").code == 0
    expected = {"lr": 2.0, "api_key": "", "path": None, "command": None}
    assert project.view().facts["config"] == {**expected, "mine": 1}
    project.write("b.py", ARGPARSE + "parser.parse_args(['--lr', '7'])\n")
    project.run("b.py", "--lr", "2")
    assert project.views()[-1].facts["config"] == {**expected, "lr": 7.0}


def test_secrets_are_masked_in_arguments_and_configuration(project: Project) -> None:
    project.write("a.py", ARGPARSE + "print(parser.parse_args().api_key)\n")
    secret = "sk-" + "proj-aB3dEf6hIj9kLm2nOp5q"
    ended = project.run("a.py", "--api-key", secret)
    assert ended.out == f"{secret}\n"
    view = project.view()
    assert secret not in repr(view.start) + repr(view.facts["config"]) + repr(view.facts)
    assert view.start.masked == (2,)
    stored = b"".join(p.read_bytes() for p in view.folder.path.rglob("*") if p.is_file())
    assert secret.encode() not in stored


def test_a_failing_argument_type_fails_as_without_us(project: Project) -> None:
    script = "import argparse\np = argparse.ArgumentParser()\n"
    script += "p.add_argument('--n', type=lambda text: {}[text])\np.parse_args()\n"
    project.write("a.py", script)
    assert project.run("a.py", "--n", "x") == project.python("a.py", "--n", "x")


def test_a_later_call_only_changes_who_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("parse_known_args", "_get_values", "_read_args_from_files"):
        monkeypatch.setattr(
            argparse.ArgumentParser, name, getattr(argparse.ArgumentParser, name), raising=True
        )
    monkeypatch.setattr(parsing, "_listener", [])
    monkeypatch.setattr(parsing, "_hooked", set())
    monkeypatch.setattr(parsing, "_HOOKS", {"argparse": ("parsers", "argparse")})
    first: list[Any] = []
    second: list[Any] = []
    parsing.watch(first.append, lambda number, error: None)
    parsing.watch(second.append, lambda number, error: None)
    monkeypatch.setattr(sys, "argv", ["a.py", "--n", "1"])
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int)
    assert parser.parse_args() == argparse.Namespace(n=1)
    assert first == []
    assert [found.read() for found in second] == [argparse.Namespace(n=1)]
    assert second[0].sources == {"n": "command line"}
