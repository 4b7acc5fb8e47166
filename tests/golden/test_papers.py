"""A paper's values and its record of format version 1 are read for ever, and written alike."""

from pathlib import Path

from samebit.records import PaperRecord, decode, encode
from samebit.report.paper.lock import as_text, parse

FOLDER = Path(__file__).parent / "paper-1"


def test_the_values_of_version_1() -> None:
    text = (FOLDER / "values.json").read_bytes()
    lock = parse(text, "values.json")
    acc = lock.values["ours/acc"]
    assert (acc.parts[""].text, acc.parts[""].number, acc.n) == ("91\\,\\%", 0.91, 2)
    assert acc.left_out == (("ours2", "failed"),)
    assert lock.values["ours/opt"].parts[""].number is None
    assert (lock.claims["beats"].holds, lock.drawn["figures/curves.tex"]) == (
        "holds",
        ("ours0", "ours1"),
    )
    assert as_text(lock).encode() == text


def test_the_record_of_version_1() -> None:
    data = (FOLDER / "record.json").read_bytes()
    record = decode(data, PaperRecord)
    assert (record.commit, record.folder, record.size_bytes) == ("a" * 40, "paper", 66698)
    assert encode(record) == data
