"""OmniEdit: a row is a record under its task; rows of other tasks and broken rows are refused with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.ingest.location import Location
from pipelines.ingest.sources.omniedit import OmniEdit
from support.ingesting import Outcome, picture, run_ingest
from support.published import omniedit_row, photo


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    root = tmp_path_factory.mktemp("omniedit")
    rows = [
        omniedit_row(0, "removal"),
        omniedit_row(1, "env", edited_prompt_list=[]),
        omniedit_row(2, "rotation"),
        omniedit_row(3, "style", edited_img={"bytes": None, "path": "x.png"}),
        omniedit_row(4, "style", edited_img={"bytes": b"broken", "path": None}),
        omniedit_row(5, "style", src_img=None),
        omniedit_row(6, "swap", omni_edit_id=None),
    ]
    (root / "source").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), root / "source" / "dev-0.parquet", row_group_size=3)
    lacking = pa.Table.from_pylist(rows).drop_columns(["src_img"])
    pq.write_table(lacking, root / "source" / "lacking.parquet")
    return run_ingest(root / "source", root / "data")


def test_records_have_the_ids_of_their_rows_and_the_images_of_their_task(outcome: Outcome) -> None:
    dataset = outcome.dataset
    found = {key: [member.node for member in dataset.record(key).members] for key in dataset.keys}
    assert found == {
        "task_removal_0": ["target", "removal", "json"],
        "task_env_1": ["target", "environment", "json"],
        "dev-0-6": ["target", "swap", "json"],
    }


def test_the_target_is_the_edited_image(outcome: Outcome) -> None:
    target, before = (outcome.dataset.image("task_removal_0", node).astype(int) for node in ("target", "removal"))
    assert np.abs(target - picture(100, 80, 120)).mean() < 2
    assert np.abs(before - picture(0, 64, 48)).mean() < 2


def test_all_phrasings_of_the_instruction_are_kept_in_order(outcome: Outcome) -> None:
    edits = outcome.dataset.record("task_removal_0").info.edits
    assert [(edit.node, edit.description) for edit in edits] == [
        ("removal", "Do removal."),
        ("removal", "Please do removal."),
    ]
    assert outcome.dataset.record("task_env_1").info.edits == []


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        ("dev-0.parquet/2", "unknown_name", "task 'rotation' is no edit that OmniEdit publishes; known: addition"),
        ("dev-0.parquet/3", "bad_image", "no edited picture"),
        ("dev-0.parquet/4", "bad_image", "not an image"),
        ("dev-0.parquet/5", "unreadable", "no picture in src_img"),
        ("lacking.parquet", "bad_record", "lacks the columns src_img"),
    ],
)
def test_what_is_wrong_is_said(outcome: Outcome, key: str, error: str, words: str) -> None:
    assert outcome.failures[key].error == error
    assert words in outcome.failures[key].message
    assert len(outcome.failures) == 5


def test_parquet_of_other_columns_and_broken_parquet_are_no_such_source(tmp_path: Path) -> None:
    assert not OmniEdit.matches(Location(str(tmp_path)))
    pq.write_table(pa.table({"image": [photo(0)]}), tmp_path / "a.parquet")
    assert not OmniEdit.matches(Location(str(tmp_path)))
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    assert not OmniEdit.matches(Location(str(tmp_path)))
