"""`wandb.apis.public`."""

from samebit.compat.wandb.read_runs import File, Run
from samebit.compat.wandb.reading import Api, Project, Runs

__all__ = ["Api", "File", "Project", "Run", "Runs"]
