"""`samebit diff` of runs of which not everything was recorded: doubt is never "the same"."""

from pathlib import Path

import pytest

from samebit import places
from samebit.cli.main import main
from tests.server.recorded import record


def test_of_two_runs_without_a_trace_it_is_said_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = places.make_store(tmp_path / places.STORE_NAME)
    one, other = (record(store, rows=[({"loss": 1.0}, 1)]).id for _ in range(2))
    monkeypatch.chdir(tmp_path)
    for words, said in (
        (("diff", one, other), "trace\n  neither run has a trace"),
        (("diff", one, other, "--json"), '"trace":["neither run has a trace"]'),
        (("diff", one, other, "--trace"), "neither run has a trace"),
    ):
        main([*words])
        assert said in capsys.readouterr().out
