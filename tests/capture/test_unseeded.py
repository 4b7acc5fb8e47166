"""What nobody seeded, from facts alone: named, weighed, and told whether a replay has it."""

from typing import Any

from samebit.capture.generators import digest_of
from samebit.capture.unseeded import find_unseeded, in_words

FACTS: dict[str, list[dict[str, Any]]] = {
    "unseeded": [
        {"kind": "numpy", "what": "default_rng()", "seed": 5, "at": "/p/a.py:1",
         "through": "scipy.stats.<module>", "importing": True},
        {"kind": "numpy", "what": "RandomState()", "seed": 6, "at": "/p/a.py:9",
         "through": "sklearn.utils.check", "importing": False},
        {"kind": "numpy", "what": "default_rng()", "seed": 7, "at": "/p/data.py:41",
         "through": "", "importing": False},
        {"kind": "numpy", "what": "default_rng()", "seed": 8, "at": "/p/data.py:41",
         "through": "", "importing": False},
        {"kind": "child", "what": "random.Random()", "seed": None, "at": "/p/data.py:50"},
    ],
    "entropy": [
        {"what": "uuid.uuid4()", "at": "/p/a.py:2", "through": ""},
        {"what": "os.urandom()", "at": "/p/a.py:3", "through": ""},
        {"what": "secrets.token_hex()", "at": "/p/a.py:4", "through": "flask.app"},
    ],
}  # fmt: skip


def of(facts: dict[str, list[dict[str, Any]]], seed: int | None = 1) -> list[tuple[Any, ...]]:
    found = find_unseeded(lambda name: facts.get(name, []), seed)
    return [(source.short, source.matters, source.given_back) for source in found]


def test_the_weightiest_come_first_and_each_says_whether_it_is_given_back() -> None:
    assert of(FACTS) == [
        ("data.py:41 default_rng() (2 times)", "likely", True),
        ("data.py:50 random.Random()", "likely", False),
        ("a.py:9 RandomState()", "maybe", True),
        ("a.py:3 os.urandom()", "maybe", False),
        ("a.py:1 default_rng()", "unlikely", True),
        ("a.py:2 uuid.uuid4()", "unlikely", False),
        ("a.py:4 secrets.token_hex()", "unlikely", False),
    ]


def test_a_global_generator_weighs_by_whether_it_moved() -> None:
    moved, still = [1], [2]
    facts: dict[str, list[dict[str, Any]]] = {
        "generator": [
            {"library": "python", "state": moved},
            {"library": "numpy", "state": still},
            {"library": "torch", "state": {"seed": 3}},
        ],
        "epoch": [{"generators": {"python": digest_of([9]), "numpy": digest_of(still)}}],
        "seed_call": [],
    }
    assert of(facts, None) == [
        ("Python's global generator", "likely", True),
        ("torch's global generator", "likely", True),
        ("NumPy's global generator", "unlikely", True),
    ]
    facts["seed_call"] = [
        {"library": "python", "value": None},
        {"library": "torch", "value": 4},
        {"library": "numpy", "value": 4},
    ]
    assert of(facts, None) == [("Python's global generator", "likely", True)]
    assert of(facts, 7) == []


def test_a_line_for_people() -> None:
    found = find_unseeded(lambda name: FACTS.get(name, []), 1)
    assert in_words(found[:2]) == (
        "2 unseeded generators: data.py:41 default_rng() (2 times), data.py:50 random.Random()"
    )
    assert in_words(found[2:3]) == "1 unseeded generator: a.py:9 RandomState()"
    assert in_words(found).endswith(" and 2 more")
    assert in_words([]) == ""
