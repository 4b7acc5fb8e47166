"""What the pages of `page_peers.py` have in common: how they are started, used and timed."""

import math
import os
import random
import signal
import socket
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import measure

import page as ours

ROUNDS = 3
LONGEST_START_S = 400.0
# Finds elements in shadow roots, too, of which TensorBoard is made.
DEEP = """
window.deep = (select, root = document) => {
  const found = [...root.querySelectorAll(select)];
  for (const one of root.querySelectorAll('*')) {
    if (one.shadowRoot) found.push(...deep(select, one.shadowRoot));
  }
  return found;
};
window.texts = (select) => deep(select).map((one) => one.textContent.trim());
"""


class Sizes(NamedTuple):
    """What is made, and how long anything may take, in seconds."""

    runs: int
    curves: int
    points: int
    settings: int = 50
    metrics: int = 20
    longest_s: float = 400.0  # that anything is waited for
    making_s: float = math.inf  # that the data of one of them is made


class Bench:
    """A browser, and the lines of a table."""

    def __init__(self, browser: Any, sizes: Sizes) -> None:
        self.browser = browser
        self.sizes = sizes
        self.lines: list[list[str]] = []

    def open(self) -> Any:
        """A page that knows nothing yet."""
        page = self.browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(self.sizes.longest_s * 1000)
        page.add_init_script(ours.WAIT + DEEP)
        return page

    def timed(self, page: Any, act: Callable[[], Any], there: str, **given: Any) -> float:
        """Seconds from an action until something is there."""
        began = time.monotonic()
        act()
        self.wait(page, there, **given)
        return time.monotonic() - began

    def wait(self, page: Any, there: str, **given: Any) -> None:
        """Until something is there and drawn; an error where that takes too long."""
        page.evaluate(
            f"""([given, longest]) => Promise.race([window.whenThere(() => ({there})),
                new Promise((_, no) => setTimeout(() => no(new Error('not there in time')),
                  longest))])""",
            [given, 1000 * self.sizes.longest_s],
        )

    def dragged(self, page: Any, over: str, at: int, there: str, **given: Any) -> float:
        """Seconds from letting go of a part of a chart until something is there."""
        box = page.locator(over).first.bounding_box()
        # TensorBoard takes a line for nothing.
        top, bottom = (box["y"] + box["height"] * share for share in (0.3, 0.7))
        left, right = (box["x"] + box["width"] * share for share in (0.2, 0.8 - 0.05 * at))
        page.mouse.move(left, top)
        page.mouse.down()
        page.mouse.move(right, bottom, steps=5)
        return self.timed(page, page.mouse.up, there, **given)

    def tell(self, who: str, what: str, times: list[float]) -> None:
        """A line, printed at once: this takes long."""
        times = sorted(times)
        text = f"{statistics.median(times):.2f} s" if times else "not within the time"
        self.lines.append([who, what, text])
        print(f"{who:28} {what:34} {text}  {[round(one, 2) for one in times]}", flush=True)

    def several(self, who: str, what: str, once: Callable[[int], float]) -> None:
        """The same a few times; where it fails, that is told."""
        times: list[float] = []
        try:
            for at in range(ROUNDS):
                times.append(once(at))
        except Exception as error:  # a page that does not come is a finding
            print(f"{who}, {what}: {str(error).splitlines()[0][:200]}", flush=True)
        self.tell(who, what, times)


class GivenUp(Exception):
    """Its data is not there in the time."""


class Making:
    """Looks at the clock while the data of one of them is made."""

    def __init__(self, sizes: Sizes) -> None:
        self._began = time.monotonic()
        self._longest_s = sizes.making_s

    def check(self, done: int, of: int) -> None:
        """GivenUp where it takes too long."""
        taken = time.monotonic() - self._began
        if taken > self._longest_s:
            raise GivenUp(f"given up after {taken:.0f} s, with {done:,} of {of:,} runs made")

    def told(self, what: str) -> None:
        """How long it took."""
        print(f"{what}: made in {time.monotonic() - self._began:.0f} s", flush=True)


class Peer:
    """One of them: how its runs are made, how it is started, what is waited for."""

    name = ""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.sizes = bench.sizes
        self.folder = folder / self.name
        self.folder.mkdir(exist_ok=True)

    def tell_size(self, page: Any, pid: int, loaded: list[int]) -> None:
        """What came over the wire for the first view, and the memory of its processes."""
        page.wait_for_timeout(1000)
        print(f"{self.name}: {sum(loaded) / 1e6:.2f} MB over the wire, ", end="")
        print(f"{memory_mb(pid)} MB of memory in its server's processes", flush=True)

    @staticmethod
    def count(page: Any) -> list[int]:
        """Counts what comes from now on, in bytes as they are sent."""
        loaded: list[int] = []
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on(
            "Network.loadingFinished", lambda told: loaded.append(int(told["encodedDataLength"]))
        )
        return loaded


def losses_of(number: int, points: int) -> Iterator[float]:
    chance = random.Random(number)
    return (math.exp(-step / 30_000) + 0.1 * chance.random() for step in range(points))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def process(command: list[str], until: str) -> Iterator[int]:
    """A server in a group of its own, from when it answers on until it is told to end."""
    env = measure.child_environment(MLFLOW_DISABLE_TELEMETRY="true")
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, env=env, stdout=quiet, stderr=quiet, start_new_session=True
    ) as one:
        began = time.monotonic()
        try:
            while time.monotonic() < began + LONGEST_START_S:
                with suppress(OSError), urllib.request.urlopen(until, timeout=5):
                    break
                time.sleep(0.1)
            print(f"{Path(command[0]).name}: answers after {time.monotonic() - began:.1f} s")
            yield one.pid
        finally:
            os.killpg(one.pid, signal.SIGTERM)


def memory_mb(group: int) -> int:
    """What the processes of a session hold, in megabytes of RSS."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ProcessLookupError, IndexError):
            if os.getsid(int(folder.name)) == group:
                lines = (folder / "status").read_text().splitlines()
                held = next((line for line in lines if line.startswith("VmRSS")), "VmRSS: 0 kB")
                total += int(held.split()[1])
    return total // 1000
