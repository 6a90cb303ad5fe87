"""Settings for all tests: offline, quiet, one Ray for the whole session, and the real weights where they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from annotators.weights import WEIGHTS, default_weights_folder, find

ROOT = Path(__file__).resolve().parent.parent

os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    RAY_USAGE_STATS_ENABLED="0",
    AWS_EC2_METADATA_DISABLED="true",
    # Ray's workers and the processes that tests start import our packages and tests/support.
    PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
)

# A first example pays for imports, and CI machines are slow now and then: time is no property of ours.
settings.register_profile("graph200k", deadline=None)
settings.load_profile("graph200k")


@pytest.fixture(scope="session")
def ray_session() -> Iterator[object]:
    """A local Ray that all tests of a session share; its :class:`~pipelines.annotate.engine.Cluster`."""
    from pipelines.annotate.engine import ray_cluster

    with ray_cluster(None) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def weights_folder() -> Path:
    """Return the user's cache of model files; skip the test if one is missing, but fail it in CI."""
    folder = default_weights_folder(os.environ)
    missing = [name for name in WEIGHTS if find(name, folder) is None]
    if missing:
        reason = f"no {', '.join(missing)} in {folder}; run `graph200k weights` to test with them"
        # A skipped test of real weights in CI would be a promise nobody checks.
        pytest.fail(reason) if "CI" in os.environ else pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which all tests of a session make the tiny models of the preset `smoke`, each once."""
    return tmp_path_factory.mktemp("tiny")
