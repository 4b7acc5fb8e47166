"""The frameworks people use, unmodified, under `samebit run --as wandb`: recorded, and verified."""

from importlib.util import find_spec

import pytest

from samebit.data import versions
from samebit.folders.media import media_of
from samebit.folders.read import View
from tests.compat.wandb import frameworks
from tests.projects import SAMEBIT, Ended, Project

pytestmark = pytest.mark.slow  # imports alone take seconds


def need(*modules: str) -> None:
    for module in modules:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


def train(project: Project, text: str, *words: str, **environ: str) -> View:
    """Run it as its user would, and give what was recorded."""
    project.write("train.py", text)
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", **environ}
    ended = project.run("--as", "wandb", "train.py", *words, **offline)
    assert ended.code == 0, ended.err
    assert "samebit" not in ended.err, ended.err
    return project.view()


def verify(project: Project, view: View) -> Ended:
    ended = project.call(SAMEBIT, "verify", view.id)
    assert ended.out.startswith("identical"), ended.out + ended.err
    assert "final state identical" in ended.out
    return ended


@pytest.mark.parametrize("how", ["one line changed", "none changed"])
def test_the_chapters_snippet_runs_as_written_and_verifies(project: Project, how: str) -> None:
    need("torch")
    changed = "import samebit.compat.wandb as wandb"
    line = changed if how == "one line changed" else "import wandb"
    words = ["--as", "wandb"] if how == "none changed" else []
    project.write("train.py", frameworks.CHAPTER.format(wandb=line))
    ended = project.run(*words, "train.py", "--lr", "0.2")
    assert ended.code == 0, ended.err
    view = project.view()
    assert view.facts["config"] == {"seed": 3, "lr": 0.2}
    assert view.facts["config_sources"]["values"] == {"seed": "default", "lr": "command line"}
    assert view.metrics["loss"].steps == list(range(8))
    assert sorted(view.states) == ["final", "step 0"]
    saved = {record.name: record.origin["run"] for record in _records(project)}
    assert saved == {"init.pt": view.id, "final.pt": view.id}
    verify(project, view)


def _records(project: Project) -> list[versions.DataRecord]:
    store = project.store
    return [r for name in versions.list_names(store) for r in versions.read_records(store, name)]


@pytest.mark.parametrize("log_model", ["false", "checkpoint"])
def test_transformers_trainer(project: Project, log_model: str) -> None:
    need("torch", "transformers")
    view = train(project, frameworks.TRAINER, WANDB_LOG_MODEL=log_model, WANDB_WATCH="all")
    config = view.facts["config"]
    assert (config["hidden_size"], config["learning_rate"]) == (16, 0.001)
    assert config["model/num_parameters"] == 3362
    metrics = view.metrics
    assert metrics["train/loss"].steps == metrics["train/grad_norm"].steps == [2, 4, 6]
    assert metrics["eval/loss"].steps == [3, 6]
    assert metrics["train/global_step"].values == metrics["train/global_step"].steps
    assert len(metrics["train_loss"].values) == 1
    assert (view.name, view.facts["wandb"]["project"]) == ("tiny", "huggingface")
    said = verify(project, view).out
    assert "not judged (clock or machine): eval/runtime" in said
    names = [record.name for record in _records(project)]
    assert names == (["model-tiny"] * 4 if log_model == "checkpoint" else [])


def test_lightnings_logger(project: Project) -> None:
    need("torch", "lightning")
    view = train(project, frameworks.LIGHTNING, "auto")
    assert view.facts["config"] == {"lr": 0.05}
    assert view.metrics["train/loss"].steps == [1, 3, 5, 7, 9, 11, 13, 15]
    assert view.metrics["val/loss"].steps == [7, 15]
    assert list(media_of(view)) == ["words"]
    assert (view.name, view.facts["wandb"]["project"]) == ("lt", "light")
    assert [record.name for record in _records(project)] == [f"model-{view.id}"] * 2
    verify(project, view)


@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn", "ddp_fork"])
def test_lightning_on_two_processes(project: Project, strategy: str) -> None:
    """Their logger is pickled (spawn), made in a child (fork), or one of a command's (ddp)."""
    need("torch", "lightning")
    project.write("train.py", frameworks.LIGHTNING)
    ended = project.run("--as", "wandb", "train.py", strategy)
    assert ended.code == 0, ended.err
    view = project.view()
    assert view.metrics["train/loss"].steps == [1, 3, 5, 7]
    assert view.metrics["val/loss"].steps == [3, 7]
    assert view.name == ("lt" if strategy != "ddp_fork" else None)
    if strategy == "ddp_spawn":
        assert view.ranks == ["0", "1"]
        assert view.facts["config"]["lr"] == 0.05


def test_accelerates_tracker(project: Project) -> None:
    need("torch", "accelerate")
    view = train(project, frameworks.ACCELERATE)
    assert view.facts["config"] == {"lr": 0.1, "layers": 1}
    assert view.metrics["train_loss"].steps == list(range(1, 9))
    assert {name: facts[0]["step"] for name, facts in media_of(view).items()} == {
        "images": 8,
        "table": 8,
    }
    assert (view.name, view.said.tags) == ("acc", ("t",))
    verify(project, view)


def test_trls_trainer(project: Project) -> None:
    need("torch", "trl", "datasets")
    view = train(project, frameworks.SFT)
    assert view.metrics["train/loss"].steps == [1, 2, 3, 4]
    assert view.facts["config"]["max_length"] == 16
    verify(project, view)
