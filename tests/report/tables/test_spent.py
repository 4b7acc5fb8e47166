"""Tables of what runs took: all of them count, and what is not known is said."""

import pytest

from samebit.errors import UsageError
from samebit.report.tables import Options, make, to_json
from tests.report.tables.rows import row, shown, study


def test_failed_runs_have_used_their_devices_too() -> None:
    rows = [
        row(0, config__m="a"),
        row(1, config__m="a", state="failed", seconds=1800.0, device_hours=1.0),
        row(2, config__m="b", state="killed", seconds=None, device_hours=0.5),
        row(3, config__m="b", state="broken off", seconds=None, device_hours=None),
    ]
    table = make("compute", rows, Options(group=("m",)))
    assert shown(table) == [
        ["m", "device", "runs", "finished", "hours per run", "device-hours"],
        ["a", "NVIDIA H100 × 2", "2", "1", "1", "3"],
        ["b", "NVIDIA H100 × 2", "2", "0", "---", "0.5"],
        ["all", "", "4", "1", "1", "3.5"],
    ]
    assert table.notes == (
        "of 4 runs: 1 finished, 1 failed, 1 killed, 1 broken off; "
        "device-hours are those of all of them",
        "how long they took is not known of 1, which count as nothing",
    )


def test_each_kind_of_device_has_a_row() -> None:
    rows = [row(0), row(1, **{"machine.device": "CPU"})]
    assert [cells[0] for cells in shown(make("compute", rows, Options()))] == [
        *("device", "NVIDIA H100 × 2", "CPU", "all")
    ]


def test_runs_of_which_no_device_is_known_are_counted() -> None:
    rows = [{"id": "a", "state": "finished"}]
    assert shown(make("compute", rows, Options()))[1] == ["---", "1", "1", "---", "---"]


def test_seeds_are_listed_by_what_they_seed_with_what_became_of_the_runs() -> None:
    rows = [
        row(
            at, seed=at, config__seed=at, config__split_seed=7, seeds__torch=at, seeds__hash=99 + at
        )
        for at in (42, 44, 43)
    ]
    rows[0]["state"] = "failed"
    table = make("seeds", rows, Options())
    assert shown(table)[1:] == [
        ["seed", "42–44"],
        ["split seed", "7"],
        ["torch", "42–44"],
        ["runs started", "3"],
        ["failed", "1"],
        ["finished", "2"],
    ]
    assert table.notes == ("the seed of Python's hashes was another in each run",)


def test_runs_without_a_seed_are_told() -> None:
    rows = [row(0, seed=None), row(1)]
    assert make("seeds", rows, Options()).notes == ("runs of which no seed is known: 1",)


def test_data_and_splits_have_their_rows_and_names() -> None:
    rows = study()
    table = make("data", rows, Options())
    assert shown(table)[1:] == [
        ["digits_csv", "", "1797", "fp1:abababab"],
        ["split digits", "train", "1437", "cdcdcdcd"],
        ["", "test", "360", ""],
    ]
    assert "ab" * 32 in to_json(table)  # whole, for programs
    rows[0]["data_rows.digits_csv"] = 1796
    rows[0]["data.digits_csv"] = "fp1:" + "ef" * 32
    assert shown(make("data", rows, Options()))[1] == [
        *("digits_csv", "", "{1796, 1797}", "fp1:efefefef, fp1:abababab")
    ]


def test_runs_that_recorded_no_data_say_so() -> None:
    with pytest.raises(UsageError, match="nothing is recorded of the data"):
        make("data", [row(0)], Options())


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (4.5, ("seconds per run", "4.5")),
        (90.0, ("minutes per run", "1.5")),
        (9000.0, ("hours per run", "2.5")),
    ],
)
def test_a_runs_time_is_told_in_a_unit_of_its_size(seconds: float, told: tuple[str, str]) -> None:
    head, line = shown(make("compute", [row(0, seconds=seconds)], Options()))
    assert (head[3], line[3]) == told
