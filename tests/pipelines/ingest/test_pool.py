"""Worker processes: the same bytes for any number, and a death that names its item."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from graph200k.errors import OutputError, PlanError
from support.deadly import run_deadly_unit
from support.ingesting import files_of, picture, run_ingest


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(70):
        Image.fromarray(picture(number)).save(folder / f"{number:02d}.png")
    return folder


def test_any_number_of_workers_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    one = files_of(run_ingest(source, tmp_path / "one", shard_size=30, workers=1).data)
    assert files_of(run_ingest(source, tmp_path / "two", shard_size=30, workers=2).data) == one


def test_an_item_that_kills_its_worker_twice_fails_and_the_rest_is_complete(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.ingest.pool.run_unit", run_deadly_unit)
    Image.fromarray(picture(100)).save(source / "kill.png")
    Image.fromarray(picture(101)).save(source / "once.png")
    outcome = run_ingest(source, tmp_path / "data", shard_size=30, workers=2)
    assert {key: failure.error for key, failure in outcome.failures.items()} == {"kill.png": "worker_died"}
    assert "died 2 times" in outcome.failures["kill.png"].message
    assert len(outcome.dataset) == 71
    assert outcome.progress[-1] == (72, 1, 72)


def test_what_killed_a_worker_is_not_tried_in_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.ingest.pool.run_unit", run_deadly_unit)
    (tmp_path / "source").mkdir()
    Image.fromarray(picture(100)).save(tmp_path / "source" / "kill.png")
    run_ingest(tmp_path / "source", tmp_path / "data", workers=2)
    assert run_ingest(tmp_path / "source", tmp_path / "data", workers=2).report.already_failed == 1


def test_workers_that_die_of_everything_end_the_run_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.ingest.pool.DEATHS_IN_A_ROW", 2)
    (tmp_path / "source").mkdir()
    for number in range(3):
        Image.fromarray(picture(number)).save(tmp_path / "source" / f"kill-{number}.png")
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.ingest.pool.run_unit", run_deadly_unit)
        with pytest.raises(PlanError, match=r"died of 2 items in a row, .*'kill-1\.png'"):
            run_ingest(tmp_path / "source", tmp_path / "data", workers=2)
    outcome = run_ingest(tmp_path / "source", tmp_path / "data", workers=2)
    assert (sorted(outcome.failures), len(outcome.dataset)) == (["kill-0.png", "kill-1.png"], 1)


def test_an_error_of_a_worker_reaches_the_caller(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(unit: object) -> None:
        raise OutputError("no room")

    monkeypatch.setattr("pipelines.ingest.pool.run_unit", refuse)
    with pytest.raises(OutputError, match="no room"):
        run_ingest(source, tmp_path / "data", workers=1)
