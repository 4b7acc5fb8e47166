"""What DVC's files name, and what of that is not believed."""

import re
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.data.dvc import outs
from samebit.data.dvc.outs import LEGACY, Listed

MD5 = "e20942bc0763636e19c18b95bb194501"
PIPELINE = """
    # people write this one
    stages:
      prep:
        wdir: sub
        cmd: [make, "all"]
      each:
        foreach: [1, 2]
        do: {cmd: x, wdir: b}
      many:
        foreach: ${list}
        do:
          wdir: many
      computed:
        wdir: ${where}
"""


def read(**files: str) -> outs.Outs:
    names = {"lock": "dvc.lock", "pipeline": "dvc.yaml", "dvc": "data/train.dvc"}
    return outs.read({names[n]: textwrap.dedent(text).encode() for n, text in files.items()})


def lock(*paths: str, stage: str = "a") -> str:
    rows = "".join(f"        - path: {path}\n          md5: {MD5}\n" for path in paths)
    return (
        f"\n    schema: '2.0'\n    stages:\n      {stage}:\n        cmd: x\n        outs:\n{rows}"
    )


def test_a_file_and_a_folder_of_each_version_of_dvc() -> None:
    found = read(
        dvc=f"""
        outs:
        - md5: {MD5}.dir
          size: 18
          nfiles: 3
          hash: md5
          path: train
        - md5: {MD5}
          isexec: true
          path: run.sh
          remote: lab
          push: false
    """
    )
    assert found.problems == ()
    assert [(o.path, o.hash, o.name, o.is_folder, o.is_executable) for o in found.outs] == [
        ("data/run.sh", LEGACY, MD5, False, True),
        ("data/train", "md5", f"{MD5}.dir", True, False),
    ]
    assert [out.target for out in found.outs] == ["data/train.dvc"] * 2


def test_a_list_in_the_dvc_file_itself_and_a_working_folder() -> None:
    found = read(
        dvc=f"""
        wdir: ..
        outs:
        - path: images
          hash: md5
          files:
          - relpath: a/1.png
            md5: {MD5}
            version_id: x
    """
    )
    assert [(out.path, out.files) for out in found.outs] == [("images", (Listed("a/1.png", MD5),))]


def test_the_outs_of_a_pipeline_are_meant_from_the_folder_of_their_stage() -> None:
    def path(stage: str, out: str) -> list[str]:
        return [one.path for one in read(lock=lock(out, stage=stage), pipeline=PIPELINE).outs]

    assert path("prep", "../model.bin") == ["model.bin"]
    assert path("prep", "o") == ["sub/o"]
    assert path("many@1", "o") == ["many/o"]
    assert path("elsewhere", "o") == ["o"]
    for stage in ("each@1", "computed"):
        found = read(lock=lock("o", stage=stage), pipeline=PIPELINE)
        assert found.outs == ()
        assert "in a way that only DVC reads" in found.problems[0]
    first = "a:\n  cmd: x\n  outs:\n  - path: o\n    md5: " + MD5  # of DVC 1
    assert [out.path for out in read(lock=first).outs] == ["o"]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("path: ../../etc/passwd", "outside of the project"),
        ("path: /etc/passwd", "outside of the project"),
        ("path: ..", "outside of the project"),
        ("path: s3://bucket/x", "on another system"),
        ("path: [x]", "no path that can be read"),
        ("desc: x", "no path that can be read"),
        ("path: x\n  hash: sha256", "known by its sha256"),
        ("path: x\n  etag: abc", "known by its etag"),
    ],
)
def test_what_cannot_be_meant_so_is_told_and_the_rest_is_read(entry: str, says: str) -> None:
    is_known = "sha256" in entry or "etag" in entry
    md5 = "" if is_known else f"  md5: {MD5}\n"
    found = read(dvc=f"outs:\n- {entry}\n{md5}- path: y\n  md5: {MD5}\n")
    assert [out.path for out in found.outs] == ["data/y"]
    assert len(found.problems) == 1
    assert says in found.problems[0]


@pytest.mark.parametrize("md5", ["../../../../etc/passwd", MD5[:-1], MD5.upper(), f"{MD5}.dir.dir"])
def test_an_md5_that_is_none_leads_nowhere(md5: str) -> None:
    found = read(dvc=f"outs:\n- path: x\n  md5: {md5}\n")
    assert found.outs == ()
    assert "an md5 that is none" in found.problems[0]


@pytest.mark.parametrize(
    "relpaths", [["/etc/passwd"], ["../x"], ["a//b"], [""], ["a/.GIT/hooks/x"], ["a", "a"],
                 ["a", "a/b"], ["a\0b"], ["\ud800"], [None]]
)  # fmt: skip
def test_a_list_that_leads_out_of_its_folder_is_refused(relpaths: list[str]) -> None:
    with pytest.raises(ValueError, match=r"may not|below a file|surrogates"):
        outs.checked((path, MD5) for path in relpaths)


ODD = st.sampled_from(
    ["", "x", "/x", "../x", "a: b", "[x]", "{}", "|", "*a", "'", "- x", "s3://x", "~", '"\\0"', MD5]
)
KEYS = st.sampled_from(
    [
        "outs",
        "schema",
        "stages",
        "wdir",
        "path",
        "md5",
        "hash",
        "files",
        "relpath",
        "size",
        "isexec",
        "x",
    ]
)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), KEYS, ODD), max_size=12))
def test_whatever_stands_there_no_path_leads_out(rows: list[tuple[int, bool, str, str]]) -> None:
    lines = [f"{'  ' * deep}{'- ' * item}{key}: {odd}" for deep, item, key, odd in rows]
    data = "\n".join(lines).encode()
    for name in ("sub/dvc.lock", "sub/a.dvc"):
        for out in outs.read({name: data, "sub/dvc.yaml": data}).outs:
            assert not {"", "..", "."} & set(out.path.split("/"))
            assert re.fullmatch("[0-9a-f]{32}", out.md5) or out.files is not None


def test_files_that_are_none_of_dvcs_are_left_alone() -> None:
    names = ["a.dvc", "x/dvc.lock", ".dvc/config", ".dvc/tmp/x.dvc", "x/.dvc", "b.dvc.txt"]
    assert [name for name in names if outs.is_dvc_file(name)] == ["a.dvc", "x/dvc.lock"]
    assert read(dvc="") == outs.Outs((), ())
    assert "no table" in read(dvc="- a").problems[0]
    assert "no list" in read(dvc="outs: x").problems[0]
