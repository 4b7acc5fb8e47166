"""Two and three trackers in one script: each value once, or under another name; settings once."""

import pytest

from samebit.folders.media import media_of
from tests.compat.wandb.frameworks import TRAINER
from tests.projects import Project

pytestmark = pytest.mark.slow  # starts of torch and transformers


def test_a_trainer_with_wandb_a_summary_writer_and_our_callback(project: Project) -> None:
    script = TRAINER.replace('report_to="wandb"', 'report_to=["wandb", "tensorboard"]')
    ours = "callbacks=[samebit.integrations.transformers.SamebitCallback()]"
    script = script.replace("eval_dataset=data[:8]", f"eval_dataset=data[:8], {ours}")
    project.write("a.py", f"import samebit.integrations.transformers\n{script}")
    ended = project.run("--as", "wandb", "a.py")
    assert ended.code == 0, ended.err
    view = project.view()
    steps = {name: column.steps for name, column in view.metrics.items()}
    # As the callback names them, and as wandb and the writer do: both say the same, once.
    assert steps["loss"] == steps["train/loss"] == [2, 4, 6]
    assert steps["eval_loss"] == steps["eval/loss"] == [3, 6]
    assert view.metrics["loss"].values == view.metrics["train/loss"].values
    # wandb's summary and the callback give it one name: one value.
    assert steps["train_loss"] == steps["train/train_loss"] == [6]
    assert set(media_of(view)) == {"args", "model_config"}  # texts of the writer
    config = view.facts["config"]
    assert config["learning_rate"] == 1e-3
    assert config["hidden_size"] == 16  # wandb's callback gives the model's settings flat
    assert "model" not in config
    assert view.missing == [] or not any("log of" in line for line in view.missing)


def test_the_real_wandb_stays_beside_a_native_door(project: Project, peers: str) -> None:
    """Without `--as` a script's `import wandb` is the real one, which keeps its own files."""
    project.write(
        "a.py",
        """
        import samebit, wandb
        from samebit.session.doors import Door
        assert "samebit" not in wandb.__file__
        door = Door("ours")
        run = wandb.init(mode="offline", config={"lr": 1})
        door.enter()
        door.settings({"lr": 2})
        for step in range(3):
            run.log({"loss": step}); door.log({"loss": 10 + step}, step)
        run.finish()
        door.finish()
        print("whole")
        """,
    )
    ended = project.call(peers, "a.py", WANDB_SILENT="true")
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "whole"), ended.err
    view = project.view()
    assert (view.metrics["loss"].values, view.facts["config"]) == ([10, 11, 12], {"lr": 2})
    assert list((project.path / "wandb").glob("offline-run-*"))
