import argparse
import io
import json
import pickle
import re
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samebit.cli.main import main
from samebit.errors import Damaged, SamebitError, UsageError
from samebit.objects.store import Store
from samebit.states import export, storing
from samebit.states.containers import read_container
from samebit.states.stored import StoredState


def model() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {"b.weight": torch.randn(3, 2).t(), "a": torch.arange(4), "flag": torch.tensor([True])}


def identity(path: Path, part: str = "") -> str:
    return storing.identity(read_container(path), part)


def test_equal_models_are_one_whatever_file_holds_them(store: Store, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    tensors = {name: tensor.contiguous() for name, tensor in model().items()}
    name = storing.save(store, {"model": model()})
    expected = storing.identity(storing.read_manifest(store, name))
    for suffix in (".safetensors", ".pt", ".npz"):
        export.to_file(StoredState(store, name), tmp_path / f"ours{suffix}")
    save_file(tensors, tmp_path / "theirs.safetensors")
    torch.save(tensors, tmp_path / "theirs.pth")
    torch.save(tensors, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    np.savez(tmp_path / "plain.npz", **{k: v.numpy() for k, v in model().items()})
    np.savez_compressed(tmp_path / "packed.npz", **{k: v.numpy() for k, v in model().items()})
    folder = tmp_path / "hf"
    folder.mkdir()
    parts = {"one.safetensors": ["a"], "two.safetensors": ["b.weight", "flag"]}
    for file, names in parts.items():
        save_file({n: tensors[n] for n in names}, folder / file)
    places = {n: file for file, names in parts.items() for n in names}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    found = {path.name: identity(path) for path in tmp_path.iterdir()}
    assert len(found) == 9
    assert set(found.values()) == {expected}
    torch.save({"model": tensors, "step": 3}, tmp_path / "parts.pt")
    assert identity(tmp_path / "parts.pt", "model") == expected


def safetensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(begin: int, end: int, shape: Any = None, dtype: str = "U8") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape or [end - begin], "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "longer than it"),
        (b"\x01", "longer than it"),
        (safetensors({}, length=2**63), "longer than it"),
        (safetensors({}, length=3), "JSON|longer"),
        (safetensors(b"[" * 100_000), "JSON"),
        (safetensors([]), "no object"),
        (safetensors({"a": entry(0, 4), "b": entry(2, 6)}, bytes(6)), "overlap"),
        (safetensors({"a": entry(0, 2), "b": entry(3, 6)}, bytes(6)), "hole"),
        (safetensors({"a": entry(0, 9)}, bytes(6)), "not as long"),
        (safetensors({"a": entry(0, 2)}, bytes(6)), "not as long"),
        (safetensors({"a": entry(0, 2**62)}, bytes(6)), "not as long"),
        (safetensors({"a": entry(0, 4, [2**40])}, bytes(4)), "does not fit its shape"),
        (safetensors({"a": entry(4, 0)}, bytes(4)), "describes no array"),
        (safetensors({"a": entry(0, 4, [-4])}, bytes(4)), "describes no array"),
        (safetensors({"a": {"dtype": "U8"}}), "describes no array"),
        (safetensors({"a": entry(0, 4, dtype="pickle")}, bytes(4)), "not known"),
        (safetensors(b'{"a":1,"a":2}'), "twice"),
        (safetensors({"a": entry(0, 4, [2, 3], "F4")}, bytes(4)), "half a byte"),
        (safetensors({"a": entry(0, 4, [2, 6], "F4")}, bytes(4)), "does not fit its shape"),
        (safetensors({"a": entry(0, 6, [8], "F6_E2M3")}, bytes(6)), "nobody says"),
    ],
)
def test_a_hostile_safetensors_file_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises((Damaged, UsageError), match=why):
        read_container(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 400), st.binary(max_size=12), st.integers(0, 12), st.sampled_from("spzn"))
def test_no_change_to_a_file_gives_anything_but_our_errors(
    tmp_path: Path, at: int, rubbish: bytes, cut: int, kind: str
) -> None:
    buffer = io.BytesIO()
    suffix = {"s": ".safetensors", "p": ".pt", "z": ".npz", "n": ".npy"}[kind]
    if kind == "s":
        buffer.write(safetensors({"a": entry(0, 4)}, bytes(4)))
    elif kind == "p":
        torch.save({"a": torch.ones(2)}, buffer)
    elif kind == "z":
        np.savez_compressed(buffer, a=np.ones(2), b=np.arange(6).reshape(2, 3).T)
    else:
        np.save(buffer, np.arange(6).reshape(2, 3).T)
    data = buffer.getvalue()
    path = tmp_path / f"file{suffix}"
    path.write_bytes(data[:at] + rubbish + data[at + cut :])
    try:
        read_container(path)
    except SamebitError:
        pass


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    import os

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"a": Evil()}, tmp_path / "evil.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Evil()))
    np.savez(tmp_path / "evil.npz", a=np.array([Evil()], object))
    np.save(tmp_path / "evil.npy", np.array([Evil()], object), allow_pickle=True)
    with tarfile.open(tmp_path / "tar.pt", "w") as tar:
        info = tarfile.TarInfo("pickle")
        info.size = len(pickle.dumps(Evil()))
        tar.addfile(info, io.BytesIO(pickle.dumps(Evil())))
    for name in ("evil.pt", "raw.pt", "evil.npz", "evil.npy", "tar.pt"):
        with pytest.raises((Damaged, UsageError)):
            read_container(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"args": argparse.Namespace(lr=1)}, "it holds argparse.Namespace, which is no array"),
        ({"best": np.float64(1)}, "it holds numpy._core.multiarray.scalar, which"),
        (torch.nn.Linear(1, 1), "it holds torch.nn.modules.linear.Linear, which"),
    ],
)
def test_what_is_no_weight_is_named(tmp_path: Path, held: Any, words: str) -> None:
    torch.save(held, tmp_path / "held.pt")
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        read_container(tmp_path / "held.pt")
    assert "could run code" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it ends too early"),
        (b"hello world", "it is not a file of weights"),
        (pickle.dumps([1], protocol=4), "Unsupported operand"),
    ],
)
def test_the_advice_to_load_a_file_without_looking_is_not_passed_on(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "strange.pt").write_bytes(content)
    with warnings.catch_warnings(action="error"), pytest.raises(Damaged, match=words) as caught:
        read_container(tmp_path / "strange.pt")
    assert "weights_only" not in str(caught.value)


def test_an_npz_that_unpacks_without_end_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    header = io.BytesIO()
    described = {"descr": "|b1", "fortran_order": True, "shape": (2**17, 2**10)}
    np.lib.format.write_array_header_1_0(header, described)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.npy", "w") as stream:
            stream.write(header.getvalue())
            for _ in range(2**7):
                stream.write(bytes(2**20))
    with pytest.raises(Damaged, match="unpacks to much more"):
        read_container(path)
    (tmp_path / "short.npy").write_bytes(header.getvalue())
    with pytest.raises(Damaged, match="longer than its file"):
        read_container(tmp_path / "short.npy")


def test_an_npz_whose_names_are_no_text_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "names.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("é.npy", b"")  # by which zipfile marks the name as UTF-8
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xaf\xaf"))
    with pytest.raises(Damaged, match=r"not readable as \.npz"):
        read_container(path)


@pytest.mark.parametrize("file", ["../other.safetensors", "/etc/passwd", "a/b.safetensors", ".."])
def test_an_index_leads_nowhere_else(tmp_path: Path, file: str) -> None:
    index = {"weight_map": {"a": file}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(Damaged, match="outside its folder"):
        read_container(tmp_path)


def test_two_files_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = str(tmp_path / "one.pt"), str(tmp_path / "other.npz")
    torch.save(model(), one)
    np.savez(other, **{k: v.numpy() for k, v in model().items()})
    assert main(["identify", one, other]) == 0
    assert "the same model" in capsys.readouterr().out
    np.savez(other, **{k: v.numpy() for k, v in model().items() if k != "a"})
    assert main(["identify", one, other, "--json"]) == 5
    assert json.loads(capsys.readouterr().out)["differing"] == ["a"]
    assert main(["identify", one, "--leaves"]) == 0
    assert "2×3" in capsys.readouterr().out
    assert main(["identify", str(tmp_path / "absent.pt")]) == 7
    assert main(["identify", str(tmp_path)]) == 2
