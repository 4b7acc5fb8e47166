"""`SummaryWriter`: what a script logs through one is recorded as it gave it."""

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from samebit.compat.files.logdirs import Logdir
from samebit.folders.media import media_of
from samebit.journal.reader import read_journal, rows
from samebit.journal.values import OnADevice
from samebit.journal.writer import Writer
from samebit.session import summaries
from samebit.session.summaries import Summaries, Summary
from tests.projects import SAMEBIT, Project

TWO_WRITERS = """
import numpy as np
from {library} import SummaryWriter
train, val = SummaryWriter("runs/exp/train"), SummaryWriter("runs/exp/val")
for step in range(5):
    train.add_scalar("loss", 0.1 * step, step)
    val.add_scalar("loss", 0.3 * step, step, walltime=1700000000.5 + step)
train.add_scalar(tag="kw", scalar_value=np.float32(0.1), global_step=np.int64(7))
train.add_scalar("array", np.array([1.5]), 2)
train.add_scalar("nan", float("nan"), 1)
train.add_scalars("pair", {{"a": 1.0, "b": 2.0}}, 3)
train.add_histogram("h", np.arange(10.0), 1)
train.add_image("img", np.full((3, 4, 5), 0.5), 1)
train.add_images("imgs", np.zeros((2, 4, 5, 3), np.uint8), 1, dataformats="NHWC")
train.add_text("note", "hello", 2)
train.add_pr_curve("pr", np.array([0, 1]), np.array([0.1, 0.9]), 1)
train.add_pr_curve("pr", np.array([0, 1]), np.array([0.1, 0.9]), 2)
train.add_hparams({{"lr": 0.1, "bs": 4}}, {{"hp/acc": 0.9}}, **{{"{name}": "hp"}})
train.close()
val.close()
"""


def recorded(project: Project, library: str, name: str) -> None:
    project.write("train.py", TWO_WRITERS.format(library=library, name=name))
    ended = project.run("train.py")
    assert ended.code == 0, ended.err
    assert ended.err.count("add_pr_curve of SummaryWriter") == 1
    view = project.view()
    metrics = view.metrics
    assert metrics["loss"].values == [0.1 * step for step in range(5)]  # not as float32
    assert metrics["val/loss"].values == [0.3 * step for step in range(5)]
    near = [time_ns - 1_700_000_000_500_000_000 for time_ns in metrics["val/loss"].times_ns]
    assert [round(one / 1e9) for one in near] == list(range(5))
    assert (metrics["kw"].steps, metrics["kw"].values) == ([7], [float(numpy.float32(0.1))])
    assert metrics["array"].values == [1.5]
    assert repr(metrics["nan"].values) == "[nan]"
    assert (metrics["pair/a"].values, metrics["pair/b"].values) == ([1.0], [2.0])
    assert metrics["hp/acc"].values == [0.9]
    assert set(metrics) == {
        *("loss", "val/loss", "kw", "array", "nan", "pair/a", "pair/b", "hp/acc")
    }
    assert view.facts["config"] == {"lr": 0.1, "bs": 4}
    kinds = {media: [fact["kind"] for fact in facts] for media, facts in media_of(view).items()}
    assert kinds == {"h": ["histogram"], "img": ["image"], "imgs": ["image"] * 2, "note": ["text"]}
    assert "problem" not in {frame.items[2] for frame in view.journal.frames if frame.kind == 3}
    # The writer's own files are what they always are.
    found = {one.name: one for one in _runs(project.path / "runs")}
    assert set(found) == {"exp/train", "exp/val"}
    (loss,) = [one for one in found["exp/val"].executions[0].series if one.name == "loss"]
    assert loss.values.tolist() == [float(numpy.float32(0.3 * step)) for step in range(5)]


def _runs(folder: Path) -> Iterator[Any]:
    for found in Logdir(folder).find():
        yield found.read(lambda _: None)


def test_the_writer_of_tensorboardx(project: Project) -> None:
    recorded(project, "tensorboardX", "name")


@pytest.mark.slow
def test_the_writer_of_torch(project: Project) -> None:
    recorded(project, "torch.utils.tensorboard", "run_name")


@pytest.mark.slow
def test_the_first_example_of_the_documentation(project: Project) -> None:
    project.write(
        "first.py",
        """
        from torch.utils.tensorboard import SummaryWriter
        import numpy as np

        writer = SummaryWriter()

        for n_iter in range(100):
            writer.add_scalar('Loss/train', np.random.random(), n_iter)
            writer.add_scalar('Loss/test', np.random.random(), n_iter)
            writer.add_scalar('Accuracy/train', np.random.random(), n_iter)
            writer.add_scalar('Accuracy/test', np.random.random(), n_iter)
        """,
    )
    ended = project.run("--seed", "1", "first.py")
    assert ended.code == 0
    metrics = project.view().metrics
    assert set(metrics) == {"Loss/train", "Loss/test", "Accuracy/train", "Accuracy/test"}
    assert all(column.steps == list(range(100)) for column in metrics.values())
    assert "metrics identical: 4 names, 400 values" in project.call(SAMEBIT, "verify", "@last").out


@pytest.mark.slow
def test_a_writer_in_a_script_that_calls_init_alone(project: Project) -> None:
    project.write(
        "alone.py",
        """
        import samebit
        from tensorboardX import SummaryWriter
        run = samebit.init()
        writer = SummaryWriter("runs")
        writer.add_scalar("loss", 0.25, 1)
        run.finish()
        writer.add_scalar("loss", 0.5, 2)
        writer.close()
        """,
    )
    ended = project.python("alone.py")
    assert ended.code == 0, ended.err
    assert project.view().metrics["loss"].values == [0.25]


@pytest.mark.slow
def test_what_the_writer_refuses_the_script_hears_and_nothing_is_recorded(
    project: Project,
) -> None:
    project.write(
        "refused.py",
        """
        from tensorboardX import SummaryWriter
        writer = SummaryWriter("runs")
        for call in (lambda: writer.add_scalar("loss"), lambda: writer.add_image("i", 3)):
            try:
                call()
            except Exception as error:
                print(type(error).__name__, "samebit" in str(error.__traceback__.tb_next.tb_frame))
        writer.add_scalar("loss", 1.0, 1)
        writer.close()
        """,
    )
    ended = project.run("refused.py")
    assert ended.code == 0, ended.err
    assert "True" not in ended.out
    assert project.view().metrics["loss"].values == [1.0]


class Told:
    """Summaries of a journal of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Writer(folder, "0123456789")
        self.logged: list[tuple[dict[str, Any], Any]] = []
        self.arrived: list[dict[str, Any]] = []
        self.settings: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.summaries = Summaries(
            self.journal,
            lambda values, step: self.logged.append((values, step)),
            lambda values, step: self.arrived.append(values),
            self.settings.append,
            lambda values: 77,
            self.said.append,
        )

    def points(self) -> list[tuple[int, dict[str, Any]]]:
        self.journal.close()
        found = rows(read_journal(self.folder, "0123456789", ended=True).logged)
        return [(row[0], row[2]) for row in found if row is not None]


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    found = Told(tmp_path)
    yield found
    found.journal.close()


def writer(folder: str) -> Any:
    return types.SimpleNamespace(log_dir=folder)


def test_names_begin_with_the_folder_as_seen_from_the_first(told: Told) -> None:
    folders = [
        "runs/a/train",
        "runs/a/val",
        "runs/a/train/deep",
        "runs/b/val",
        "runs/a",
        "runs/a/val",
    ]
    for step, folder in enumerate(folders):
        told.summaries.scalar(writer(folder), "loss", 1.0, step, None)
    names = [name for _, values in told.points() for name in values]
    assert names == ["loss", "val/loss", "deep/loss", "b/val/loss", "a/loss", "val/loss"]


def test_folders_that_the_clock_named_get_a_number(told: Told) -> None:
    for second in (10, 11, 12):
        folder = f"runs/May04_22-14-{second}_host"
        told.summaries.scalar(writer(folder), "loss", 1.0, second, None)
    names = [name for _, values in told.points() for name in values]
    assert names == ["loss", "writer 2/loss", "writer 3/loss"]


def test_a_name_that_log_has_is_not_written_twice(told: Told) -> None:
    one = writer("runs")
    told.journal.row({"loss": 0.5}, 1)
    told.summaries.scalar(one, "loss", 9.0, 1, None)
    told.summaries.scalar(one, "other", 1.0, 1, None)
    assert told.points() == [(1, {"loss": 0.5}), (1, {"other": 1.0})]


def test_a_name_that_log_takes_later_is_left_to_it(told: Told) -> None:
    one = writer("runs")
    for step in range(200):
        told.summaries.scalar(one, "loss", 1.0, step, None)
        told.journal.row({"loss": 1.0, "acc": 2.0}, step)
    twice = [step for step, values in told.points() if values == {"loss": 1.0}]
    assert len(twice) <= 64


def test_a_value_without_a_step_has_that_of_the_run(told: Told) -> None:
    told.summaries.scalar(writer("runs"), "loss", 1.0, None, None)
    assert told.points() == [(77, {"loss": 1.0})]


def test_what_is_no_number_goes_the_way_of_log(told: Told) -> None:
    told.summaries.scalar(writer("runs"), "loss", object(), 3, None)
    assert [step for _, step in told.logged] == [3]


def test_a_value_on_a_device_is_not_waited_for(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OnADevice

    monkeypatch.setattr(told.journal, "row", refuse)
    told.summaries.scalar(writer("runs"), "loss", 1.5, 3, None)
    assert told.arrived == [{"loss": 1.5}]


def test_a_call_counts_once_and_gives_what_it_always_gave() -> None:
    calls: list[Summary] = []
    numbers: list[tuple[object, ...]] = []

    class SummaryWriter:
        log_dir = "runs"

        def add_scalar(
            self, tag: str, scalar_value: float, global_step: int = 0, walltime: Any = None
        ) -> str:
            return f"{tag}={scalar_value}"

        def add_text(self, tag: str, text_string: str, global_step: int = 0) -> str:
            return self.add_scalar(tag, 1.0)

    module = types.ModuleType("torch.utils.tensorboard.writer")
    module.SummaryWriter = SummaryWriter  # pyright: ignore[reportAttributeAccessIssue]
    summaries._wrap_all(calls.append, lambda *number: numbers.append(number), module)
    one = SummaryWriter()
    assert one.add_scalar("a", 2.0) == "a=2.0"
    assert one.add_text("t", "x") == "t=1.0"
    assert numbers == [(one, "a", 2.0, None, None)]
    assert [call.method for call in calls] == ["add_text"]
    with pytest.raises(TypeError):
        one.add_scalar()  # pyright: ignore[reportCallIssue]
    assert (len(calls), len(numbers)) == (1, 1)
