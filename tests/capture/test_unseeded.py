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
        "epoch": [
            {"generators": {"python": digest_of([9]), "numpy": digest_of(still)}, "seeds": {}}
        ],
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


def loader_of(seed: object, kind: str = "torch.utils.data.dataloader.DataLoader") -> dict[str, Any]:
    seeds = {"loader.generator": seed}
    told = {"seeds": seeds, "states": seeds, "loader": {"class": kind}, "generators": {}}
    return {"at": "/p/a.py:7", **told}


def test_a_loaders_generator_that_seeded_itself_is_told_by_its_seed() -> None:
    drawn = 2**63 + 5
    (found,) = of({"epoch": [loader_of(drawn), loader_of(drawn)]})
    words = "a.py:7 the data loader's own torch.Generator (loader.generator)"
    assert found == (words, "likely", True)
    assert of({"epoch": [loader_of(67280421310721), loader_of(2**53 - 1), loader_of("odd")]}) == []


def test_a_loaders_seed_that_somebody_gave_is_none_of_its_own() -> None:
    drawn = 2**63 + 5
    call = {"library": "torch", "value": drawn, "at": "/p/a.py:1"}
    assert of({"epoch": [loader_of(drawn)], "seed_call": [call]}) == []
    started = {"library": "torch", "state": {"seed": drawn}}
    found = of({"epoch": [loader_of(drawn)], "generator": [started]}, None)
    assert [what for what, _, _ in found] == ["torch's global generator"]


def test_a_trainers_own_loader_may_have_drawn_its_seed_from_torch() -> None:
    theirs = loader_of(2**62, "accelerate.data_loader.DataLoaderShard")
    ((_, weight, _),) = of({"epoch": [theirs]}, 1)
    assert weight == "maybe"
    ((_, weight, _),) = of({"epoch": [theirs]}, None)  # nobody seeded torch either
    assert weight == "likely"


def test_the_time_as_a_seed_is_another_in_each_run() -> None:
    call = {"library": "torch", "value": 1764107000, "at": "/p/a.py:1", "like": "time"}
    assert of({"seed_call": [call]}) == [("a.py:1 torch seeded with the time", "likely", False)]
