"""A study that was made once is read, shown and gone on with for ever."""

import json
import os
import shutil
from pathlib import Path

import pytest

from samebit import stats
from samebit.studies.declared import find_study, folder_of
from samebit.studies.trials import read_history
from tests.golden.make_study import ACC, COUNTS, KILLED, NAME
from tests.golden.test_golden import samebit

GOLDEN = Path(__file__).parent / "study-1"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    copied = tmp_path / "project" / ".samebit"
    shutil.copytree(GOLDEN, copied)
    for path in copied.rglob("*.sbj"):
        os.utime(path, (1_700_000_000, 1_700_000_000))  # a checkout made them new
    return copied


def test_what_was_decided_and_started_is_known(store: Path) -> None:
    study = find_study(store, NAME)
    assert study is not None
    assert (study.factors, study.crossed, study.words) == (
        ("init", "order"),
        True,
        ("train.py", "--init", "{init}"),
    )
    history = read_history(folder_of(store, study.id), study.id)
    assert (history.counts, history.repeats) == (COUNTS, 1)
    assert [trial.number for trial in history.trials] == list(range(7))
    assert [len(trial.starts) for trial in history.trials] == [
        2 if at == KILLED else 1 for at in range(7)
    ]
    assert [trial.repeat for trial in history.trials] == [0] * 6 + [1]
    assert history.trials[0].values == {"init": 1941609646, "order": 1575830105}


def test_it_is_shown_with_its_parts_and_its_floor(store: Path) -> None:
    said = samebit(store.parent, "seeds", "show", NAME, "--json")
    assert said.code == 0, said.errors
    found = json.loads(said.out)["result"]
    assert (found["metric"], found["group"]["n"]) == ("acc", 6)
    assert found["group"]["left_out"] == []  # one was lost, and made anew
    expected = stats.crossed(ACC)
    assert [part["sd"] for part in found["crossing"]["parts"]] == pytest.approx(
        [part.variance**0.5 for part in expected.parts]
    )
    assert (found["floor"]["value"], found["floor"]["n"]) == (0, 2)
    assert found["endings"]["n"] == 6
    text = samebit(store.parent, "seeds", "show", NAME).out
    assert "crossed-7 (again)" in text
    assert "2 seeds of init × 3 of order" in text


def test_nothing_of_it_is_damaged(store: Path) -> None:
    said = samebit(store.parent, "check")
    assert said.code == 0, said.out
