"""What real parsers make, and where each value came from: real scripts, with and without us."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from samebit.digest import canonical_json
from tests.projects import Project


@dataclass(frozen=True)
class Case:
    """A script, how it is called, and what its configuration then is."""

    name: str
    script: str
    words: str
    config: dict[str, Any]
    sources: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    stdin: str = ""
    parser: str = ""


OPTIM = """
from dataclasses import dataclass, field
@dataclass
class Optim:
    lr: float = 0.1
    decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.99)
@dataclass
class Config:
    optim: Optim = field(default_factory=Optim)
    epochs: int = 3
    name: str = "n"
"""

CLICK = """
import click
@click.group()
@click.option("--verbose/--quiet", default=False)
def cli(verbose):
    print(verbose)
@cli.command()
@click.option("--lr", default=0.1, envvar="MY_LR")
@click.option("--epochs", default=3)
@click.option("--width", default=8, help="of a layer")
@click.option("--pin", prompt="Pin", hide_input=False, default="0")
@click.argument("data", type=click.Path())
def train(lr, epochs, width, pin, data):
    print(lr, epochs, width, pin, data)
@cli.command()
@click.option("--n", default=1)
def test(n):
    print(n)
cli(auto_envvar_prefix="APP")
"""

HYDRA_FILES = {
    "conf/config.yaml": "defaults:\n  - optim: sgd\n  - _self_\nepochs: 3\nseed: 7\n"
    "home: ${oc.env:MY_HOME}\ntwice: ${epochs}\nwhen: ${now:%S%f}\nfrom_rng: ${draw:}\n",
    "conf/optim/sgd.yaml": "kind: sgd\nlr: 0.1\n",
    "conf/optim/adam.yaml": "kind: adam\nlr: 0.001\nbetas: [0.9, 0.99]\n",
}

CASES = [
    Case(
        "argparse",
        """
import argparse
first = argparse.ArgumentParser(add_help=False)
first.add_argument("--name", default="n")
known, rest = first.parse_known_args()
p = argparse.ArgumentParser(fromfile_prefix_chars="@", parents=[first])
p.add_argument("--lr", type=float, default=0.1)
p.add_argument("--n", type=int, default=3)
p.add_argument("--width", type=int, default=3)
p.add_argument("--flag", action="store_true")
p.add_argument("data", nargs="?", default="here")
p.set_defaults(kind="x")
t = p.add_subparsers(dest="command").add_parser("train")
t.add_argument("--epochs", type=int, default=2)
t.add_argument("--depth", type=int, default=2)
args = p.parse_args(rest)
args.n = 7
print(args)
""",
        "--lr 0.1 @args.txt d train --epochs 4",
        {
            **{"name": "n", "lr": 0.1, "n": 7, "width": 9, "flag": True, "data": "d"},
            **{"command": "train", "kind": "x", "epochs": 4, "depth": 2},
        },
        {
            **{"name": "default", "lr": "command line", "n": "code", "width": "file:args.txt"},
            **{"flag": "file:args.txt", "data": "command line", "command": "command line"},
            **{"kind": "code", "epochs": "command line", "depth": "default"},
        },
        {"args.txt": "--width=9\n--flag\n"},
    ),
    Case(
        "click",
        CLICK,
        "--verbose train --epochs 3 here",
        {"verbose": True, "train": dict(lr=3.0, epochs=3, width=9, pin="12", data="here")},
        {
            **{"verbose": "command line", "train.lr": "environment:MY_LR", "train.pin": "prompt"},
            **{"train.epochs": "command line", "train.width": "environment:APP_TRAIN_WIDTH"},
            **{"train.data": "command line"},
        },
        variables={"MY_LR": "3", "APP_TRAIN_WIDTH": "9"},
        stdin="12\n",
    ),
    Case(
        "typer",
        """
import enum, typer
class Kind(str, enum.Enum):
    adam = "adam"
    sgd = "sgd"
app = typer.Typer()
@app.command()
def main(lr: float = 0.1, kind: Kind = Kind.adam, epochs: int = typer.Option(3, envvar="EPOCHS")):
    print(lr, kind, epochs)
app()
""",
        "--kind sgd",
        {"lr": 0.1, "kind": "sgd", "epochs": 8},
        {"lr": "default", "kind": "command line", "epochs": "environment:EPOCHS"},
        variables={"EPOCHS": "8"},
    ),
    Case(
        "absl",
        """
from absl import app, flags
flags.DEFINE_float("lr", 0.1, "rate")
flags.DEFINE_integer("n", 3, "number")
flags.DEFINE_bool("wide", True, "width")
flags.DEFINE_string("name", "x", "name")
flags.DEFINE_string("later", "x", "changed by the script")
def main(argv):
    flags.FLAGS.later = "y"
    print(flags.FLAGS.lr, flags.FLAGS.n, flags.FLAGS.wide, flags.FLAGS.name)
app.run(main)
""",
        "--lr=3 --flagfile=flags.txt --nowide",
        {"lr": 3.0, "n": 5, "wide": False, "name": "x", "later": "y"},
        {
            **{"lr": "command line", "n": "file:flags.txt", "wide": "command line"},
            **{"name": "default", "later": "code"},
        },
        {"flags.txt": "--n=5\n"},
    ),
    Case(
        "fire",
        """
import fire
def train(data, lr=0.1, epochs=3, *, name="x", layers=(1, 2)):
    print(data, lr, epochs, name, layers)
if __name__ == "__main__":
    fire.Fire(train)
""",
        "here --lr 0.5 --name=y",
        {"data": "here", "lr": 0.5, "epochs": 3, "name": "y", "layers": [1, 2]},
        {
            **{"data": "command line", "lr": "command line", "name": "command line"},
            **{"epochs": "default", "layers": "default"},
        },
    ),
    Case(
        "fire, a class",
        """
import fire
class Trainer:
    def __init__(self, lr=0.1, width=8):
        self.lr = lr
    def train(self, epochs=3, depth=2):
        return self.lr * epochs
fire.Fire(Trainer)
""",
        "--lr 0.5 train --epochs 4",
        {"lr": 0.5, "width": 8, "train": {"epochs": 4, "depth": 2}},
        {
            **{"lr": "command line", "width": "default"},
            **{"train.epochs": "command line", "train.depth": "default"},
        },
        parser="fire",
    ),
    Case(
        "tyro",
        OPTIM + "import tyro\nprint(tyro.cli(Config))\n",
        "--optim.lr 0.5 --name y",
        {"optim": {"lr": 0.5, "decay": 0.0, "betas": [0.9, 0.99]}, "epochs": 3, "name": "y"},
        {
            **{"optim.lr": "command line", "optim.decay": "default", "optim.betas": "default"},
            **{"epochs": "default", "name": "command line"},
        },
    ),
    Case(
        "tyro, functions",
        """
import tyro
def train(lr: float = 0.1, epochs: int = 3):
    print(lr, epochs)
def test(n: int = 3):
    print(n)
tyro.extras.subcommand_cli_from_dict({"train": train, "test": test})
""",
        "train --lr 0.5",
        {"lr": 0.5, "epochs": 3},
        {"lr": "command line", "epochs": "default"},
        parser="tyro",
    ),
    Case(
        "jsonargparse",
        OPTIM + "from jsonargparse import ArgumentParser\n"
        "p = ArgumentParser(default_env=True, env_prefix='APP', default_config_files=['d.yaml'])\n"
        "p.add_argument('--cfg', action='config')\np.add_argument('--model', type=Config)\n"
        "p.add_argument('--seed', type=int, default=0)\np.add_argument('--tag', default='t')\n"
        "p.add_argument('--wide', type=bool, default=False)\n"
        "print(p.parse_args())\n",
        "--cfg g.yaml --model.optim.lr 3",
        {
            "cfg": [{"text": "g.yaml"}],
            "model": {
                "optim": {"lr": 3.0, "decay": 0.5, "betas": [0.9, 0.99]},
                **{"epochs": 3, "name": "n"},
            },
            **{"seed": 5, "tag": "joe", "wide": True},
        },
        {
            **{"cfg": "command line", "model.optim.lr": "command line", "seed": "file:g.yaml"},
            **{"model.optim.decay": "file:g.yaml", "tag": "environment:APP_TAG"},
            "wide": "file:d.yaml",
        },
        {"g.yaml": "seed: 5\nmodel:\n  optim:\n    decay: 0.5\n", "d.yaml": "wide: true\n"},
        {"APP_TAG": "joe"},
    ),
    Case(
        "jsonargparse, classes and commands",
        """
from jsonargparse import ArgumentParser
class Base: pass
class Adam(Base):
    def __init__(self, lr: float = 0.1, eps: float = 1e-8): pass
p = ArgumentParser()
p.add_argument("--lr", type=float, default=7.0)
fit = ArgumentParser()
fit.add_argument("--opt", type=Base)
fit.add_argument("--epochs", type=int, default=2)
fit.add_argument("--depth", type=int, default=2)
p.add_subcommands().add_subcommand("fit", fit)
print(p.parse_args())
""",
        "fit --epochs 3 --opt Adam --opt.lr 0.5",
        {
            **{"lr": 7.0, "subcommand": "fit"},
            "fit": {
                "opt": {"class_path": "__main__.Adam", "init_args": {"lr": 0.5, "eps": 1e-8}},
                **{"epochs": 3, "depth": 2},
            },
        },
        {
            **{"lr": "default", "subcommand": "command line", "fit.epochs": "command line"},
            **{"fit.depth": "default", "fit.opt.class_path": "command line"},
        },
        parser="jsonargparse",
    ),
    Case(
        "simple-parsing",
        OPTIM
        + "from simple_parsing import parse\nprint(parse(Config, add_config_path_arg=True))\n",
        "--config_path h.yaml --lr 4",
        {"optim": {"lr": 4.0, "decay": 0.5, "betas": [0.9, 0.99]}, "epochs": 3, "name": "n"},
        {
            **{"optim.lr": "command line", "optim.decay": "file:h.yaml", "optim.betas": "default"},
            **{"epochs": "default", "name": "default"},
        },
        {"h.yaml": "optim:\n  decay: 0.5\n"},
    ),
    Case(
        "Hydra",
        """
import random
import hydra
from omegaconf import OmegaConf
drawn = []
OmegaConf.register_new_resolver("draw", lambda: drawn.append(0) or len(drawn))
@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    print(cfg.optim.lr, cfg.epochs, cfg.home, cfg.from_rng, cfg.from_rng, len(drawn))
main()
""",
        "optim=adam epochs=5 +new=1 hydra.run.dir=out hydra.output_subdir=null",
        {
            "optim": {"kind": "adam", "lr": 0.001, "betas": [0.9, 0.99]},
            **{"epochs": 5, "seed": 7, "home": "/h", "twice": 5, "new": 1},
            **{"when": "${now:%S%f}", "from_rng": "${draw:}"},
        },
        {
            **{"optim.lr": "file:conf/optim/adam.yaml", "epochs": "command line"},
            **{"seed": "file:conf/config.yaml", "home": "environment:MY_HOME"},
            **{"new": "command line"},
        },
        HYDRA_FILES,
        {"MY_HOME": "/h"},
    ),
    Case(
        "OmegaConf",
        """
from omegaconf import OmegaConf
base = OmegaConf.load("conf/optim/adam.yaml")
config = OmegaConf.merge(base, {"extra": 1}, OmegaConf.from_cli())
config.later = 2
print(config)
""",
        "lr=5 deep.er=1",
        {
            **{"kind": "adam", "lr": 5, "betas": [0.9, 0.99], "extra": 1},
            **{"deep": {"er": 1}, "later": 2},
        },
        {
            **{"kind": "file:conf/optim/adam.yaml", "lr": "command line", "extra": "code"},
            **{"deep.er": "command line", "later": "code"},
        },
        HYDRA_FILES,
    ),
]


def _id(case: Case) -> str:
    return case.name


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=_id)
def test_values_and_where_they_came_from(project: Project, case: Case) -> None:
    for name, text in case.files.items():
        project.write(name, text)
    project.write("a.py", case.script)
    more: dict[str, Any] = {"stdin": case.stdin, **case.variables}
    under = project.run("a.py", *case.words.split(), **more)
    assert under == project.python("a.py", *case.words.split(), **more)
    assert under.code == 0, under.err
    view = project.view()
    assert view.facts["config"] == case.config
    assert view.all_facts("problem") == []
    made_by = view.facts["config_sources"]["made_by"]
    assert {made["parser"] for made in made_by} == {case.parser or case.name}
    from samebit.session.reading import RecordedRun

    found = RecordedRun(view).config_sources
    here = f"{project.path}/"
    told = {name: found.get(name, "").replace(here, "") for name in case.sources}
    assert told == case.sources
    assert canonical_json(view.facts)


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if c.name != "OmegaConf"], ids=_id)
def test_help_and_mistakes_are_as_without_us(project: Project, case: Case) -> None:
    for name, text in case.files.items():
        project.write(name, text)
    project.write("a.py", case.script)
    for words in (["--help"], ["--no-such-option", "1"]):
        under = project.run("a.py", *words, **case.variables)
        plain = project.python("a.py", *words, **case.variables)
        assert (under.code, under.out, under.err) == (plain.code, plain.out, plain.err)


def test_a_library_that_keeps_it_otherwise_costs_the_sources_only(project: Project) -> None:
    """As a coming version of Python may: values without a source rather than with a wrong one."""
    project.write("argparse.py", ARGPARSE_OF_TOMORROW)
    project.write("a.py", "import argparse\nprint(argparse.ArgumentParser().parse_args().lr)\n")
    ended = project.run("a.py", "--lr", "3")
    assert (ended.code, ended.out) == (0, "3\n")
    view = project.view()
    assert view.facts["config"] == {"lr": 3}
    assert view.facts["config_sources"]["values"] == {}
    (problem,) = view.all_facts("problem")
    assert "where values came from is not known" in problem["detail"]


ARGPARSE_OF_TOMORROW = """
import sys
class Namespace:
    pass
class ArgumentParser:
    _actions = ()
    fromfile_prefix_chars = None
    def _read_args_from_files(self, words):
        return words
    def parse_known_args(self, args=None, namespace=None):
        found = Namespace()
        found.lr = int(sys.argv[2])
        return found, []
    def parse_args(self, args=None):
        return self.parse_known_args(args)[0]
"""
