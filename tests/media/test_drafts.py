"""What `log` takes of media, by which rules, and that nothing of it is the script's any more."""

import datetime
import io
import json
import math
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.errors import UsageError
from samebit.media import given as shown
from samebit.media.drafts import Made, draft
from tests.media.test_png import read_png

np = pytest.importorskip("numpy")


def no_device(_: Any) -> Any:
    raise AssertionError("nothing here lies on a device")


def made(thing: shown.Media) -> Made:
    return draft(thing, no_device).make()


def picture(*args: Any, **more: Any) -> Any:
    return read_png(made(shown.Image(*args, **more)).data)


# Pictures


@pytest.mark.parametrize(
    ("values", "pixels"),
    [
        ([[0.0, 0.5, 1.0]], [0, 128, 255]),
        ([[-0.0019, 1.0019, 0.1]], [0, 255, 26]),  # what rounds to 0 and 255 is within
        (np.float16([[0.25]]), [64]),
        ([[True, False]], [255, 0]),
        ([[0, 7, 255]], [0, 7, 255]),
        (np.uint8([[0, 7, 255]]), [0, 7, 255]),
        (np.uint16([[0, 7, 65535]]), [0, 7, 65535]),
    ],
)
def test_values_become_pixels_by_the_rule(values: Any, pixels: list[int]) -> None:
    assert picture(np.asarray(values)).ravel().tolist() == pixels


@pytest.mark.parametrize("value", [-0.01, 1.01, float("inf"), float("nan"), -5])
def test_floats_beyond_the_range_are_refused_and_a_range_takes_them(value: float) -> None:
    values = np.array([[0.5, value]])
    with pytest.raises(UsageError, match=r"not 0\.0 to 1\.0|NaN") as error:
        picture(values)
    if not math.isnan(value):
        assert "range=(lowest, highest)" in (error.value.hint or "")
        assert picture(values, range=(0, 1)).ravel().tolist() == [128, 0 if value < 0 else 255]
    else:
        with pytest.raises(UsageError, match="NaN"):
            picture(values, range=(0, 1))


def test_whole_numbers_of_other_types_are_0_to_255() -> None:
    with pytest.raises(UsageError, match="its values are 0 to 256, not 0 to 255"):
        picture(np.array([[0, 256]]))
    with pytest.raises(UsageError, match="its values are -1 to 3"):
        picture(np.array([[-1, 3]], np.int8))


@pytest.mark.parametrize(
    ("shape", "channels", "result"),
    [
        ((5, 7), None, (5, 7, 1)),
        ((5, 7, 1), None, (5, 7, 1)),
        ((5, 7, 2), None, (5, 7, 2)),
        ((5, 7, 3), None, (5, 7, 3)),
        ((5, 7, 4), None, (5, 7, 4)),
        ((3, 5, 7), "first", (5, 7, 3)),
        ((1, 5, 7), "first", (5, 7, 1)),
    ],
)
def test_shapes(shape: tuple[int, ...], channels: str | None, result: tuple[int, ...]) -> None:
    values = np.arange(math.prod(shape), dtype=np.uint8).reshape(shape)
    found = picture(values, channels=channels)
    assert found.shape == result
    again = values if channels is None else values.transpose(1, 2, 0)
    np.testing.assert_array_equal(found, again.reshape(result))


def test_tensors_of_torch_have_channels_first() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.arange(105, dtype=torch.uint8).reshape(3, 5, 7)
    expected = tensor.permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(picture(tensor), expected)
    np.testing.assert_array_equal(picture(tensor.permute(1, 2, 0), channels="last"), expected)
    half = (tensor / 255).to(torch.bfloat16).requires_grad_()
    np.testing.assert_array_equal(
        picture(half), np.rint(half.detach().float().permute(1, 2, 0).numpy() * 255.0)
    )
    with pytest.raises(UsageError, match=r"5 channels \(first\) in the shape \(5, 7, 3\)"):
        picture(tensor.permute(1, 2, 0))
    with pytest.raises(UsageError, match="meta"):
        picture(torch.zeros(2, 2, device="meta"))


@pytest.mark.parametrize(
    ("thing", "why"),
    [
        (shown.Image(np.zeros(3)), r"\(3,\) is no picture"),
        (shown.Image(np.zeros((2, 3, 4, 3))), "is no picture"),
        (shown.Image(np.zeros((0, 3))), "is empty"),
        (shown.Image(np.zeros((3, 0, 3))), "is empty"),
        (shown.Image(np.zeros((3, 2, 5))), r"5 channels \(last\)"),
        (shown.Image(np.zeros((2, 2), complex)), "complex"),
        (shown.Image(np.array([["a"]])), "no array of numbers"),
        (shown.Image(object()), "object is no array"),
        (shown.Image(None), "NoneType is no array"),
        (shown.Image(np.zeros((2, 2)), channels="middle"), "`first` or `last`"),
        (shown.Image(np.zeros((2, 2)), range=(1, 1)), "two numbers that rise"),
        (shown.Image(np.zeros((2, 2)), range=(0, float("inf"))), "two numbers that rise"),
        (shown.Image(np.zeros((2, 2)), range=3), "lowest, highest"),  # type: ignore[arg-type]
        (shown.Image(np.zeros((2, 2)), caption=3), "caption"),  # type: ignore[arg-type]
        (shown.Image(np.zeros((2, 2)), caption="x" * 10_001), "10,001 characters"),
        (shown.Image(b""), "nothing, which is no image"),
        (shown.Image(b"<svg>"), "begin with b'<svg>'"),
        (shown.Image(b"RIFF\0\0\0\0WAVEfmt "), "audio/wav, which is no image"),
        (shown.Image("no.png"), "cannot read no.png: No such file"),
        (shown.Image(np.broadcast_to(np.float64(0), (20_000, 20_000))), "MiB are the most"),
        (shown.Audio(np.zeros(5)), "have a rate"),
        (shown.Audio(np.zeros(5), 0), "have a rate"),
        (shown.Audio(np.zeros(5), 8000.0), "have a rate"),  # type: ignore[arg-type]
        (shown.Audio(np.zeros(5, np.int64), 8000), "not int64"),
        (shown.Audio(np.zeros((2, 2, 2)), 8000), "is no sound"),
        (shown.Audio(np.zeros((2, 500)), 8000), "500 channels"),
        (shown.Audio(np.zeros(0), 8000), "is no sound"),
        (shown.Audio([0.0, float("nan")], 8000), "NaN or infinity"),
        (shown.Audio([1e300], 8000), "NaN or infinity"),
        (shown.Audio(b"\x89PNG\r\n\x1a\n"), "image/png, which is no audio"),
        (shown.Video(np.zeros((3, 4, 4, 3))), "no film"),
        (shown.Video(b"GIF89a"), "image/gif, which is no video"),
        (shown.Text(3), "a text is no int"),  # type: ignore[arg-type]
        (shown.Histogram(), "values, or of counts"),
        (shown.Histogram([1], counts=[1], edges=[0, 1]), "values, or of counts"),
        (shown.Histogram(counts=[1]), "values, or of counts"),
        (shown.Histogram([]), "of no values"),
        (shown.Histogram([1.0], bins=0), "1 to 4096 bins"),
        (shown.Histogram(counts=[1], edges=[0, 1, 2]), "1 counts have 2 edges, not 3"),
        (shown.Histogram(counts=[1, 1], edges=[0, 2, 1]), "rise"),
        (shown.Histogram(counts=[1], edges=[0, float("nan")]), "rise"),
        (shown.Histogram(counts=[-1], edges=[0, 1]), "from 0 on"),
        (shown.Histogram(counts=["a"], edges=[0, 1]), "numbers"),
        (shown.Histogram(counts=3, edges=4), "lists of numbers"),
        (shown.Table(["a"], [[1], [2, 3]]), "row 1 has 2 cells, and the table 1 columns"),
        (shown.Table(["a"], ["x"]), "row 0 of the table is a str"),
        (shown.Table(["a"], [[object()]]), "row 0, column 'a': a object is no plain value"),
        (shown.Table([None], []), "called by a text"),
        (shown.Table({"a": 1}), "a frame of pandas, polars or Arrow"),
        (shown.Table(["a"], [[shown.Table(["b"], [])]]), "a table in a cell"),
        (shown.Table(["a"], [[shown.Image(np.zeros(3))]]), "is no picture"),
        (shown.Figure(3), "int is no figure"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(thing: shown.Media, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        made(thing)


def test_what_was_taken_is_not_the_script_s_any_more(tmp_path: Path) -> None:
    array = np.full((2, 2), 9, np.uint8)
    path, row = tmp_path / "a.png", [1, 2]
    first = made(shown.Image(array)).data
    path.write_bytes(first)
    rows = [row]
    drafts = [
        draft(thing, no_device)
        for thing in (
            shown.Image(array),
            shown.Image(array[:, ::-1]),
            shown.Image(str(path)),
            shown.Image(bytearray(first)),
            shown.Table(["a", "b"], rows),
        )
    ]
    array[:], row[0] = 0, 5
    rows.append([7, 7])
    path.unlink()
    *pictures, table = [one.make() for one in drafts]
    assert all(one.data == first for one in pictures)
    assert json.loads(table.data)["rows"] == [[1, 2]]


def test_a_tensor_that_shares_memory_is_copied_too() -> None:
    torch = pytest.importorskip("torch")
    array = np.full((2, 2), 9, np.uint8)
    one = draft(shown.Image(torch.from_numpy(array)), no_device)
    array[:] = 0
    assert read_png(one.make().data).ravel().tolist() == [9, 9, 9, 9]


def test_images_of_pillow_are_taken_as_their_modes_are() -> None:
    pillow = pytest.importorskip("PIL.Image")
    chance = np.random.default_rng(0)
    rgba = chance.integers(0, 256, (5, 7, 4), dtype=np.uint8)
    for mode, array in (("RGBA", rgba), ("RGB", rgba[..., :3]), ("L", rgba[..., 0])):
        image = pillow.fromarray(np.ascontiguousarray(array))
        assert image.mode == mode
        np.testing.assert_array_equal(picture(image).reshape(array.shape), array)
    paletted = pillow.fromarray(np.ascontiguousarray(rgba[..., :3])).quantize(8)
    np.testing.assert_array_equal(picture(paletted), np.asarray(paletted.convert("RGB")))
    assert picture(pillow.new("1", (2, 1), 1)).ravel().tolist() == [255, 255]
    with pytest.raises(UsageError, match="mode F"):
        picture(pillow.new("F", (2, 2)))
    stream = io.BytesIO()
    pillow.fromarray(np.ascontiguousarray(rgba[..., :3])).save(stream, "JPEG")
    found = draft(shown.Image(stream.getvalue()), no_device)
    assert (found.make().type, found.exact) == ("image/jpeg", False)
    assert found.make().data == stream.getvalue()


# Histograms


@given(st.lists(st.floats(width=64), min_size=1, max_size=60), st.integers(1, 20))
def test_each_value_is_counted_in_the_bin_that_holds_it(values: list[float], bins: int) -> None:
    found = json.loads(made(shown.Histogram(np.array(values), bins)).data)
    finite = [value for value in values if math.isfinite(value)]
    assert found["nan"] == sum(map(math.isnan, values))
    assert found["above"] == values.count(math.inf)
    assert found["below"] == values.count(-math.inf)
    edges, counts = found["edges"], found["counts"]
    assert sum(counts) == len(finite)
    if not finite:
        assert edges == counts == []
        return
    assert edges == sorted(edges)
    assert (edges[0] <= min(finite), edges[-1] >= max(finite)) == (True, True)
    expected = [0] * bins
    for value in finite:
        at = max(i for i in range(bins + 1) if edges[i] <= value)
        expected[min(at, bins - 1)] += 1
    assert counts == expected


def test_a_histogram_is_that_of_numpy_where_no_value_lies_on_an_edge() -> None:
    values = np.random.default_rng(3).normal(size=(50, 40)).astype(np.float32)
    found = json.loads(made(shown.Histogram(values)).data)
    counts, edges = np.histogram(values.astype(float), 64)
    assert found["counts"] == counts.tolist()
    np.testing.assert_allclose(found["edges"], edges, rtol=1e-12)
    given_so = json.loads(made(shown.Histogram(counts=counts, edges=edges)).data)
    assert (given_so["counts"], given_so["edges"]) == (counts.tolist(), edges.tolist())


# Tables


def test_cells_are_plain_or_media() -> None:
    when = datetime.datetime(2024, 1, 2, 3, 4)
    image = shown.Image(np.zeros((2, 3)), caption="black")
    row = [None, True, 2**60, np.float32(0.5), float("nan"), "é\x1b", when, np.int8(-3), image]
    found = made(shown.Table([*"abcdefghi"], [row]))
    (cells,) = json.loads(found.data)["rows"]
    nan, big = {"$float": "nan"}, {"$int": str(2**60)}
    assert cells[:8] == [None, True, big, 0.5, nan, "é\x1b", "2024-01-02T03:04:00", -3]
    inside = cells[8]["media"]
    assert (inside["kind"], inside["type"], inside["caption"]) == ("image", "image/png", "black")
    assert inside["about"] == {"width": 3, "height": 2, "channels": 1}
    (part,) = found.parts
    assert read_png(part).shape == (2, 3, 1)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_are_tables(library: str) -> None:
    module: Any = pytest.importorskip(library)
    values = {"x": [1, 2], "y": [0.5, float("nan")], "z": ["a", None]}
    make = module.table if library == "pyarrow" else module.DataFrame
    found = json.loads(made(shown.Table(make(values))).data)
    assert found["columns"] == ["x", "y", "z"]
    assert found["rows"][0] == [1, 0.5, "a"]
    assert found["rows"][1][:2] == [2, {"$float": "nan"}]
    assert found["rows"][1][2] in (None, {"$float": "nan"})  # as the library holds it


# The rest


def test_a_text_that_is_no_unicode_is_written_with_its_escapes() -> None:
    assert made(shown.Text("a\ud800é")).data == b"a\\ud800\xc3\xa9"


def test_floats_of_sound_are_float32_and_channels_are_where_the_library_has_them() -> None:
    torch = pytest.importorskip("torch")
    soundfile = pytest.importorskip("soundfile")
    values = np.random.default_rng(1).normal(size=(40, 2))
    for given_values in (values, torch.from_numpy(values.T.copy())):
        found = made(shown.Audio(given_values, np.int64(8000)))
        assert found.about == {"rate": 8000, "channels": 2, "seconds": 0.005}
        read, _ = soundfile.read(io.BytesIO(found.data), dtype="float32")
        np.testing.assert_array_equal(read, values.astype(np.float32))


def test_a_figure_is_rendered_at_once() -> None:
    pytest.importorskip("matplotlib")
    import matplotlib.figure

    figure = matplotlib.figure.Figure()
    axes = figure.add_subplot()
    axes.plot([1, 2, 3])
    drafts = [draft(shown.Figure(one), no_device) for one in (figure, axes)]
    axes.clear()
    first, second = (one.make() for one in drafts)
    assert first.data == second.data
    assert first.type == "image/png"
    assert b"matplotlib" not in first.data.lower()
    assert not any(one.exact for one in drafts)


def test_a_figure_that_cannot_be_rendered_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plotly:
        def to_image(self, format: str) -> bytes:
            raise ValueError("kaleido is required")

    with pytest.raises(UsageError, match="could not be rendered: ValueError: kaleido") as error:
        made(shown.Figure(Plotly()))
    assert error.value.hint == "plotly needs kaleido for it"


def test_without_numpy_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)  # type: ignore[arg-type]
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(UsageError) as error:
        made(shown.Image([[0.5]]))
    assert error.value.hint == "pip install 'samebit[stats]'"


def test_media_are_told_from_numbers_at_any_depth() -> None:
    image, other = shown.Image(None), shown.Text("")
    values: dict[Any, Any] = {
        "loss": 1.0,
        "a": image,
        "val": {"b": [image, image], "acc": 0.5, "deep": {"c": other}},
        "only": {"d": image},
        "empty": {},
        3: image,
        "list": [1, image],
    }
    media, rest = shown.apart(types.MappingProxyType(values))
    assert media == {
        "a": [image],
        "val.b": [image, image],
        "val.deep.c": [other],
        "only.d": [image],
    }
    assert rest == {
        "loss": 1.0,
        "val": {"acc": 0.5},
        "empty": {},
        3: image,
        "list": [1, image],
    }
