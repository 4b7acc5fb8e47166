"""What `run.trace` and the rounds of boosting take, as shares of a step that is not torch's.

Time inside our part of a step is taken beside the step itself, in one process. For boosting, whole
trainings with and without a listener take turns, because a round cannot be timed from outside.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
from measure import clock

from samebit.session import hooks, telling
from samebit.session.run import Run

TARGET = 0.03
STEPS = 400
SETTLED = 100  # steps: the first ten rows are full, then k settles
TURNS = 5
BOOSTING_ROUNDS = 200

Trace = Callable[..., None]


@dataclass(frozen=True)
class Figures:
    """What was measured of one loop; times in milliseconds."""

    step: float
    inside: float  # a step's, full rows in their share
    cheap: float  # of a row that is not full, or the median of all
    wall: str


def main() -> None:
    """Print the table."""
    rows: list[list[str]] = []
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        for name, loop in LOOPS.items():
            rows.append(_row(name, _by_hand(loop, folder / name.replace(" ", "-"))))
        for name, fit in BOOSTERS.items():
            rows.append(_row(name, _boosting(fit(), folder / name)))
    measure.print_table(["ms a step", "step", "inside", "share", "cheap row", "wall, turns"], rows)
    print(
        f"Target: under {TARGET:.0%} of a step of 1 ms and more; below it a call is what it is: "
        f"10 to 50 µs. {measure.load()}"
    )


def _row(name: str, of: Figures) -> list[str]:
    share = f"{of.inside / of.step:.2%}"
    return [name, f"{of.step:.3f}", f"{of.inside:.4f}", share, f"{of.cheap:.4f}", of.wall]


def _by_hand(loop: Callable[[Trace], Iterator[None]], folder: Path) -> Figures:
    run = Run(measure.new_recording(folder), lambda *_: None)
    inside: list[float] = []
    steps: list[float] = []

    def trace(**given: Any) -> None:
        began = clock()
        run.trace(**given)
        inside.append((clock() - began) / 1e6)

    step = loop(trace)
    for _ in range(STEPS):
        began = clock()
        next(step)
        steps.append((clock() - began) / 1e6 - inside[-1])
    settled = inside[SETTLED:]
    return Figures(
        statistics.median(steps), statistics.mean(settled), statistics.median(settled), "–"
    )


class Timed:
    """A guard of the hooks that remembers how long they took, and how often."""

    def __init__(self, guard: Any) -> None:
        self._guard = guard
        self.rounds: list[float] = []

    def run(self, source: str, method: str, args: tuple[Any, ...]) -> Any:
        """Pass on what happened."""
        began = clock()
        found = self._guard.run(source, method, args)
        if method == "boosting_round":
            self.rounds.append((clock() - began) / 1e6)
        return found


def _boosting(fit: Callable[[], object], folder: Path) -> Figures:
    recording = measure.new_recording(folder)
    hooks.install(recording.listener)
    timed = Timed(telling.Guard.current)

    def listened() -> float:
        telling.Guard.current = timed  # pyright: ignore
        return _once(fit)

    def alone() -> float:
        telling.Guard.current = None
        return _once(fit)

    alone()
    turns = measure.take_turns({"alone": alone, "listened": listened}, TURNS)
    hooks.install(None)
    recording.writer.close()
    low, high = measure.quartiles(
        [a / b for a, b in zip(turns["listened"], turns["alone"], strict=True)]
    )
    ratio = measure.median_ratio(turns["listened"], turns["alone"])
    return Figures(
        statistics.median(turns["alone"]) / BOOSTING_ROUNDS,
        statistics.mean(timed.rounds),
        statistics.median(timed.rounds),
        f"{ratio - 1:+.2%} ({low - 1:+.2%} to {high - 1:+.2%})",
    )


def _once(fit: Callable[[], object]) -> float:
    began = clock()
    fit()
    return (clock() - began) / 1e6


def _numpy(trace: Trace) -> Iterator[None]:
    """Logistic regression on 784 features: a step of a tenth of a millisecond."""
    import numpy as np

    chance = np.random.default_rng(0)
    inputs, labels = chance.normal(size=(4096, 784)), chance.integers(0, 2, 4096)
    weights = np.zeros(784)
    while True:
        at = chance.integers(0, 4096, 128)
        batch, of = inputs[at], labels[at]
        out = 1 / (1 + np.exp(-batch @ weights))
        gradient = batch.T @ (out - of) / 128
        weights -= 0.1 * gradient
        trace(batch=(batch, of), loss=float(out.mean()), grads=gradient, params=weights)
        yield


def _jax(width: int) -> Callable[[Trace], Iterator[None]]:
    def loop(trace: Trace) -> Iterator[None]:
        import jax
        import jax.numpy as jnp
        import optax

        keys = jax.random.split(jax.random.key(0), 3)
        params = {
            f"layer {at}": {"w": jax.random.normal(key, (width, width)) / 32, "b": jnp.zeros(width)}
            for at, key in enumerate(keys)
        }
        optimizer = optax.adam(1e-3)
        state = optimizer.init(params)

        def loss_of(params: Any, batch: Any) -> Any:
            out = batch
            for layer in params.values():
                out = jnp.tanh(out @ layer["w"] + layer["b"])
            return ((out - batch) ** 2).mean()

        @jax.jit
        def train(params: Any, state: Any, batch: Any) -> Any:
            loss, grads = jax.value_and_grad(loss_of)(params, batch)
            updates, state = optimizer.update(grads, state, params)
            return optax.apply_updates(params, updates), state, loss, grads

        batches = [jax.random.normal(key, (128, width)) for key in jax.random.split(keys[0], 16)]
        while True:
            for batch in batches:
                params, state, loss, grads = jax.block_until_ready(train(params, state, batch))
                trace(
                    batch=batch,
                    loss=loss,
                    grads=grads,
                    params=params,
                    state=state,
                    hyper={"lr": 1e-3},
                )
                yield

    return loop


def _data() -> tuple[Any, Any]:
    import numpy as np

    chance = np.random.default_rng(0)
    inputs = chance.normal(size=(20_000, 30)).astype("float32")
    return inputs, (inputs[:, 0] * inputs[:, 1] > 0).astype("float32")


def _xgboost() -> Callable[[], object]:
    import xgboost

    train = xgboost.DMatrix(*_data())
    params = {"objective": "binary:logistic", "verbosity": 0}
    return lambda: xgboost.train(
        params, train, BOOSTING_ROUNDS, evals=[(train, "train")], verbose_eval=False
    )


def _lightgbm() -> Callable[[], object]:
    import lightgbm

    inputs, labels = _data()
    train = lightgbm.Dataset(inputs, labels, free_raw_data=False)
    params = {"objective": "binary", "verbose": -1, "force_row_wise": True}
    return lambda: lightgbm.train(params, train, BOOSTING_ROUNDS, valid_sets=[train])


LOOPS = {"NumPy": _numpy, "JAX 256": _jax(256), "JAX 1024": _jax(1024)}
BOOSTERS = {"XGBoost": _xgboost, "LightGBM": _lightgbm}


if __name__ == "__main__":
    main()
