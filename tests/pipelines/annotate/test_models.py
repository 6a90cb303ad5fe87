"""A model of the preset `paper`, tiny, through the whole of a run on Ray: from a folder to sealed shards and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotators.models import local_model
from annotators.tiny.depth import save_depth_model
from graph200k.dataset import Dataset
from graph200k.errors import MissingWeightsError, PlanError
from graph200k.session import write_session
from graph200k.verify import verify
from pipelines.annotate.command import fetch_models
from pipelines.annotate.config import choose_annotators, read_config
from pipelines.annotate.engine import Cluster
from pipelines.annotate.plan import Request
from pipelines.annotate.run import annotate, make_plan
from support.datasets import make_dataset
from support.running import assert_clean


def test_a_local_model_annotates_and_its_provenance_holds_no_path(tmp_path: Path, ray_session: Cluster) -> None:
    data = tmp_path / "data"
    make_dataset(data, 4)
    folder = save_depth_model(tmp_path / "thin-depth")
    config = read_config(None, models={"depth": str(folder)}, on_cpu=True)
    annotators = choose_annotators(config, ["depth"], tmp_path)
    with write_session(str(data), shard_size=8) as session:
        plan = make_plan(session.folder, annotators, ray_session, Request(), 1, on_cpu=config.on_cpu)
        annotate(session, plan, seed=0, weights=tmp_path)
    dataset = Dataset(str(data))
    assert dataset.node_counts()["depth"] == 4
    assert dataset.image("scene-0000", "depth").shape == dataset.image("scene-0000", "target").shape[:2]
    record = dataset.record("scene-0000").info.model_dump_json()
    assert "local:thin-depth" in record
    assert local_model("depth", folder).digest[:12] in record
    assert str(tmp_path) not in record
    assert verify(str(data)) == []
    assert_clean(data)


def test_models_are_looked_for_before_workers_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = save_depth_model(tmp_path / "model")
    fetch_models(choose_annotators(read_config(None, models={"depth": str(folder)}), ["canny", "depth"], tmp_path))
    with pytest.raises(MissingWeightsError, match="--model depth=PATH"):
        fetch_models(choose_annotators(read_config(None), ["canny", "depth"], tmp_path))


def test_without_a_gpu_the_way_to_do_without_is_named_and_works(tmp_path: Path) -> None:
    data = tmp_path / "data"
    make_dataset(data, 1)
    annotators = choose_annotators(read_config(None), ["depth"], tmp_path)
    laptop = Cluster(cpus=2, gpus=0, memory_mb=16_000)
    with write_session(str(data), shard_size=8) as session:
        with pytest.raises(PlanError, match=r"depth needs 0\.07 GPU a worker, there are 0.*--cpu"):
            make_plan(session.folder, annotators, laptop, Request(), None)
        (pool,) = make_plan(session.folder, annotators, laptop, Request(), None, on_cpu=True).pools
        assert (pool.stage.gpus, pool.workers) == (0.0, 2)
        assert make_plan(session.folder, annotators, None, Request(), None).pools == []
