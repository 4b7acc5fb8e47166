"""Waiting for modules: told once, after their code, and invisible to them."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from samebit.capture import importing
from samebit.capture.importing import no_longer, on_trouble, when_imported


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to import from; modules of it are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("later_")]:
        del sys.modules[name]
    on_trouble(lambda source, error: None)


def test_a_module_that_is_there_is_told_at_once() -> None:
    seen: list[ModuleType] = []
    when_imported("json", seen.append)
    import json

    assert seen == [json]


def test_a_module_is_told_once_when_its_code_has_run(fresh: Path) -> None:
    (fresh / "later_a.py").write_text("value = 1\n")
    seen: list[int] = []
    when_imported("later_a", lambda module: seen.append(module.value))
    when_imported("later_a", lambda module: seen.append(-module.value))
    assert seen == []
    module = importlib.import_module("later_a")
    assert seen == [1, -1]
    importlib.reload(module)
    assert seen == [1, -1]


def test_a_callback_waits_once_and_no_longer_than_it_is_to(fresh: Path) -> None:
    (fresh / "later_g.py").write_text("")
    seen: list[ModuleType] = []
    others: list[ModuleType] = []
    take = others.append
    for callback in (seen.append, seen.append, take):
        when_imported("later_g", callback)
    no_longer(take)
    module = importlib.import_module("later_g")
    assert (seen, others) == ([module], [])


def test_a_module_sees_its_own_loader(fresh: Path) -> None:
    (fresh / "later_b.py").write_text(
        "import importlib.machinery as m\n"
        "assert type(__loader__) is m.SourceFileLoader is type(__spec__.loader)\n"
        "source = __loader__.get_source(__name__)\n"
    )
    when_imported("later_b", lambda module: None)
    found = importlib.util.find_spec("later_b")
    assert found is not None
    assert found.loader.get_source("later_b").startswith("import")
    module = importlib.import_module("later_b")
    assert module.source.startswith("import")
    assert type(module.__spec__.loader) is importlib.machinery.SourceFileLoader


def test_packages_and_their_parts_are_told_inside_out(fresh: Path) -> None:
    (fresh / "later_c").mkdir()
    (fresh / "later_c/__init__.py").write_text("from later_c import part\nwhole = True\n")
    (fresh / "later_c/part.py").write_text("")
    seen: list[str] = []
    for name in ("later_c", "later_c.part"):
        when_imported(name, lambda module: seen.append(module.__name__))
    importlib.import_module("later_c.part")
    assert seen == ["later_c.part", "later_c"]


def test_a_module_that_is_still_loading_is_told_when_it_is_whole(fresh: Path) -> None:
    (fresh / "later_d.py").write_text(
        "from samebit.capture.importing import when_imported\n"
        "seen = []\n"
        "when_imported('later_d', lambda module: seen.append(module.whole))\n"
        "whole = True\n"
    )
    module = importlib.import_module("later_d")
    assert module.seen == []  # nobody waited when it began, so it is met the next time
    importlib.reload(module)


def test_a_module_that_fails_fails_as_ever_and_is_told_when_it_succeeds(fresh: Path) -> None:
    path = fresh / "later_e.py"
    path.write_text("1 / 0\n")
    seen: list[ModuleType] = []
    when_imported("later_e", seen.append)
    with pytest.raises(ZeroDivisionError) as raised:
        importlib.import_module("later_e")
    assert not any("samebit/capture" in str(entry.path) for entry in raised.traceback)
    assert (seen, "later_e" in sys.modules) == ([], False)
    path.write_text("1 / 1.0\n")
    importlib.invalidate_caches()
    assert importlib.import_module("later_e") is seen[0]


def test_what_a_callback_raises_is_reported_and_never_reaches_the_script(fresh: Path) -> None:
    (fresh / "later_f.py").write_text("")
    told: list[tuple[str, str]] = []
    on_trouble(lambda source, error: told.append((source, str(error))))

    def fail(module: ModuleType) -> None:
        raise ValueError("ours")

    seen: list[ModuleType] = []
    when_imported("later_f", fail)
    when_imported("later_f", seen.append)
    importlib.import_module("later_f")
    assert told == [("import of later_f", "ours")]
    assert len(seen) == 1


def test_a_module_that_is_not_there_stays_away(fresh: Path) -> None:
    when_imported("later_g", lambda module: None)
    assert importlib.util.find_spec("later_g") is None
    with pytest.raises(ModuleNotFoundError, match="later_g"):
        importlib.import_module("later_g")


def test_other_finders_of_any_kind_are_asked(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        """As some tools still have: without find_spec."""

    (fresh / "later_h.py").write_text("")
    seen: list[ModuleType] = []
    when_imported("later_h", seen.append)
    monkeypatch.setattr(sys, "meta_path", [sys.meta_path[0], Old(), *sys.meta_path[1:]])
    importlib.import_module("later_h")
    assert len(seen) == 1


def test_a_finder_is_put_in_only_when_somebody_waits() -> None:
    watcher = importing._watcher
    when_imported("later_i", lambda module: None)
    assert sys.meta_path.count(watcher) == 1
    when_imported("later_i", lambda module: None)
    assert sys.meta_path.count(watcher) == 1
