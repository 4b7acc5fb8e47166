"""Which job of a batch system a run was, by the variables that it kept."""

from collections.abc import Mapping

__all__ = ["job_of"]


def job_of(variables: Mapping[str, str]) -> str | None:
    """The job as `squeue` and `sacct` print it: its number, of an array `71_3`; None for none."""
    array, task = variables.get("SLURM_ARRAY_JOB_ID"), variables.get("SLURM_ARRAY_TASK_ID")
    if array and task:
        return f"{array}_{task}"
    return variables.get("SLURM_JOB_ID") or None
