"""Events as TensorBoard's own classes serialize them, and whatever else calls itself one."""

import struct

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util import tensor_util

from samebit.compat.files import alike, wire
from samebit.compat.files.alike import read_alike
from samebit.compat.files.events import (
    Hparams,
    read_event,
    read_hparams,
    read_number,
    read_tensor,
    tensor_shape,
)
from samebit.compat.files.wire import Malformed
from tests.compat import events

DOUBLES = st.floats(allow_nan=False)
STEPS = st.integers(-(1 << 63), (1 << 63) - 1)
TAGS = st.text(max_size=40)


@given(st.integers(0, (1 << 64) - 1))
def test_an_integer_comes_back(value: int) -> None:
    assert wire.read_varint(wire.varint(value), 0, 10) == (value, len(wire.varint(value)))


@given(DOUBLES, STEPS, TAGS, st.floats(width=32))
def test_what_protobuf_writes_is_read(wall: float, step: int, tag: str, value: float) -> None:
    data = events.scalar(tag, step, value, wall)
    found = read_event(data, 0, len(data))
    assert (found.wall_time, found.step, found.values[0].tag) == (wall, step, tag)
    assert repr(read_number(data, found.values[0], "")) == repr(value)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_refused(data: bytes) -> None:
    try:
        event = read_event(data, 0, len(data))
        for value in event.values:
            read_number(data, value, value.plugin)
            if value.tensor:
                tensor_shape(data, value.tensor)
                read_tensor(data, value.tensor)
    except Malformed:
        pass


@given(st.data())
def test_a_broken_message_is_refused_and_never_read_beyond_its_end(given_: st.DataObject) -> None:
    whole = events.tensor("t", 3, tensor_util.make_tensor_proto([1.5, 2.5]), "text", b"xy")
    data = bytearray(whole)
    data[given_.draw(st.integers(0, len(data) - 1))] = given_.draw(st.integers(0, 255))
    end = given_.draw(st.integers(0, len(data)))
    try:
        event = read_event(bytes(data) + b"\xff" * 64, 0, end)
    except Malformed:
        return
    spans = [span for value in event.values for span in (value.tensor, value.image) if span]
    assert all(0 <= begin <= last <= end for begin, last in spans)


ROWS = st.tuples(st.sampled_from(["a", "b", "loss/train", "é"]), STEPS, st.floats(width=32))


@pytest.mark.slow
@given(st.lists(ROWS, min_size=40, max_size=120))
def test_many_at_once_are_what_one_by_one_says(rows: list[tuple[str, int, float]]) -> None:
    payloads = [events.scalar(tag, step, value, 1.7e9) for tag, step, value in rows]
    payloads[7:7] = [events.version(), events.start(4)]
    data = b"".join(payloads)
    lengths = numpy.array(list(map(len, payloads)))
    begins = numpy.cumsum(lengths) - lengths
    found, left = read_alike(data, begins, lengths, numpy)
    together = {
        int(place): (one.tag, int(step), float(value), float(wall))
        for one in found
        for place, step, value, wall in zip(
            one.places, one.steps, one.values, one.wall_times, strict=True
        )
    }
    assert sorted([*together, *left.tolist()]) == list(range(len(payloads)))
    for place, said in together.items():
        event = read_event(payloads[place], 0, len(payloads[place]))
        (value,) = event.values
        expected = (value.tag, event.step, value.simple, event.wall_time)
        assert repr(said) == repr(expected)
    assert len(together) >= len(rows) - 16 * 32  # each form that is rare is read singly


def test_all_records_of_a_form_are_read_together() -> None:
    payloads = [events.scalar(f"m{at % 3}", at, at / 2) for at in range(1, 3000)]
    data = b"".join(payloads)
    lengths = numpy.array(list(map(len, payloads)))
    found, left = read_alike(data, numpy.cumsum(lengths) - lengths, lengths, numpy)
    assert not len(left)
    values = {
        (one.tag, int(s)): float(v)
        for one in found
        for s, v in zip(one.steps, one.values, strict=True)
    }
    assert values == {(f"m{at % 3}", at): at / 2 for at in range(1, 3000)}


def test_tags_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "_MULTIPLIER", 0)
    payloads = [events.scalar("ab"[at % 2], at, float(at)) for at in range(1, 100)]
    data = b"".join(payloads)
    lengths = numpy.array(list(map(len, payloads)))
    found, _ = read_alike(data, numpy.cumsum(lengths) - lengths, lengths, numpy)
    by_tag = {one.tag: one.values.tolist() for one in found}
    assert by_tag == {
        tag: [float(at) for at in range(1, 100) if "ab"[at % 2] == tag] for tag in "ab"
    }


NUMBERS = ["f4", "f8", "f2", "i4", "i8", "u1", "i1", "i2", "u2", "u4", "u8", "?"]


@pytest.mark.parametrize("kind", NUMBERS)
def test_tensors_of_every_type(kind: str) -> None:
    array = numpy.array([[0, 1, 2], [3, 100, 1]]).astype(kind)
    proto = tensor_util.make_tensor_proto(array)
    data = proto.SerializeToString()
    assert read_tensor(data, (0, len(data))) == array.ravel().tolist()
    loose = TensorProto(dtype=proto.dtype, tensor_shape=proto.tensor_shape)
    names = {"f4": "float_val", "f8": "double_val", "i8": "int64_val", "?": "bool_val"}
    names |= {"u4": "uint32_val", "u8": "uint64_val", "f2": "half_val"}
    values = array.view("u2") if kind == "f2" else array
    getattr(loose, names.get(kind, "int_val")).extend(values.ravel().tolist())
    data = loose.SerializeToString()
    assert read_tensor(data, (0, len(data))) == array.ravel().tolist()


def test_the_last_value_of_a_tensor_stands_for_the_rest() -> None:
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=4)])
    data = TensorProto(dtype=1, tensor_shape=shape, float_val=[1.0, 2.0]).SerializeToString()
    assert read_tensor(data, (0, len(data))) == [1.0, 2.0, 2.0, 2.0]


def test_a_tensor_that_would_fill_the_memory_is_refused() -> None:
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1 << 40)])
    data = TensorProto(dtype=1, tensor_shape=shape, float_val=[1.0]).SerializeToString()
    with pytest.raises(Malformed):
        read_tensor(data, (0, len(data)))


def test_bfloat16_is_the_upper_half_of_a_float() -> None:
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=2)])
    halves = [struct.unpack("<I", struct.pack("<f", value))[0] >> 16 for value in (1.5, -2.0)]
    data = TensorProto(dtype=14, tensor_shape=shape, half_val=halves).SerializeToString()
    assert read_tensor(data, (0, len(data))) == [1.5, -2.0]


@given(st.dictionaries(TAGS, st.one_of(st.booleans(), DOUBLES, st.text(max_size=9)), max_size=6))
def test_settings_are_read(settings: dict[str, bool | float | str]) -> None:
    message = HParamsPluginData()
    for name, value in settings.items():
        held = message.session_start_info.hparams[name]
        if isinstance(value, bool):
            held.bool_value = value
        elif isinstance(value, float):
            held.number_value = value
        else:
            held.string_value = value
    message.session_start_info.group_name = "g"
    message.session_start_info.monitor_url = "http://host/run"
    found = Hparams()
    read_hparams(message.SerializeToString(), found)
    assert found.config == settings
    assert (found.group, found.said) == ("g", {"monitor_url": "http://host/run"})


def test_a_summary_of_several_values() -> None:
    summary = Summary(
        value=[Summary.Value(tag="a", simple_value=1), Summary.Value(tag="b", simple_value=2)]
    )
    data = Event(wall_time=1.0, step=2, summary=summary).SerializeToString()
    assert [value.tag for value in read_event(data, 0, len(data)).values] == ["a", "b"]
