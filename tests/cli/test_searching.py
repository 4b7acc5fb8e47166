"""`samebit sweep`: what is searched, what is said, and what a kill at any point leaves."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from samebit.cli.main import main
from samebit.studies.declared import find_study, folder_of
from tests.projects import SAMEBIT, Project
from tests.studied import begin, history_of, sweep, wait_until_begun

# Its result follows from what it is given; by `how` it fails, waits, logs nothing or what is NaN.
SCRIPT = """
    import argparse, math, os, random, time
    import samebit
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--how", default="well")
    args = parser.parse_args()
    run = samebit.init(config=args)
    if args.how == "fails" or (args.how == "sometimes" and args.batch == 32):
        raise ValueError("it cannot work")
    while args.how == "waits" and not os.path.exists("go"):
        time.sleep(0.05)
    loss = math.log10(args.learning_rate) ** 2 + random.random()
    if args.how != "mute":
        run.log({"loss": math.nan if args.how == "nan" else loss}, step=1)
    if args.how == "slow":
        for step in range(2, 400):
            time.sleep(0.05)
            run.log({"loss": loss}, step=step)
"""
FILE = """
    script = "t.py"
    arguments = ["--learning-rate", "{lr}", "--batch={batch}"]
    minimize = "loss"
    sampler = "SAMPLER"
    trials = 3
    name = "g"
    [space]
    lr = {log = [1e-5, 1e-1]}
    batch = [16, 32]
"""
LR = ("--space", "lr = {log = [1e-5, 1e-1]}")
GRID = ("t.py", "--minimize", "loss", "--sampler", "grid", "--space", "lr = [0.1, 0.01]")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("t.py", SCRIPT)
    return project


def shown(project: Project, name: str) -> Any:
    return sweep(project, "show", name, "--json").json


def trials_of(project: Project, name: str) -> list[tuple[object, ...]]:
    trials = history_of(project, name).trials
    return [(one.values, one.asked, one.told, one.by) for one in trials]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "what is to be run?"),
        (["t.py", "--trials", "2", *LR], 2, "which metric"),
        (["t.py", "--minimize", "a", "--maximize", "b", "--trials", "2", *LR], 2, "which metric"),
        (["t.py", "--minimize", "loss", "--trials", "2"], 2, "the space is empty"),
        (["t.py", "--minimize", "loss", "--trials", "2", *LR], 2, "no argument of the script has"),
        (["t.py", "--minimize", "loss", *LR, "--", "--learning-rate", "{lr}"], 2, "how much"),
        ([*GRID, "--for", "soon", "--", "{lr}"], 2, "no length of time"),
        ([*GRID, "--space", "lr = ", "--", "{lr}"], 2, "--space cannot be read"),
        ([*GRID, *LR, "--", "{lr}"], 2, "which values of lr"),
        ([*GRID, "--pruner", "median", "--seeds", "2", "--", "{lr}"], 2, "stops single runs"),
        ([*GRID, "--gpu-hours", "-1", "--", "{lr}"], 2, "hours, above 0"),
        (["u.py", "--trials", "2"], 125, "there is no script u.py"),
        (["u.toml"], 7, "there is no file"),
        (["bad.toml"], 2, "unknown field `lr`"),
        (["two.toml"], 2, "by one of script, module and command"),
        (["no.toml"], 2, "is no TOML"),
        (["show"], 2, "which sweep?"),
        ([*GRID, "--json"], 2, "sweep show"),
    ],
    ids=str,
)
def test_wrong_usage_runs_nothing(
    project: Project,
    words: list[str],
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project.write("bad.toml", 'script = "t.py"\nlr = 5\n')
    project.write("two.toml", 'script = "t.py"\nmodule = "t"\n')
    project.write("no.toml", "script = \n")
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("SAMEBIT_DIR", str(project.store))
    try:
        ended = main(["sweep", *words])
    except SystemExit as error:  # of argparse
        ended = error.code
    assert ended == code
    assert says in capsys.readouterr().err
    assert not (project.store / "studies").exists()


def test_a_plan_says_what_would_run_and_runs_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.path)
    words = ["sweep", *GRID, "--seeds", "3", "--trials", "99", "--plan"]
    assert main([*words, "--", "--learning-rate={lr}", "{seed}"]) == 0
    said = capsys.readouterr().out
    assert (
        "grid over lr, 2 configurations, 3 seeds each; loss: lowest last value, mean of 3" in said
    )
    assert "t.py --learning-rate=0.1 0" in said
    assert not project.store.exists()


def test_the_file_of_the_guide_is_one(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")
    text = guide.split("```text not-run\n")[1].split("```")[0]
    (project.path / "sweep.toml").write_text(text)
    project.write("train.py", "")
    monkeypatch.chdir(project.path)
    assert main(["sweep", "sweep.toml", "--plan"]) == 0
    said = capsys.readouterr().out
    assert "50 configurations, 3 seeds each; val_acc: highest last value" in said
    assert "momentum: Uniform[0.0, 0.99] where optimizer is sgd" in said


@pytest.mark.slow
def test_a_grid_runs_is_shown_and_goes_on_with_nothing_run_twice(project: Project) -> None:
    words = (*GRID, "--space", "batch = [16, 32]", "--name", "g", "--jobs", "2")
    arguments = ("--", "--learning-rate", "{lr}", "--batch={batch}", "--how", "sometimes")
    first = sweep(project, *words, "--trials", "3", *arguments)
    assert first.code == 0, first.err
    assert "3 runs: 2 finished, 1 failed" in first.err
    assert "mind: 1 of 3 configurations failed" in first.err
    assert len(project.views()) == 3
    again = sweep(project, "g", "--trials", "4", "--jobs", "2")
    assert again.code == 0, again.err
    views = sorted(project.views(), key=lambda view: view.record.trial or 0)
    assert len(views) == 4
    told = shown(project, "g")
    assert told["budget"] == {"trials": 4}
    assert [one["settings"] for one in told["configurations"]] == [
        {"lr": lr, "batch": batch} for lr in (0.1, 0.01) for batch in (16, 32)
    ]
    assert [one["state"] for one in told["configurations"]] == ["finished", "failed"] * 2
    assert told["best"] == 1
    assert told["best_so_far"] == [told["configurations"][0]["value"]] * 2
    # Each run knows what it was given, by the names of its script.
    assert views[0].facts["searched"] == {"learning_rate": 0.1, "batch": 16}
    assert views[0].facts["config"]["learning_rate"] == 0.1
    # The table of the appendix writes itself: spaces, who sampled, the metric, the best.
    table = project.call(SAMEBIT, "table", "--shape", "search", "--json").json
    rate, batch, *_ = table["rows"]
    by = "samebit grid, seed 0"
    told = {"parameter": "learning rate", "space": "{0.1, 0.01}", "sampler": by, "best": 0.1}
    assert rate == told
    assert batch == {"parameter": "batch size", "space": "{16, 32}", "sampler": by, "best": 16}
    list_ = project.call(SAMEBIT, "checklist", "--json")
    assert "sweep g: loss, lowest last value" in list_.out, list_.err
    other = sweep(project, *words, "--space", "lr = [0.5]", *arguments)
    assert other.code == 2
    assert "is another one" in other.err
    assert "lr = {0.5}" in other.err
    fixed = sweep(project, "g", "--sampler", "random")
    assert (fixed.code, len(project.views())) == (2, 4)
    seeds = project.call(SAMEBIT, "seeds", "show", "g")
    assert (seeds.code, "samebit sweep show g" in seeds.err) == (2, True)
    for unknown in (("h",), ("show", "h")):
        ended = sweep(project, *unknown)
        assert ended.code == 7
        assert "h" in ended.err


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "tpe", "sobol"])
def test_the_same_study_again_has_the_same_trials(project: Project, sampler: str) -> None:
    project.write("s.toml", FILE.replace("SAMPLER", sampler))
    for name in "ab":
        ended = sweep(project, "s.toml", "--name", name, "--trials", "4")
        assert ended.code == 0, ended.err
    ours, theirs = shown(project, "a"), shown(project, "b")
    assert trials_of(project, "a") == trials_of(project, "b")
    assert [one["value"] for one in ours["configurations"]] == [
        one["value"] for one in theirs["configurations"]
    ]
    assert history_of(project, "a").trials[3].told == (2,)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """What a controller asks for that nobody kills."""
    project = Project(tmp_path_factory.mktemp("whole"))
    project.write("t.py", SCRIPT)
    project.write("s.toml", FILE.replace("SAMPLER", "tpe"))
    ended = sweep(project, "s.toml")
    assert ended.code == 0, ended.err
    return [one.values for one in history_of(project, "g").trials]


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    [
        "study.decide@1",
        "study.decided@1",
        "study.decided@2",
        "study.decide@4",
        "study.decided@4",
        "study.decided@5",
        "study.submit@1",
        "study.submit@3",
    ],
)
def test_a_controller_killed_anywhere_is_gone_on_with_and_has_the_same_trials(
    project: Project, whole: list[object], point: str
) -> None:
    project.write("s.toml", FILE.replace("SAMPLER", "tpe"))
    name, _, when = point.partition("@")
    killed = sweep(project, "s.toml", SAMEBIT_FAULTS=f"{name}=kill@{when}")
    assert killed.code == -signal.SIGKILL
    ended = sweep(project, "s.toml")
    assert ended.code == 0, ended.err
    assert [view.status for view in project.views()] == ["finished"] * 3
    assert sorted(view.record.trial or 0 for view in project.views()) == [0, 1, 2]
    assert [one.values for one in history_of(project, "g").trials] == whole


@pytest.mark.slow
def test_two_at_once_that_were_killed_go_on_by_what_was_known_then(project: Project) -> None:
    project.write("s.toml", FILE.replace("SAMPLER", "tpe"))
    words = ("s.toml", "--jobs", "2", "--trials", "6")
    killed = sweep(project, *words, SAMEBIT_FAULTS="study.submit=kill@3")
    assert killed.code == -signal.SIGKILL
    before = trials_of(project, "g")
    ended = sweep(project, *words)
    assert ended.code == 0, ended.err
    assert trials_of(project, "g")[: len(before)] == before
    assert [view.status for view in project.views()] == ["finished"] * 6
    told = [number for one in history_of(project, "g").trials for number in one.told]
    assert len(told) == len(set(told)) >= 3


@pytest.mark.slow
def test_scripts_that_fail_end_it_and_so_do_those_without_the_metric(project: Project) -> None:
    words = ("t.py", "--minimize", "loss", "--sampler", "random", "--trials", "9", *LR)
    arguments = ("--", "--learning-rate", "{lr}", "--how")
    failed = sweep(project, *words, "--name", "f", *arguments, "fails")
    assert failed.code == 1
    assert "3 runs: 3 failed" in failed.err
    assert "nothing but failures" in failed.err
    mute = sweep(project, *words, "--name", "m", *arguments, "mute")
    assert "3 runs: 3 finished" in mute.err
    assert "nothing to choose by" in mute.err
    nan = sweep(project, *words[:-4], "--trials", "4", *LR, "--name", "n", *arguments, "nan")
    assert "4 runs: 4 finished" in nan.err
    assert "4 of 4 configurations failed or have no number" in nan.err
    assert shown(project, "n")["best"] is None


@pytest.mark.slow
def test_a_time_that_is_over_begins_no_more_and_a_longer_one_goes_on(project: Project) -> None:
    words = ("t.py", "--minimize", "loss", "--sampler", "random", "--name", "t", *LR)
    arguments = ("--", "--learning-rate", "{lr}")
    ended = sweep(project, *words, "--for", "2s", *arguments)
    assert ended.code == 0, ended.err
    assert "the time of 2 s is used up: no more was begun" in ended.err
    first = len(project.views())
    assert first >= 1
    assert sweep(project, "t").code == 0
    assert len(project.views()) == first
    assert sweep(project, "t", "--trials", str(first + 1)).code == 0
    assert len(project.views()) == first + 1


@pytest.mark.slow
def test_a_pruner_stops_what_is_worse_than_others_were(project: Project) -> None:
    words = ("t.py", "--minimize", "loss", "--sampler", "grid", "--pruner", "median", "--jobs", "2")
    space = ("--space", "lr = [0.1, 0.11, 0.12, 0.13, 0.14, 1e-9, 1e-8]")
    # Five that finish at once, before the sixth is judged.
    project.write("t.py", SCRIPT.replace("sleep(0.05)\n", "sleep(args.learning_rate < 1e-7)\n"))
    ended = sweep(
        project, *words, *space, "--name", "p", "--", "--learning-rate={lr}", "--how", "slow"
    )
    assert ended.code == 0, ended.err
    assert "5 finished, 2 stopped early" in ended.err
    told = shown(project, "p")
    states = {one["settings"]["lr"]: one["state"] for one in told["configurations"]}
    assert states[1e-9] == states[1e-8] == "stopped early"
    assert told["expected_best"] == []
    assert "median of optuna" in (history_of(project, "p").trials[5].early or "").why  # type: ignore[union-attr]


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(project: Project) -> None:
    words = [*GRID, "--name", "s", "--", "--learning-rate={lr}", "--how", "waits"]
    first = begin(project, "sweep", *words)
    wait_until_begun(project, 1)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "the same command goes on" in said
    (project.path / "go").touch()
    assert sweep(project, *words).code == 0
    assert [view.status for view in project.views()].count("finished") == 2
    assert len(history_of(project, "s").trials) == 2


@pytest.mark.slow
def test_a_table_fits_eighty_columns_and_a_random_search_tells_its_expected_best(
    project: Project,
) -> None:
    words = ("t.py", "--minimize", "loss", "--sampler", "random", "--trials", "4", *LR)
    ended = sweep(project, *words, "--name", "r", "--jobs", "2", "--", "--learning-rate", "{lr}")
    assert ended.code == 0, ended.err
    found = sweep(project, "show", "r")
    assert "expected by this random search:\n  of 1 " in found.out
    assert "lr: LogUniform[1e-05, 0.1]" in found.out
    assert max(map(len, found.out.splitlines())) < 80
    told = shown(project, "r")
    values = [one["value"] for one in told["configurations"]]
    assert told["expected_best"][0]["value"] == pytest.approx(sum(values) / 4)
    assert told["expected_best"][-1]["value"] == pytest.approx(min(values))
    assert json.dumps(told["by"]).endswith('random"]')
    assert os.listdir(folder_of(project.store, find_study(project.store, "r").id))  # type: ignore[union-attr]


DIGITS = """
    import argparse
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import train_test_split
    import samebit
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float)
    parser.add_argument("--penalty")
    parser.add_argument("--seed", type=int)
    args = parser.parse_args()
    run = samebit.init(config=args)
    x, y = load_digits(return_X_y=True)
    train, val, train_y, val_y = train_test_split(x / 16, y, random_state=0)
    model = SGDClassifier(
        learning_rate="constant", eta0=args.lr, penalty=args.penalty, random_state=args.seed
    )
    for epoch in range(1, 6):
        model.partial_fit(train, train_y, classes=np.arange(10))
        run.log({"val_acc": model.score(val, val_y)}, step=epoch)
"""


@pytest.mark.slow
def test_a_sweep_over_digits_finds_what_a_grid_by_hand_does(project: Project) -> None:
    project.write("digits.py", DIGITS)
    words = (
        "digits.py",
        "--maximize",
        "val_acc",
        "--sampler",
        "grid",
        "--seeds",
        "2",
        "--jobs",
        "2",
    )
    space = ("--space", "lr = [1e-6, 0.01]", "--space", 'penalty = ["l2", "l1"]')
    arguments = ("--", "--lr={lr}", "--penalty", "{penalty}", "--seed={seed}")
    ended = sweep(project, *words, *space, "--name", "d", *arguments)
    assert ended.code == 0, ended.err
    told = shown(project, "d")
    views = {view.record.id: view for view in project.views()}
    for one in told["configurations"]:
        ours = [views[run] for run in one["runs"]]
        assert {view.facts["config"]["lr"] for view in ours} == {one["settings"]["lr"]}
        assert len({view.facts["config"]["seed"] for view in ours}) == 2
        last = [view.metrics["val_acc"].values[-1] for view in ours]
        assert one["value"] == pytest.approx(sum(last) / 2)
    values = {(one["settings"]["lr"], one["settings"]["penalty"]): one["value"]
              for one in told["configurations"]}  # fmt: skip
    best = told["configurations"][told["best"] - 1]
    assert best["value"] == max(values.values()) > 0.9
    assert min(values[1e-6, "l1"], values[1e-6, "l2"]) < best["value"]
