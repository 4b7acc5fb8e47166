"""What the recorder takes of a training step, for three kinds of model.

Blocks of steps in which torch's hooks tell a recording stand between blocks in which nobody
listens, in one process and with torch's usual threads. Two figures: the time spent inside the
hooks (rare full rows counted as often as they come), and the wall time of neighbouring blocks
against each other (everything included, and as noisy as the machine). Where there is a CUDA device
the models are trained on it as well: hooks are then the host's time, and the wall has the rest; and
the digests of its memory stand against a sum that reads the same. SAMEBIT_BENCH_DEVICE=cuda leaves
the processor's out.
"""

import itertools
import os
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import measure
from measure import clock

from samebit.session import hooks, telling
from samebit.session.recording import Recording

DEVICE = os.environ.get("SAMEBIT_BENCH_DEVICE", "")
TARGET = 0.03
TARGET_STEP_MS = 25
WARM_UP = 60  # steps: the first ten are traced in full, then k settles
MIN_BLOCK = 8
ROUNDS = 5  # at least, however long they take


@dataclass(frozen=True)
class Model:
    """A training to be measured, and how long it may take."""

    name: str
    steps: Callable[[str], Iterator[None]]
    seconds: float
    device: str = "cpu"


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
        for model in _models():
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
    for name, inside in inside_ms.items():
        if name.startswith("CNN"):
            share = inside / TARGET_STEP_MS
            print(
                f"Target: under {TARGET:.0%} of a {TARGET_STEP_MS} ms step; "
                f"the {name}'s {inside:.3f} ms are {share:.2%} of it. {measure.load()}"
            )
    _print_digests()


def _models() -> list[Model]:
    import torch

    if not torch.cuda.is_available():
        return list(MODELS)
    on_it = [replace(m, name=f"{m.name} on GPU", device="cuda") for m in [*MODELS, LARGE]]
    return on_it if DEVICE == "cuda" else [*MODELS, *on_it]


def _print_digests() -> None:
    """GB/s of TF128 where it is computed, against a sum that reads the same memory."""
    import torch

    from samebit.trace import tf128

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu", 0)
    layers = [torch.randn(n, device=device) for n in [1 << 24] * 3 + [1 << 10] * 200]
    lines = [tf128.words(layer) for layer in layers]
    layout = tf128.Layout([4 * len(line) for line in lines], device)
    places = tf128.weights(torch, device)
    out = torch.empty((len(lines), 2), dtype=torch.int64, device=device)
    ways: dict[str, Callable[[], object]] = {
        "a sum": lambda: [line.sum() for line in lines],
        "TF128, torch": lambda: tf128.sums(layout, lines, places, out),
    }
    if device.type == "cuda":
        from samebit.trace import kernel

        addresses = torch.tensor([line.data_ptr() for line in lines], device=device)
        ways["TF128, one kernel"] = lambda: kernel.sums(layout, addresses, places, out)
    rows: list[list[str]] = []
    reading = 0.0
    for name, way in ways.items():
        taken = min(_timed(way) for _ in range(7))
        reading = reading or taken
        rows.append([name, f"{sum(layout.sizes) / taken / 1e9:.1f}", f"{taken / reading:.1f}"])
    measure.print_table([f"203 arrays on {device}", "GB/s", "times a sum"], rows)


def _timed(way: Callable[[], object]) -> float:
    began = clock()
    way()
    _wait()
    return (clock() - began) / 1e9


def _wait() -> None:
    """Until the device has done what it was told; nothing where there is none, or it sleeps."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


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
    step = model.steps(model.device)
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
        # A step on a device returns before it is done: only the block has its whole time.
        off += before if model.device == "cpu" else [statistics.mean(before)]
        wall.append(statistics.mean(during) / statistics.mean(before))
    hooks.install(None)
    recording.recorder.close()
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
    hooks.install(recording.listener)
    timed = Timed(telling.Guard.current)
    telling.Guard.current = timed  # pyright: ignore
    return timed


def _block(step: Iterator[None], length: int) -> list[float]:
    times: list[float] = []
    for left in reversed(range(length)):
        began = clock()
        next(step)
        if not left:
            _wait()
        times.append((clock() - began) / 1e6)
    return times


def _train(
    model: Any,
    optimizer: Any,
    inputs: Any,
    targets: Any,
    batch: int,
    device: str,
    flat: bool = False,
) -> Iterator[None]:
    """An ordinary loop over a shuffling loader, for ever."""
    import torch

    data = torch.utils.data.TensorDataset(inputs, targets)
    loader = torch.utils.data.DataLoader(data, batch_size=batch, shuffle=True, drop_last=True)
    while True:
        for x, y in loader:
            x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
            optimizer.zero_grad()
            output = model(x)
            if flat:
                output, y = output.flatten(0, 1), y.flatten()
            loss = torch.nn.functional.cross_entropy(output, y)
            loss.backward()
            optimizer.step()
            yield


def _mlp(device: str) -> Iterator[None]:
    import torch

    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
    model.append(nn.Linear(256, 10)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    inputs, targets = torch.randn(4096, 784), torch.randint(10, (4096,))
    return _train(model, optimizer, inputs, targets, 128, device)


def cnn(device: str = "cpu") -> tuple[Any, Any, Any, Any]:
    """A small CNN, its optimizer, inputs and targets; a step of 64 takes about 25 ms."""
    import torch

    nn = torch.nn
    torch.manual_seed(0)
    channels = (3, 32, 64, 64, 128)
    model = nn.Sequential()
    for ins, outs in itertools.pairwise(channels):
        model.extend([nn.Conv2d(ins, outs, 3, padding=1), nn.BatchNorm2d(outs), nn.ReLU()])
        model.append(nn.MaxPool2d(2))
    model.extend([nn.Flatten(), nn.Linear(128 * 4, 10)]).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return model, optimizer, torch.randn(2048, 3, 32, 32), torch.randint(10, (2048,))


def _cnn(device: str) -> Iterator[None]:
    return _train(*cnn(device), 64, device)


def _transformer(device: str) -> Iterator[None]:
    return _encoder(device, width=256, depth=4, words=1000, length=64, batch=12)


def _large(device: str) -> Iterator[None]:
    return _encoder(device, width=768, depth=12, words=32000, length=512, batch=16)


def _encoder(
    device: str, width: int, depth: int, words: int, length: int, batch: int
) -> Iterator[None]:
    import torch

    nn = torch.nn
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(width, width // 64, 4 * width, batch_first=True)
    model = nn.Sequential(nn.Embedding(words, width), nn.TransformerEncoder(layer, depth))
    model.append(nn.Linear(width, words)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    inputs = torch.randint(words, (512, length))
    return _train(model, optimizer, inputs, inputs.roll(-1, 1), batch, device, flat=True)


MODELS = (
    Model("MLP", _mlp, 15),
    Model("CNN", _cnn, 30),
    Model("transformer", _transformer, 60),
)
LARGE = Model("transformer of 134 million", _large, 40)  # parameters; a step of 8,192 words


if __name__ == "__main__":
    main()
