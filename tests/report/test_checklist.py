"""What a checklist promises: evidence as recorded, answers only proposed, texts that do no harm."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.errors import UsageError
from samebit.report.checklist import assets, method, outcomes
from samebit.report.checklist.declared import Declared
from samebit.report.checklist.items import CHECKLISTS, Answer, fill
from samebit.report.checklist.project import (
    NOTHING,
    Evidence,
    Project,
    configurations,
    is_test,
    validation_of,
)
from samebit.report.checklist.written import to_json, to_latex, to_markdown
from tests.report.papers import GOLDEN, paper, run, written_as
from tests.typeset import needs_tex, on_the_page

# As the style of NeurIPS 2025 defines them.
STYLE = r"""
\newcommand{\answerYes}[1][]{\textcolor{blue}{[Yes] #1}}
\newcommand{\answerNo}[1][]{\textcolor{orange}{[No] #1}}
\newcommand{\answerNA}[1][]{\textcolor{gray}{[NA] #1}}
\newcommand{\answerTODO}[1][]{\textcolor{red}{\bf [TODO]}}
\newcommand{\justificationTODO}[1][]{\textcolor{red}{\bf [TODO]}}
"""


def answers(project: Project, key: str = "neurips") -> dict[str, Answer]:
    return {answer.number: answer for answer in fill(key, project).answers}


def of_runs(*runs: dict[str, object], **more: object) -> Project:
    return Project(runs, tests=("test/acc",), test_rule="so", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["md", "tex"])
def test_a_checklist_reads_as_it_always_did(suffix: str) -> None:
    """Where it is to read otherwise: `python -m tests.report.papers`."""
    path = GOLDEN / f"checklist.{suffix}"
    assert written_as(suffix) == path.read_text(encoding="utf-8")


@needs_tex
@pytest.mark.parametrize("style", ["", STYLE])
def test_latex_compiles_with_the_style_and_without(style: str, tmp_path: Path) -> None:
    written = to_latex(fill("neurips", paper()))
    page = on_the_page(style + written, tmp_path, ["{xcolor}"])
    assert page.count("Answer: [TODO]") == 16
    assert "Yes" not in page
    assert "learning rate as used: linear warm-up 10 steps to 0.1" in page
    assert "% proposed: Yes" in written


@needs_tex
def test_no_text_of_a_run_is_a_command(tmp_path: Path) -> None:
    hostile = r"\input{/etc/passwd}%}$&#^_~ \end{document} <b>é中*[x](y)`"
    project = of_runs(
        run(0, command=hostile, **{"config." + hostile: hostile, "data." + hostile: hostile}),
        run(1, command="b\n\\end{itemize}", **{"config.c": math.nan}),
    )
    page = on_the_page(to_latex(fill("ml-repro", project)), tmp_path)
    assert "<path>" in page  # a path is somebody's
    assert "%}$&#" in page
    (line,) = (
        line for line in to_markdown(fill("neurips", project)).split("\n") if "**commands**" in line
    )
    assert r"\<b\>é中\*\[x\](y)\`" in line


@pytest.mark.parametrize("key", CHECKLISTS)
def test_no_answer_is_given(key: str) -> None:
    found = json.loads(to_json(fill(key, paper())))
    assert [one["answer"] for one in found["answers"]] == [None] * len(found["answers"])
    assert {one["proposed"] for one in found["answers"]} <= {None, "Yes", "No", "NA"}
    text = to_latex(fill(key, paper()))
    lines = [line for line in text.split("\n") if not line.startswith("\\providecommand")]
    answered = [line.partition("%")[0] for line in lines if "\\answer" in line.partition("%")[0]]
    assert set(answered) == {"\\item[] Answer: \\answerTODO{} "}


def test_where_nothing_is_recorded_it_says_so_and_what_to_do() -> None:
    nothing = of_runs({"id": "a", "state": "finished", "kind": "run"})
    for key in CHECKLISTS:
        for answer in fill(key, nothing).answers:
            assert answer.proposed in ("", "No")
        assert to_markdown(fill(key, nothing)).count(NOTHING) > 3
    written = to_markdown(fill("neurips", nothing))
    assert f"- **run again**: {NOTHING}\n  *`samebit verify RUN` runs one again" in written
    assert f"- **splits**: {NOTHING}\n  *`run.splits(" in written


def test_a_checklist_of_no_runs_and_one_that_nobody_knows_are_refused() -> None:
    with pytest.raises(UsageError, match="needs runs"):
        fill("neurips", Project(()))
    with pytest.raises(UsageError, match="no checklist 'icml'"):
        fill("icml", paper())


def test_every_run_that_was_started_is_counted() -> None:
    found = outcomes.fates(paper()).lines
    assert found[0] == "6 started: 6 finished"
    assert found[1] == (
        "in the same project besides: 5 started: 1 finished, 1 stopped early, 1 diverged, 1 failed,"
        " 1 broken off (stopped early: fewer steps than the longest run of its configuration;"
        " diverged: no finite number at its end (loss))"
    )
    assert found[2] == "1 more run cannot be read"


def test_compute_is_of_all_runs_and_replays_are_apart() -> None:
    found = outcomes.compute(paper()).lines
    assert found == (
        "the runs of the paper: 6 runs, 6 min, device hours 0.2 of NVIDIA H100",
        "all runs of the project, failed and preliminary ones too: 11 runs, 23 min 28 s,"
        " device hours 0.8019 of NVIDIA H100",
        "of these: finished 9 runs, 8 min 24 s, device hours 0.3 of NVIDIA H100;"
        " failed 1 run, 3.5 s, device hours 0.001944 of NVIDIA H100;"
        " broken off 1 run, 15 min, device hours 0.5 of NVIDIA H100",
        "besides, recorded runs run again: 1 run, 1 min, device hours 0.03333 of NVIDIA H100",
    )


def test_test_sets_are_counted_as_often_as_they_were_looked_at() -> None:
    lines = outcomes.tests(paper()).lines
    assert lines[0] == "the runs of the paper: 9 evaluations in 6 runs, 1 (median; 1 to 4) each"
    assert lines[1].startswith("more than once in 1 of 6 runs")
    row = run(0, **{"points.test/acc": 3, "points.test/loss": 3})
    both = Project((row,), tests=("test/acc", "test/loss"))
    assert "3 evaluations in 1 run" in outcomes.tests(both).lines[0]  # logged at once


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("test/acc", "acc_test", "testAcc", "TEST-F1", "heldout.loss")),
        *(
            (name, False)
            for name in ("val/acc", "latest", "contest", "fastest_step", "attestation")
        ),
    ],
)
def test_a_test_score_is_known_by_a_word_of_its_name(name: str, expected: bool) -> None:
    assert is_test(name) is expected
    assert is_test(name, ["final"]) is False
    assert is_test("final", ["fin*"])


@pytest.mark.parametrize(
    ("test", "names", "beside"),
    [
        ("test/acc", ["val/loss", "val/acc"], "val/acc"),
        ("acc_test", ["acc_dev"], "acc_dev"),
        ("testAcc", ["validation_acc"], "validation_acc"),
        ("test/acc", ["acc", "train/acc"], None),
    ],
)
def test_a_validation_score_is_called_like_the_test_score(
    test: str, names: list[str], beside: str | None
) -> None:
    assert validation_of(test, names) == beside


def test_one_seed_alone_is_proposed_to_be_no() -> None:
    found = answers(of_runs(run(0), run(1, config__lr=0.5)))["7"]
    assert (found.proposed, found.why) == ("No", "one finished run of both configurations")
    assert "no error bar can be drawn" in found.evidence[0].lines[0]


def test_error_bars_name_what_varied_and_what_did_not() -> None:
    lines = outcomes.error_bars(paper()).lines
    assert lines == (
        "2 configurations, of each 3 finished runs",
        "what varied between runs of one configuration: the seed that samebit gave every library,"
        " the seed of torch",
        "the same in all of them: the split splits, the data digits, the code, the machine",
    )
    roles = of_runs(
        *(run(n, seed=None, seeds__torch=None, seeds__init=n, seeds__order=7) for n in (1, 2))
    )
    found = outcomes.error_bars(roles).lines
    assert found[1] == "what varied between runs of one configuration: the seed of init"
    assert found[2].startswith("the same in all of them: the seed of order, ")


def test_a_run_that_came_out_different_is_no_yes() -> None:
    found = answers(of_runs(run(0, verified="identical"), run(1, verified="different")))["4"]
    assert found.proposed == ""
    assert found.why == "1 of 2 runs came out as different when run again"
    again = answers(of_runs(run(0, verified="identical"), run(1)))["4"]
    assert (again.proposed, again.why) == (
        "Yes",
        "everything is recorded, and 1 of 2 runs came out again",
    )
    lost = answers(of_runs(run(0, verified="identical", missing="lock, randomness")))["4"]
    assert (lost.proposed, lost.why) == (
        "",
        "something random cannot be given back in the only run",
    )
    lacking = answers(of_runs(run(0, verified="identical"), run(1, code__tree=None)))["4"]
    assert (lacking.proposed, lacking.why) == ("", "the code is not recorded of 1 of 2 runs")


def test_what_was_tried_is_told_over_the_whole_project() -> None:
    (line,) = method.search(paper()).lines
    assert line == "over 11 runs of the project: lr: 0.001, 0.1, 0.3; dropout: none, 0.5"
    ignoring = msgspec.structs.replace(paper(), ignored=("drop*",))
    assert method.search(ignoring).lines == (line.partition(";")[0],)


def test_what_authors_declare_is_told_as_that() -> None:
    assert method.chosen(paper()).lines == ()
    said = Declared(
        chosen="by validation accuracy",
        preprocessing="divided by 16",
        machines="our own",
        licences={"torch": "BSD-3-Clause"},
        sources={"digits": "UCI"},
        measures={"test/acc": "the share that is right"},
    )
    found = msgspec.structs.replace(
        paper(), declared=said, searched=(("lr", "[0.001, 1], random"),)
    )
    assert method.chosen(found).lines == ("declared: by validation accuracy",)
    assert method.preprocessing(found) == Evidence(
        "preprocessing and what was left out", ("declared: divided by 16",)
    )
    assert method.hardware(found).lines[-1] == "declared: our own"
    assert method.search(found).lines[0] == "declared: lr in [0.001, 1], random"
    assert assets.assets(found).lines[-1] == "declared: digits from UCI"
    assert assets.licences(found).lines == (
        "declared: torch: BSD-3-Clause",
        "No evidence recorded of digits",
    )
    assert outcomes.measures(found).lines[-1] == "declared: test/acc is the share that is right"


def test_leaks_are_told_and_their_absence_only_where_it_was_looked_for() -> None:
    assert method.leaks(paper()).lines == ("splits: 3 of 360 rows of test: equal to rows of train",)
    (split,) = paper().splits
    clean = msgspec.structs.replace(split, shared=())
    unknown = msgspec.structs.replace(split, shared=(), unknown="too many rows")
    assert "no row is in two parts" in method.leaks(of_runs(run(0), splits=(clean,))).lines[0]
    assert method.leaks(of_runs(run(0), splits=(unknown,))).lines == ("splits: too many rows",)


def test_runs_that_differ_in_seeds_alone_are_one_configuration() -> None:
    runs = [run(n, config__seed=n, config__random_state=n, config__nan=math.nan) for n in range(3)]
    assert list(map(len, configurations([*runs, run(3)]))) == [3, 1]
    switched = [run(n, config__forget_seed=n > 1) for n in range(3)]
    assert list(map(len, configurations(switched))) == [2, 1]
    bare = [
        {"id": "a", "command": "a.py"},
        {"id": "b", "command": "b.py"},
        {"id": "c", "command": "a.py"},
    ]
    assert list(map(len, configurations(bare))) == [2, 1]


@pytest.mark.parametrize(
    "evidence",
    [getattr(module, name) for module in (assets, method, outcomes) for name in module.__all__],
    ids=lambda one: one.__name__,
)
def test_nothing_of_a_stranger_stops_it(evidence: Callable[[Project], Evidence]) -> None:
    """Values of any kind under any key: a row is what somebody recorded."""
    if evidence is outcomes.seconds_of:
        return
    for value in (None, "x", [1], {"a": 1}, True, -1, math.inf, math.nan, 10**400):
        row = {key: value for key in run(0)} | {"id": "a"}
        evidence(Project((row, run(1)), (row,), (row,), 0, ("test/acc",), "so"))


@given(st.dictionaries(st.text(), st.text() | st.floats() | st.none(), max_size=4))
def test_a_checklist_of_any_names_is_text(named: dict[str, object]) -> None:
    row = run(0) | {f"config.{key}": value for key, value in named.items()}
    project = Project((row, run(1)), tests=("test/acc",))
    for key in CHECKLISTS:
        filled = fill(key, project)
        to_latex(filled).encode("ascii")
        json.loads(to_json(filled))
        to_markdown(filled).encode()


def test_a_thousand_runs_fit_on_the_same_page() -> None:
    many = of_runs(*(run(n, config__lr=n / 1000, command=f"train.py {n}") for n in range(2000)))
    few = of_runs(*(run(n, config__lr=n / 1000) for n in range(3)))
    lengths = [len(to_markdown(fill("neurips", one))) for one in (few, many)]
    assert lengths[1] < lengths[0] * 1.2
