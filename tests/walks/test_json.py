"""A day with every command that has `--json`: what each prints is what its schema says."""

import subprocess
import sys
from pathlib import Path

import pytest

from samebit.cli.schemas.making import OUTPUTS
from tests.cli import strictly
from tests.projects import Project

# It trains, replays, signs, releases and pushes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SCRIPT = """
import sys
import numpy as np, samebit

run = samebit.init(config={"lr": 0.1, "layers": [2, 3]}, seed=1)
noise = np.random.default_rng(0)
x, y = noise.normal(size=(40, 3)), np.arange(40) % 2
run.data("train", (x[:30], y[:30]), save=True)
run.splits(of=x, train=np.arange(30), test=np.arange(28, 40))
table = np.loadtxt("table.csv", delimiter=",")
weights = np.zeros(3)
run.trace(params=weights)
for step in range(1, 7):
    weights = weights + 0.01 * step * table[0].sum()
    run.trace(loss=weights.sum(), params=weights, hyper={"lr": 0.1 / step})
    run.log({"loss": float(weights.sum()), "odd": float("nan"), "ok": True}, step=step)
run.log({"picture": samebit.Image(noise.random((4, 4)))}, step=6)
np.save("out.npy", weights)
np.savez("m.npz", weights=weights)
run.finish()
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.path.mkdir()
    made.write("train.py", SCRIPT)
    (made.path / "table.csv").write_text("1,2,3\n4,5,6\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "train.py", "table.csv"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=made.path, check=True)
    return made


def test_each_prints_what_its_schema_says(project: Project, tmp_path: Path) -> None:
    seen: set[str] = set()
    env = {"SAMEBIT_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path / "home")}
    env |= {"XDG_CONFIG_HOME": str(tmp_path / "home/config")}
    (tmp_path / "home").mkdir()

    def call(
        text: str, *, code: int | tuple[int, ...] = 0, cwd: Path | None = None
    ) -> list[object]:
        words = text.split()
        asked = [*words, "--json"] if words[0] != "doctor" else ["doctor", "--json", *words[1:]]
        done = project.call(*(sys.executable, "-m", "samebit.cli.main", *asked), **env)
        codes = code if isinstance(code, tuple) else (code,)
        assert done.code in codes, (text, done.code, done.out, done.err)
        seen.add(strictly.command_of(words))
        return strictly.check(words, done.out)

    for seed in ("1", "2"):
        done = project.run(
            "--seed",
            seed,
            "--group",
            "both",
            "--name",
            f"r{seed}",
            "--save-data",
            "train.py",
            **env,
        )
        assert done.code == 0, done.err
    call("ls")
    call("show r1")
    call("show r1 --schedule")
    call("metrics r1")
    call("metrics r1 --machine")
    call("media ls r1")
    call("diff r1 r2", code=(0, 5))
    call("diff r1 r2 --op", code=(0, 5, 6))
    call("doctor train.py", code=(0, 6))
    call("verify r1 --plan")
    call("verify r1", code=(0, 5, 6))
    call("lineage out.npy")
    call("env ls")
    call("state ls r1")
    call("state show r1:final")
    call("state diff r1:final r2:final", code=(0, 5))
    call("split show r1")
    call("data leaks r1", code=(0, 5))
    call("fingerprint table.csv --parts")
    call("data add table.csv --name table")
    call("data ls")
    call("data log table")
    (project.path / "table.csv").write_text("1,2,3\n4,5,7\n")
    call("data diff table", code=5)
    call("data checkout table --force")
    call("data restore r1 --to back")
    call("identify m.npz --leaves")
    call("identify m.npz m.npz")
    call("table")
    call("table --metric loss --group seed")
    call("seeds show both --metric loss")
    call("versus name=r1 name=r2 --metric loss --better lower")
    call("checklist")
    call("paper init paper")
    call("paper build paper --no-pdf --draft")
    call("paper check paper", code=(0, 5))
    call("paper log paper")
    call("certificate make r1 --to certificate")
    call("certificate check certificate", code=(0, 6))
    call("release r1 --to release")
    call("release check release", code=(0, 6))
    call(f"remote add there {tmp_path / 'there'}")
    call("remote ls")
    call("remote test there")
    call("push --dry-run")
    call("push")
    call("remote show there")
    call("remote check there")
    call("remote repair there")
    call("remote gc there")
    call("pull")
    call("sync")
    call("ls --remote there")
    call(f"clone {tmp_path / 'there'} {tmp_path / 'cloned'}")
    call("publish r1 --to page.html")
    call("publish r1 r2 --to there")
    call("publish --ls --to there")
    call("remote drop there r2")
    call("remote rm there")
    call("data rm table")
    call("check")
    call("repair")
    call("du")
    call("gc")
    call("tags ls")
    here = Path(__file__).parents[1]
    call(f"import tensorboard {here / 'compat/golden/torch'}")
    call(f"import wandb {here / 'golden/wandb-1'}")
    call(f"import mlflow {here / 'golden/mlflow-1/files'}")
    searched = ["sweep", "search.py", "--minimize", "loss", "--sampler", "grid", "--name", "s"]
    project.write(
        "search.py", "import samebit, sys; samebit.init().log({'loss': float(sys.argv[1])})"
    )
    searched += ["--space", "x = [1, 2]", "--", "{x}"]
    done = project.call(sys.executable, "-m", "samebit.cli.main", *searched, **env)
    assert done.code == 0, done.err
    call("sweep show s")
    call("ls")
    assert set(OUTPUTS) - seen == {"data import"}  # tests/walks/test_dvc.py has DVC
