"""The contract of executors, proven on a real cluster of two workers."""

from collections.abc import Iterator

import pytest

from fastapi_taskflow.executors import Executor
from fastapi_taskflow.executors.dask import DaskExecutor
from fastapi_taskflow.testing.conformance import ExecutorConformance
from tests.support.daskcluster import Cluster, dask_cluster

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("dask")
    # With a nanny each, which starts another one when a function ends its process. Functions that
    # a test leaves behind keep a thread each, behind which Dask may put others.
    with dask_cluster(folder, "a", "b", nanny=True, threads=16) as cluster:
        yield cluster


class TestDask(ExecutorConformance):
    apart = True
    crowd = 8

    @pytest.fixture(autouse=True)
    def _on(self, cluster: Cluster) -> None:
        self.address = cluster.address

    def make_executor(self) -> Executor:
        return DaskExecutor(self.address)
