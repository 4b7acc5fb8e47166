"""What `samebit run --as wandb` puts before others under this name: the shape, and nothing else."""

import sys

import samebit.compat.wandb

sys.modules[__name__] = samebit.compat.wandb
