"""A stage's worker hands several records at once to annotators that take them, and loses none over another."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotators.lines import Canny
from graph200k.dataset import Dataset
from graph200k.failures import read_failures
from graph200k.storage import Folder
from pipelines.annotate import run
from pipelines.annotate.ledger import Ledger
from support.datasets import make_dataset
from support.faulty import mark
from support.pictures import draw_scene
from support.running import annotate_here
from support.together import Together


@pytest.fixture(autouse=True)
def whole_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a unit of work be a shard, which a small run would cut into units of one record."""
    monkeypatch.setattr(run, "_unit_size", lambda plan, pools: 8)


def annotated(data: Path, **faults: object) -> tuple[list[int], dict[str, str]]:
    """Annotate 7 records in this process; return how many each call was for, and the failures' classes."""
    make_dataset(data, 7, draw=lambda number: mark(draw_scene(number), number))
    notes = data.with_suffix(".notes")
    annotate_here(data, [Together(notes=str(notes), **faults), Canny()])
    errors = {failure.key: failure.error for failure in read_failures(Folder(str(data)))}
    assert Dataset(str(data)).node_counts()["canny"] == 7
    assert Dataset(str(data)).node_counts()["bbox"] == 7 - len(errors)
    return [int(line) for line in notes.read_text().split()], errors


def test_records_come_together(tmp_path: Path) -> None:
    calls, errors = annotated(tmp_path / "data")
    assert (calls, errors) == ([4, 3], {})


def test_one_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    calls, errors = annotated(tmp_path / "data", raises=(1,), wrong_size=(2,), runs_out_of_memory=(5,))
    assert errors == {"scene-0001": "error", "scene-0002": "error", "scene-0005": "oom"}
    assert calls[:5] == [4, 1, 1, 1, 1]


def test_a_batch_too_large_for_memory_is_halved_for_good(tmp_path: Path) -> None:
    calls, errors = annotated(tmp_path / "data", room=2)
    assert (calls, errors) == ([4, 2, 2, 2, 1], {})


def test_records_over_which_a_worker_died_are_taken_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "failed_together", lambda ledger, key, annotator: key == "*scene-0000")
    calls, errors = annotated(tmp_path / "data")
    assert (calls, errors) == ([1, 1, 1, 1, 3], {})


def test_what_comes_out_does_not_depend_on_the_batch(tmp_path: Path) -> None:
    annotated(tmp_path / "four")
    annotated(tmp_path / "one", room=1)
    dataset, other = Dataset(str(tmp_path / "four")), Dataset(str(tmp_path / "one"))
    for key in ("scene-0000", "scene-0003", "scene-0006"):
        assert (dataset.image(key, "bbox") == other.image(key, "bbox")).all()
