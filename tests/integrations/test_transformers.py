"""A Trainer with our callback: no hub, a model from its configuration."""

from pathlib import Path

import pytest

from tests.integrations.doors import WAYS, assert_comes_back, recorded, values

pytestmark = pytest.mark.slow  # starts of torch and transformers

SCRIPT = """
import sys
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments
import samebit
from samebit.integrations.transformers import SamebitCallback

def trainer(**more):
    torch.manual_seed(1)
    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                        intermediate_size=16, max_position_embeddings=16)
    tokens = torch.randint(0, 50, (24, 8))
    rows = [{"input_ids": row, "labels": int(row[0]) % 2} for row in tokens]
    arguments = TrainingArguments(
        "out", max_steps=6, per_device_train_batch_size=4, logging_steps=2, eval_strategy="steps",
        eval_steps=3, save_strategy="no", report_to="none", learning_rate=0.01, warmup_steps=2,
        use_cpu=True, disable_tqdm=True)
    return Trainer(BertForSequenceClassification(config), arguments, train_dataset=rows,
                   eval_dataset=rows[:8], **more), rows
"""
ONE = """
model, rows = trainer(callbacks=[SamebitCallback(name="bert")])
model.train()
model.predict(rows[:8])
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_trainer_is_recorded_and_comes_back(tmp_path: Path, way: str) -> None:
    project = recorded(tmp_path, SCRIPT + ONE, way)
    view = project.last()
    assert list(values(view, "loss")) == [2, 4, 6]
    assert list(values(view, "eval_loss")) == [3, 6]
    assert values(view, "test_loss")[6] == values(view, "eval_loss")[6]
    assert values(view, "learning_rate")[6] > 0
    config = view.facts["config"]
    assert (config["learning_rate"], config["max_steps"]) == (0.01, 6)
    assert config["model"]["hidden_size"] == 16
    sources = view.facts["config_sources"]
    assert sources["made_by"][-1]["parser"] == "transformers"
    assert (sources["values"]["learning_rate"], sources["values"]["adam_beta1"]) == (
        "code",
        "default",
    )
    assert len(view.schedule) > 3  # the warm-up
    assert_comes_back(project)


def test_it_joins_the_run_of_the_script_and_leaves_it_open(tmp_path: Path) -> None:
    """What the script gave as its config stays above, and as it was given."""
    joins = """
run = samebit.init(config={"learning_rate": "mine", "note": 1}, seed=1)
model, rows = trainer(callbacks=[SamebitCallback])
model.train()
assert run.config == {"learning_rate": "mine", "note": 1}
run.log({"after": 1.0}, step=7)
"""
    project = recorded(tmp_path, SCRIPT + joins, "python")
    view = project.last()
    assert values(view, "after") == {7: 1.0}
    assert list(values(view, "loss")) == [2, 4, 6]
    config = view.facts["config"]
    assert (config["learning_rate"], config["note"], config["max_steps"]) == ("mine", 1, 6)


def test_trainings_one_behind_the_other_are_runs_of_their_own(tmp_path: Path) -> None:
    """Each comes back as itself; what is evaluated behind a training belongs to it."""
    two = """
for name in ("first", "second"):
    model, rows = trainer(callbacks=[SamebitCallback(name=name)])
    model.train()
    model.evaluate(metric_key_prefix="behind")
"""
    project = recorded(tmp_path, SCRIPT + two, "python")
    first, second = (project.view(name) for name in ("first", "second"))
    assert first.id != second.id
    for view in (first, second):
        assert list(values(view, "loss")) == [2, 4, 6]
        assert list(values(view, "behind_loss")) == [6]
        assert view.status == "finished"
    assert project.verify("first").text.startswith("identical")


def test_under_samebit_run_all_of_a_script_is_one_run(tmp_path: Path) -> None:
    two = """
for name in ("first", "second"):
    trainer(callbacks=[SamebitCallback(name=name)])[0].train()
"""
    project = recorded(tmp_path, SCRIPT + two, "samebit run")
    assert len(list((project.folder / ".samebit" / "runs").iterdir())) == 1
