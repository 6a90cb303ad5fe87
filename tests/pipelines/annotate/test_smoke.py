"""The preset `smoke`, the whole of it: all 50 node types, from tiny models of the classes of `paper`.

In this process, stage after stage: workers of Ray's would each import torch and its libraries, for a minute.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graph200k.catalogue import GRAPH200K
from graph200k.dataset import Dataset
from graph200k.failures import read_failures
from graph200k.storage import Folder
from graph200k.verify import verify
from pipelines.annotate.config import choose_annotators, read_config
from support.driving import command
from support.ingesting import run_ingest
from support.pictures import draw_scene
from support.running import annotate_here, assert_clean
from support.zoo_tars import png

RECORDS = 3
SIDE, PADDING = 64, 4
DESCRIPTION = {
    "item": "A cup",
    "description_0": "A cup on a table.",
    "description_1": "A cup in a garden.",
    "category": "Kitchen",
    "description_valid": True,
}


def pair(number: int) -> np.ndarray:
    """Return a picture as Subjects200K has them: two photographs side by side in a white frame."""
    whole = np.full((SIDE + 2 * PADDING, 2 * SIDE + 3 * PADDING, 3), 255, np.uint8)
    for place, seed in enumerate((number, number + RECORDS)):
        left = PADDING + place * (SIDE + PADDING)
        whole[PADDING : PADDING + SIDE, left : left + SIDE] = draw_scene(seed, width=SIDE, height=SIDE)
    return whole


def write_subjects200k(folder: Path) -> Path:
    """Write a parquet file in the layout of Subjects200K; its first record has no text."""
    folder.mkdir()
    quality = {"compositeStructure": 5, "objectConsistency": 5, "imageQuality": 5}
    rows = [
        {
            "image": {"bytes": png(pair(number)), "path": None},
            "collection": "collection_2",
            "quality_assessment": quality,
            "description": DESCRIPTION if number else None,
        }
        for number in range(RECORDS)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "data-00000.parquet")
    return folder


def test_smoke_makes_all_node_types_of_subjects200k_and_every_task_can_be_served(tmp_path: Path, tiny: Path) -> None:
    data = tmp_path / "data"
    run_ingest(write_subjects200k(tmp_path / "subjects"), data)
    annotate_here(data, choose_annotators(read_config(None, preset="smoke"), None, tiny))
    assert [failure.message for failure in read_failures(Folder(str(data)))] == []
    dataset = Dataset(str(data))
    assert dataset.node_counts() == dict.fromkeys(GRAPH200K, RECORDS)
    assert len(GRAPH200K) == 50
    shown = subprocess.run(command("tasks", "--data", str(data)), capture_output=True, text=True, timeout=300)
    assert "134 tasks, 134 of them served by at least one record" in shown.stdout
    infos = [dataset.record(key).info for key in dataset.keys]
    assert [info.text.machine_made for info in infos].count(True) == 1
    for info in infos:
        assert all(found.model.startswith("tiny:") for found in info.annotations if found.model)
        made = [(found.node, found.variant) for found in info.annotations if found.role in ("", "image")]
        assert {number for node, number in made if node == "instant_style"} == {0, 1, 2}
        assert {number for node, number in made if node == "redux_style"} == {0, 1}
        edits = {(edit.node, edit.variant): edit.name for edit in info.edits}
        assert {key for key in made if key[0] == "fill_edit"} == {key for key in edits if key[0] == "fill_edit"}
        assert edits["depth_edit", 0] == edits["fill_edit", 0] != ""
    assert verify(str(data)) == []
    assert_clean(data)
