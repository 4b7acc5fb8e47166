"""What a journal tells of media: what counts of what was logged again, and what was not written."""

import time
from collections.abc import Iterable
from typing import Any

from samebit.folders import naming
from samebit.folders.folder import RunFolder
from samebit.folders.media import logged_media, media_of, unwritten
from samebit.folders.read import View, read_run
from samebit.journal.writer import Writer
from samebit.objects.store import Store
from samebit.records import ExecutionEnd, ExecutionStart

DIGEST = "blake3:" + "{:064x}"
_S = 1_000_000_000


def promise(name: str, step: int, of: int = 1, kind: str = "image") -> dict[str, Any]:
    return {"name": name, "step": step, "kind": kind, "of": of}


def thing(name: str, step: int, number: int, at: int = 0, of: int = 1, **more: Any) -> Any:
    said = {"at": at, "type": "image/png", "object": DIGEST.format(number), "size_bytes": 3}
    return {**promise(name, step, of), **said, "exact": True, "kept": True, "about": {}, **more}


def write(run: RunFolder, facts: Iterable[Any], rank: str = "0") -> None:
    writer = Writer(run.journal, run.id, rank)
    for fact in facts:
        writer.fact("media", fact)
    writer.close()


def begun(run: RunFolder) -> RunFolder:
    run.begin_execution(ExecutionStart(0, time.time_ns(), "script", ("a.py",), "/project"))
    return run


def ended(run: RunFolder) -> View:
    run.end_execution(1, ExecutionEnd(time.time_ns(), "killed", signal="SIGKILL"))
    return read_run(run)


def numbers(view: View) -> dict[str, list[tuple[int, int]]]:
    return {
        name: [(fact["step"], int(fact["object"][-6:], 16)) for fact in facts]  # type: ignore
        for name, facts in media_of(view).items()
    }


def test_what_was_logged_and_not_written_is_told_by_name_and_step(run: RunFolder) -> None:
    write(
        begun(run),
        [
            promise("a", 1, of=2),
            thing("a", 1, 1, of=2),
            thing("a", 1, 2, at=1, of=2),
            promise("a", 2, of=2),
            thing("a", 2, 3, at=1, of=2),
            promise("b\x1b", 7),
            promise("c", 8),
            {**promise("c", 8), "at": 0, "why": "NaN"},
            promise("a", 9, of=3),
        ],
    )
    assert not [line for line in read_run(run).missing if "media" in line]  # it may come
    view = ended(run)
    assert numbers(view) == {"a": [(1, 1), (1, 2), (2, 3)]}
    assert [line for line in view.missing if line.startswith("media")] == [
        "media: 5 things were logged and not written before the process ended: 'a' at step 2, "
        "'b\\x1b' at step 7 and 1 more place"
    ]


def test_logged_again_the_later_one_counts_also_where_it_was_not_written(run: RunFolder) -> None:
    write(
        begun(run),
        [
            promise("a", 1, of=3),
            *(thing("a", 1, at + 1, at=at, of=3) for at in range(3)),
            promise("b", 1),
            thing("b", 1, 9),
            promise("a", 1, of=2),
            thing("a", 1, 5, at=1, of=2),
        ],
    )
    view = ended(run)
    assert numbers(view) == {"a": [(1, 5)], "b": [(1, 9)]}
    assert unwritten(view.by_rank("media"))[0].startswith("media: 1 thing was logged")


def test_the_time_is_when_it_was_logged(run: RunFolder) -> None:
    writer = Writer(begun(run).journal, run.id)
    # The first is written last: the second one's promise was told before it was durable.
    writer.fact("media", promise("a", 1), 5 * _S)
    writer.fact("media", promise("a", 1), 6 * _S)
    writer.fact("media", thing("a", 1, 1), 5 * _S)
    writer.close()
    view = ended(run)
    assert numbers(view) == {}
    assert unwritten(view.by_rank("media"))


def test_of_a_name_the_lowest_rank_that_has_it_counts(run: RunFolder) -> None:
    begun(run)
    write(run, [promise("a", 1), thing("a", 1, 11), promise("b", 1), thing("b", 1, 12)], "1")
    write(run, [promise("a", 1), thing("a", 1, 1), promise("a", 2), thing("a", 2, 2)], "0")
    view = read_run(run)
    assert numbers(view) == {"a": [(1, 1), (2, 2)], "b": [(1, 12)]}
    assert numbers(view.at_rank("1")) == {"a": [(1, 11)], "b": [(1, 12)]}


def test_after_a_resume_media_count_as_rows_of_metrics_do(run: RunFolder) -> None:
    for number in (1, 2):
        run.begin_execution(ExecutionStart(0, time.time_ns(), "script", ("a.py",), "/project"))
        writer = Writer(run.journal, run.id)
        writer.fact("joined", {"rank": "0", "execution": number, "process": "p"})
        for step in range(1, 7) if number == 1 else range(4, 6):
            for name in ("a", "first") if number == 1 else ("a",):
                writer.fact("media", promise(name, step))
                writer.fact("media", thing(name, step, 10 * number + step))
                writer.row({name: step}, step)
        writer.close()
        run.end_execution(number, ExecutionEnd(time.time_ns(), "finished", 0))
    view = read_run(run)
    assert {name: column.steps for name, column in view.metrics.items()} == {
        name: [step for step, _ in found] for name, found in numbers(view).items()
    }
    assert numbers(view)["a"] == [(1, 11), (2, 12), (3, 13), (4, 24), (5, 25)]
    assert [step for step, _ in numbers(view.at_execution(1))["a"]] == [1, 2, 3, 4, 5, 6]


def test_a_fact_of_another_shape_is_left_out_and_said(run: RunFolder) -> None:
    odd: list[Any] = [
        thing("a", 1, 1, at=-1),
        {**promise("a", 1), "of": -1},
        {**promise("a", 1), "of": 1 << 40},
        thing("a", 1, 1, object="blake3:../../etc"),
        thing("a", 1, 1, object="blake3:" + "0" * 64 + "\n"),
        thing("a", 1, 1, caption=3),
        thing("a", 1, 1, about=[]),
        {"name": "a"},
        None,
    ]
    write(begun(run), [promise("a", 1), *odd, thing("a", 1, 3, at=5)])
    view = read_run(run)
    assert numbers(view) == {}
    assert len(view.odd) >= 5
    assert all("the fact 'media' has a shape" in line for line in view.odd)


def test_a_stranger_s_number_of_things_is_not_made(run: RunFolder) -> None:
    write(begun(run), [promise("a", 1, of=1 << 31)])
    view = ended(run)
    assert logged_media(view)["a", 1].of == 1 << 31
    assert "2,147,483,648 things" in view.missing[-1] or any(
        "2,147,483,648 things" in line for line in view.missing
    )


def test_what_is_kept_is_a_use_and_what_tables_name_are_parts_of_it(
    run: RunFolder, store: Any
) -> None:
    objects = Store(run.store)
    inside = objects.put(b"a picture")
    cell = (
        f'{{"media":{{"object":"{inside}"}}}}',
        f'"{DIGEST.format(5)}"',  # a text that reads like a name is none
        '{"media":{"object":"nonsense"}}',
        '{"media":3}',
    )
    rows = ",".join(f"[{one}]" for one in cell)
    table = objects.put(f'{{"columns":["a"],"rows":[{rows}]}}'.encode())
    broken = objects.put(b'{"rows": 3}')
    write(
        begun(run),
        [
            promise("a", 1),
            thing("a", 1, 1),
            thing("digest", 1, 2, kept=False),
            thing("t", 2, 0, object=table, kind="table"),
            thing("broken", 2, 0, object=broken, kind="table"),
        ],
    )
    view = read_run(run)
    found = {use.what: use for use in naming.uses(view, objects)}
    assert list(found) == [
        "image 'a' at step 1",
        "table 't' at step 2",
        "table 'broken' at step 2",
    ]
    assert found["table 't' at step 2"].parts == (("", table), ("row 0", inside))
    assert "damaged record" in found["table 'broken' at step 2"].missing
    assert {use.kind for use in found.values()} == {"media"}
    assert {DIGEST.format(1), table, broken} <= naming.named_by(run)
    assert inside in set(naming.reached_from(objects, [table]))
