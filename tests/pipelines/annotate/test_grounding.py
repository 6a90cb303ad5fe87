"""Boxes, masks and captions of the preset `paper`, from models in folders to the record's JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotators.base import Annotator
from annotators.tiny.qwen_vl import save_qwen_vl
from annotators.tiny.sam2 import save_sam2
from graph200k.dataset import Dataset
from graph200k.failures import read_failures
from graph200k.storage import Folder
from graph200k.verify import verify
from pipelines.annotate.config import choose_annotators, read_config
from pipelines.annotate.engine import Cluster
from pipelines.annotate.plan import Request
from support.datasets import make_dataset
from support.running import annotate_here, run_annotators, sealed_bytes
from support.stating import Boxer, Painter

NAMES = ("bbox", "mask", "caption")


@pytest.fixture(scope="module")
def sam2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sam2(tmp_path_factory.mktemp("sam2"))


def choose(sam2: Path, qwen: Path) -> list[Annotator]:
    config = read_config(None, preset="paper", models={"sam2": str(sam2), "qwen_vl": str(qwen)})
    return choose_annotators(config, NAMES, Path("unused"))


def test_a_record_gets_boxes_masks_of_the_same_colours_and_a_text(sam2: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    make_dataset(data, 4, described=lambda number: number == 0)
    annotators = choose(sam2, save_qwen_vl(tmp_path / "qwen"))
    progress = annotate_here(data, annotators)
    assert progress.made == {"bbox": 4, "boxes": 4, "mask": 4, "text": 3}
    dataset = Dataset(str(data))
    for number, key in enumerate(dataset.keys):
        info = dataset.record(key).info
        assert [box.name for box in info.boxes] == ["cup", "handle"]
        assert all(box.score is not None for box in info.boxes)
        colors = {(0, 0, 0), *(tuple(box.color) for box in info.boxes)}
        for node in ("bbox", "mask"):
            assert {tuple(color) for color in dataset.image(key, node).reshape(-1, 3)} <= colors
        assert (info.text.item, info.text.machine_made) == ((None, False) if number == 0 else ("a cup", True))
        assert {found.model for found in info.annotations} == {"local:qwen", f"local:{sam2.name}"}
    assert annotate_here(data, annotators).done == 0
    assert verify(str(data)) == []


def test_an_answer_nobody_can_read_is_on_file_with_its_text_and_tried_again_on_demand(
    sam2: Path, tmp_path: Path
) -> None:
    data, answer = tmp_path / "data", "I am sorry, but I cannot see any picture."
    make_dataset(data, 2, described=lambda number: False)
    annotators = choose(sam2, save_qwen_vl(tmp_path / "qwen", boxes=(answer,)))
    annotate_here(data, annotators)
    failures = {(found.annotator, found.error): found.message for found in read_failures(Folder(str(data)))}
    assert {*failures} == {("bbox", "bad_answer"), ("mask", "missing_input")}
    assert answer in failures["bbox", "bad_answer"]
    assert annotate_here(data, annotators).done == 0
    retried = annotate_here(data, annotators, request=Request(retry=frozenset({"bad_answer"})))
    assert retried.failed["bbox:bad_answer"] == 2


def test_facts_travel_between_the_workers_of_a_cluster(tmp_path: Path, ray_session: Cluster) -> None:
    for name, run in {"here": annotate_here, "there": run_annotators}.items():
        make_dataset(tmp_path / name, 3)
        cluster = () if name == "here" else (ray_session,)
        run(tmp_path / name, [Boxer(), Painter()], *cluster)
    assert sealed_bytes(tmp_path / "here") == sealed_bytes(tmp_path / "there")
