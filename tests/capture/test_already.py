"""Scripts that parse before they call `init()`, under plain Python, with the real libraries."""

from typing import Any

import pytest

from tests.projects import Project

ARGPARSE = """
import argparse, samebit
def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--name", default="x")
    return parser.parse_args(){parser}
def main():
    {variable} = parse()
    samebit.init({given})
main()
"""


def told(project: Project, script: str, *words: str, name: str = "a.py") -> tuple[Any, Any]:
    """The configuration and its sources."""
    project.write(name, script)
    ended = project.python(name, *words, PYTHONHASHSEED="0")
    assert (ended.code, ended.err) == (0, ""), ended
    facts = project.view().facts
    return facts.get("config"), facts.get("config_sources", {}).get("values")


@pytest.mark.parametrize("given", ["", "config=args", "config=vars(args)", "config={'a': args}"])
def test_a_namespace_that_is_there_is_the_configuration(project: Project, given: str) -> None:
    script = ARGPARSE.format(parser="", variable="args", given=given)
    config, sources = told(project, script, "--lr", "0.5", "--batch-size=8")
    inside = config["a"] if "'a'" in given else config
    assert inside == {"lr": 0.5, "batch_size": 8, "name": "x"}
    before = "a." if "'a'" in given else ""
    # The parser is gone, so nobody knows whether `name` is its default.
    typed = "command line"
    assert sources == {f"{before}lr": typed, f"{before}batch_size": typed}


def test_a_parser_that_is_there_says_what_is_its_default(project: Project) -> None:
    script = ARGPARSE.format(parser=", parser", variable="args, parser", given="")
    config, sources = told(project, script, "--lr", "0.1")
    assert config == {"lr": 0.1, "batch_size": 32, "name": "x"}
    assert sources == {"lr": "command line", "batch_size": "default", "name": "default"}


def test_what_the_script_gives_itself_is_of_its_code(project: Project) -> None:
    script = ARGPARSE.format(parser="", variable="args", given="config={**vars(args), 'more': 1}")
    config, sources = told(project, script, "--lr", "0.5")
    assert config["more"] == 1
    assert sources == {"lr": "command line", "more": "code"}


def test_a_namespace_that_is_gone_is_nobodys(project: Project) -> None:
    script = ARGPARSE.format(parser="", variable="lr = parse().lr; args", given="")
    config, _ = told(project, script.replace("args = parse()", "args = 3"), "--lr", "0.5")
    assert config is None


@pytest.mark.parametrize("library", ["click", "typer"])
def test_click_says_what_it_made_and_where_from(project: Project, library: str) -> None:
    pytest.importorskip(library)
    scripts = {
        "click": """
            import click, samebit
            @click.group()
            @click.option("--verbose", is_flag=True)
            def cli(verbose): pass
            @cli.command()
            @click.option("--lr", default=0.1)
            @click.option("--seed", default=1, envvar="MY_SEED")
            @click.option("--password", hide_input=True, default="hunter2")
            def train(lr, seed, password): samebit.init()
            cli()
            """,
        "typer": """
            import typer, samebit
            app = typer.Typer()
            @app.callback()
            def cli(verbose: bool = False): pass
            @app.command()
            def train(lr: float = 0.1, seed: int = typer.Option(1, envvar="MY_SEED")):
                samebit.init()
            app()
            """,
    }
    config, sources = told(project, scripts[library], "--verbose", "train", "--lr", "0.5")
    assert config["verbose"] is True
    assert (config["train"]["lr"], config["train"]["seed"]) == (0.5, 1)
    assert "hunter2" not in str(config)
    assert (sources["verbose"], sources["train.lr"]) == ("command line", "command line")
    assert sources["train.seed"] == "default"


def test_absl_says_which_flags_were_given(project: Project) -> None:
    pytest.importorskip("absl")
    script = """
        from absl import app, flags
        import samebit
        flags.DEFINE_float("lr", 0.1, "")
        flags.DEFINE_integer("width", 8, "")
        def main(argv): samebit.init()
        app.run(main)
        """
    config, sources = told(project, script, "--lr=0.5")
    assert (config["lr"], config["width"]) == (0.5, 8)
    assert (sources["lr"], sources["width"]) == ("command line", "default")


HYDRA = """
import hydra, samebit
@hydra.main(version_base=None, config_path=".", config_name="config")
def main(cfg):
    {call}
main()
"""
SWEEP = ("--multirun", "lr=0.5,0.7", "hydra.sweep.dir=out", "hydra.output_subdir=null")
CALL = "run = samebit.init(); run.log({'lr': cfg.lr}, step=1)"


def test_hydra_says_what_was_overridden(project: Project) -> None:
    pytest.importorskip("hydra")
    project.write("config.yaml", "lr: 0.1\nmodel: {width: 3, deep: true}\n")
    words = ("lr=0.5", "model.width=4", "hydra.run.dir=out", "hydra.output_subdir=null")
    config, sources = told(project, HYDRA.format(call="samebit.init()"), *words)
    assert config == {"lr": 0.5, "model": {"width": 4, "deep": True}}
    assert sources == {"lr": "command line", "model.width": "command line"}


@pytest.mark.parametrize("given", ["", "cfg"])
@pytest.mark.parametrize("supervised", [False, True])
def test_each_job_of_a_sweep_that_calls_init_is_a_run_with_its_own_configuration(
    project: Project, supervised: bool, given: str
) -> None:
    pytest.importorskip("hydra")
    project.write("config.yaml", "lr: 0.1\nwidth: 3\n")
    project.write("a.py", HYDRA.format(call=CALL.replace("init()", f"init({given})")))
    ended = (
        project.run("a.py", *SWEEP)
        if supervised
        else project.python("a.py", *SWEEP, PYTHONHASHSEED="0")
    )
    assert (ended.code, ended.err) == (0, ""), ended
    views = project.views()
    assert [view.metrics["lr"].values for view in views] == [[0.5], [0.7]]
    assert [view.facts["config"] for view in views] == [
        {"lr": 0.5, "width": 3},
        {"lr": 0.7, "width": 3},
    ]
    for view in views:
        assert view.facts["config_sources"]["values"]["lr"] == "command line"


@pytest.mark.parametrize("before", ["samebit.init()\n", ""])
def test_a_sweep_is_one_run_only_where_the_script_began_it_before(
    project: Project, before: str
) -> None:
    pytest.importorskip("hydra")
    project.write("config.yaml", "lr: 0.1\n")
    script = HYDRA.format(call="print(cfg.lr)").replace("\nmain()", f"\n{before}main()")
    project.write("a.py", script)
    ended = project.run("a.py", *SWEEP)
    said = [line for line in ended.out.splitlines() if not line.startswith("[")]
    assert (ended.code, said, ended.err) == (0, ["0.5", "0.7"], ""), ended
    found = [view.facts["config"]["lr"] for view in project.views()]
    assert found == ([0.5] if before else [0.5, 0.7])


def test_a_second_run_in_one_process_has_the_configuration_too(project: Project) -> None:
    script = ARGPARSE.format(parser="", variable="args", given="")
    project.write("a.py", script.replace("samebit.init()", "samebit.init(); samebit.init()"))
    assert project.python("a.py", "--lr", "0.5", PYTHONHASHSEED="0").code == 0
    assert [view.facts["config"]["lr"] for view in project.views()] == [0.5, 0.5]
