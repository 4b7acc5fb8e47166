"""Tables of settings: in every shape nothing is lost, and no value stands for several."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.errors import UsageError
from samebit.report.tables import Options, Table, make, to_json
from samebit.report.tables.cells import distinct
from samebit.report.tables.values import Several, record_digest
from tests.report.tables.rows import WARM_UP, row, settings, shown, study


def as_dict(table: Table) -> dict[str, list[str]]:
    return {cells[0]: cells[1:] for cells in shown(table)[1:] if cells[1:] != [""]}


def test_one_method_is_parameter_and_value_with_the_realised_schedule() -> None:
    rows = [run for run in study() if run["config.method"] == "ours"]
    found = as_dict(make("parameters", rows, Options()))
    assert found["learning rate"] == [WARM_UP]
    assert found["weight decay"] == ["0.01"]
    assert found["dropout"] == ["0.1"]
    assert found["seed"] == ["0–2"]
    assert found["task"] == ["{digits, letters}"]
    assert "out dir" not in found


def test_methods_are_columns_and_what_one_lacks_is_a_dash() -> None:
    table = make("parameters", study(), Options(group=("method",)))
    assert [column.title for column in table.columns] == ["parameter", "ours", "base"]
    found = as_dict(table)
    assert found["dropout"] == ["0.1", "---"]
    assert found["learning rate"] == [WARM_UP, "3e-4"]
    common = next(line for line in table.lines if line.cells and line.cells[0].value == "ε")
    assert [cell.across for cell in common.cells] == [1, 2]


def test_of_two_keys_the_first_makes_blocks_below_what_all_share() -> None:
    lines = shown(make("parameters", study(), Options(group=("task", "method"))))
    at = lines.index(["**digits**", "", ""])
    assert lines[at:] == [
        ["**digits**", "", ""],
        ["width", "256", "256"],
        ["**letters**", "", ""],
        ["width", "1024", "1024"],
    ]


def test_transposed_each_group_is_a_row_and_constants_are_told_below() -> None:
    table = make("parameters", study(), Options(group=("task",), transpose=True))
    assert shown(table) == [["task", "width"], ["digits", "256"], ["letters", "1024"]]
    (said,) = [note for note in table.notes if note.startswith("the same in all rows: ")]
    assert "batch size 64" in said
    assert "dropout {0.1, none}" in said  # several values are not one


def test_several_values_in_one_cell_are_all_there_and_told() -> None:
    rows = [row(at, config__lr=lr, config__width=8) for at, lr in enumerate([0.1, 0.3, 0.2])]
    table = make("parameters", rows, Options())
    assert as_dict(table)["learning rate"] == ["{0.1, 0.2, 0.3}"]
    assert table.notes == ("several values within one column: learning rate",)
    many = [row(at, config__lr=at / 10) for at in range(30)]
    assert as_dict(make("parameters", many, Options()))["learning rate"] == [
        "30 values between 0 and 2.9"
    ]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "config.a": st.sampled_from([1, 1.0, True, "1", None, 2]),
                "config.b": st.integers(0, 1),
            }
        ),
        min_size=1,
        max_size=8,
    )
)
def test_no_cell_says_less_than_its_runs(configs: list[dict[str, Any]]) -> None:
    rows = [row(at) | config for at, config in enumerate(configs)]
    table = make("parameters", rows, Options(group=("b",), columns=("a",)))
    columns = {line.cells[0].value: line.cells[1:] for line in table.lines if line.cells}
    cells = [cell for cell in columns["a"] for _ in range(cell.across)]
    groups = dict.fromkeys(run["config.b"] for run in rows)
    for cell, b in zip(cells, groups, strict=True):
        value = cell.value
        said = value.values if isinstance(value, Several) else (value,)
        had = [run["config.a"] for run in rows if run["config.b"] == b]
        assert {(type(one) is bool, str(one), one) for one in had} <= {
            (type(one) is bool, str(other), other) for one in said for other in had if one == other
        }
        assert len(said) == len({(type(one) is bool, one) for one in had})


def test_values_of_a_cell_are_in_order_whatever_they_are() -> None:
    mixed = [3, True, None, 1.0, math.nan, 1.0, "x", 2, False, 0, [1]]
    rows = [row(at) | {"config.a": value} for at, value in enumerate(mixed)]
    assert str(distinct("config.a", rows)) == ("[0, 1.0, 2, 3, True, None, nan, 'x', False, [1]]")


def test_the_settings_asked_for_stand_in_their_order() -> None:
    table = make("parameters", study(), Options(columns=("model.width", "lr", "eps")))
    assert [cells[0] for cells in shown(table)[1:] if not cells[0].startswith("**")] == [
        "width",
        "learning rate",
        "ε",
    ]
    with pytest.raises(UsageError, match="no run here has 'nothing'"):
        make("parameters", study(), Options(columns=("nothing",)))


def test_labels_and_sections_are_the_author_s() -> None:
    own = settings(
        labels={"lr": "learning rate η", "model": {"width": "channels"}},
        sections={"Regularisation": ["dropout", "weight_decay"]},
    )
    table = make("parameters", study(), Options(group=("method",), settings=own))
    found = as_dict(table)
    assert {"learning rate η", "channels"} <= found.keys()
    titles = [line.section for line in table.lines if line.section]
    assert "Regularisation" in titles
    at = titles.index("Regularisation")
    text = [line.section or line.cells[0].value for line in table.lines]
    assert text.index("weight decay") > text.index(titles[at])


def test_two_settings_of_one_name_are_told_apart() -> None:
    rows = [row(0, config__a_b=1, **{"config__a b": 2})]
    assert as_dict(make("parameters", rows, Options())).keys() >= {"a b (a_b)", "a b (a b)"}


def test_a_supplement_has_everything_with_who_set_it() -> None:
    found = {cells[1]: cells[2:] for cells in shown(make("supplement", study(), Options()))}
    assert found["method"] == ["{ours, base}", "command line"]
    assert found["lr"][1] == "c/a.yaml"
    assert found["log_every"] == ["50", "---"]
    assert "out_dir" not in found


def test_strange_values_are_shown_as_they_are() -> None:
    rows = [
        row(
            0,
            config__nan=math.nan,
            config__inf=math.inf,
            config__big=2**70,
            config__words="",
            config__list=[1, [None, True]],
            config__nested={},
        )
    ]
    found = as_dict(make("parameters", rows, Options()))
    assert found["nan"] == ["nan"]
    assert found["inf"] == ["inf"]
    assert found["big"] == [str(2**70)]
    assert found["list"] == ["(1, (none, yes))"]
    assert "words" not in found
    assert "nested" not in found
    assert to_json(make("parameters", rows, Options()))


def test_a_table_says_which_records_it_is_made_of() -> None:
    rows = study()
    table = make("parameters", rows, Options())
    assert table.runs == tuple(run["id"] for run in rows)
    assert table.records == record_digest(rows)
    verified = [run | {"verdict": "identical", "verified": "identical"} for run in rows]
    assert record_digest(verified) == table.records
    assert record_digest([rows[0] | {"metric.acc": 0.5}, *rows[1:]]) != table.records


def test_runs_that_cannot_be_read_are_left_out_and_told() -> None:
    broken = {"id": "broken", "state": "damaged", "damage": "torn"}
    table = make("parameters", [broken, *study()], Options())
    assert table.left_out == (("broken", "damaged"),)
    assert "broken" not in table.runs
    with pytest.raises(UsageError, match="not one run"):
        make("parameters", [broken], Options())
