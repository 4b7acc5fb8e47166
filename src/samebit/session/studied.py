"""What a study asks of a run that it starts, told by variables.

SAMEBIT_TRIAL names the study, the trial and the id of the run: `<study>:<number>:<run>`; where that
run goes on also the number of executions that it has then: `<study>:<number>:<run>:2`.
SAMEBIT_ROLES has the seeds of roles as JSON: `{"init": 5}`; `*` stands for every role that is not
named. They are above the numbers in the script.
SAMEBIT_SETTINGS has what a sweep has set, by the names that its script has for it, as JSON.
SAMEBIT_CODE names a file that says which code was laid out, where the run is begun far from home.
"""

import json
from collections.abc import Mapping
from typing import Any

from samebit.capture import randomness
from samebit.errors import UsageError
from samebit.folders.folder import Trial, is_run_id

__all__ = ["CODE", "EVERY", "ROLES", "SETTINGS", "TRIAL", "roles_of", "settings_of", "trial_of"]

TRIAL, ROLES = "SAMEBIT_TRIAL", "SAMEBIT_ROLES"
SETTINGS = "SAMEBIT_SETTINGS"
CODE = "SAMEBIT_CODE"
EVERY = "*"  # in place of a role's name: all that are not named


def trial_of(environ: Mapping[str, str]) -> Trial | None:
    """For which trial a run is begun; None where no study starts it."""
    given = environ.get(TRIAL)
    if not given:
        return None
    study, number, run, execution, *_ = [*f"{given}:1".split(":"), "", "", ""]
    numbers = number.isdecimal() and execution.isdecimal()
    if not (is_run_id(study) and numbers and is_run_id(run)):
        raise UsageError(f"{TRIAL} is none", value=repr(given), hint="a study sets it; unset it")
    return Trial(study, int(number), run, int(execution))


def roles_of(environ: Mapping[str, str]) -> dict[str, int]:
    """The seeds of roles that a study gives, by name.

    Raises UsageError for what is no JSON object of seeds.
    """
    found = _object(environ, ROLES, "init")
    return {name: randomness.check_seed(seed) for name, seed in found.items()}


def settings_of(environ: Mapping[str, str]) -> dict[str, bool | int | float | str]:
    """What a sweep has set, by name; UsageError for what is no JSON object of plain values."""
    found = _object(environ, SETTINGS, "lr")
    for name, value in found.items():
        if not isinstance(value, (bool, int, float, str)):
            raise UsageError(f"{SETTINGS} holds what is no setting", name=name, value=repr(value))
    return found


def _object(environ: Mapping[str, str], variable: str, example: str) -> dict[str, Any]:
    given = environ.get(variable)
    if not given:
        return {}
    try:
        found = json.loads(given)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        hint = f"as in {variable}='{{\"{example}\": 5}}'"
        raise UsageError(f"{variable} holds no JSON object", value=repr(given), hint=hint)
    return {str(name): value for name, value in found.items()}
