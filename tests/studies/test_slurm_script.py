"""The script of an array, run by a shell as Slurm would: whatever is in words and variables."""

import os
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samebit.folders.folder import RunFolder
from samebit.studies.places.place import Job
from samebit.studies.places.slurm_script import AGAIN, keys_of, script

HARD = st.text(st.sampled_from(string.printable + "äß€") | st.characters(codec="utf-8"), max_size=9)
WORDS = HARD.filter(lambda text: "\0" not in text)
SAYS = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['GIVEN'], os.getcwd()]))"


def job(folder: Path, number: int, words: list[str], given: str, code: str = SAYS) -> Job:
    environ = {**os.environ, "GIVEN": given}
    argv = [sys.executable, "-c", code, *words]
    run = RunFolder(folder / "runs" / "aaaaaaaaaa")
    return Job(f"k-{number}", argv, environ, folder, folder / f"{number}'s log", run)


def run(path: Path, number: int, **env: str) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, "SLURM_ARRAY_TASK_ID": str(number), **env}
    environ["PYTHONIOENCODING"] = "utf-8"
    return subprocess.run(
        ["sh", str(path)], env=environ, capture_output=True, text=True, check=False, timeout=60
    )


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(WORDS, max_size=3), given_it=WORDS)
def test_words_and_variables_arrive_as_they_are(
    tmp_path: Path, words: list[str], given_it: str
) -> None:
    code = "import sys, os; said = [*sys.argv[1:], os.environ['GIVEN']]\n"
    code += "open('out', 'wb').write(os.fsencode('\\0'.join(said)))"
    jobs = [job(tmp_path, 0, [], ""), job(tmp_path, 1, words, given_it, code)]
    path = tmp_path / "array.sh"
    path.write_bytes(script(jobs, ["--partition=a b"]).encode("utf-8", "surrogateescape"))
    done = run(path, 1)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out").read_bytes() == os.fsencode("\0".join([*words, given_it]))
    assert keys_of(path) == ["k-0", "k-1"]


def test_a_task_ends_as_its_command_did_and_its_words_are_in_its_own_log(tmp_path: Path) -> None:
    fails = "import sys; print('said'); sys.exit('why')"
    path = tmp_path / "array.sh"
    path.write_text(script([job(tmp_path, 0, [], ""), job(tmp_path, 1, [], "", fails)], []))
    assert run(path, 0).returncode == 0
    done = run(path, 1)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert (tmp_path / "1's log").read_text() == "said\nwhy\n"
    assert run(path, 0, SLURM_RESTART_COUNT="1").stdout == f"{AGAIN}\n"


def test_without_its_folder_nothing_runs(tmp_path: Path) -> None:
    gone = job(tmp_path / "gone", 0, [], "")
    path = tmp_path / "array.sh"
    path.write_text(script([gone], []))
    done = run(path, 0)
    assert done.returncode != 0
    assert "gone" in done.stderr


@pytest.mark.parametrize("text", ["", "#!/bin/sh\n", "#!/bin/sh\n# of somebody else\n"])
def test_another_script_has_no_keys(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.sh"
    path.write_text(text)
    assert keys_of(path) == []
    assert keys_of(tmp_path / "none.sh") == []
