"""What is said of a distribution that cannot be installed."""

import pytest

from samebit.replay.reasons import reason_of
from samebit.replay.recipe import Pin

NOT_FOUND = """Looking in indexes: https://me:pw@index.example/simple
ERROR: Could not find a version that satisfies the requirement x==9 (from versions: 1.0, 2.0)
ERROR: No matching distribution found for x==9
"""
OTHER_PYTHON = """ERROR: Ignored the following versions that require a different python version: \
9 Requires-Python >=3.13
ERROR: No matching distribution found for x==9
"""
OF_UV = """error: No solution found when resolving dependencies
  cause: Because there is no version of x==9 and you require x==9, we can conclude that your \
requirements are unsatisfiable.
"""
NO_WHEEL = """error: No solution found when resolving dependencies
  cause: Because x==9 has no wheels with a matching Python ABI tag and you require x==9, …
"""
BUILD = """  error: subprocess-exited-with-error
  × Preparing metadata (pyproject.toml) did not run successfully.
      File "<string>", line 24, in <module>
      x.c:1:10: fatal error: Python.h: No such file or directory
      RuntimeError: nothing at https://me:pw@host/secret
      [end of output]
  note: This error originates from a subprocess, and is likely not a problem with pip.
error: metadata-generation-failed
"""
OFFLINE = "WARNING: Retrying … Failed to establish a new connection: [Errno 111]\n" + NOT_FOUND
HASH = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n"
YANKED = "ERROR: Ignored the following yanked versions: 9\nERROR: No matching distribution found\n"
LOCAL = "PIP_EXTRA_INDEX_URL (uv: UV_INDEX) can name the one that it came from"
CONSTRAINED = "ERROR: Cannot install x==9\nERROR: ResolutionImpossible: for help visit https://x"
NONE_FITS = "no index that is configured has it for this Python and platform"
SAID = [
    (NOT_FOUND, "9", NONE_FITS),
    (OF_UV, "9", NONE_FITS),
    (NO_WHEEL, "9", NONE_FITS),
    (OTHER_PYTHON, "9", "it needs another Python: >=3.13"),
    (OFFLINE, "9", "its address does not answer"),
    (HASH, "9", "its address has other bytes now than the run had from there"),
    (YANKED, "9", "it was yanked from the index"),
    (NOT_FOUND, "9+cpu", f"no index has the local version +cpu; {LOCAL}"),
    (CONSTRAINED, "9", "the installer's own configuration constrains it to another version"),
    ("error: it broke\n", "9", "it could not be installed: error: it broke"),
    ("", "9", "it could not be installed: it is not said why"),
]


@pytest.mark.parametrize(("output", "version", "why"), SAID)
def test_the_reason_is_said_in_a_few_words(output: str, version: str, why: str) -> None:
    assert reason_of(output, Pin("x", version, f"x=={version}")) == why


def test_a_failed_build_is_told_by_its_last_faults_and_no_address_gets_out() -> None:
    said = reason_of(BUILD, Pin("x", "9", "x==9"))
    assert said == (
        "it could not be built: x.c:1:10: fatal error: Python.h: No such file or directory | "
        "RuntimeError: nothing at (an address)"
    )
