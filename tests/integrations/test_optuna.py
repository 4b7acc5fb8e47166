"""Optuna's door: trials as rows, the sampler with its seed; and a search that is the same again."""

import pytest

from samebit.session.reading import RecordedRun
from tests.projects import SAMEBIT, Project

pytest.importorskip("optuna")

SCRIPT = """
import optuna
from samebit.integrations.optuna import SamebitCallback

optuna.logging.set_verbosity(optuna.logging.WARNING)

def objective(trial):
    x = trial.suggest_float("x", -2, 2)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    if trial.number == 1:
        raise optuna.TrialPruned
    return x * x + (kind == "b")

study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=3))
study.optimize(objective, n_trials=6, callbacks=[SamebitCallback()])
print(study.best_value, study.best_params)
"""


@pytest.mark.slow
def test_a_study_is_recorded_trial_by_trial(project: Project) -> None:
    project.write("a.py", SCRIPT)
    plain = project.python("a.py")
    recorded = project.run("a.py")
    assert (plain.code, recorded.code) == (0, 0), (plain, recorded)
    assert plain.out == recorded.out
    for view in project.views():
        run = RecordedRun(view)
        told, metrics = run.config["optuna"], run.metrics()
        assert (told["sampler"]["class"], told["sampler"]["seed"]) == ("TPESampler", 3)
        assert (told["pruner"]["class"], told["directions"]) == ("MedianPruner", ["MINIMIZE"])
        assert told["space"]["x"].startswith("FloatDistribution(")
        assert metrics["optuna/state"]["value"] == ["COMPLETE", "PRUNED", *["COMPLETE"] * 4]
        assert metrics["optuna/param_x"]["step"] == [0, 1, 2, 3, 4, 5]
        assert metrics["optuna/value"]["step"] == [0, 2, 3, 4, 5]
        assert metrics["optuna/best_value"]["value"][-1] == min(metrics["optuna/value"]["value"])
        assert plain.out.startswith(str(metrics["optuna/best_value"]["value"][-1]))
        assert len(metrics["optuna/duration_s"]["value"]) == 6
    judged = project.call(SAMEBIT, "verify", project.views()[-1].id)
    assert judged.code == 0, judged
    assert judged.out.startswith("identical"), judged


SEVERAL = """
import optuna
from samebit.integrations.optuna import SamebitCallback

optuna.logging.set_verbosity(optuna.logging.WARNING)

def search(study, trials, more):
    objective = lambda trial: trial.suggest_float("x", -2, 2) ** 2 + more
    study.optimize(objective, n_trials=trials, callbacks=[SamebitCallback()])

for fold in range(2):  # of one name, each in memory
    sampler = optuna.samplers.RandomSampler(seed=fold)
    search(optuna.create_study(study_name="tune", sampler=sampler), 3, 10 * fold)
for _ in range(2):  # the same one, gone on with
    sampler = optuna.samplers.RandomSampler(seed=7)
    there = {"study_name": "kept", "storage": "sqlite:///kept.db", "load_if_exists": True}
    search(optuna.create_study(sampler=sampler, **there), 2, 20)
"""


@pytest.mark.slow
def test_further_studies_of_a_run_have_a_number_and_displace_nothing(project: Project) -> None:
    project.write("a.py", SEVERAL)
    assert project.run("a.py").code == 0
    view = project.view()
    run = RecordedRun(view)
    steps = {name: values["step"] for name, values in run.metrics().items() if "/value" in name}
    assert steps == {
        "optuna/value": [0, 1, 2],
        "optuna-2/value": [0, 1, 2],
        "optuna-3/value": [0, 1, 2, 3],
    }
    values = {name: run.metrics()[name]["value"] for name in steps}
    assert max(values["optuna/value"]) < 10 <= min(values["optuna-2/value"])
    assert min(values["optuna-3/value"]) >= 20
    config = run.config
    assert [config[name]["study"] for name in ("optuna", "optuna-2", "optuna-3")] == [
        *("tune", "tune", "kept")
    ]
    assert config["optuna-2"]["sampler"]["seed"] == 1
    best = {name: min(values[f"{name}/value"]) for name in ("optuna", "optuna-2", "optuna-3")}
    state = run.state("final").part("state")
    assert {name: found[0]["values"][0] for name, found in state.items()} == best
    (project.path / "kept.db").unlink()
    judged = project.call(SAMEBIT, "verify", view.id)
    assert judged.out.startswith("identical"), judged
