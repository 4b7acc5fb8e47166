"""What is written as YAML is read back as it was, by a reader that is not ours."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from samebit.records import Verdict
from samebit.report.anonymous import OPEN
from samebit.report.codecheck import codecheck_yaml, quoted
from samebit.report.outputs import ABSENT, OTHER, SAME, UNKNOWN, Output

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(texts)
def test_a_text_is_read_back_as_it_was(text: str) -> None:
    line = quoted(text)
    assert yaml.safe_load(line) == text
    assert line.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "1.5",
        "~",
        "a: b # c",
        "- x",
        "%TAG",
        "---",
        "\u2028",
        "\ufeff",
        "\x85",
        "é\U0001f600",
    ],
)
def test_a_text_that_looks_like_something_else_stays_a_text(text: str) -> None:
    assert yaml.safe_load(f"key: {quoted(text)}") == {"key": text}


def test_a_lone_surrogate_is_named() -> None:
    assert yaml.safe_load(quoted("a\udcffb")) == "a\\udcffb"


@given(st.lists(texts, max_size=4), texts, st.lists(texts, max_size=3))
def test_the_whole_file_is_read_whatever_stands_in_it(
    names: list[str], cause: str, scope: list[str]
) -> None:
    kinds = [SAME, OTHER, ABSENT, UNKNOWN]
    outputs = [
        Output(name, "/x", "blake3:" + "0" * 64, "1" * 64 if at % 2 else None, kinds[at % 4])
        for at, name in enumerate(names)
    ]
    verdict = Verdict("different", "0aayyrw4s6", "z4ygh6svr1", cause, scope=tuple(scope))
    text = codecheck_yaml(
        verdict, outputs, wording=OPEN, repository=None, statement="statement.dsse.json"
    )
    content = yaml.safe_load(text)
    assert [one["file"] for one in content["manifest"]] == names
    assert [one["file"] for one in content["samebit"]["files"]] == names
    assert [one["replay"] for one in content["samebit"]["files"]] == kinds[: len(names)]
    assert content["samebit"]["grade"] == "different"
    assert content["check_time"].startswith("TO BE FILLED")
    assert content["paper"]["authors"][0]["name"].startswith("TO BE FILLED")
    assert content["codechecker"][0]["name"].startswith("TO BE FILLED")


def test_a_verdict_without_a_replay_is_not_said_to_have_run_again() -> None:
    verdict = Verdict("unknown", "0aayyrw4s6", cause="data.csv has changed")
    text = codecheck_yaml(verdict, [], wording=OPEN, repository=None, statement="s")
    summary = yaml.safe_load(text)["summary"]
    assert summary.startswith("Samebit could not run the recorded command again: unknown. Why: ")
