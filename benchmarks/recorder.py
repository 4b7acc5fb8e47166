"""What the recorder takes of a training step, for three kinds of model.

Blocks of steps in which torch's hooks tell a recording stand between blocks in which nobody
listens, in one process and with torch's usual threads. Two figures: the time spent inside the
hooks (rare full rows counted as often as they come), and the wall time of neighbouring blocks
against each other (everything included, and as noisy as the machine).
"""

import itertools
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
from measure import clock

from samebit.session import hooks
from samebit.session.recording import Recording

TARGET = 0.03
TARGET_STEP_MS = 25
WARM_UP = 60  # steps: the first ten are traced in full, then k settles
MIN_BLOCK = 8
ROUNDS = 5  # at least, however long they take


@dataclass(frozen=True)
class Model:
    """A training to be measured, and how long it may take."""

    name: str
    steps: Callable[[], Iterator[None]]
    seconds: float


@dataclass(frozen=True)
class Figures:
    """What was measured of one model; times in milliseconds."""

    off: float
    inside: float  # a step, full rows in their share
    cheap: float  # a step that is not traced in full
    full: float  # one that is
    k: int
    wall: list[float]  # ratios of neighbouring blocks


def main() -> None:
    """Print the table."""
    rows: list[list[str]] = []
    inside_ms: dict[str, float] = {}
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        for model in MODELS:
            of = _measure(model, folder / model.name)
            inside_ms[model.name] = of.inside
            low, high = measure.quartiles(of.wall)
            rows.append(
                [
                    model.name,
                    f"{of.off:.2f}",
                    f"{of.inside:.3f}",
                    f"{of.inside / of.off:.2%}",
                    f"{of.cheap:.3f}" if of.k else "–",
                    f"{of.full:.3f}",
                    str(of.k),
                    f"{statistics.median(of.wall) - 1:+.2%} ({low - 1:+.2%} to {high - 1:+.2%})",
                ]
            )
    head = ["ms a step", "step", "in hooks", "share", "cheap row", "full row", "k", "wall, blocks"]
    measure.print_table(head, rows)
    print("k: past step 10, each 2^k-th step is traced in full; wall: median (quartiles).")
    # A busy machine makes the step longer, and a share of it would flatter us.
    share = inside_ms["CNN"] / TARGET_STEP_MS
    print(
        f"Target: under {TARGET:.0%} of a {TARGET_STEP_MS} ms step; "
        f"the CNN's {inside_ms['CNN']:.3f} ms are {share:.2%} of it. {measure.load()}"
    )


class Timed:
    """A guard of the hooks that remembers how long each step's hooks took."""

    def __init__(self, guard: Any) -> None:
        self._guard = guard
        self.spent = 0

    def run(self, source: str, method: str, args: tuple[Any, ...]) -> None:
        """Pass on what happened."""
        began = clock()
        self._guard.run(source, method, args)
        self.spent += clock() - began


def _measure(model: Model, folder: Path) -> Figures:
    recording = measure.new_recording(folder)
    step = model.steps()
    timed = _listen(recording)
    for _ in range(WARM_UP):
        next(step)
    (known,) = recording.recorder._optimizers.values()
    off: list[float] = []
    cheap: list[float] = []
    full: list[float] = []
    wall: list[float] = []
    ends = clock() + model.seconds * 1e9
    while clock() < ends or len(wall) < ROUNDS:
        length = max(MIN_BLOCK, 1 << known.pace.k)  # so that each block has its full row
        hooks.install(None)
        before = _block(step, length)
        timed = _listen(recording)
        during: list[float] = []
        for _ in range(length):
            spent = timed.spent
            during += _block(step, 1)
            taken = (timed.spent - spent) / 1e6
            (full if known.last_full == known.count else cheap).append(taken)
        off += before
        wall.append(statistics.mean(during) / statistics.mean(before))
    hooks.install(None)
    recording.writer.close()
    rarely = 1 / (1 << known.pace.k)
    cheap_median = statistics.median(cheap) if cheap else 0.0  # with k = 0 every row is full
    inside = statistics.median(full) * rarely + cheap_median * (1 - rarely)
    return Figures(
        statistics.median(off),
        inside,
        cheap_median,
        statistics.median(full),
        known.pace.k,
        wall,
    )


def _listen(recording: Recording) -> Timed:
    hooks.install(recording)
    timed = Timed(hooks._Guard.current)
    hooks._Guard.current = timed  # pyright: ignore
    return timed


def _block(step: Iterator[None], length: int) -> list[float]:
    times: list[float] = []
    for _ in range(length):
        began = clock()
        next(step)
        times.append((clock() - began) / 1e6)
    return times


def _train(
    model: Any, optimizer: Any, inputs: Any, targets: Any, batch: int, flat: bool = False
) -> Iterator[None]:
    """An ordinary loop over a shuffling loader, for ever."""
    import torch

    data = torch.utils.data.TensorDataset(inputs, targets)
    loader = torch.utils.data.DataLoader(data, batch_size=batch, shuffle=True, drop_last=True)
    while True:
        for x, y in loader:
            optimizer.zero_grad()
            output = model(x)
            if flat:
                output, y = output.flatten(0, 1), y.flatten()
            loss = torch.nn.functional.cross_entropy(output, y)
            loss.backward()
            optimizer.step()
            yield


def _mlp() -> Iterator[None]:
    import torch

    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
    model.append(nn.Linear(256, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return _train(model, optimizer, torch.randn(4096, 784), torch.randint(10, (4096,)), batch=128)


def cnn() -> tuple[Any, Any, Any, Any]:
    """A small CNN, its optimizer, inputs and targets; a step of 64 takes about 25 ms."""
    import torch

    nn = torch.nn
    torch.manual_seed(0)
    channels = (3, 32, 64, 64, 128)
    model = nn.Sequential()
    for ins, outs in itertools.pairwise(channels):
        model.extend([nn.Conv2d(ins, outs, 3, padding=1), nn.BatchNorm2d(outs), nn.ReLU()])
        model.append(nn.MaxPool2d(2))
    model.extend([nn.Flatten(), nn.Linear(128 * 4, 10)])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return model, optimizer, torch.randn(2048, 3, 32, 32), torch.randint(10, (2048,))


def _cnn() -> Iterator[None]:
    return _train(*cnn(), batch=64)


def _transformer() -> Iterator[None]:
    import torch

    nn = torch.nn
    torch.manual_seed(0)
    width, words = 256, 1000
    layer = nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True)
    model = nn.Sequential(nn.Embedding(words, width), nn.TransformerEncoder(layer, 4))
    model.append(nn.Linear(width, words))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    inputs = torch.randint(words, (512, 64))
    return _train(model, optimizer, inputs, inputs.roll(-1, 1), batch=12, flat=True)


MODELS = (
    Model("MLP", _mlp, 15),
    Model("CNN", _cnn, 30),
    Model("transformer", _transformer, 60),
)


if __name__ == "__main__":
    main()
