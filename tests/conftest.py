"""Settings for all tests: offline, quiet, and one Ray for the whole session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    RAY_USAGE_STATS_ENABLED="0",
    AWS_EC2_METADATA_DISABLED="true",
    # Ray's workers and the processes that tests start import our packages and tests/support.
    PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
)


@pytest.fixture(scope="session")
def ray_session() -> Iterator[object]:
    """A local Ray that all tests of a session share; its :class:`~pipelines.annotate.engine.Cluster`."""
    from pipelines.annotate.engine import ray_cluster

    with ray_cluster(None) as cluster:
        yield cluster
