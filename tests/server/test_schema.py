"""The contract that the server tells of itself: complete, true, and kept whatever is asked.

The everyday tests ask each address once, well. What schemathesis asks, over a real `samebit ui`
with a store of everything, takes longer; it is in the group `contract`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from samebit.server import answers, beside
from tests.projects import Project
from tests.server.asking import PORT, ask, opened
from tests.server.everything import everything
from tests.server.test_strips import traced
from tests.server.ui import Ui, started

GOLDEN, SHOWN = "f1n1shed00", "p1ctvres00"
EXAMPLES = 60  # of each address


def document(browser: TestClient) -> Any:
    """Plain JSON: its own keys begin with `$` here and there."""
    return browser.get("/api/openapi.json").json()


def compared_text(browser: TestClient, two: str) -> dict[str, str]:
    """Something that the first of these runs has in their comparison."""
    first = ask(browser, "compare", ids=two)["sections"][0]
    return {"id": two.split(",")[0], "section": first["title"], "key": first["rows"][0]["key"]}


def asked_well(browser: TestClient, leafy: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Of each address a good question."""
    found = ask(browser, "runs", columns="name")
    at = dict(zip(values(found["columns"]["name"]), found["ids"], strict=True))
    two = f"{at['first-twin']},{at['second-twin']}"
    media = ask(browser, f"runs/{SHOWN}")["media"][0]["digest"]
    names = [one["name"] for one in ask(browser, f"runs/{GOLDEN}/states")["states"]]
    states = {"of": f"{GOLDEN}:{names[0]},{GOLDEN}:{names[-1]}"}
    metric = {"metric": "loss", "ids": two}
    questions: dict[str, tuple[str, dict[str, str]]] = {
        "runs": ("runs", {}),
        "runs/filter": ("runs/filter", {"where": "loss < 1"}),
        "runs/groups": ("runs/groups", {"by": "config.lr", "metric": "val/acc"}),
        "metrics": ("metrics", {}),
        "curves": ("curves", metric),
        "curves/groups": ("curves/groups", {"metric": "loss", "by": "config.lr"}),
        "curves/points": ("curves/points", {"metric": "loss", "id": at["torn"]}),
        "runs.tex": ("runs.tex", {"columns": "name,config.lr"}),
        "sweep": ("sweep", {"name": "digits"}),
        "seeds/best": ("seeds/best", {"by": "config.lr", "metric": "val/acc"}),
        "seeds/group": ("seeds/group", metric),
        "seeds/versus": (
            "seeds/versus",
            metric | {"ids": at["first-twin"], "against": at["second-twin"]},
        ),
        "seeds/crossing": ("seeds/crossing", metric | {"down": "seed", "across": "config.lr"}),
        "compare": ("compare", {"ids": two}),
        "compare/text": ("compare/text", compared_text(browser, two)),
        "trace": ("trace", {"ids": two}),
        "trace/leaves": ("trace/leaves", {"ids": leafy, "step": "1"}),
        "states": ("states", states),
        "states/leaf": ("states/leaf", states | {"place": place_in(browser, states)}),
        "runs/{run}/file": (f"runs/{at['first-twin']}/file", {"path": "train.py"}),
        "runs/{run}/value": (f"runs/{GOLDEN}/value", {"part": "Run", "name": "id"}),
        "runs/{run}/files": (f"runs/{at['first-twin']}/files", {}),
        "runs/{run}/console": (f"runs/{at['first-twin']}/console", {}),
        "media/{digest}": (f"media/{media}", {"run": SHOWN}),
    }
    for path in document(browser)["paths"]:
        known = path.removeprefix("/api/")
        questions.setdefault(known, (known.replace("{run}", GOLDEN), {}))
    return questions


def place_in(browser: TestClient, states: dict[str, str]) -> str:
    return str(next(one["place"] for one in ask(browser, "states", **states)["leaves"]))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with everything(tmp_path_factory.mktemp("everything") / "project") as found:
        yield found


def test_every_address_is_in_it_and_answers_as_it_says(store: Path) -> None:
    leafy = f"{traced(store, 5)},{traced(store, 9)}"
    with opened(store) as browser:
        told = document(browser)
        questions = asked_well(browser, leafy)
        for path, operations in told["paths"].items():
            ((method, operation),) = operations.items()
            path, query = questions[path.removeprefix("/api/")]
            if path == "events" or method == "post":
                continue  # the one does not end, the other is below
            answer = browser.get(f"/api/{path}", params=query)
            assert answer.status_code == 200, answer.text
            (kind,) = operation["responses"]["200"]["content"]
            if kind != "*/*":
                assert answer.headers["content-type"].partition(";")[0] == kind
            if kind == "application/json":
                check(told, operation, 200, answer.json())
            assert {one["name"] for one in operation["parameters"]} >= {*query}, path


def test_an_error_has_its_shape(store: Path) -> None:
    with opened(store) as browser:
        told = document(browser)
        for path, status in (
            ("runs/filter?where=%28", 400),
            ("runs/none", 404),
            (f"runs/{damaged(browser)}", 409),
        ):
            answer = browser.get(f"/api/{path}")
            assert answer.status_code == status
            operation = told["paths"]["/api/runs/{run}"]["get"]
            check(told, operation, status, answer.json())
        browser.headers["authorization"] = "Bearer another"
        answer = browser.get("/api/store")
        assert answer.status_code == 403
        check(told, told["paths"]["/api/store"]["get"], 403, answer.json())


def test_what_is_said_of_a_run_is_in_it_with_what_is_sent(store: Path) -> None:
    with opened(store, may_edit=True) as browser:
        told = document(browser)
        operation = told["paths"]["/api/notes/{run}"]["post"]
        (sent,) = operation["requestBody"]["content"].values()
        note = {"kind": "tag", "value": "good"}
        jsonschema.validate(note, {**sent["schema"], "components": told["components"]})
        answer = browser.post(
            f"/api/notes/{GOLDEN}", json=note, headers={"origin": f"http://127.0.0.1:{PORT}"}
        )
        check(told, operation, 200, answer.json())


def test_a_shape_that_is_another_one_does_not_fit(store: Path) -> None:
    """What the tests here rest upon."""
    with opened(store) as browser:
        told = document(browser)
        operation = told["paths"]["/api/store"]["get"]
        good = browser.get("/api/store").json()
        for bad in (good | {"more": 1}, good | {"runs": "3"}, good | {"runs": {"$int": "x"}}):
            with pytest.raises(jsonschema.ValidationError):
                check(told, operation, 200, bad)
        check(told, operation, 200, good | {"runs": {"$int": "-9007199254740993"}})


def check(told: Any, operation: Any, status: int, value: Any) -> None:
    (content,) = operation["responses"][str(status)]["content"].values()
    schema = {**content["schema"], "components": told["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


def damaged(browser: TestClient) -> str:
    runs = ask(browser, "runs", columns="state")
    return runs["ids"][values(runs["columns"]["state"]).index("damaged")]


def values(column: Any) -> list[Any]:
    """What each run has, of a column in any form but that of one value."""
    if "values" in column:
        return list(column["values"])
    return [None if at is None else column["texts"][at] for at in column["at"]]


def test_every_declared_shape_is_answered_somewhere(store: Path) -> None:
    with opened(store) as browser:
        shapes = {*document(browser)["components"]["schemas"]} - {"Integer", "Float", "Text"}
    # Of a name that two modules have, the module is in its own here.
    shapes = {re.split("[._]", name)[-1] for name in shapes}
    made = {"Told", "encode", "error_body", "Column"}
    assert shapes >= {*answers.__all__, *beside.__all__, "Bests", "Pairs", "Crossing"} - made


def test_the_guide_names_every_address(store: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "page.md").read_text()
    with opened(store) as browser:
        for path in document(browser)["paths"]:
            words = [word for word in path.split("/")[2:] if "{" not in word]
            assert re.search(rf"[`/]{re.escape(words[-1])}\b", guide), path


@pytest.fixture(scope="module")
def ui(store: Path) -> Iterator[Ui]:
    with started(Project(store.parent), "--edit") as found:
        yield found


def parameters(browser: Ui) -> dict[str, list[str]]:
    """Words that mean something here, and some that would harm a careless server, by parameter."""
    found = browser.ask("runs?columns=name")
    ids = [*found["ids"], "0" * 10, "a/../runs", "/etc/passwd", "\0", "%00", "@last"]
    names = [key["key"] for key in found["keys"]] + ["nosuch", "__proto__", "$float", "a,b%2c"]
    names = [name.replace("%", "%25").replace(",", "%2c") for name in names]
    digests = [one["digest"] for one in browser.ask(f"runs/{SHOWN}")["media"]]
    paths = ["train.py", "a.py", "../train.py", "/etc/passwd", "..%2f..", "\0", "train.py/"]
    numbers = ["0", "1", "-1", "9" * 400, "1e308", "-1e999", "nan", "", " ", "0x10", "١", "1_0"]
    where = ["loss < 1", "config.lr == 0.1", "(" * 300, "not " * 300, "a ~ '('", "x ~ '(a+)+$'"]
    lists = [",".join(some) for some in (ids[:2], ids[:40], ids[-6:], names[:9], names[-9:])]
    return {
        "run": ids,
        "id": ids,
        "ids": [*ids, *lists],
        "columns": [*names, *lists, *numbers],
        "by": [*names, *lists],
        "metric": ["loss", "val/acc", "odd", *names],
        "x": ["step", "time", "relative", "loss", *names],
        "where": where,
        "path": paths,
        "digest": [*digests, "blake3:" + "0" * 64, "blake3:..%2f..", "sha256:0"],
        "of": [f"{GOLDEN}:final", f"{GOLDEN}:{GOLDEN},x:y", f"{GOLDEN}:final,{GOLDEN}:step 0", ":"],
        "place": ["", "model", "../x", "model.0.weight", "\0"],
        "rank": ["0", "1", "..", "../0", "*"],
        **dict.fromkeys(
            ("from", "to", "since", "offset", "count", "after", "execution", "optimizer", "step"),
            numbers,
        ),
    }


@pytest.mark.slow
def test_no_question_breaks_it_or_is_answered_in_another_shape(ui: Ui) -> None:
    schemathesis = pytest.importorskip(
        "schemathesis", reason="pip install what the group `contract` of pyproject.toml has"
    )
    from schemathesis.specs.openapi import checks

    schema = schemathesis.openapi.from_dict(json.loads(ui.get("/api/openapi.json").body))
    schema.validate()
    kept = [
        schemathesis.checks.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    words = parameters(ui)
    asked: dict[int, int] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path == "/api/events":
            continue  # it does not end

        ask_anything(operation, ui, words, kept, asked)
    assert ui.process.poll() is None
    assert asked[200] > 300, asked  # it was not all refused
    assert {400, 404, 409} <= {*asked}, asked


def ask_anything(
    operation: Any, ui: Ui, words: dict[str, list[str]], checks: list[Any], asked: dict[int, int]
) -> None:
    """Ask an address what fits its description, and what it may mean here; count the answers."""
    headers = {"authorization": ui.key, "origin": f"http://{ui.host}"}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        database=None,
    )
    @given(data=st.data())
    def asking(data: Any) -> None:
        case = data.draw(operation.as_strategy())
        for place in (case.path_parameters, case.query):
            for name in list(place or ()):
                if name in words and data.draw(st.integers(0, 9)):
                    place[name] = data.draw(st.sampled_from(words[name]))
        answer = case.call(base_url=f"http://{ui.host}", headers=headers, timeout=60)
        case.validate_response(answer, checks=checks)
        asked[answer.status_code] = asked.get(answer.status_code, 0) + 1

    asking()
