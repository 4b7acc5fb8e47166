"""A model of Keras with our callback, on the backends that it has here."""

from pathlib import Path

import pytest

from tests.integrations.doors import WAYS, assert_comes_back, recorded, values

pytestmark = pytest.mark.slow  # starts of Keras and of its backends

SCRIPT = """
import os, sys
os.environ["KERAS_BACKEND"] = sys.argv[1]
import keras
import numpy as np
from samebit.integrations.keras import SamebitCallback

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(0.1),
                          keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse", metrics=["mae"])
data = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
model.fit(data, data[:, :1], batch_size=8, epochs=2, verbose=0,
          validation_data=(data, data[:, :1]), callbacks=[SamebitCallback(name="dense")])
"""


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize("way", WAYS)
def test_a_training_is_recorded_and_comes_back(tmp_path: Path, way: str, backend: str) -> None:
    project = recorded(tmp_path, SCRIPT, way, backend)
    view = project.last()
    assert view.name == "dense"
    assert list(values(view, "val_loss")) == [4, 8]
    assert list(values(view, "mae")) == [4, 8]
    config = view.facts["config"]
    assert (config["backend"], config["epochs"]) == (backend, 2)
    assert config["optimizer"]["class"] == "Adam"
    assert_comes_back(project)


def test_the_first_training_in_a_home_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras writes its settings there at its first import, and its replay finds them."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    project = recorded(tmp_path, SCRIPT, "samebit run", "torch")
    assert (home / ".keras" / "keras.json").exists()
    assert project.last().facts["settings"]["keras.floatx"] == "float32"
    assert_comes_back(project)
