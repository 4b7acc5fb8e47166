"""The paper in `examples/paper`: made from nothing by its own script, and what one run undoes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT
from tests.projects import Ended, Project

# 17 trainings, each of which imports torch: a minute and a half of processor.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
NEEDED = ("latexmk", "pdflatex", "pdftotext", "git")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The example's folder after `run.sh`."""
    for module in ("torch", "sklearn"):
        pytest.importorskip(module)
    if absent := [program for program in NEEDED if shutil.which(program) is None]:
        pytest.skip(f"the example needs {', '.join(absent)}")
    folder = tmp_path_factory.mktemp("example") / "digits"
    ignored = shutil.ignore_patterns(".samebit", "generated", "build", "checklist.tex")
    shutil.copytree(ROOT / "examples/paper", folder, ignore=ignored)
    project = Project(folder)
    env = environ(project)
    done = subprocess.run(["./run.sh"], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("identical")
    return project


def environ(project: Project) -> dict[str, str]:
    own = project.environ()
    cache = str(project.path.parent / "cache")
    return own | {"PATH": f"{Path(sys.executable).parent}:{own['PATH']}", "SAMEBIT_CACHE": cache}


def call(project: Project, *words: str) -> Ended:
    env = environ(project)
    return project.call(*words, PATH=env["PATH"], SAMEBIT_CACHE=env["SAMEBIT_CACHE"])


@pytest.fixture
def paper(made: Project, tmp_path: Path) -> Project:
    """A copy of it, to be changed."""
    shutil.copytree(made.path, tmp_path / "digits", symlinks=True)
    return Project(tmp_path / "digits")


def test_the_pages_say_what_the_runs_say(made: Project) -> None:
    pdf = made.path / "paper/build/main.pdf"
    read = ["pdftotext", "-layout", str(pdf), "-"]
    page = subprocess.run(read, capture_output=True, check=True, text=True).stdout
    values = json.loads((made.path / "paper/generated/values.json").read_text())
    assert "One Pixel Is a Lot" in page
    assert "over 6 seeds a small convolutional network" in " ".join(page.split())
    assert "0.01, cosine to 0 at 255" in page  # of the table of hyper-parameters
    assert "What all 16 runs of the project took" in page
    assert "NeurIPS paper checklist" in page
    assert "12 evaluations in 12 runs, 1 each" in page
    assert "??" not in page
    assert values


def test_the_check_finds_nothing_wrong(made: Project) -> None:
    done = call(made, "samebit", "paper", "check", "--json")
    assert done.code == 0
    levels = {one["level"] for one in json.loads(done.out)["findings"]}
    assert levels <= {"warning", "note"}  # of runs that nobody has verified


def test_it_compiles_without_samebit(paper: Project) -> None:
    shutil.rmtree(paper.store)
    words = ("latexmk", "-pdf", "-norc", "-halt-on-error", "-interaction=batchmode", "main.tex")
    done = paper.call(*words, cwd=paper.path / "paper")
    assert done.code == 0, done.out
    assert (paper.path / "paper/main.pdf").exists()


def test_one_more_run_makes_the_check_name_the_lines(paper: Project) -> None:
    more = ("--seed", "6", "train.py", "--method", "plain", "--epochs", "1")
    assert call(paper, "samebit", "run", "--quiet", "--group", "paper", *more).code == 0
    done = call(paper, "samebit", "paper", "check")
    assert done.code == 5
    lines = (paper.path / "paper/main.tex").read_text().splitlines()
    (at,) = (n for n, line in enumerate(lines, 1) if "\\val{plain/acc/interval} of" in line)
    assert f"main.tex:{at}: error: \\val{{plain/acc/interval}} says" in done.out
    (at,) = (n for n, line in enumerate(lines, 1) if "\\input{generated/tables/results}" in line)
    assert f"main.tex:{at}: error: what tables/results.tex shows has changed" in done.out
    (at,) = (n for n, line in enumerate(lines, 1) if line.startswith("\\claim{worse}"))
    assert f"main.tex:{at}: error: claim worse does not hold any more: plain 0." in done.out
    assert "epochs: the runs of plain differ in config.epochs (values: 15, 1)" in done.out
