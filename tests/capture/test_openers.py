"""Files that libraries open in C, C++ and Rust are seen: the real libraries, in a real process."""

from pathlib import Path

import pytest

from samebit import digest
from tests.capture.test_files import Watched, watch

for _name in ("torch", "safetensors", "h5py", "pyarrow", "pandas", "cv2", "lmdb"):
    pytest.importorskip(_name)

# The files are there before the watch begins; the libraries are, too, in the main case.
BEFORE = """
import numpy as np, torch, safetensors.torch, safetensors.numpy, h5py, lmdb, cv2, sqlite3
import pandas as pd, pyarrow as pa
import pyarrow.parquet as pq, pyarrow.feather as pf, pyarrow.csv as pc, pyarrow.json as pj
import pyarrow.dataset as ds, pyarrow.orc as po
torch.set_num_threads(1)
x, image = torch.arange(10.0), np.zeros((64, 64, 3), np.uint8)
table = pa.table({"a": [1, 2, 3]})

def video(name):
    writer = cv2.VideoWriter(name, cv2.VideoWriter_fourcc(*"MJPG"), 5, (64, 64))
    writer.write(image)
    writer.release()

def database(name, **how):
    with lmdb.open(name, **how) as env:
        with env.begin(write=True) as transaction:
            transaction.put(b"k", b"v")

def everything(at):
    os.makedirs(at, exist_ok=True)
    safetensors.torch.save_file({"x": x}, f"{at}/a.safetensors")
    safetensors.numpy.save_file({"x": x.numpy()}, filename=f"{at}/b.safetensors")
    torch.save(x, f"{at}/x.pt")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), f"{at}/jit.pt")
    torch.jit.script(torch.nn.Linear(2, 2)).save(f"{at}/jit2.pt")
    with h5py.File(f"{at}/x.h5", "w") as file:
        file["a"] = [1, 2]
    pq.write_table(table, f"{at}/x.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(f"{at}/pandas.parquet")
    ds.write_dataset(table, f"{at}/set", format="parquet")
    pf.write_feather(table, f"{at}/x.feather")
    pc.write_csv(table, f"{at}/x.csv")
    po.write_table(table, f"{at}/x.orc")
    cv2.imwrite(f"{at}/x.png", image)
    video(f"{at}/x.avi")
    database(f"{at}/x.lmdb")
    database(f"{at}/one.lmdb", subdir=False)
    with sqlite3.connect(f"{at}/x.sqlite") as database_of_sql:
        database_of_sql.execute("create table if not exists t (a)")
    database_of_sql.close()

everything("in")
open("in/x.json", "w").write('{"a": 1}')
for name in ("raw", "raw2", "map", "stream", "held", "held2"):
    open("in/" + name, "wb").write(bytes(range(256)) * 4)
for place, _, names in os.walk("in"):
    for name in names:
        os.utime(os.path.join(place, name), ns=(10**18, 10**18))
"""

READS = {
    "in/a.safetensors": "assert safetensors.torch.load_file('in/a.safetensors')['x'][3] == 3",
    "in/b.safetensors": """
with safetensors.safe_open('in/b.safetensors', framework='pt') as file:
    assert isinstance(file, type(file)) and file.get_tensor('x')[3] == 3
""",
    "in/x.pt": "assert torch.load('in/x.pt')[3] == 3",
    "in/jit.pt": "torch.jit.load('in/jit.pt')",
    "in/raw": "assert torch.from_file('in/raw', size=4, dtype=torch.uint8)[3] == 3",
    "in/raw2": "torch.UntypedStorage.from_file('in/raw2', False, 4)",
    "in/x.h5": "assert h5py.File('in/x.h5')['a'][1] == 2",
    "in/x.parquet": "assert pq.read_table('in/x.parquet').num_rows == 3",
    "in/pandas.parquet": "assert len(pd.read_parquet('in/pandas.parquet')) == 1",
    "in/set/part-0.parquet": "assert ds.dataset('in/set').to_table().num_rows == 3",
    "in/x.feather": "assert pf.read_table('in/x.feather').num_rows == 3",
    "in/x.csv": "assert pc.read_csv('in/x.csv').num_rows == 3",
    "in/x.json": "assert pj.read_json('in/x.json').num_rows == 1",
    "in/x.orc": "assert po.read_table('in/x.orc').num_rows == 3",
    "in/map": "assert len(pa.memory_map('in/map').read()) == 1024",
    "in/stream": "assert len(pa.input_stream('in/stream').read()) == 1024",
    "in/x.png": "assert cv2.imread('in/x.png').shape == (64, 64, 3)",
    "in/x.avi": "assert cv2.VideoCapture('in/x.avi').read()[0]",
    "in/x.lmdb/data.mdb": "lmdb.open('in/x.lmdb', readonly=True, lock=False).close()",
    "in/one.lmdb": "lmdb.open('in/one.lmdb', subdir=False, readonly=True, lock=False).close()",
    "in/x.sqlite": "sqlite3.connect('file:in/x.sqlite?mode=ro', uri=True).execute('select 1')",
}
# No class of these can be wrapped; they are open while we look.
HELD = (
    "kept_open = [pa.OSFile('in/held'), lmdb.Environment('in/x.lmdb', readonly=True, lock=False)]"
)
WRITES = [
    *("a.safetensors", "b.safetensors", "x.pt", "jit.pt", "jit2.pt", "x.h5", "x.parquet"),
    *("pandas.parquet", "set/part-0.parquet", "x.feather", "x.csv", "x.orc", "x.png", "x.avi"),
    *("x.lmdb/data.mdb", "one.lmdb", "x.sqlite"),
]


def make_project(folder: Path) -> Path:
    for name in ("project", "project/sub", "project/scratch"):
        (folder / name).mkdir()
    return (folder / "project").resolve()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = make_project(tmp_path_factory.mktemp("openers"))
    code = "\n".join([*READS.values(), HELD, "everything('out')"])
    return watch(folder, code, before=BEFORE, timeout=120)


@pytest.mark.parametrize("path", READS)
def test_what_a_library_reads_is_told_with_its_digest(seen: Watched, path: str) -> None:
    assert seen[path]["how"] == "read"
    assert seen[path]["digest"] == digest.of_file(seen.folder / path)[0]
    assert not seen[path]["written"]
    assert "seen" not in seen[path]


def test_what_no_wrapper_sees_is_seen_while_it_is_open(seen: Watched) -> None:
    fact = seen["in/held"]
    assert (fact["how"], fact["given"], fact["seen"]) == ("read", "unknown", "mapped")
    assert fact["digest"] == digest.of_file(seen.folder / "in/held")[0]


def test_what_nobody_opened_is_not_told(seen: Watched) -> None:
    assert "in/held2" not in seen.names
    assert "in/jit2.pt" not in seen.names


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITES)
def test_what_a_library_writes_is_an_output(seen: Watched, name: str) -> None:
    assert seen[f"out/{name}"]["how"] == "write"
    assert seen[f"out/{name}"]["digest"] == digest.of_file(seen.folder / "out" / name)[0]


@pytest.mark.slow
def test_the_libraries_stay_what_they_were(tmp_path: Path) -> None:
    """Loaded after the watch began; classes, signatures, errors and warnings are the libraries'."""
    code = """
import inspect, pickle, traceback, warnings
import h5py, safetensors, cv2, torch
assert list(inspect.signature(h5py.File.__init__).parameters)[:3] == ["self", "name", "mode"]
assert type(h5py.File("a.h5", "w")) is h5py.File and type(cv2.VideoCapture()) is cv2.VideoCapture
assert torch.save.__name__ == "save" and pickle.loads(pickle.dumps(torch.save)) is torch.save
assert torch.save is torch.serialization.save
try:
    h5py.File("nowhere.h5")
except OSError as error:
    told = "".join(traceback.format_exception(error))
assert "openers" not in told and "noting" not in told, told

module = type(sys)("safetensors.flax")  # a library of ours, so that it is sure to warn
def save_file(tensors, filename):
    warnings.warn("mine", stacklevel=2)
module.save_file = save_file
sys.modules[module.__name__] = module
module.__spec__ = None
from samebit.capture import openers
for opener in openers.OPENERS:
    if opener.module == module.__name__:
        openers._wrap(opener, module)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    module.save_file(1, "a.flax")
assert caught[0].filename == __file__, caught[0].filename
print("ok")
"""
    assert watch(make_project(tmp_path), code, timeout=120).printed == "ok\n"


def test_a_bucket_is_no_file(tmp_path: Path) -> None:
    code = """
import pyarrow.parquet as pq
for path in ("s3://bucket/x.parquet", "bucket/x.parquet"):
    try: pq.ParquetWriter(path, None, filesystem=object())
    except Exception: pass
    try: pq.write_table(None, "gs://bucket/x.parquet")
    except Exception: pass
"""
    assert watch(make_project(tmp_path), code, timeout=120).names == set()


def test_a_second_watch_wraps_nothing_again(tmp_path: Path) -> None:
    code = """
import safetensors.numpy
first = safetensors.numpy.save_file
again = files.FileWatch(emit, keep, prefixes, 1, trouble, run="r"); again.install(); again.finish()
assert safetensors.numpy.save_file is first
print("ok")
"""
    assert watch(make_project(tmp_path), code, timeout=120).printed == "ok\n"
