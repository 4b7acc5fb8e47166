"""TensorBoard's page: its runs as files of events, and what somebody waits for in it."""

import random
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from page_bench import Making, Peer, free_port, losses_of, memory_mb, process

__all__ = ["TensorBoard"]

_BOXES = "deep('runs-data-table mat-checkbox input')"
_TICKS = "deep('line-chart-axis').map((one) => one.textContent).join()"
# The axes of an empty chart go from 0 to 1.
_DRAWN = f"/[1-9]\\d\\d/.test({_TICKS}.replace(/\\.\\d+/g, ''))"
_CRC32C = 0x82F63B78  # Castagnoli's, reversed
_WIDE = 3  # bytes in which each step is written: a varint may be longer than it must


class TensorBoard(Peer):
    """tensorboard, with its fast loader."""

    name = "tensorboard"

    def table(self) -> None:
        """The HParams page: paint, filter; how it sorts is two menus, and asks the same again."""
        folder = self.folder / "wide"
        making, runs = Making(self.sizes), self.sizes.runs
        for number in range(runs):
            making.check(number, runs)
            chance = random.Random(number)
            hyper = {f"key{at}": round(chance.random(), 4) for at in range(self.sizes.settings)}
            values = {f"metric{at}": chance.random() for at in range(self.sizes.metrics)}
            write_run(folder / f"run-{number}", hyper, values)
        making.told("tensorboard, runs")
        with self._served(folder) as (origin, pid):
            page = self.bench.open()
            loaded = self.count(page)
            many = (
                "texts('vaadin-grid-cell-content').filter((one) => /^run-/.test(one)).length > 10"
            )
            self.bench.tell(
                self.name,
                "first view, nothing read yet",
                [
                    self.bench.timed(
                        page, lambda: page.goto(f"{origin}/#hparams", wait_until="commit"), many
                    )
                ],
            )
            self.tell_size(page, pid, loaded)
            self.bench.several(
                self.name,
                "100 runs are seen",
                lambda _: self.bench.timed(page, lambda: page.reload(wait_until="commit"), many),
            )
            first = "texts('vaadin-grid-cell-content').filter((one) => /^run-/.test(one)).join()"

            def filtered(at: int) -> float:
                before = page.evaluate(first)
                box = page.locator("tf-hparams-query-pane input").nth(1)  # the most of one key
                box.fill(f"0.{5 - at}")
                there = f"{many} && {first} !== given.before"
                return self.bench.timed(page, lambda: box.press("Enter"), there, before=before)

            self.bench.several(self.name, "filter", filtered)
            page.close()

    def curves(self) -> None:
        """Of all runs, which somebody must choose where they are more than forty."""
        folder = self.folder / "long"
        making, curves = Making(self.sizes), self.sizes.curves
        for number in range(curves):
            making.check(number, curves)
            write_curve(folder / f"run-{number}", "loss", [*losses_of(number, self.sizes.points)])
        making.told("tensorboard, curves")
        for label, more in (("", []), (", every point", ["--samples_per_plugin", "scalars=0"])):
            with self._served(folder, *more) as (origin, pid):
                self._chosen(origin, pid, curves, f"curves{label}")
                if not label:
                    self._zoomed(origin)
                    self._lived(origin, folder)

    def _chosen(self, origin: str, pid: int, curves: int, what: str) -> None:
        def once(_: int) -> float:
            page = self.bench.open()
            loaded = self.count(page)
            try:
                return self._draw(page, origin)
            finally:
                print(f"tensorboard, {what}: {sum(loaded) / 1e6:.0f} MB, {memory_mb(pid)} MB held")
                page.close()

        self.bench.several(self.name, f"{curves} {what}", once)

    def _draw(self, page: Any, origin: str) -> float:
        """Seconds from going there until curves are drawn; where it has chosen no runs, all are."""
        began = time.monotonic()
        page.goto(f"{origin}/#timeseries", wait_until="commit")
        none = f"({_BOXES}.length > 10 && !{_BOXES}.some((one) => one.checked))"
        self.bench.wait(page, f"{_DRAWN} || {none}")
        if page.evaluate(none):
            began = time.monotonic()
            page.locator("runs-data-table mat-checkbox input").first.click(force=True)
            self.bench.wait(page, _DRAWN)
        return time.monotonic() - began

    def _at_curves(self, origin: str) -> Any:
        page = self.bench.open()
        self._draw(page, origin)
        return page

    def _zoomed(self, origin: str) -> None:
        """It enlarges what it has, and asks for nothing."""
        page = self._at_curves(origin)

        def zoomed(at: int) -> float:
            before = page.evaluate(_TICKS)
            there = f"{_TICKS} !== given.before"
            return self.bench.dragged(page, "line-chart-interactive-view", at, there, before=before)

        self.bench.several(self.name, "zoom, of what it has", zoomed)
        page.close()

    def _lived(self, origin: str, folder: Path) -> None:
        """A point far to the right, and its button for it until it has come."""
        page = self._at_curves(origin)
        again = page.locator("app-header-reload button, button.reload-button").first

        def lived(at: int) -> float:
            before = page.evaluate(_TICKS)
            began = time.monotonic()
            step = self.sizes.points * 2 ** (at + 1)
            write_curve(folder / "run-0", "loss", [0.5], first=step)
            while page.evaluate(_TICKS) == before:
                if time.monotonic() > began + self.sizes.longest_s:
                    raise TimeoutError("not there in time")
                # A press breaks off the one before.
                with page.expect_response("**/timeSeries", timeout=self.sizes.longest_s * 1000):
                    again.click()
                self.bench.wait(page, "true")
            return time.monotonic() - began

        self.bench.several(self.name, "a new point, and its button for it", lived)
        page.close()

    @contextmanager
    def _served(self, folder: Path, *more: str) -> Iterator[tuple[str, int]]:
        port = free_port()
        program = [sys.executable, "-m", "tensorboard.main"]
        command = [*program, "--logdir", str(folder), "--port", str(port), *more]
        with process(command, f"http://127.0.0.1:{port}/data/environment") as pid:
            yield f"http://127.0.0.1:{port}", pid


def write_run(folder: Path, hyper: dict[str, Any], values: dict[str, float]) -> None:
    """Hyper-parameters, and one value of each metric."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import summary_v2

    told = summary_v2.hparams_pb(hyper, trial_id=folder.name)
    many = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
    events = [
        Event(wall_time=time.time(), file_version="brain.Event:2"),
        Event(wall_time=time.time(), step=0, summary=told),
        Event(wall_time=time.time(), step=1, summary=Summary(value=many)),
    ]
    rows = [np.frombuffer(one.SerializeToString(), np.uint8)[None] for one in events]
    _write(folder, [_records(row) for row in rows])


def write_curve(folder: Path, tag: str, values: list[float], first: int = 0) -> None:
    """A value for each step from the first on; all events are equally long, so made at once."""
    from tensorboard.compat.proto.event_pb2 import Event

    told = Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString()
    name = tag.encode()
    inner = bytes([0x0A, len(name)]) + name + b"\x15"  # the tag, then a float
    value = b"\x0a" + bytes([len(inner) + 4]) + inner
    event = b"\x09" + struct.pack("<d", time.time()) + b"\x10" + bytes(_WIDE)
    event += b"\x2a" + bytes([len(value) + 4]) + value + bytes(4)
    rows = np.repeat(np.frombuffer(event, np.uint8)[None], len(values), axis=0)
    steps = first + np.arange(len(values))
    for byte in range(_WIDE):
        more = 0x80 if byte < _WIDE - 1 else 0
        rows[:, 10 + byte] = ((steps >> (7 * byte)) & 0x7F) | more
    rows[:, -4:] = np.array(values, "<f4").view(np.uint8).reshape(-1, 4)
    version = np.frombuffer(told, np.uint8)[None]
    _write(folder, [_records(version), _records(rows)])


def _write(folder: Path, parts: list[bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"events.out.tfevents.{time.time_ns()}.bench"
    (folder / name).write_bytes(b"".join(parts))


def _records(rows: Any) -> bytes:
    """Each row as a TFRecord: its length, that one's checksum, its bytes, their checksum."""
    count, size = rows.shape
    length = np.frombuffer(struct.pack("<Q", size), np.uint8)[None].repeat(count, axis=0)
    return np.hstack([length, _checked(length), rows, _checked(rows)]).tobytes()


def _checked(rows: Any) -> Any:
    """The masked CRC-32C of each row, as four bytes."""
    crc = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in rows.T:
        crc = _TABLE[(crc ^ column) & 0xFF] ^ (crc >> np.uint32(8))
    crc = ~crc
    masked = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)
    return masked.astype("<u4").view(np.uint8).reshape(-1, 4)


def _table() -> Any:
    found = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        found = np.where(found & 1, (found >> np.uint32(1)) ^ np.uint32(_CRC32C), found >> 1)
    return found.astype(np.uint32)


_TABLE = _table()
