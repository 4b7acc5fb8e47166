"""What each kind of wandb's media becomes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samebit.compat.wandb import plot
from samebit.compat.wandb.media import Audio, Histogram, Html, Image, Video, for_log
from samebit.compat.wandb.pictures import animated
from samebit.compat.wandb.tables import Table, from_json, to_json
from samebit.media import given
from samebit.media.drafts import draft


def made(value: Any) -> Any:
    """What is stored of it; raises where it cannot be."""

    def fetch(tensor: Any) -> Any:
        raise AssertionError("nothing lies on a device")

    return draft(value, fetch).make()


def pixels(value: Any, **how: Any) -> list[Any]:
    import io

    from PIL import Image as Pillow

    stored = made(Image(value, **how).as_media())
    return np.asarray(Pillow.open(io.BytesIO(stored.data))).tolist()


@pytest.mark.parametrize(
    ("array", "drawn"),
    [
        (np.array([[0.0, 0.5], [1.0, 0.25]]), [[0, 128], [255, 64]]),
        (np.array([[-1.0, 1.0]]), [[0, 255]]),
        (np.array([[0.0, 128.0], [255.0, 3.0]]), [[0, 128], [255, 3]]),
        (np.array([[0, 100], [255, 4]]), [[0, 100], [255, 4]]),
        (np.array([[0, 1000]]), [[0, 255]]),
        (np.array([[True, False]]), [[255, 0]]),
        (np.array([[7, 7]], np.uint8), [[7, 7]]),
        (np.array([[-5.0, -5.0]]), [[0, 0]]),
    ],
    ids=["floats", "normalised", "floats to 255", "ints", "large", "bools", "bytes", "constant"],
)
def test_numbers_are_drawn_black_to_white(array: Any, drawn: Any) -> None:
    assert pixels(array) == drawn


def test_tensors_have_their_channels_first_and_arrays_last() -> None:
    torch = pytest.importorskip("torch")
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert pixels(picture) == picture.tolist()
    assert pixels(torch.from_numpy(picture.transpose(2, 0, 1).copy())) == picture.tolist()
    assert pixels(torch.zeros(1, 2, 2)) == [[0, 0], [0, 0]]


def test_a_batch_is_a_grid() -> None:
    torch = pytest.importorskip("torch")
    batch = torch.ones(9, 3, 2, 2)
    grid = np.asarray(pixels(batch))
    assert grid.shape == (2 * 4 - 2, 8 * 4 - 2, 3)
    assert grid[:2, :2].min() == 255
    assert grid[:2, 2:4].max() == 0  # between two of them
    assert grid[4:, 4:].max() == 0  # the second row has one


@pytest.mark.parametrize("shape", [(2, 2, 5), (2,), (0, 2), (1, 1, 1, 1, 1)])
def test_what_has_no_shape_of_a_picture_is_a_value_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="Un-supported shape"):
        Image(np.zeros(shape))


def test_pictures_are_also_files_images_and_figures(tmp_path: Path) -> None:
    from PIL import Image as Pillow

    path = tmp_path / "a.png"
    Pillow.new("RGB", (2, 2)).save(path)
    assert made(Image(str(path), caption="c").as_media()).data == path.read_bytes()
    assert Image(path, caption="c").caption == "c"
    assert isinstance(Image(Pillow.new("L", (2, 2))).as_media(), given.Image)
    with pytest.raises(FileNotFoundError):
        Image("nope.png")
    plt = pytest.importorskip("matplotlib.pyplot")
    figure = plt.figure()
    assert isinstance(Image(figure).as_media(), given.Figure)
    assert isinstance(for_log({"chart": plt})["chart"], given.Figure)
    plt.close(figure)


def test_films_of_arrays_move_and_lose_nothing() -> None:
    import io

    from PIL import Image as Pillow

    frames = np.random.default_rng(0).integers(0, 256, (3, 3, 4, 5), dtype=np.uint8)
    film = Pillow.open(io.BytesIO(animated(frames, 10)))
    assert film.n_frames == 3
    for at in range(3):
        film.seek(at)
        assert np.asarray(film.convert("RGB")).tolist() == frames[at].transpose(1, 2, 0).tolist()
    assert made(Video(frames, fps=10, caption="c").as_media()).type == "image/png"
    assert made(Video(frames[None].repeat(2, 0), format="gif").as_media()).type == "image/png"
    with pytest.raises(ValueError, match="atleast 4 dimensions"):
        animated(np.zeros((2, 2)), 4)


def test_histograms_are_counted_or_given() -> None:
    stored = json.loads(made(Histogram([1, 2, 3, float("nan")], num_bins=2).as_media()).data)
    assert (stored["counts"], stored["nan"]) == ([1, 2], 1)  # wandb would end the training here
    counted = Histogram(np_histogram=np.histogram([1, 2, 3], bins=2))
    assert counted.histogram == [1, 2]
    assert json.loads(made(counted.as_media()).data)["edges"] == [1.0, 2.0, 3.0]
    assert len(Histogram(list(range(10))).bins) == 65
    with pytest.raises(ValueError, match="maximum length of a histogram is 512"):
        Histogram([1], num_bins=600)
    with pytest.raises(ValueError, match="np_histogram"):
        Histogram(np_histogram=(1, 2, 3))
    with pytest.raises(ValueError, match="sequence"):
        Histogram()


def test_sound_needs_its_rate() -> None:
    with pytest.raises(ValueError, match="sample_rate"):
        Audio(np.zeros(10))
    assert made(Audio(np.zeros(10), sample_rate=8000).as_media()).type == "audio/wav"


def test_pages_are_kept_as_their_text(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<b>x</b>")
    assert made(Html(str(tmp_path / "a.html")).as_media()).data == b"<b>x</b>"
    with (tmp_path / "a.html").open() as stream:
        assert Html(stream).html == "<b>x</b>"
    assert Html("<i>").html == "<i>"


def test_a_table_as_wandb_fills_it() -> None:
    table = Table(columns=["a", "b"], data=[[1, 2], [3, "x"]])
    table.add_data(5, None)
    table.add_column("c", [1, 2, 3])
    assert table.get_column("a") == [1, 3, 5]
    assert table.get_column("a", convert_to="numpy").sum() == 9
    assert list(table.iterrows())[1] == (1, [3, "x", 2])
    assert table.get_index() == [0, 1, 2]
    assert Table().columns == ["Input", "Output", "Expected"]
    for wrong, error in (
        (lambda: table.add_data(1), ValueError),
        (lambda: table.add_column("d", [1]), AssertionError),
        (lambda: table.get_column("z"), AssertionError),
        (lambda: Table(columns="ab"), AssertionError),
        (lambda: Table(data=[[1, 2]]), ValueError),
    ):
        with pytest.raises(error):
            wrong()
    assert from_json(to_json(table)) == table


def test_a_table_of_a_frame_and_of_media() -> None:
    pandas = pytest.importorskip("pandas")
    assert Table(dataframe=pandas.DataFrame({"q": [1, 2]})).data == [[1], [2]]
    assert Table(data=pandas.DataFrame({"q": [1]})).columns == ["q"]
    table = Table(columns=["im", "list", "array", "other"])
    table.add_data(Image(np.zeros((2, 2))), [1, {"a": 2}], np.arange(2), object)
    stored = json.loads(made(table.as_media()).data)["rows"][0]
    assert stored[0]["media"]["type"] == "image/png"
    assert stored[1:3] == ['[1, {"a": 2}]', "[0, 1]"]
    assert "object" in stored[3]


def test_charts_keep_their_table() -> None:
    table = Table(columns=["x", "y"], data=[[1, 2]])
    for chart in (
        plot.line(table, "x", "y", title="t"),
        plot.scatter(table, "x", "y", title="t"),
        plot.bar(table, "x", "y", title="t"),
        plot.histogram(table, "x", title="t"),
        plot.plot_table("mine", table, {}, {"title": "t"}),
    ):
        stored = for_log({"chart": chart})["chart"]
        assert isinstance(stored, given.Table)
        assert stored.caption == "t"
    series = plot.line_series([1, 2], [[1, 2], [3, 4]], keys=["a", "b"])
    assert series.table.columns == ["step", "lineKey", "lineVal"]
    assert series.table.data == [[1, "a", 1], [2, "a", 2], [1, "b", 3], [2, "b", 4]]
    each = plot.line_series([[1], [1, 2]], [[1], [3, 4]])
    assert each.table.data == [[1, "line_0", 1], [1, "line_1", 3], [2, "line_1", 4]]


def test_curves_of_a_classifier_are_wandbs() -> None:
    pytest.importorskip("sklearn")
    truth, scores = [0, 1, 1, 0], [[0.8, 0.2], [0.1, 0.9], [0.4, 0.6], [0.3, 0.7]]
    roc = plot.roc_curve(truth, scores, labels=["a", "b"]).table
    assert roc.columns == ["class", "fpr", "tpr"]
    assert roc.data[:4] == [["a", 0.0, 0.0], ["a", 0.0, 0.5], ["a", 0.5, 0.5], ["a", 0.5, 1.0]]
    curve = plot.pr_curve(truth, scores).table
    assert curve.columns == ["class", "precision", "recall"]
    assert curve.data[0] == [0, pytest.approx(2 / 3), 1.0]
    matrix = plot.confusion_matrix(y_true=[0, 1, 1], preds=[0, 1, 0], class_names=["a", "b"]).table
    assert matrix.data == [["a", "a", 1], ["a", "b", 0], ["b", "a", 1], ["b", "b", 1]]
    assert plot.confusion_matrix(probs=[[0.1, 0.9]], y_true=[1]).table.data == [
        ["Class_1", "Class_1", 1]
    ]
    with pytest.raises(ValueError, match="Higher predicted index"):
        plot.confusion_matrix(y_true=[2], preds=[0], class_names=["a"])


def test_values_of_other_kinds_are_kept_as_what_they_are() -> None:
    torch = pytest.importorskip("torch")
    row = for_log(
        {
            "none": None,
            "one": np.ones((1, 1)),
            "few": np.arange(3),
            "many": np.arange(100),
            "tensor": torch.ones(2, 2),
            "list": [1, "a"],
            "nested": {"x": np.float32(1.5), 3: [1]},
            "images": [Image(np.zeros((2, 2))), Image(np.ones((2, 2)))],
        }
    )
    assert "none" not in row
    assert float(row["one"]) == 1.0
    assert (row["few"], row["list"]) == ("[0, 1, 2]", '[1, "a"]')
    assert isinstance(row["many"], given.Histogram)
    assert row["tensor"] == "[[1.0, 1.0], [1.0, 1.0]]"
    assert row["nested"]["3"] == "[1]"
    assert [type(one) for one in row["images"]] == [given.Image, given.Image]


def test_what_cannot_be_drawn_costs_that_value_alone(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        shape = (2,)

        def reshape(self, _: Any) -> Any:
            raise RuntimeError("no")

        def tolist(self) -> Any:
            raise RuntimeError("no values")

    assert for_log({"broken": Broken(), "loss": 1.0}) == {"loss": 1.0}
    assert "no values" in capsys.readouterr().err
