"""Clusters on which the places of studies are tried."""

import importlib.util
from collections.abc import Iterator

import pytest

from samebit.studies.places.ray import Ray
from tests import clusters
from tests.ray_cluster import Cluster


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


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Cluster]:
    """One for all tests, with two processors and two cards that it only believes to have."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed")
    with Cluster() as cluster:
        cluster.begin(cpus=2, gpus=2)
        yield cluster


@pytest.fixture
def a_ray(ray_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster that this process and what it starts find."""
    for name, value in ray_cluster.environ.items():
        monkeypatch.setenv(name, value)
    return ray_cluster


@pytest.fixture(scope="session")
def ray_place(ray_cluster: Cluster) -> Iterator[Ray]:
    """Two at once on that cluster; what speaks with it takes two seconds to begin and to end."""
    place = Ray(2, address=ray_cluster.address)
    yield place
    place.close()
