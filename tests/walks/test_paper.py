"""A paper over a week: set up, built, checked; a run changes, and the check names the line."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.projects import SAMEBIT, Project

HAS_TEX = shutil.which("latexmk") is not None and shutil.which("pdflatex") is not None
pytestmark = pytest.mark.slow  # a week's commands, each as a process of its own
needs_tex = pytest.mark.skipif(not HAS_TEX, reason="latexmk and pdflatex are not installed")

# Several runs from one process: a second `init` ends the first run.
TRAIN = """
import math, random, sys
import samebit

group, shift = sys.argv[1], float(sys.argv[2])
for seed in map(int, sys.argv[3:]):
    draw = random.Random(seed)
    run = samebit.init(config={"lr": 0.1, "seed": seed}, seed=seed, group=group)
    for step in range(20):
        noise = draw.random() / 100
        run.log({"loss": math.exp(-step / 8) + noise, "test_acc": 0.8 + shift + noise}, step=step)
    run.finish()
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("paper"))
    assert project.call("git", "init", "-q", ".").code == 0
    project.write("train.py", TRAIN)
    for group, shift in (("ours", "0.1"), ("base", "0")):
        done = project.python("train.py", group, shift, *"012345")
        assert done.code == 0, done.err
    return project


@pytest.fixture
def project(recorded: Project, tmp_path: Path) -> Project:
    shutil.copytree(recorded.path, tmp_path / "work", symlinks=True)
    copied = Project(tmp_path / "work")
    assert paper(copied, "init") == 0
    return copied


def paper(project: Project, *words: str) -> int:
    return said(project, *words)[0]


def said(project: Project, *words: str) -> tuple[int, str]:
    cache = str(project.path.parent / "cache")
    done = project.call(SAMEBIT, "paper", *words, SAMEBIT_CACHE=cache)
    assert "Traceback" not in done.err
    return done.code, done.out + done.err


def test_the_first_build_shows_the_numbers_of_the_runs(project: Project) -> None:
    assert paper(project, "build", "--no-pdf") == 0
    code, out = said(project, "check")
    assert code == 0, out
    assert "as the runs say" in out
    values = (project.path / "paper/generated/values.tex").read_text()
    assert "\\samebitset{val}{ours/test-acc/n}{6}%" in values
    accuracies = [
        view.metrics["test_acc"].values[-1]
        for view in project.views()
        if view.record.group == "ours"
    ]
    mean = sum(accuracies) / 6
    assert f"% exactly {mean!r}"[:20] in values
    assert paper(project, "check", "--strict") == 5  # nobody has verified these runs


def test_a_changed_run_makes_the_check_name_the_line(project: Project) -> None:
    main = project.path / "paper/main.tex"
    lines = main.read_text().splitlines()
    (at,) = (n for n, line in enumerate(lines, 1) if "\\val{ours/test-acc/interval}" in line)
    assert paper(project, "build", "--no-pdf") == 0
    old = next(view for view in project.views() if view.record.group == "ours")
    shutil.rmtree(project.store / "runs" / old.id)
    assert project.python("train.py", "ours", "0.05", "0").code == 0
    code, out = said(project, "check")
    assert code == 5
    new = project.views()[-1].id
    stale = [line for line in out.splitlines() if line.startswith(f"main.tex:{at}: error")]
    assert any("\\val{ours/test-acc/interval} says $90." in line for line in stale), out
    assert all(f"new: {new}; no longer: {old.id}" in line for line in stale)
    assert f"run {old.id} is gone" in out
    assert "what figures/curves.tex shows has changed" in out
    assert paper(project, "build", "--no-pdf") == 0
    assert paper(project, "check") == 0


def test_a_number_typed_by_hand_is_found_where_it_contradicts_a_run(project: Project) -> None:
    main = project.path / "paper/main.tex"
    text = main.read_text()
    added = "Its accuracy is 92.1\\%.\nTheirs is 93.0\\% \\cite{x}, an accuracy of 91.9\\%.\n"
    main.write_text(text.replace("\\end{document}", added + "\\end{document}"))
    at = 1 + main.read_text().splitlines().index("Its accuracy is 92.1\\%.")
    assert paper(project, "build", "--no-pdf") == 0
    code, out = said(project, "check", "--json")
    errors = [one for one in json.loads(out)["findings"] if one["level"] == "error"]
    assert (code, [one["where"] for one in errors]) == (5, [f"main.tex:{at}"])
    main.write_text(main.read_text().replace("92.1\\%.", "92.1\\%. % samebit: typed"))
    assert paper(project, "check") == 0


def test_what_is_generated_and_was_edited_is_found(project: Project) -> None:
    assert paper(project, "build", "--no-pdf") == 0
    figure = project.path / "paper/generated/figures/curves.tex"
    figure.write_text(figure.read_text().replace("ylabel={test", "ylabel={Test"))
    code, out = said(project, "check")
    assert code == 5
    assert "generated/figures/curves.tex was changed by hand" in out


def test_a_folder_is_set_up_once(project: Project) -> None:
    code, out = said(project, "init")
    assert code == 2
    assert "there is a paper already" in out


def test_a_paper_without_a_project_or_a_run_says_so(tmp_path: Path) -> None:
    bare = Project(tmp_path / "bare")
    bare.path.mkdir()
    code, out = said(bare, "init")
    assert code == 7
    assert "store" in out
    (bare.path / "samebit.toml").write_text("[paper]\n[paper.values]\nx = { of = 'a' }\n")
    code, out = said(bare, "check")
    assert code == 2
    assert "samebit.toml:3: x: which metric" in out
    (bare.path / "samebit.toml").write_text("[paper\n")
    code, out = said(bare, "check")
    assert code == 2
    assert "line 1" in out


def test_a_claim_that_does_not_hold_any_more_is_told_where_it_stands(project: Project) -> None:
    claim = 'better = "ours"\nthan = "base"\nmetric = "test_acc"\n'
    (project.path / "paper/claims.toml").write_text(
        f'[[claim]]\nkey = "beats"\ntext = "We are better."\n{claim}'
        f'[[claim]]\ntext = "And it is a fact."\n{claim}'
    )
    main = project.path / "paper/main.tex"
    text = main.read_text().replace(
        "\\maketitle", "\\maketitle\n\\claim{beats} And it\n is a fact."
    )
    main.write_text(text)
    at = 1 + text.splitlines().index("\\claim{beats} And it")
    assert paper(project, "build", "--no-pdf") == 0
    assert paper(project, "check") == 0
    for view in project.views():
        if view.record.group == "ours":
            shutil.rmtree(project.store / "runs" / view.id)
    assert project.python("train.py", "ours", "-0.1", *"012345").code == 0
    code, out = said(project, "check")
    assert code == 5
    assert f"main.tex:{at}: error: claim beats does not hold any more: ours" in out
    assert f"main.tex:{at}: error: claim 2 does not hold any more" in out
    main.write_text(text.replace("And it\n is a fact.", ""))
    assert "claims.toml:7: warning: claim 2 stands in no text any more" in said(project, "check")[1]


def test_the_log_tells_what_became_of_the_numbers(project: Project) -> None:
    commit(project, "before")
    assert paper(project, "build", "--no-pdf") == 0
    commit(project, "the paper")
    assert project.python("train.py", "ours", "0.05", "7").code == 0
    assert paper(project, "build", "--no-pdf") == 0
    commit(project, "one more")
    code, out = said(project, "log", "--json")
    assert code == 0
    newest, first, *_ = json.loads(out)["commits"]
    assert (newest["subject"], first["subject"]) == ("one more", "the paper")
    changed = {one["key"]: (one["old"], one["new"]) for one in newest["changes"]}
    assert set(changed) == {"ours/runs", "ours/test-acc", "ours/loss"}
    assert changed["ours/runs"] == ("6 finished runs of 6", "7 finished runs of 7")
    assert "one more" in said(project, "log")[1]
    lock = project.path / "paper/generated/values.json"
    lock.write_text("<<<<<<< HEAD\n" + lock.read_text())
    assert said(project, "check")[0] == 5
    commit(project, "a merge that was not finished")
    assert "cannot be read" in said(project, "log")[1]
    code, out = said(project, "log", "--pdf", "HEAD", "--to", "x.pdf")
    assert (code, "no PDF of commit HEAD is kept" in out) == (7, True)


def commit(project: Project, message: str) -> None:
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["add", "-A"], [*author, "commit", "-q", "-m", message]):
        done = project.call("git", *words)
        assert done.code == 0, done.err


@needs_tex
def test_the_pdf_of_a_commit_is_kept_checked_and_not_swept(project: Project) -> None:
    assert paper(project, "build", "--no-pdf") == 0
    commit(project, "the paper")
    code, out = said(project, "build", "--json")
    assert code == 0, out
    kept = json.loads(out.splitlines()[-1])["kept_of"]
    pdf = (project.path / "paper/build/main.pdf").read_bytes()
    assert len(kept) == 40
    assert paper(project, "build") == 0  # the same commit: equal bytes, and one record
    assert (project.path / "paper/build/main.pdf").read_bytes() == pdf
    (record,) = (project.store / "papers" / kept).iterdir()
    assert paper(project, "log", "--pdf", kept[:7], "--to", "old.pdf") == 0
    assert (project.path / "paper").parent.joinpath("old.pdf").read_bytes() == pdf
    main = project.path / "paper/main.tex"
    main.write_text(main.read_text() + "% changed\n")
    code, out = said(project, "build", "--json")
    assert json.loads(out.splitlines()[-1])["kept_of"] is None
    name = json.loads(record.read_text())["pdf"]
    for path in project.store.rglob("*"):  # long ago, so that a sweep could take anything
        os.utime(path, (0, 0))
    assert project.call(SAMEBIT, "gc", "--delete").code == 0
    assert paper(project, "log", "--pdf", kept, "--to", "again.pdf") == 0
    assert project.call(SAMEBIT, "check").code == 0
    hidden = name.partition(":")[2]
    (project.store / "objects" / hidden[:2] / hidden[2:]).unlink()
    found = project.call(SAMEBIT, "check")
    assert (found.code, f"paper paper of commit {kept[:8]}: its PDF" in found.out) == (7, True)


@needs_tex
def test_it_compiles_and_an_unknown_key_stops_it_with_its_line(project: Project) -> None:
    code, out = said(project, "build")
    assert code == 0, out
    pdf = project.path / "paper/build/main.pdf"
    assert pdf.read_bytes().startswith(b"%PDF")
    main = project.path / "paper/main.tex"
    main.write_text(main.read_text().replace("\\maketitle", "\\maketitle\n\\val{ours/test-ac}"))
    code, out = said(project, "build")
    at = 1 + main.read_text().splitlines().index("\\val{ours/test-ac}")
    assert code == 2
    assert (
        f"main.tex:{at}: error: Package samebit Error: unknown key in \\val{{ours/test-ac}}" in out
    )
    assert "did you mean ours/test-acc" in out
    assert not pdf.exists()
    assert paper(project, "build", "--draft") == 0


def test_without_tex_all_files_are_written_and_it_says_what_to_install(project: Project) -> None:
    found = project.call(SAMEBIT, "paper", "build", PATH="/nowhere")
    assert found.code == 7
    assert "latexmk" in found.err
    assert (project.path / "paper/generated/values.tex").exists()
