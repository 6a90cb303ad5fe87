"""What a dry run says of annotators with large models, on a machine that has none of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from annotators.cost import ASSUMED_TFLOP_PER_S
from graph200k.errors import DatasetError, PlanError
from graph200k.session import write_session
from graph200k.storage import Folder
from pipelines.annotate.command import run_annotate
from pipelines.annotate.config import AnnotateConfig, choose_annotators
from pipelines.annotate.engine import Cluster
from pipelines.annotate.estimate import DryRun, dry_run, log_run
from pipelines.annotate.options import Options
from pipelines.annotate.plan import Request
from pipelines.annotate.run import Progress, make_plan
from support.datasets import make_dataset

NAMES = ("canny", "depth", "instant_style", "redux_style", "fill_edit", "bbox", "mask", "edit_captions")
CLUSTER = Cluster(cpus=8, gpus=1, memory_mb=500_000)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    make_dataset(tmp_path / "data", 10)
    return tmp_path / "data"


def plan(data: Path, monkeypatch: pytest.MonkeyPatch, cluster: Cluster = CLUSTER) -> DryRun:
    monkeypatch.setattr("pipelines.annotate.estimate.local_cluster", lambda: cluster)
    config = AnnotateConfig(preset="paper", on_cpu=not cluster.gpus)
    return dry_run(Options(data=str(data), config=config, only=NAMES, weights=Path("unused")))


def test_models_passes_gpu_hours_and_storage_are_said_beforehand(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = plan(data, monkeypatch)
    models = {model["name"]: model for model in found.models}
    assert set(models) == {
        "depth", "sdxl", "sdxl_canny", "ip_adapter", "flux_depth", "flux_redux", "flux_fill", "qwen_vl", "sam2"
    }  # fmt: skip
    assert {name for name, model in models.items() if model["gated"]} == {"flux_depth", "flux_redux", "flux_fill"}
    assert models["flux_depth"]["used_by"] == ["redux_style"]
    assert models["flux_fill"]["size_gb"] > 30
    stages = {stage["name"]: stage for stage in found.stages}
    assert stages["fill_edit+redux_style"]["gpus"] == 0.75
    assert {stage["pass"] for stage in found.stages} == {1, 2}
    assert found.gpu_hours["depth"] is None
    annotators = choose_annotators(AnnotateConfig(preset="paper"), NAMES, Path("unused"))
    (style,) = (annotator for annotator in annotators if annotator.name == "instant_style")
    hours = 10 * (style.tflop(1.0) or 0.0) / ASSUMED_TFLOP_PER_S / 3600
    assert found.gpu_hours["instant_style"] == pytest.approx(hours)
    assert found.gpu_hours["fill_edit"] and found.gpu_hours_measured == []
    assert found.storage_bytes > 0


def test_without_a_gpu_the_hours_of_one_are_said_all_the_same(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laptop = Cluster(cpus=2, gpus=0, memory_mb=8000)
    assert plan(data, monkeypatch, laptop).gpu_hours == plan(data, monkeypatch).gpu_hours


def test_what_runs_took_replaces_the_formula(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    annotators = choose_annotators(AnnotateConfig(preset="paper"), NAMES, Path("unused"))
    with write_session(str(data), shard_size=8) as session:
        done = make_plan(session.folder, annotators, CLUSTER, Request(), None)
    progress = Progress(10)
    progress.runs["fill_edit"], progress.seconds["fill_edit"] = 4, 400.0
    log_run(Folder(str(data)), done, progress, 500.0)
    found = plan(data, monkeypatch)
    assert found.gpu_hours_measured == ["fill_edit"]
    assert found.gpu_hours["fill_edit"] == pytest.approx(10 * 100 * 0.75 / 3600)


@pytest.mark.parametrize("line", ["{", "null", '{"runs": {"hed": 1}}'], ids=["half", "nothing", "another release"])
def test_a_line_of_the_log_that_is_no_run_is_said(data: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    Folder(str(data)).write("runs.jsonl", line.encode() + b"\n")
    with pytest.raises(DatasetError, match=r"runs\.jsonl has a line that is no run .*remove the line"):
        plan(data, monkeypatch)


class Silent:
    """Listens to a run and says nothing."""

    def phase(self, name: str) -> None: ...

    def counts(self, done: int, failed: int, total: int, images_per_s: float | None = None) -> None: ...


def styles(data: Path, described: Callable[[int], bool]) -> Options:
    """Return options to stylise ten records, which needs a text, without a captioner."""
    make_dataset(data, 10, described=described)
    config = AnnotateConfig(preset="paper", on_cpu=True)
    return Options(data=str(data), config=config, only=("canny", "instant_style"), weights=Path("unused"))


@pytest.mark.parametrize("start", [dry_run, lambda options: run_annotate(options, Silent())], ids=["dry", "run"])
def test_what_no_record_has_and_nothing_chosen_makes_is_said_before_the_run(
    tmp_path: Path, start: Callable[[Options], object]
) -> None:
    options = styles(tmp_path / "data", described=lambda number: False)
    with pytest.raises(PlanError, match=r"instant_style reads text, which none of the 10 .* caption \(for text\)"):
        start(options)


def test_one_record_with_what_is_read_is_enough_for_a_run(tmp_path: Path) -> None:
    options = styles(tmp_path / "data", described=lambda number: number == 9)
    assert dry_run(options).to_run == {"canny": 10, "instant_style": 10}
