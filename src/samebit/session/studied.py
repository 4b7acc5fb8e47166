"""What a study asks of a run that it starts, told by variables.

SAMEBIT_TRIAL names the study, the trial and the id of the run: `<study>:<number>:<run>`.
SAMEBIT_ROLES has the seeds of roles as JSON: `{"init": 5}`; `*` stands for every role that is not
named. They are above the numbers in the script.
"""

import json
from collections.abc import Mapping

from samebit.capture import randomness
from samebit.errors import UsageError
from samebit.folders.folder import Trial, is_run_id

__all__ = ["EVERY", "ROLES", "TRIAL", "roles_of", "trial_of"]

TRIAL, ROLES = "SAMEBIT_TRIAL", "SAMEBIT_ROLES"
EVERY = "*"  # in place of a role's name: all that are not named


def trial_of(environ: Mapping[str, str]) -> Trial | None:
    """For which trial a run is begun; None where no study starts it."""
    given = environ.get(TRIAL)
    if not given:
        return None
    study, number, run = [*given.split(":"), "", "", ""][:3]
    if not (is_run_id(study) and number.isdecimal() and is_run_id(run)):
        raise UsageError(f"{TRIAL} is none", value=repr(given), hint="a study sets it; unset it")
    return Trial(study, int(number), run)


def roles_of(environ: Mapping[str, str]) -> dict[str, int]:
    """The seeds of roles that a study gives, by name.

    Raises UsageError for what is no JSON object of seeds.
    """
    given = environ.get(ROLES)
    if not given:
        return {}
    try:
        found = json.loads(given)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        hint = "as in SAMEBIT_ROLES='{\"init\": 5}'"
        raise UsageError(f"{ROLES} holds no seeds", value=repr(given), hint=hint)
    return {str(name): randomness.check_seed(seed) for name, seed in found.items()}
