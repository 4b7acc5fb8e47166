import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.capture.environment import (
    CLASSES,
    differences,
    for_replay,
    interpreter,
    packages,
    variable_class,
    variables,
)
from samebit.capture.installed import not_as_installed
from samebit.capture.secrets import MASK
from tests.strategies import plain_values


def install(folder: Path, name: str, **files: object) -> None:
    """Lay down what an installer leaves beside a package."""
    for file, content in files.items():
        path = folder / name / file.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def test_every_installed_distribution_is_listed_with_its_exact_version() -> None:
    listed = packages()["versions"]
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"].lower().replace("_", "-").replace(".", "-")
        assert listed[name] == distribution.version


def test_it_is_told_how_a_distribution_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "https://me:hunter2@example.org/a.git"
    told = {
        "here-1.0": {"url": "file:///here", "dir_info": {"editable": True}},
        "copied-1.0": {"url": "file:///there", "dir_info": {}},
        "from_git-1.0": {"url": url, "vcs_info": {"vcs": "git", "commit_id": "0a1b"}},
        "from_branch-1.0": {
            "url": url,
            "vcs_info": {"vcs": "git", "commit_id": "0a1b", "requested_revision": "main"},
            "subdirectory": "python",
        },
        "sdist-1.0": {"url": "file:///s.tar.gz", "archive_info": {"hashes": {"sha256": "1"}}},
        "wheel-1.0": {"url": "file:///w.whl", "archive_info": {"hash": "sha256=0"}},
    }
    for name, origin in told.items():
        install(tmp_path, f"{name}.dist-info", METADATA="", direct_url__json=origin)
    install(tmp_path, "index-1.0+cpu.dist-info", METADATA="")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    found = packages()
    assert found["versions"]["index"] == "1.0+cpu"
    assert found["origins"] == {
        "here": {"kind": "editable", "url": "file:///here"},
        "copied": {"kind": "folder", "url": "file:///there"},
        "from-git": {"kind": "git", "url": url.replace("hunter2", MASK), "commit": "0a1b"},
        "from-branch": {
            "kind": "git",
            "url": url.replace("hunter2", MASK),
            "commit": "0a1b",
            "revision": "main",
            "part": "python",
        },
        "sdist": {"kind": "archive", "url": "file:///s.tar.gz", "hash": "sha256=1"},
        "wheel": {"kind": "archive", "url": "file:///w.whl", "hash": "sha256=0"},
    }


def test_what_a_program_installed_stands_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, program in (("a", "pip\n"), ("b", "uv"), ("c", "pip\n")):
        install(tmp_path, f"{name}-1.0.dist-info", METADATA="", INSTALLER=program)
    install(tmp_path, "by_hand-1.0.dist-info", METADATA="")
    (tmp_path / "distro-1.0.egg-info").write_text("Name: distro\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert packages()["installers"] == {"pip": ["a", "c"], "uv": ["b"]}


def test_sources_that_are_only_linked_are_editable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, sources = tmp_path / "site", tmp_path / "sources"
    install(sources, "Old_One.egg-info", **{"PKG-INFO": "Name: Old-One\nVersion: 2.1\n"})
    site.mkdir()
    (site / "Old-One.egg-link").write_text(f"{sources}\n.")
    monkeypatch.setattr(sys, "path", [str(site), str(sources)])
    found = packages()
    assert found["versions"] == {"old-one": "2.1"}
    assert found["origins"] == {"old-one": {"kind": "editable", "url": f"file://{sources}"}}


def test_of_two_with_one_name_the_first_on_the_path_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editable = {"url": "file:///x", "dir_info": {"editable": True}}
    install(tmp_path / "a", "Some.Name-1.0.dist-info", METADATA="")
    install(tmp_path / "b", "some_name-1.0.dist-info", METADATA="", direct_url__json=editable)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "a"), str(tmp_path / "b")])
    assert packages()["versions"] == {"some-name": "1.0"}
    assert packages()["origins"] == {}
    monkeypatch.setattr(sys, "path", [str(tmp_path / "b"), str(tmp_path / "a")])
    assert packages()["origins"]["some-name"]["kind"] == "editable"


def test_eggs_are_read_and_what_a_failed_installation_left_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "developed.egg-info", **{"PKG-INFO": "Name: developed\nVersion: 2.1\n"})
    install(tmp_path, "old-0.9-py3.11.egg-info", **{"PKG-INFO": "Name: old\n"})
    install(tmp_path, "~umpy-1.0.dist-info", METADATA="")
    install(tmp_path, "hollow-1.0.dist-info", RECORD="")
    install(tmp_path, "odd-1.0.dist-info", METADATA="", direct_url__json="{not json")
    (tmp_path / "package.zip").write_bytes(b"PK")
    path = [str(tmp_path), str(tmp_path / "package.zip"), str(tmp_path / "gone")]
    monkeypatch.setattr(sys, "path", path)
    found = packages()
    assert found["versions"] == {"developed": "2.1", "odd": "1.0", "old": "0.9"}
    assert found["broken"] == ["hollow-1.0.dist-info", "~umpy-1.0.dist-info"]
    assert found["origins"] == {}


def test_conda_s_libraries_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "conda-meta", history="", **{"mkl-2024.0-h1_2__json": "{}"})
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert packages()["conda"] == ["mkl-2024.0-h1_2"]


def test_the_interpreter_says_how_it_was_started() -> None:
    code = (
        "from samebit.capture.environment import interpreter; import json;"
        "print(json.dumps(interpreter()))"
    )
    command = [sys.executable, "-O", "-X", "utf8", "-c", code]
    facts = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert facts["flags"]["optimize"] == 1
    assert facts["options"] == {"utf8": "True"}
    assert facts["version"] == "{}.{}.{}".format(*sys.version_info)
    assert facts["compiler"] in sys.version
    assert facts["build"] in sys.version
    assert facts["executable"] == sys.executable
    assert facts["prefix"] == sys.prefix
    assert interpreter()["path"] == sys.path


RESULT = """
SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_COUNT SLURM_CPUS_PER_TASK PBS_ARRAY_INDEX SGE_TASK_ID
PYTHONHASHSEED PYTHONOPTIMIZE PYTHONUTF8 OMP_NUM_THREADS MKL_CBWR MKL_NUM_THREADS KMP_AFFINITY
OPENBLAS_NUM_THREADS ATEN_CPU_CAPABILITY CUBLAS_WORKSPACE_CONFIG CUDNN_DETERMINISTIC
NVIDIA_TF32_OVERRIDE CUDA_LAUNCH_BLOCKING NCCL_ALGO NCCL_NVLS_ENABLE NVTE_FLASH_ATTN
TORCHINDUCTOR_MAX_AUTOTUNE TORCHDYNAMO_DISABLE TORCH_ALLOW_TF32_CUBLAS_OVERRIDE
PYTORCH_CUDA_ALLOC_CONF TOKENIZERS_PARALLELISM XLA_FLAGS JAX_ENABLE_X64 TF_DETERMINISTIC_OPS
LANG LC_ALL TZ HYDRA_FULL_ERROR ACCELERATE_MIXED_PRECISION HF_HUB_OFFLINE MPLBACKEND
"""
PLACE = """
RANK LOCAL_RANK WORLD_SIZE MASTER_ADDR MASTER_PORT TORCHELASTIC_RUN_ID CUDA_VISIBLE_DEVICES
SLURM_JOB_ID PBS_JOBID HOME USER TMPDIR PATH PYTHONPATH PYTHONHOME LD_LIBRARY_PATH LD_PRELOAD
VIRTUAL_ENV CONDA_PREFIX XDG_CACHE_HOME HF_HOME TORCH_HOME PWD NCCL_SOCKET_IFNAME NCCL_DEBUG
TORCH_NCCL_BLOCKING_WAIT TORCHINDUCTOR_CACHE_DIR TRITON_CACHE_DIR PIP_INDEX_URL UV_INDEX_URL
UV_DEFAULT_INDEX PIP_EXTRA_INDEX_URL
"""
SECRET = "WANDB_API_KEY HF_TOKEN AWS_SECRET_ACCESS_KEY SLURM_JWT CONDA_TOKEN PL_API_KEY DB_PASSWORD"
UNKNOWN = "SAMEBIT_DIR SAMEBIT_TOKEN EDITOR TF_VAR_region TF_CLI_CONFIG_FILE MY_DATA LANGUAGES"


@pytest.mark.parametrize(
    ("names", "expected"),
    [(RESULT, "result"), (PLACE, "place"), (SECRET, "secret"), (UNKNOWN, None)],
)
def test_each_variable_has_its_class(names: str, expected: str | None) -> None:
    assert {name: variable_class(name) for name in names.split()} == dict.fromkeys(
        names.split(), expected
    )


def test_no_pattern_of_the_classes_is_taken_for_a_secret() -> None:
    for patterns in CLASSES.values():
        for pattern in patterns:
            assert variable_class(pattern.replace("*", "X")) is not None
            assert variable_class(pattern.replace("*", "X")) != "secret"


def test_only_known_and_allowed_variables_are_kept_and_never_a_secret() -> None:
    environ = {
        "OMP_NUM_THREADS": "4",
        "HOME": "/home/me",
        "HF_TOKEN": "abc",
        "WANDB_API_KEY": "def",
        "EDITOR": "vi",
        "MY_DATA": "/data",
        "MY_URL": "https://me:hunter2@example.org",
        "SAMEBIT_TOKEN": "ghi",
        "PYTHONWARNINGS": "ghp_" + "aB3" * 12,
        "PIP_INDEX_URL": "https://me:hunter2@example.org/simple",
    }
    assert variables(environ, allow=["MY_*", "HF_TOKEN", "SAMEBIT_*"]) == {
        "HF_TOKEN": MASK,
        "HOME": "/home/me",
        "MY_DATA": "/data",
        "MY_URL": f"https://me:{MASK}@example.org",
        "OMP_NUM_THREADS": "4",
        "PIP_INDEX_URL": f"https://me:{MASK}@example.org/simple",
        "PYTHONWARNINGS": MASK,
    }


def test_a_replay_gets_the_recorded_result_variables_and_its_own_places() -> None:
    recorded = {
        "OMP_NUM_THREADS": "4",
        "PYTHONHASHSEED": "7",
        "HOME": "/home/author",
        "LANG": "C",
        "MY_DATA": "small",
        "HF_TOKEN": MASK,
        "MY_URL": f"https://me:{MASK}@h",
    }
    current = {
        "OMP_NUM_THREADS": "16",
        "MKL_CBWR": "AVX2",
        "HOME": "/home/verifier",
        "HF_TOKEN": "own",
        "LANG": "C",
        "EDITOR": "vi",
        "WANDB_MODE": "offline",
        "NEPTUNE_MODE": "offline",
        "SWANLAB_MODE": "offline",
        "CLEARML_OFFLINE_MODE": "1",
    }
    replay, said = for_replay(recorded, current)
    given_back = {"OMP_NUM_THREADS": "4", "PYTHONHASHSEED": "7", "MY_DATA": "small"}
    del current["MKL_CBWR"]
    assert replay == current | given_back
    assert said == [
        "MKL_CBWR unset, was 'AVX2'",
        "MY_DATA set to 'small'",
        "MY_URL is not set here, and its recorded value is a secret",
        "OMP_NUM_THREADS set to '4', was '16'",
        "PYTHONHASHSEED set to '7'",
    ]


def test_a_replay_tells_no_tracker_s_server() -> None:
    current = {"WANDB_MODE": "online", "MLFLOW_TRACKING_URI": "https://lab"}
    replay, said = for_replay({"WANDB_MODE": "online"}, current)
    assert replay == {
        "WANDB_MODE": "offline",
        "NEPTUNE_MODE": "offline",
        "CLEARML_OFFLINE_MODE": "1",
        "SWANLAB_MODE": "offline",
    }
    assert len(said) == 5
    assert "WANDB_MODE set to 'offline', so that the replay tells no server" in said


def test_a_tracker_that_was_silent_stays_as_it_was() -> None:
    replay, _ = for_replay({"WANDB_MODE": "disabled"}, {"WANDB_MODE": "online"})
    assert replay["WANDB_MODE"] == "disabled"


environments = st.dictionaries(
    st.sampled_from(["OMP_NUM_THREADS", "LANG", "HOME", "HF_TOKEN", "X", "WANDB_MODE", "RANK"]),
    st.text(max_size=4),
)


@given(environments, environments)
def test_a_replay_has_the_recorded_value_of_every_result_variable(
    then: dict[str, str], now: dict[str, str]
) -> None:
    replay, _ = for_replay(variables(then), now)
    for name in ("OMP_NUM_THREADS", "LANG"):
        assert replay.get(name) == then.get(name)
    for name in ("HOME", "HF_TOKEN", "RANK", "X"):
        assert replay.get(name) == now.get(name)
    assert for_replay(variables(then), replay) == (replay, [])


def test_what_changes_results_most_is_said_first() -> None:
    then = {
        "packages": {"versions": {"torch": "2.12", "attrs": "1", "gone": "1"}, "broken": []},
        "interpreter": {"version": "3.11.7", "executable": "/a/python", "system": "Debian"},
        "machine": {
            "host": "a",
            "boot": "1",
            "memory_bytes": 1,
            "gpu_driver": "550.1",
            "cpu": {"model": "X", "logical": 8, "flags": ["avx2", "avx512f"]},
        },
        "settings": {"torch": {"threads": 8, "deterministic": True}},
        "variables": {"HOME": "/a", "MKL_CBWR": "AVX2", "OMP_NUM_THREADS": "8"},
    }
    now = {
        "packages": {"versions": {"torch": "2.13", "attrs": "2", "new": "1"}, "broken": []},
        "interpreter": {"version": "3.11.8", "executable": "/b/python", "system": "Fedora"},
        "machine": {
            "host": "b",
            "boot": "2",
            "memory_bytes": 2,
            "gpu_driver": "580.2",
            "cpu": {"model": "Y", "logical": 4, "flags": ["avx2", "amx_tile"]},
        },
        "settings": {"torch": {"threads": 4, "deterministic": False}},
        "variables": {"HOME": "/b", "OMP_NUM_THREADS": "4"},
    }
    assert differences(then, now) == [
        "torch: 2.12 then, 2.13 now",
        "machine.gpu_driver: 550.1 then, 580.2 now",
        "machine.cpu.logical: 8 then, 4 now",
        "torch.threads: 8 then, 4 now",
        "OMP_NUM_THREADS: 8 then, 4 now",
        "machine.cpu.flags: without avx512f; with amx_tile",
        "machine.cpu.model: X then, Y now",
        "MKL_CBWR: AVX2 then, nothing now",
        "torch.deterministic: True then, False now",
        "interpreter.version: 3.11.7 then, 3.11.8 now",
        "attrs: 1 then, 2 now",
        "gone: 1 then, nothing now",
        "new: nothing then, 1 now",
        "interpreter.system: Debian then, Fedora now",
        "machine.memory_bytes: 1 then, 2 now",
    ]


def test_the_real_environment_does_not_differ_from_itself() -> None:
    from samebit.capture import machine

    facts = {
        "packages": packages(),
        "interpreter": interpreter(),
        "machine": machine.describe(),
        "variables": variables(os.environ),
    }
    assert differences(facts, json.loads(json.dumps(facts))) == []


def test_a_section_that_was_not_recorded_is_not_compared() -> None:
    assert differences({}, {"packages": {"versions": {"torch": "2.13"}}}) == []


@given(st.dictionaries(st.text(max_size=5), plain_values), st.text(max_size=5))
def test_any_two_facts_can_be_compared(facts: dict[str, object], name: str) -> None:
    other = {key: [value] for key, value in facts.items()}
    for sentence in differences(facts, other):
        assert len(sentence) < 1000


def test_a_package_that_was_edited_on_one_side_is_said_by_its_file() -> None:
    then = {"installed": {"edited": {"pkg/a.py": "blake3:1", "b.py": None}, "added": {}}}
    now = {"installed": {"edited": {"b.py": None}, "added": {"c.py": "blake3:2"}}}
    assert differences(not_as_installed(then), not_as_installed(now)) == [
        "c.py: edited after its installation now, not then",
        "pkg/a.py: edited after its installation then, not now",
    ]
    assert differences(not_as_installed(then), not_as_installed({})) == []
