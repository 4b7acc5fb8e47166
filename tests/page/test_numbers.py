"""What the page computes by itself is what Samebit computes elsewhere: words, statistics, files."""

import math
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import stats as scipy_stats

from samebit import stats
from samebit.cli.words import duration, size
from samebit.report.results import is_seed, seed_kinds
from samebit.report.studied import crossed_kinds
from samebit.report.table import number, rows_to_csv, visible
from tests.page import stores
from tests.page.conftest import Site


@pytest.fixture(scope="module")
def modules(browser: Any, site: Site) -> Iterator[Any]:
    """A function of a module of the page, called with plain values."""
    page = browser.new_page()
    page.goto(site.link)

    def call(module: str, name: str, *given: Any) -> Any:
        asking = (
            "async ([module, name, given]) => (await import(`/static/${module}`))[name](...given)"
        )
        return page.evaluate(asking, [module, name, list(given)])

    call.page = page  # pyright: ignore[reportFunctionMemberAccess]
    yield call
    page.close()


def test_numbers_and_lengths_of_time_read_as_on_the_command_line(modules: Any) -> None:
    chance = random.Random(3)
    values = [0.1, 1 / 3, 1e-5, 1.5e-7, 123456.7, 0.00012345, 2.5e20, -2.5, 12345.678, 5, 0, 1e-300]
    values += [chance.uniform(-1, 1) * 10 ** chance.randint(-12, 12) for _ in range(300)]
    for value in values:
        assert modules("lib/text.js", "number", value) == number(value), value
    for seconds in [
        0,
        0.0001,
        0.5,
        0.9996,
        1,
        59.94,
        59.96,
        61,
        3599,
        3600,
        7261,
        86399,
        90000,
        1e7,
    ]:
        assert modules("lib/text.js", "duration", seconds) == duration(seconds), seconds
    for count in (0, 999, 1000, 123456, 999_949, 999_951, 10**9, 5 * 10**15):
        assert modules("lib/text.js", "size", count) == size(count)


def test_what_is_not_seen_is_escaped_as_on_the_command_line(modules: Any) -> None:
    for text in (*stores.EVIL, "a\nb\tc", "\x00\x7f\x85", "é ü 漢字 🎉", "\u2028"):
        assert modules("lib/text.js", "visible", text) == visible(text), text
    # And what has no width: two names that look alike are told apart.
    assert modules("lib/text.js", "visible", "a\u200bb\ufeff") == "a\\u200bb\\ufeff"


def test_numbers_beside_each_other_have_as_many_digits_as_they_differ_in(modules: Any) -> None:
    for texts, short in (
        (["0.2051319912172847", "0.023410237716820468"], ["0.2051", "0.02341"]),
        (
            ["0.9638888835906982", "0.9638888835906983"],
            ["0.9638888835906982", "0.9638888835906983"],
        ),
        (["0.12345678", "0.12345699", None], ["0.1234568", "0.123457", None]),
        (["12345678", "x 1.23456789"], ["12345678", "x 1.23456789"]),  # whole numbers, texts
        ([f"blake3:{'ab' * 32}"], ["blake3:abababab"]),
    ):
        assert modules("lib/digits.js", "apart", texts) == short


def test_a_csv_is_that_of_the_command_line(modules: Any) -> None:
    rows = [["a,b", 'say "x"', "", None, 1.5, "line\nbreak"], [1, 2.25, "x", "y", None, ""]]
    heads = ["a", "b", "c", "d", "e", "f"]
    assert modules("lib/save.js", "csv", [heads, *rows]) == rows_to_csv(heads, rows)


def test_importance_is_what_its_method_says(modules: Any) -> None:
    chance = np.random.default_rng(2)
    keys = chance.integers(0, 4, 60)
    results = keys * 0.5 + chance.normal(0, 1, 60)
    found = modules("lib/importance.js", "importance", keys.tolist(), results.tolist())
    groups = [results[keys == key] for key in range(4)]
    between = sum(len(one) * (one.mean() - results.mean()) ** 2 for one in groups)
    total = ((results - results.mean()) ** 2).sum()
    noise = (total - between) / (60 - 4)
    assert found["share"] == pytest.approx((between - 3 * noise) / total)
    assert found["rank"] == pytest.approx(scipy_stats.spearmanr(keys, results).statistic)
    assert found["n"] == 60


def test_importance_is_that_of_our_statistics(modules: Any) -> None:
    chance = np.random.default_rng(5)
    kinds: list[Any] = [
        lambda: float(chance.uniform(0, 1)),
        lambda: int(chance.integers(0, 20)),
        lambda: [None, 0.5][chance.integers(0, 2)],
        lambda: [0.30001, 0.30002, None][chance.integers(0, 3)],
        lambda: ["a", "b", 1, True, None][chance.integers(0, 5)],
    ]
    said = 0
    for case in range(60):
        count = int(chance.integers(0, 40))
        values = [kinds[case % len(kinds)]() for _ in range(count)]
        results = [
            None if chance.integers(0, 8) == 0 else float(chance.integers(0, 9)) for _ in values
        ]
        ours = stats.importance(values, results)
        asked = [math.nan if one is None else one for one in results]
        theirs = modules("lib/importance.js", "importance", values, asked)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            said += 1
            told = msgspec.to_builtins(ours)
            assert theirs == {
                name: value if value is None else pytest.approx(value, abs=1e-12)
                for name, value in told.items()
            }
    assert said > 30


def test_of_a_switch_it_matters_who_has_it(modules: Any) -> None:
    chance = np.random.default_rng(3)
    has = chance.integers(0, 2, 40)
    results = has * 2.0 + chance.normal(0, 0.1, 40)
    values = [0.9 if one else None for one in has]
    found = modules("lib/importance.js", "importance", values, results.tolist())
    assert found["share"] > 0.95
    assert modules("lib/importance.js", "importance", [0.9] * 40, results.tolist()) is None
    assert modules("lib/importance.js", "importance", [1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4]) is None


def test_two_keys_together_tell_what_neither_does_alone(modules: Any) -> None:
    chance = np.random.default_rng(4)
    first, second = chance.integers(0, 2, 200), chance.integers(0, 2, 200)
    results = (first ^ second) + chance.normal(0, 0.2, 200)
    asking = ("lib/importance.js", "together", first.tolist(), second.tolist())
    found = modules(*asking, results.tolist())

    def epsilon(groups: list[Any]) -> float:
        between = sum(len(one) * (one.mean() - results.mean()) ** 2 for one in groups)
        total = ((results - results.mean()) ** 2).sum()
        noise = (total - between) / (len(results) - len(groups))
        return max(0.0, (between - (len(groups) - 1) * noise) / total)

    cells = [results[(first == one) & (second == other)] for one in (0, 1) for other in (0, 1)]
    alone = sum(epsilon([results[key == one] for one in (0, 1)]) for key in (first, second))
    assert found["share"] == pytest.approx(epsilon(cells) - alone)
    assert found["share"] > 0.8
    assert modules(*asking, (first + second).tolist())["share"] == pytest.approx(0, abs=0.02)


def test_which_keys_are_seeds_and_which_kinds_are_crossed_is_told_alike(modules: Any) -> None:
    seeds = ["config.seed", "config.data.split_seed", "config.random_state", "config.RNG"]
    for key in (*seeds, "config.lr", "config.seedling", "trial.seeds", "trial"):
        assert modules("lib/seeds.js", "isSeed", key) == (key in seeds), key
        assert not key.startswith("config.") or is_seed(key) == (key in seeds), key
    asking = """async ([keys, rows]) => (await import("/static/lib/seeds.js")).crossedSeeds(
        keys.map((key) => [key, (id) => rows[id][key]]), Object.keys(rows))?.kinds ?? null"""
    chance = random.Random(1)
    several: set[int] = set()
    for _ in range(30):
        kinds = chance.randint(2, 4)
        cells = list(np.ndindex(tuple(chance.randint(1, 3) for _ in range(kinds))))
        kept = chance.sample(cells, chance.randint(1, len(cells)))
        rows = [{f"config.seed_{at}": value for at, value in enumerate(cell)} for cell in kept]
        found = crossed_kinds(rows)
        told = seed_kinds(rows)
        expected = list(found.values()) if found is not None else None
        assert modules.page.evaluate(asking, [list(told.values()), rows]) == expected, rows
        several.add(len(found or ()))
    assert {0, 2, 3} <= several


def test_a_brush_in_an_address_is_the_same_brush_again(modules: Any) -> None:
    for text in (
        "config.lr:0.001~0.1",
        "config.momentum:none",
        "config.a%2cb:=x%2520y|5%2525,config.lr:-1~2.5",
    ):
        asking = """async (text) => { const { formatBrushes, parseBrushes } =
            await import('/static/lib/brushes.js'); return formatBrushes(parseBrushes(text)); }"""
        assert modules.page.evaluate(asking, text) == text
    for text in ("config.lr:2~1", "config.lr:nan~1", "nothing", ":none"):
        assert modules.page.evaluate(asking, text) == ""


def test_short_names_keep_what_tells_them_apart(modules: Any) -> None:
    names = [f"model.encoder.block_{at}.attention.dropout_probability" for at in range(12)]
    names += ["eval/very/long/name/accuracy_top_5_macro", "lr"]
    found = [*dict.fromkeys(short(modules, names, 30))]
    assert len(found) == len(names)
    assert all(len(one) <= 30 for one in found)
    assert found[3].startswith("…block_3.")
    assert found[-2:] == ["…name/accuracy_top_5_macro", "lr"]


def short(modules: Any, names: list[str], most: int) -> list[str]:
    asking = """async ([names, most]) => { const { shortNames } =
        await import('/static/lib/names.js'); const found = shortNames(names, most);
        return names.map((name) => found.get(name)); }"""
    return modules.page.evaluate(asking, [names, most])


def test_half_of_a_smoothed_curve_is_forgotten_in_a_half_life(modules: Any) -> None:
    asking = ("charts/smoothing.js", "smoothed")
    steps = list(range(0, 400))
    found = modules(*asking, steps, [0.0] * 200 + [1.0] * 200, 10)
    found = [found[str(at)] for at in range(400)] if isinstance(found, dict) else found
    assert found[199] == 0
    assert found[209] == pytest.approx(0.5, abs=0.01)
    assert found[399] == pytest.approx(1, abs=1e-5)


def test_a_patch_turns_one_text_into_the_other(modules: Any) -> None:
    chance = random.Random(5)
    for _ in range(40):
        before = [chance.choice("abcdef") for _ in range(chance.randint(1, 30))]
        after = [line for line in before if chance.random() > 0.2]
        for _ in range(chance.randint(0, 4)):
            after.insert(chance.randint(0, len(after)), chance.choice("xyz"))
        after = after or ["x"]
        text = modules("lib/diff.js", "patch", "\n".join(before), "\n".join(after), ["a", "b"])
        lines = [line for line in text.split("\n")[2:] if not line.startswith("@@")]
        removed = [line[1:] for line in lines if line.startswith("-")]
        added = [line[1:] for line in lines if line.startswith("+")]
        assert len(before) - len(removed) + len(added) == len(after)
        kept = [line[1:] for line in lines if line.startswith(" ")]
        assert all(line in before for line in removed + kept)
        assert all(line in after for line in added + kept)
        assert (text == "") == (before == after)


def test_ticks_are_round_and_labels_tell_them_apart(modules: Any) -> None:
    chance = random.Random(7)
    for _ in range(200):
        low = chance.uniform(-1, 1) * 10 ** chance.randint(-6, 6)
        high = low + 10 ** chance.uniform(-6, 6)
        ticks = modules("charts/scales.js", "ticks", low, high)
        labels = modules("charts/scales.js", "tickLabels", ticks)
        wide = high - low
        assert all(low - wide * 1e-6 <= tick <= high + wide * 1e-6 for tick in ticks)
        if wide > abs(low) * 1e-4:
            assert len(set(labels)) == len(labels), (low, high, labels)
        assert not any(math.isnan(tick) for tick in ticks)
    halves = [0.96, 0.9625, 0.965, 0.9675]
    assert modules("charts/scales.js", "tickLabels", halves) == [
        "0.9600",
        "0.9625",
        "0.9650",
        "0.9675",
    ]
    # What a chart has: 0.0075 is no 0.007, and of an axis that is zoomed far in no two are one.
    for values, said in (
        ([0.0075, 0.01, 0.015], ["0.0075", "0.0100", "0.0150"]),
        ([0, 0.00125, 0.0025], ["0", "0.00125", "0.00250"]),
        ([1_000_250, 1_000_500], ["1.00025M", "1.0005M"]),
        ([2.5e-5, 5e-5], ["2.5e-05", "5e-05"]),
        ([1e13, 1.00005e13], ["1e+13", "1.00005e+13"]),
    ):
        assert modules("charts/scales.js", "tickLabels", values) == said
    assert modules("charts/scales.js", "tickLabels", [1.0005, 1.001], True) == ["1.0005", "1.001"]
    decades = [10.0**power for power in range(-9, 10, 3)]
    assert modules("charts/scales.js", "tickLabels", decades, True) == [
        *("1e-09", "1e-06", "0.001", "1", "1000", "1e+06", "1e+09"),
    ]


def test_a_label_says_where_its_tick_is(modules: Any) -> None:
    chance = random.Random(9)
    sizes = {"k": 1e3, "M": 1e6, "G": 1e9}
    for _ in range(200):
        # Also the ticks that are left where every second one had no place.
        step = chance.choice([1, 2, 2.5, 5, 1.25]) * 10.0 ** chance.randint(-7, 7)
        first = chance.choice([0, 3, -40, 997])
        values = [step * (first + at) for at in (*range(chance.randint(2, 5)), 7)]
        for label, value in zip(
            modules("charts/scales.js", "tickLabels", values), values, strict=True
        ):
            told = float(label.rstrip("kMG")) * sizes.get(label[-1], 1)
            assert abs(told - value) <= step / 500, (values, label)


def test_a_single_place_has_whole_numbers_beside_it(modules: Any) -> None:
    def of(curves: list[dict[str, Any]], **how: Any) -> Any:
        asking = """async ([curves, how]) => {
          const { ranges } = await import("/static/charts/ranges.js");
          const floats = (one) => Float64Array.from(one.map((value) => value ?? NaN));
          return ranges({ zoom: null, isXLog: false, isYLog: false, ...how,
            curves: curves.map(({ x, y }) => ({ x: floats(x), y: floats(y) })) }); }"""
        return modules.page.evaluate(asking, [curves, how])

    once = of([{"x": [15], "y": [0.9]}])
    assert once == {"x": [14, 16], "y": [0.45, 1.35], "isWhole": True}
    assert of([{"x": [1, 2], "y": [5, 5]}])["y"] == [2.5, 7.5]
    assert of([{"x": [1, 2], "y": [None, None]}])["y"] == [0, 1]
    assert of([{"x": [0, 2], "y": [-1, 4]}], isYLog=True)["y"] == [2, 8], (
        "only what a logarithm has"
    )
    spiky = {"x": list(range(100)), "y": [1.0] * 50 + [2.0] * 49 + [1e6]}
    assert of([spiky], yRange="inner")["y"] == pytest.approx([0.96, 2.04])
    assert of([spiky], yRange=[0, 5])["y"] == [0, 5]
    assert of([spiky], zoom=[10, 20])["y"] == [0.5, 1.5], "of what the zoom holds"
