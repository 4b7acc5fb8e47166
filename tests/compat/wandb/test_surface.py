"""Every name of wandb is here, or in the table of the guide with what happens."""

import json
import re
import subprocess

import pytest

import samebit.compat.wandb as wandb
from tests.compat.wandb.conftest import ROOT
from tests.compat.wandb.surface import ALL, NOT_OFFERED, REST


@pytest.mark.parametrize("name", [*ALL.split(), *REST.split()])
def test_a_name_is_there(name: str) -> None:
    getattr(wandb, name)


@pytest.mark.parametrize("name", NOT_OFFERED.split())
def test_a_name_that_is_not_offered_says_so(name: str) -> None:
    assert not hasattr(wandb, name)
    with pytest.raises(wandb.errors.UnsupportedError, match="is not offered by Samebit: "):
        getattr(wandb, name)


def test_the_guide_has_each_name() -> None:
    text = (ROOT / "docs" / "wandb.md").read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", text))))
    assert [n for n in [*ALL.split(), *NOT_OFFERED.split()] if n not in named] == []


@pytest.mark.slow
def test_the_names_are_those_of_the_real_one(peers: str) -> None:
    text = "import json, wandb; print(json.dumps([wandb.__version__, wandb.__all__]))"
    done = subprocess.run([peers, "-c", text], capture_output=True, text=True, check=True)
    version, names = json.loads(done.stdout.splitlines()[-1])
    assert version.startswith("0.")
    assert [name for name in names if not hasattr(wandb, name)] == []
    if version == wandb.__version__:
        assert sorted(names) == sorted(ALL.split())
