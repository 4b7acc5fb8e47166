"""How a data loader is set, from a real one; asking settles nothing for the script."""

import multiprocessing

import pytest

from samebit.capture import loaders

torch = pytest.importorskip("torch")
data = torch.utils.data


def test_what_decides_the_batches_is_told() -> None:
    found = loaders.settings_of(data.DataLoader(range(8), batch_size=4, shuffle=True))
    assert found["class"] == "torch.utils.data.dataloader.DataLoader"
    assert (found["batch_size"], found["workers"], found["drop_last"]) == (4, 0, False)
    assert found["sampler"] == "torch.utils.data.sampler.RandomSampler"
    assert found["dataset"] == "builtins.range"
    assert "start_method" not in found
    assert "prefetch_factor" not in found  # None without workers


def test_workers_are_told_with_how_they_begin() -> None:
    loader = data.DataLoader(
        range(8), num_workers=2, persistent_workers=True, prefetch_factor=3, in_order=False
    )
    found = loaders.settings_of(loader)
    assert (found["workers"], found["persistent_workers"], found["prefetch_factor"]) == (2, True, 3)
    assert found["in_order"] is False
    assert found["start_method"] == multiprocessing.get_all_start_methods()[0]
    loader.multiprocessing_context = "spawn"
    assert loaders.settings_of(loader)["start_method"] == "spawn"


def test_the_start_method_is_not_settled_by_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    # As in a process of which no loader has begun yet.
    monkeypatch.setattr(multiprocessing.context._default_context, "_actual_context", None)
    loaders.settings_of(data.DataLoader(range(8), num_workers=2))
    assert multiprocessing.get_start_method(allow_none=True) is None


def test_a_loader_that_is_none_has_no_settings_but_its_class() -> None:
    class Odd:
        @property
        def num_workers(self) -> int:
            raise AssertionError("asked")

    assert list(loaders.settings_of(Odd())) == ["class"]
