"""`[table]` in a project's settings: read whole, above those of the user, wrong ones refused."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from samebit import places
from samebit.errors import UsageError
from samebit.report.tables.settings import Searched, of_project, read

GUIDE = Path(__file__).parents[3] / "docs" / "tables.md"


def test_everything_is_read() -> None:
    found = read(
        {
            "ignore": ["note*"],
            "keep": ["device"],
            "order": ["lr"],
            "labels": {"lr": "learning rate η", "optim": {"lr": "another"}},
            "sections": {"Data": ["crop"]},
            "direction": {"score": "lower"},
            "search": {
                "lr": {"space": "LogUniform[1e-5, 1e-2]", "sampler": "random"},
                "optim": {"wd": {"space": "{0, 1}"}},
            },
        },
        "samebit.toml",
    )
    assert found.labels == {"lr": "learning rate η", "optim.lr": "another"}
    assert found.search == {
        "lr": Searched("LogUniform[1e-5, 1e-2]", "random"),
        "optim.wd": Searched("{0, 1}"),
    }


def test_what_the_guide_shows_can_be_read() -> None:
    blocks = re.findall(r"^```text not-run\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    (shown,) = [block for block in blocks if block.startswith("[table]")]
    found = read(tomllib.loads(shown)["table"], GUIDE)
    assert set(found.__struct_fields__) == set(tomllib.loads(shown)["table"])
    assert found.search["lr"].sampler == "random"


@pytest.mark.parametrize(
    "table",
    [
        {"label": {}},
        {"ignore": "note"},
        {"labels": {"lr": 1}},
        {"labels": "lr"},
        {"direction": {"acc": "up"}},
        {"search": {"lr": {}}},
        {"search": {"lr": {"space": "x", "sampler": 1}}},
        {"search": {"lr": {"space": "x", "trials": 1}}},
        {"search": {"lr": "x"}},
    ],
)
def test_what_cannot_be_meant_names_its_file(table: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        read(table, "a/samebit.toml")
    assert caught.value.facts["set_in"] == "a/samebit.toml"


def test_directions_from_the_command_line_are_above_those_of_the_file() -> None:
    found = read({"direction": {"a": "lower", "b": "lower"}}, "x")
    assert found.with_direction(["a=higher", "c=d=lower"]).direction == {
        "a": "higher",
        "b": "lower",
        "c=d": "lower",
    }
    for wrong in ("a", "=lower", "a=up"):
        with pytest.raises(UsageError, match="is no direction"):
            found.with_direction([wrong])


def test_a_project_s_table_is_above_the_user_s_and_no_setting_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    store = places.make_store(tmp_path / "project" / ".samebit")
    (tmp_path / "config" / "samebit").mkdir(parents=True)
    mine = '[table]\nignore = ["a"]\n[table.labels]\nlr = "mine"\nwd = "mine"\n'
    ours = '[table]\nignore = ["b"]\n[table.labels]\nlr = "ours"\n[paper]\nfolder = "paper"\n'
    (tmp_path / "config" / "samebit" / "config.toml").write_text(mine)
    (store.parent / "samebit.toml").write_text(ours)
    found = of_project(store)
    assert found.ignore == ("b",)
    assert found.labels == {"lr": "ours", "wd": "mine"}
    assert places.read_settings(store)  # neither is a setting that it would not know
    (store.parent / "samebit.toml").write_text("table = 1\n")
    with pytest.raises(UsageError, match="is a table"):
        of_project(store)
