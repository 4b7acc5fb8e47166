"""Clusters on which the places of studies are tried."""

from collections.abc import Iterator

import pytest

from tests import clusters


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[clusters.Slurm]:
    """One for all tests; those that need it skip where there can be none."""
    try:
        with clusters.start_slurm() as cluster:
            yield cluster
    except clusters.NoCluster as reason:
        pytest.skip(str(reason))


@pytest.fixture
def a_slurm(slurm_cluster: clusters.Slurm, monkeypatch: pytest.MonkeyPatch) -> clusters.Slurm:
    """A cluster that commands of this process find."""
    for name, value in slurm_cluster.environ.items():
        monkeypatch.setenv(name, value)
    return slurm_cluster
