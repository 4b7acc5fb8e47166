"""Stores of runs that nobody trained: records as our writers write them, a bit of everything."""

import math
import random
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samebit import places
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.media.drafts import draft
from samebit.media.given import Histogram, Image, Media, Table, Text
from samebit.objects.store import Store
from samebit.objects.tree import SourceFile, save_tree
from samebit.records import ExecutionEnd, ExecutionStart, Verdict
from samebit.trace.groups import GROUPS

SECOND = 1_000_000_000
TRACED = ("batch", "rng.torch", "hyper", "loss", "grad", "param")
PARTS_AT = 23  # the step at which the second of two traced runs is another one
# Each would do something, if it were taken for markup, an address or a direction of writing.
EVIL = (
    "<script>document.title='taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "\"><svg onload=alert('svg')>",
    "javascript:alert('link')",
    "</script><script>alert('end')</script>",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert('template')}",
    "' onmouseover='alert(1)",
    "\u202egnp.exe\u2066",
    "<b>bold\x1b[31m\x07",
    "a,b%2c",
    "__proto__",
    "constructor",
    "toString",
    "$float",
)


def new_store(project: Path) -> Path:
    return places.make_store(project / places.STORE_NAME)


def record(
    store: Path,
    *,
    name: str | None = None,
    config: Any = None,
    rows: Iterable[Mapping[str, Any]] = (),
    status: str | None = "finished",
    seed: int | None = None,
    group: str | None = None,
    argv: tuple[str, ...] = ("train.py",),
    console: str = "",
    sources: Mapping[str, bytes] | None = None,
    traced: int = 0,
    parts_at: int | None = None,
    seconds: float = 90.0,
    media: Mapping[str, Media] | None = None,
) -> RunFolder:
    """A run; without a status it is one of another machine that still goes on."""
    run = runs.begin(store, name=name, group=group)
    begun = time.time_ns() - int(seconds * SECOND)
    start = run.begin_execution(
        ExecutionStart(
            number=0,
            started_ns=begun,
            how="script",
            argv=argv,
            cwd=str(store.parent),
            host=socket.gethostname(),
            user="ada",
            seed=seed,
        )
    )
    writer = Writer(run.journal, run.id)
    if sources is not None:
        files = [SourceFile(path, "file", data) for path, data in sources.items()]
        tree, code = save_tree(Store(store), files)
        sizes = {"files": len(code.entries), "size_bytes": sum(map(len, sources.values()))}
        writer.fact("code", {"root": str(store.parent), "tree": tree, **sizes})
    if config is not None:
        writer.fact("config", config)
        writer.fact("config_sources", {"values": dict.fromkeys(config, "cli")})
    for step, values in enumerate(rows, 1):
        writer.row(values, step)
    _trace(writer, traced, parts_at)
    _log_media(writer, store, media or {})
    writer.close()
    if console:
        folder = run.console(start.number)
        folder.parent.mkdir(parents=True, exist_ok=True)
        path = folder if folder.suffix else folder / "0.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(console, encoding="utf-8")
    if status is not None:
        end = ExecutionEnd(begun + int(seconds * SECOND), status, 0 if status == "finished" else 1)
        run.end_execution(start.number, end)
    return run


def _trace(writer: Writer, steps: int, parts_at: int | None) -> None:
    """Fingerprints of some steps; from one of them on gradients and parameters are others."""
    if steps:
        writer.fact("trace", {"algorithm": "xxh3-128/8", "groups": list(GROUPS)})
    groups = [group for group in GROUPS if group in TRACED]
    mask = sum(1 << GROUPS.index(group) for group in groups)
    for count in range(1, steps + 1):
        has_parted = parts_at is not None and count >= parts_at
        digests = b"".join(
            (count * 64 + at + (1 << 40) * (has_parted and group in ("grad", "param"))).to_bytes(
                8, "big"
            )
            for at, group in enumerate(groups)
        )
        writer.trace(0, count, mask, digests)


def _log_media(writer: Writer, store: Path, media: Mapping[str, Media]) -> None:
    """Things beside numbers, by name, each at step 1."""
    for name, given in media.items():
        found = draft(given, lambda _: pytest.fail("nothing lies on a device"))
        made = found.make()
        fact = {"name": name, "step": 1, "kind": found.kind, "of": 1}
        writer.fact("media", fact)
        more = {"at": 0, "type": made.type, "object": Store(store).put(made.data)}
        more |= {"size_bytes": len(made.data), "exact": found.exact, "about": made.about}
        more |= {"caption": found.caption} if found.caption else {}
        writer.fact("media", fact | more)


def curve(chance: random.Random, steps: int, rate: float) -> list[dict[str, float]]:
    """A loss that goes down with some noise, and what goes up meanwhile."""
    rows: list[dict[str, float]] = []
    for step in range(steps):
        loss = 2.3 * math.exp(-rate * step / steps) + 0.08 * chance.random()
        rows.append({"loss": loss, "val/acc": 1 - loss / 2.5 + 0.02 * chance.random()})
    return rows


def sweep(store: Path, count: int, steps: int = 20) -> list[RunFolder]:
    """Runs as a search over learning rate, optimizer and depth leaves them, with several seeds."""
    chance = random.Random(0)
    found: list[RunFolder] = []
    for number in range(count):
        lr = [0.0001, 0.001, 0.01, 0.1][number // 5 % 4]
        config = {
            "lr": lr,
            "optimizer": ["adamw", "sgd"][number // 20 % 2],
            "model": {"depth": [6, 12, 24][number // 40 % 3], "width": 512},
            "batch_size": 64,
            "seed": number % 5,
        }
        if number % 3 == 0:
            config["dropout"] = 0.1
        rate = 4 - abs(math.log10(lr) + 2) + chance.random()
        failed = number % 11 == 10
        run = record(
            store,
            name=f"{['brave', 'calm', 'eager', 'kind'][number % 4]}-otter-{number}",
            config=config,
            rows=curve(chance, steps // 2 if failed else steps, rate),
            status="failed" if failed else "finished",
            seed=number % 5,
            seconds=30 + number,
        )
        if number % 4 == 0:
            grade = ["identical", "different", "close"][number // 4 % 3]
            run.add_note(
                "verdict", Verdict(grade, run.id, at_ns=time.time_ns(), scope=("20 steps",))
            )
        found.append(run)
    return found


def crossed(store: Path, seeds: int = 4) -> list[RunFolder]:
    """Two methods, each with every seed of the weights with every seed of the order; one failed."""
    chance = random.Random(6)
    found: list[RunFolder] = []
    for method, level in (("plain", 0.8), ("warmup", 0.84)):
        inits = [chance.gauss(0, 0.012) for _ in range(seeds)]
        orders = [chance.gauss(0, 0.006) for _ in range(seeds)]
        for init in range(seeds):
            for order in range(seeds):
                acc = level + inits[init] + orders[order] + chance.gauss(0, 0.003)
                run = record(
                    store,
                    name=f"{method}-{init}-{order}",
                    config={"method": method, "init_seed": init, "order_seed": order},
                    rows=[{"val/acc": acc * (step + 1) / 3} for step in range(3)],
                    status="failed" if (method, init, order) == ("warmup", 1, 2) else "finished",
                )
                found.append(run)
    return found


def odd_settings(store: Path, count: int = 30) -> list[RunFolder]:
    """Settings of a search that grew: long names, texts, none, other kinds; odd results."""
    chance = random.Random(8)
    long = "model.encoder.block_{}.attention.dropout_probability"
    return [
        record(
            store,
            name=f"odd-{number}",
            config={
                **{long.format(at): round(chance.random(), 3) for at in range(24)},
                "constant": 3,
                "tag": f"a-very-long-tag-of-the-run-number-{number}-and-more",
                "mixed": [1, "auto", None, [2, 1]][number % 4],
                "flag": number % 2 == 0,
                **({"momentum": 0.9} if number % 3 == 0 else {}),
            },
            rows=[
                {"acc": [math.nan, math.inf][number % 2] if number % 10 > 7 else chance.random()}
            ],
        )
        for number in range(count)
    ]


def traced_pair(store: Path) -> tuple[RunFolder, RunFolder]:
    """Two runs of one configuration and other code, whose traces part."""
    sources = {"train.py": b"lr = 0.1\nprint(lr)\n", "model.py": b"depth = 12\n"}
    config = {"lr": 0.1, "optimizer": "sgd"}
    rows = curve(random.Random(1), 40, 3.0)
    common = {"config": config, "seed": 1, "traced": 40, "rows": rows}
    console = "".join(f"step {step} loss {row['loss']:.4f}\n" for step, row in enumerate(rows))
    media: dict[str, Media] = {
        "samples": Image(np.zeros((8, 12, 3), np.uint8), caption="black"),
        "weights": Histogram(np.arange(100.0), bins=10),
        "answers": Table(["question", "answer"], [["<b>2 + 2</b>", 4]]),
        "said": Text("</pre><script>alert(1)</script>"),
    }
    more = {"sources": sources, "console": console, "media": media}
    first = record(store, name="first-twin", **more, **common)
    other = {**sources, "train.py": b"lr = 0.1\nlr *= 2\nprint(lr)\n"}
    second = record(store, name="second-twin", sources=other, parts_at=PARTS_AT, **common)
    return first, second


def hostile(store: Path) -> list[RunFolder]:
    """Runs that say, wherever a run can say something, what would harm a careless page."""
    return [
        record(
            store,
            name=evil,
            group=evil,
            config={
                **{evil: evil, "lr": 0.1 * at, "nested": {evil: [evil, {evil: 1}]}},
                "long": f"{' '.join(EVIL)} variant{at} {' '.join(EVIL)}",
            },
            rows=[{evil: 0.1 * step, "loss": float(step)} for step in range(4)],
            argv=("train.py", evil),
            console=f"{evil}\n" * 3,
            sources={f"{at}.py": f"# {evil}\n".encode()},
            status="failed" if at % 2 else "finished",
        )
        for at, evil in enumerate(EVIL, 1)
    ]
