"""What may make a training come out otherwise: what is said of threads."""

from typing import Any

import pytest

from samebit.query.hazards import find_hazards
from tests.replay.conftest import Recorder, recorder

__all__ = ["recorder"]


@pytest.mark.parametrize(
    ("threads", "cpu", "variables", "is_said"),
    [
        (8, {"physical": 8, "logical": 16}, {}, True),
        (2, {"physical": 8, "logical": 16, "allowed": 2}, {}, True),
        (2, {"logical": 16, "quota": 1.5}, {}, True),
        (1, {"physical": 8, "logical": 16, "allowed": 16}, {}, False),
        (1, {}, {}, True),  # nothing is known of the machine
        (8, {"physical": 8}, {"OMP_NUM_THREADS": "8"}, False),
    ],
)
def test_threads_are_the_machine_s_unless_the_script_chose_them(
    recorder: Recorder, threads: int, cpu: Any, variables: Any, is_said: bool
) -> None:
    facts: dict[str, Any] = {"settings": {"torch.threads": threads}, "machine": {"cpu": cpu}}
    view = recorder.run([*facts.items(), ("variables", variables)])
    said = [lack.key for lack in find_hazards(view)]
    assert ("threads" in said) == is_said
