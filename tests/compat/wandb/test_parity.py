"""The real wandb beside ours: the same answers, and both at once in one script."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.compat.wandb.test_runs import ran, script
from tests.projects import Project

pytestmark = pytest.mark.slow


def answers(project: Project, python: str, module: str) -> dict[str, Any]:
    folder = project.path / module
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("parity.py"), folder)
    ended = project.call(python, "parity.py", module, cwd=folder)
    assert ended.code == 0, ended.err
    return json.loads(ended.out.splitlines()[-1])


def test_answers_are_those_of_the_real_one(project: Project, peers: str) -> None:
    theirs = answers(project, peers, "wandb")
    ours = answers(project, peers, "samebit.compat.wandb")
    differing = {name: (theirs[name], ours[name]) for name in theirs if theirs[name] != ours[name]}
    assert differing == {}
    assert theirs.keys() == ours.keys()
    assert len(theirs) > 100


def test_both_at_once_in_one_script_each_keep_their_own(project: Project, peers: str) -> None:
    text = """
        import samebit.compat.wandb as ours
        import torch, wandb
        from torch.utils.tensorboard import SummaryWriter
        assert wandb is not ours and "compat" not in wandb.__file__
        theirs = wandb.init(project="p", mode="offline")
        mine = ours.init(project="p", config={"lr": 0.1})
        writer = SummaryWriter("board")
        for at in range(5):
            wandb.log({"loss": at})
            ours.log({"loss": at * 2})
            writer.add_scalar("loss", at * 3, at)
        writer.close()
        assert wandb.run is theirs and ours.run is mine
        wandb.finish()
        ours.finish()
    """
    ran(project.call(peers, "-m", "samebit.cli.main", "run", script(project, text, first="")))
    view = project.view()
    assert view.metrics["loss"].values == [0, 2, 4, 6, 8]
    assert list((project.path / "wandb").glob("offline-run-*"))


def test_with_it_installed_ours_answers_only_where_it_was_asked(
    project: Project, peers: str
) -> None:
    project.write("a.py", "import wandb; print('samebit' in wandb.__file__)")
    run = (peers, "-m", "samebit.cli.main", "run")
    assert ran(project.call(*run, "a.py")).out == "False\n"
    assert ran(project.call(*run, "--as", "wandb", "a.py")).out == "True\n"
    first, second = project.views()
    versions = [view.facts["packages"]["versions"]["wandb"] for view in (first, second)]
    assert versions[0] == versions[1]  # what is installed stays what is recorded
