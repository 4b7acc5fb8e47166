"""What Slurm's commands say where no cluster here would say it: their words are those of 22.05."""

from collections.abc import Callable
from pathlib import Path

import pytest

from samebit.errors import CannotStart
from samebit.folders.folder import RunFolder
from samebit.studies.fates import Fate, goes_again
from samebit.studies.places import slurm_commands as commands
from samebit.studies.places.place import Job
from samebit.studies.places.slurm import Slurm
from samebit.studies.places.slurm_script import AGAIN
from samebit.studies.trials import Start, Trial

Says = Callable[[str, str], None]


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Says:
    """Has a command be a shell's script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def say(command: str, script: str) -> None:
        (folder / command).write_text(f"#!/bin/sh\n{script}\n")
        (folder / command).chmod(0o755)

    return say


def ended(folder: Path, says: Says, row: str, out: str) -> str:
    """What is said of a job that ended so, by the queue and by Slurm's own file."""
    says("sbatch", "exit 0")
    name = "for word; do case $word in --name=*) name=${word#--name=};; esac; done"
    says("squeue", f'{name}\necho "$name|0|7|{row}|n1|"')
    place = Slurm(look_s=0)
    run = RunFolder(folder / "runs" / "aaaaaaaaaa")
    handles = list(place.submit([Job("k", ["true"], {}, folder, folder / "log", run, name="a, b")]))
    (script,) = folder.glob("a_b-*.sh")
    (folder / f"{script.stem}_0.out").write_text(out)
    (look,) = place.look(handles)
    assert look.is_over
    assert out in (folder / "log").read_text()
    return look.said


def test_a_job_that_ran_out_of_memory_says_so_and_is_not_started_again(
    tmp_path: Path, says: Says
) -> None:
    killed = "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch."
    said = ended(tmp_path, says, "OUT_OF_MEMORY|OutOfMemory|253", killed)
    assert said == "OUT_OF_MEMORY, Slurm job 7_0 on n1"
    trial = Trial(0, {}, starts=(Start(1, "r", lost=said),))
    assert not goes_again(Fate(trial, "killed", "r", cause=said))
    assert goes_again(Fate(trial, "killed", "r", cause="NODE_FAIL, Slurm job 7_0 on n1"))


@pytest.mark.parametrize(
    ("code", "said"), [(2, "PREEMPTED, Slurm job 7_0 on n1"), (1, "")], ids=["taken", "failed"]
)
def test_what_ended_a_job_before_slurm_started_it_again_counts_if_it_could_not_go_on(
    tmp_path: Path, says: Says, code: int, said: str
) -> None:
    out = f"slurmstepd: error: *** JOB 7 ON n1 CANCELLED DUE TO PREEMPTION ***\n{AGAIN}"
    assert ended(tmp_path, says, f"FAILED|NonZeroExitCode|{code << 8}", out) == said


def test_an_sbatch_that_only_asks_again_and_again_is_cut_short(tmp_path: Path, says: Says) -> None:
    full = "Slurm temporarily unable to accept job"
    says("sbatch", f'echo "sbatch: error: {full}, sleeping and retrying" >&2; exec sleep 400')
    # And it comes back: a test may take 300 s.
    assert commands.submit([], tmp_path) == commands.Answer(False, full, too_many=True)


def test_without_a_configuration_the_resolvers_words_are_left_out(
    tmp_path: Path, says: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_CONF", raising=False)
    lines = [
        "error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host",
        "error: fetch_config: DNS SRV lookup failed",
        "error: _establish_config_source: failed to fetch config",
        "fatal: Could not establish a configuration source",
    ]
    says("sbatch", "\n".join(f"echo 'sbatch: {line}' >&2" for line in lines) + "\nexit 1")
    with pytest.raises(CannotStart) as refused:
        commands.submit([], tmp_path)
    assert str(refused.value).splitlines() == [
        "no configuration of Slurm works here",
        "  it said: Could not establish a configuration source",
        "  configuration: Slurm's default: SLURM_CONF is not set",
        "hint: a study on Slurm is begun where jobs are submitted: on a login node, where `sinfo` "
        "answers; there the same command goes on",
    ]


def test_where_slurms_controller_is_away_it_is_asked_later(tmp_path: Path, says: Says) -> None:
    away = "Unable to contact slurm controller (connect failure)"
    says("sbatch", f"echo 'sbatch: error: Batch job submission failed: {away}' >&2; exit 1")
    assert commands.submit([], tmp_path) == commands.Answer(False, away)
