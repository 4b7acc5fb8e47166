"""Files of scientific formats, sound, video, frames and tokenizers: what real libraries open."""

from pathlib import Path

import pytest

from samebit import digest
from tests.capture.test_files import Watched, watch
from tests.capture.test_openers import make_project

for _name in ("tables", "netCDF4", "polars", "soundfile", "tokenizers", "sentencepiece", "cv2"):
    pytest.importorskip(_name)

BEFORE = """
import numpy as np, polars as pl, soundfile, tables, netCDF4, sentencepiece, tokenizers
import pandas as pd, cv2
frame = pl.DataFrame({"a": [1, 2, 3]})
tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a"))

def everything(at):
    os.makedirs(f"{at}/set", exist_ok=True)
    with tables.open_file(f"{at}/t.h5", "w") as file:
        file.create_array("/", "a", [1, 2, 3])
    pd.DataFrame({"a": [1]}).to_hdf(f"{at}/pandas.h5", key="k")
    with netCDF4.Dataset(f"{at}/x.nc", "w") as file:
        file.createDimension("x", 3)
        file.createVariable("v", "f4", ("x",))[:] = [1, 2, 3]
    for name in ("x", "lazy", "set/part-0", "set/part-1"):
        frame.write_parquet(f"{at}/{name}.parquet")
    frame.write_csv(f"{at}/x.csv")
    frame.write_ipc(file=f"{at}/x.arrow")
    frame.write_ipc_stream(f"{at}/x.stream")
    frame.write_ndjson(f"{at}/x.ndjson")
    frame.write_json(f"{at}/x.json")
    frame.write_avro(f"{at}/x.avro")
    frame.lazy().sink_csv(f"{at}/sunk.csv")
    soundfile.write(f"{at}/x.wav", np.zeros(100), 8000)
    tokenizer.save(f"{at}/tokenizer.json")

everything("in")
with open("in/words.model", "wb") as model:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["to be or not to be"] * 50), model_writer=model, vocab_size=16,
        hard_vocab_limit=False, minloglevel=2)
writer = cv2.VideoWriter("in/x.avi", cv2.VideoWriter_fourcc(*"MJPG"), 5, (64, 64))
for _ in range(3):
    writer.write(np.zeros((64, 64, 3), np.uint8))
writer.release()
for place, _, names in os.walk("in"):
    for name in names:
        os.utime(os.path.join(place, name), ns=(10**18, 10**18))
"""

READS = {
    "in/t.h5": "file = tables.open_file('in/t.h5'); assert file.root.a[1] == 2; file.close()",
    "in/pandas.h5": "assert len(pd.read_hdf('in/pandas.h5')) == 1",
    "in/x.nc": "file = netCDF4.Dataset('in/x.nc'); assert file['v'][1] == 2; file.close()",
    "in/x.parquet": "assert pl.read_parquet('in/x.parquet').height == 3",
    "in/lazy.parquet": "assert pl.scan_parquet(['in/lazy.parquet']).collect().height == 3",
    "in/set/part-0.parquet": "assert pl.read_parquet('in/set').height == 6",
    "in/set/part-1.parquet": "assert pl.scan_parquet('in/set/*-1.parquet').collect().height == 3",
    "in/x.csv": "assert pl.read_csv('in/x.csv').height == 3",
    "in/sunk.csv": "assert pl.scan_csv('in/sunk.csv').collect().height == 3",
    "in/x.arrow": "assert pl.read_ipc('in/x.arrow').height == 3",
    "in/x.stream": "assert pl.read_ipc_stream('in/x.stream').height == 3",
    "in/x.ndjson": "assert pl.scan_ndjson('in/x.ndjson').collect().height == 3",
    "in/x.json": "assert pl.read_json('in/x.json').height == 3",
    "in/x.avro": "assert pl.read_avro('in/x.avro').height == 3",
    "in/x.wav": "assert len(soundfile.read('in/x.wav')[0]) == 100",
    "in/tokenizer.json": "tokenizers.Tokenizer.from_file('in/tokenizer.json')",
    "in/words.model": "sentencepiece.SentencePieceProcessor(model_file='in/words.model')",
}
WRITES = [
    *("t.h5", "pandas.h5", "x.nc", "x.parquet", "lazy.parquet", "x.csv", "x.arrow", "x.stream"),
    *("x.ndjson", "x.json", "x.avro", "sunk.csv", "x.wav", "tokenizer.json"),
]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = make_project(tmp_path_factory.mktemp("libraries"))
    code = "\n".join([*READS.values(), "everything('out')"])
    return watch(folder, code, before=BEFORE, timeout=120)


@pytest.mark.parametrize("path", READS)
def test_what_a_library_reads_is_told_with_its_digest(seen: Watched, path: str) -> None:
    assert seen[path]["how"] == "read"
    assert seen[path]["digest"] == digest.of_file(seen.folder / path)[0]
    assert "seen" not in seen[path]


@pytest.mark.parametrize("name", WRITES)
def test_what_a_library_writes_is_an_output(seen: Watched, name: str) -> None:
    assert seen[f"out/{name}"]["how"] == "write"
    assert seen[f"out/{name}"]["digest"] == digest.of_file(seen.folder / "out" / name)[0]


def test_a_video_is_seen(tmp_path: Path) -> None:
    pytest.importorskip("decord")
    code = "import decord\nassert len(decord.VideoReader('in/x.avi')) == 3"
    told = watch(make_project(tmp_path), code, before=BEFORE, timeout=120)
    assert told["in/x.avi"]["how"] == "read"


def test_a_class_that_stands_in_for_another_is_that_one_to_everybody(tmp_path: Path) -> None:
    code = """
import copy, inspect, pickle
import netCDF4
from netCDF4 import Dataset, _netCDF4
assert Dataset is netCDF4.Dataset is _netCDF4.Dataset
assert pickle.loads(pickle.dumps(Dataset)) is Dataset
assert (Dataset.__module__, Dataset.__qualname__) == ("netCDF4._netCDF4", "Dataset")
file = Dataset("a.nc", "w")
group = file.createGroup("g")  # of the class that was there before
assert isinstance(group, Dataset) and issubclass(netCDF4.Group, Dataset)
assert repr(file).startswith("<class 'netCDF4.Dataset'>")
file.note = "kept as an attribute of the file"
assert file.ncattrs() == ["note"]
class Mine(Dataset):
    pass
assert isinstance(Mine("b.nc", "w"), Dataset) and not isinstance(file, Mine)
assert not issubclass(Dataset, Mine)
file.close()
print("ok")
"""
    told = watch(make_project(tmp_path), code, timeout=120)
    assert told.printed == "ok\n"
    assert {"a.nc", "b.nc"} <= told.names


def test_what_is_no_path_is_left_to_the_library(tmp_path: Path) -> None:
    code = """
import io, polars as pl
assert pl.read_csv(io.StringIO("a\\n1\\n")).height == 1
for source in ("nowhere.csv", b"a\\n1\\n", None):
    try: pl.read_csv(source)
    except Exception: pass
print(pl.DataFrame({"a": [1]}).write_csv(), end="")
"""
    told = watch(make_project(tmp_path), code, timeout=120)
    assert (told.printed, told.names) == ("a\n1\n", set())
