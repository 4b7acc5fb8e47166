"""Which of several configurations counts, how they merge, and what becomes of unusual ones."""

import argparse
import dataclasses
import json
from typing import Any

import pydantic
import pytest

from samebit.capture.parsing import Parsed
from samebit.session.configuration import Configuration
from samebit.session.reading import RecordedRun
from tests.projects import Project


class Written:
    """A configuration and what it wrote."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.writes = 0
        self.problems: list[str] = []
        self.configuration = Configuration(self._emit, lambda what, detail: self._problem(detail))

    def _emit(self, name: str, value: Any) -> None:
        self.facts[name] = value
        self.writes += name == "config"

    def _problem(self, detail: str) -> None:
        self.problems.append(detail)

    def parse(self, values: dict[str, Any], rank: int = 1, **more: Any) -> None:
        sources = dict.fromkeys(values, "command line")
        more = {"parser": "argparse", "sources": sources, **more}
        self.configuration.parsed(Parsed(read=lambda: values, rank=rank, **more))

    @property
    def config(self) -> Any:
        return self.facts["config"]

    @property
    def sources(self) -> dict[str, str]:
        return self.facts["config_sources"]["values"]


@pytest.fixture
def written() -> Written:
    return Written()


def test_the_best_rank_counts_and_equals_merge(written: Written) -> None:
    written.parse({"library": 1}, rank=3)
    assert written.config == {"library": 1}
    written.parse({"a": 1, "deep": {"x": 1}}, rank=1)
    written.parse({"b": 2, "deep": {"y": 2}}, rank=1, sources={"b": "default"})
    assert written.config == {"a": 1, "deep": {"x": 1, "y": 2}, "b": 2}
    assert written.sources == {"a": "command line", "deep.x": "command line", "b": "default"}


def test_what_is_given_wins_and_is_merged_visibly(written: Written) -> None:
    written.parse({"lr": 0.1, "epochs": 3, "seed": 1}, sources={"lr": "command line"})
    written.configuration.give({"lr": 0.1, "epochs": 4, "model": {"dim": 2, "depth": 1}})
    assert written.config == {"lr": 0.1, "epochs": 4, "seed": 1, "model": {"dim": 2, "depth": 1}}
    assert written.sources == {"lr": "command line", "epochs": "code", "model": "code"}
    made_by = [made["parser"] for made in written.facts["config_sources"]["made_by"]]
    assert made_by == ["argparse", "config="]


def test_arguments_that_are_given_inside_are_not_there_twice(written: Written) -> None:
    arguments = {"lr": 0.1, "epochs": 3}
    written.parse(arguments)
    written.configuration.give({"args": dict(arguments), "dim": 2})
    assert written.config == {"args": {"lr": 0.1, "epochs": 3}, "dim": 2}
    assert written.sources == {"args": "command line", "dim": "code"}


def test_what_is_read_while_it_trains_is_no_configuration(written: Written) -> None:
    written.parse({"lr": 1}, is_of=7)
    written.configuration.training_begins()
    written.parse({"sample": 1}, parser="OmegaConf", is_of=8)
    assert written.config == {"lr": 1}
    written.parse({"lr": 2}, is_of=7)  # the next job of a sweep
    assert written.config == {"lr": 2}


@dataclasses.dataclass
class Optim:
    lr: float = 0.1
    steps: int = 3


class Model(pydantic.BaseModel):
    dim: int = 1
    optim: Optim = Optim()
    hidden: pydantic.SecretStr = pydantic.SecretStr("hunter2")

    @pydantic.field_serializer("dim")
    def _never(self, value: int) -> int:
        raise AssertionError("a serializer of the script was run")


def test_dataclasses_and_pydantic_models_tell_their_defaults(written: Written) -> None:
    written.configuration.give(Model(dim=1, optim=Optim(lr=0.5)))
    assert written.config == {
        "dim": 1,
        "optim": {"lr": 0.5, "steps": 3},
        "hidden": {"text": "**********"},
    }
    assert written.sources == {
        "dim": "code",
        "optim.lr": "code",
        "optim.steps": "default",
        "hidden": "default",
    }


def test_arguments_that_were_parsed_before_we_listened_have_no_known_source(
    written: Written,
) -> None:
    arguments = argparse.Namespace(lr=0.1)
    written.configuration.give(arguments)
    assert (written.config, written.sources) == ({"lr": 0.1}, {})


def test_the_source_of_a_secret_is_no_secret(written: Written) -> None:
    facts = {"overrides": ["api_key=hunter2hunter2"]}
    written.parse({"api_key": "hunter2hunter2", "lr": 1}, facts=facts)
    assert written.config == {"api_key": "****", "lr": 1}
    assert written.sources == {"api_key": "command line", "lr": "command line"}
    assert "hunter2" not in repr(written.facts)


def test_a_configuration_that_is_no_mapping_stays_what_it_is(written: Written) -> None:
    written.configuration.give([1, 2])
    assert written.config == [1, 2]


def test_it_is_written_once_until_it_changes(written: Written) -> None:
    given = {"a": 1}
    written.configuration.give(given)
    written.configuration.finish()
    assert written.writes == 1
    given["a"] = 2
    written.configuration.finish()
    assert (written.writes, written.config) == (2, {"a": 2})


@pytest.mark.slow
def test_megabytes_are_taken_whole_and_the_endless_is_cut_and_said(written: Written) -> None:
    large = {f"layer{i}": {f"name{j}": "x" * 20 for j in range(100)} for i in range(2000)}
    assert len(json.dumps(large)) > 5_000_000
    written.configuration.give(large)
    assert written.config == large
    assert written.sources == {name: "code" for name in large}
    assert written.problems == []
    shared: Any = {"x": 1}
    for _ in range(60):
        shared = [shared, shared]
    written.configuration.give({"a": 1, "shared": shared})
    assert written.config["a"] == 1
    assert "left out" in written.problems[0]


def test_depth_is_taken_as_far_as_it_can_be_and_then_said(written: Written) -> None:
    deep: Any = "end"
    for _ in range(90):
        deep = {"d": deep}
    written.configuration.give(deep)
    assert written.config == deep
    assert written.problems == []
    for _ in range(5000):
        deep = {"d": deep}
    written.configuration.give(deep)
    assert "too deep" in written.problems[0]


@pytest.mark.slow
def test_a_large_configuration_comes_back_and_is_shown(project: Project) -> None:
    project.write(
        "a.py",
        "import samebit\nbig = {f'l{i}': {f'n{j}': 'x' * 20 for j in range(100)} for i in range"
        "(2000)}\ndeep = 'end'\nfor _ in range(90):\n    deep = {'d': deep}\n"
        "big['deep'] = deep\nsamebit.init(config=big)\n",
    )
    assert project.run("a.py").err == ""
    run = RecordedRun(project.view())
    assert len(run.flat_config) == 200_001
    assert run.flat_config["l7.n3"] == "x" * 20
    assert run.flat_config["deep" + ".d" * 90] == "end"
    from tests.projects import SAMEBIT

    shown = project.call(SAMEBIT, "show", run.id)
    assert shown.code == 0
    assert f"and 199961 more: samebit show {run.id} --config" in shown.out
    assert len(project.call(SAMEBIT, "show", run.id, "--config").out.splitlines()) == 200_002
    assert project.call(SAMEBIT, "show", run.id, "--json").code == 0


# Whose parse counts, in real processes.

LIBRARY = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--theirs', default=1)\n"


@pytest.mark.slow
def test_a_library_that_parses_for_itself_is_no_configuration(project: Project) -> None:
    packages = project.path / "venv" / "site-packages"
    project.write("venv/site-packages/atimport.py", LIBRARY + "p.parse_known_args()\n")
    project.write(
        "venv/site-packages/forus.py",
        LIBRARY + "def ask():\n    p.add_argument('--lr', type=float)\n"
        "    return p.parse_known_args()[0]\n",
    )
    project.write("mine.py", "import argparse\np = argparse.ArgumentParser()\n")
    project.write("a.py", "import atimport\n")
    project.write("b.py", "import atimport, forus\nforus.ask()\n")
    project.write("d.py", "import cProfile\ncProfile.run('import forus; forus.ask()', 'out')\n")
    project.write(
        "c.py",
        "import argparse, samebit\np = argparse.ArgumentParser()\np.add_argument('--lr')\n"
        "p.parse_args(['--lr', '7'])\nq = argparse.ArgumentParser()\n"
        "q.add_argument('--n', type=int)\nq.parse_args()\n",
    )
    for script, words, expected in (
        ("a.py", ["--lr", "2"], None),
        ("b.py", ["--lr", "2"], {"theirs": 1, "lr": 2.0}),
        ("d.py", ["--lr", "2"], {"theirs": 1, "lr": 2.0}),
        ("c.py", ["--n", "2"], {"n": 2}),
    ):
        ended = project.run(script, *words, PYTHONPATH=str(packages))
        assert ended.code == 0, ended.err
        assert project.views()[-1].facts.get("config") == expected, script


GLOBALS = """
import sys
lr, width = 0.1, 8
layers = [1, 2]
optim: dict = {"name": "sgd", "momentum": 0.9}
_private = 1
api_key = "abc"
data = list(range(1000))
text = "x" * 5000
function = len
total = 0
for i in range(3):
    loss = 0.5
def train():
    inside = 1
if __name__ == "__main__":
    epochs = 4
    train()
"""


def test_a_script_that_only_assigns_has_its_plain_globals(project: Project) -> None:
    project.write("a.py", GLOBALS)
    assert project.run("a.py").err == ""
    view = project.view()
    assert view.facts["config"] == {
        **{"lr": 0.1, "width": 8, "layers": [1, 2]},
        **{"optim": {"name": "sgd", "momentum": 0.9}, "api_key": "****", "total": 0, "epochs": 4},
    }
    assert view.facts["config_sources"]["made_by"] == [{"parser": "module globals"}]
    project.write("b.py", GLOBALS + "import samebit\nsamebit.init(config={'mine': 1})\n")
    project.run("b.py")
    assert project.views()[-1].facts["config"] == {"mine": 1}


@pytest.mark.slow
def test_what_has_a_text_that_says_all_of_it_is_a_setting_too(project: Project) -> None:
    project.write(
        "a.py",
        """
        import functools, pathlib, torch
        DATA = pathlib.Path("data") / "train"
        DEVICE, DTYPE = torch.device("cpu"), torch.bfloat16
        MODEL = {"width": 64, "activation": torch.nn.ReLU, "pool": max, "dtype": torch.float32}
        HOOKS = {"start": max}
        weights = {"width": 64, "weight": torch.ones(2)}
        model = torch.nn.Linear(1, 1)
        log = print
        """,
    )
    assert project.run("a.py").err == ""
    config = project.view().facts["config"]
    assert list(config) == ["DATA", "DEVICE", "DTYPE", "MODEL"]
    assert config["DATA"] == {"text": "data/train"}
    assert config["DEVICE"] == {"text": "cpu"}
    assert config["MODEL"]["width"] == 64
    assert "ReLU" in config["MODEL"]["activation"]["text"]
    assert "max" in config["MODEL"]["pool"]["text"]


def test_a_parser_of_another_version_costs_its_sources_only(project: Project) -> None:
    """A library whose inside is not what we know: said once, and the script is as without us."""
    project.write("fire/__init__.py", "from fire.core import Fire\n")
    project.write("fire/core.py", "def Fire(function):\n    return function()\n")
    project.write("a.py", "import fire\nfire.Fire(lambda: print('trained'))\n")
    ended = project.run("a.py")
    assert (ended.code, ended.out) == (0, "trained\n")
    (problem,) = project.view().all_facts("problem")
    assert problem["what"] == "import of fire.core"


@pytest.mark.slow
def test_a_run_configured_by_click_verifies(project: Project) -> None:
    project.write(
        "a.py",
        "import click, torch\n@click.command()\n@click.option('--lr', default=0.1)\n"
        "@click.option('--steps', default=3, envvar='SAME_STEPS')\ndef main(lr, steps):\n"
        "    torch.manual_seed(0)\n    model = torch.nn.Linear(3, 1)\n"
        "    optimizer = torch.optim.SGD(model.parameters(), lr=lr)\n"
        "    for _ in range(steps):\n        optimizer.zero_grad()\n"
        "        model(torch.ones(2, 3)).sum().backward()\n        optimizer.step()\n"
        "if __name__ == '__main__':\n    main()\n",
    )
    assert project.run("a.py", "--lr", "0.5").code == 0
    from tests.projects import SAMEBIT

    verified = project.call(SAMEBIT, "verify", "@last")
    assert (verified.code, "identical" in verified.out) == (0, True), verified.out + verified.err
    run, replay = project.views()
    assert run.facts["config"] == replay.facts["config"] == {"lr": 0.5, "steps": 3}
    assert run.facts["training"]["steps"] == replay.facts["training"]["steps"] == 3
    changed = project.run("a.py", "--lr", "0.25")
    assert changed.code == 0
    differs = project.call(SAMEBIT, "diff", run.id, project.views()[-1].id)
    assert "lr: 0.5 → 0.25" in differs.out
    table = project.call(SAMEBIT, "table", "--columns", "lr,steps")
    assert "| 0.25 | 3 |" in table.out
