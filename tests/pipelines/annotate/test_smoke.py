"""The preset `smoke`, the whole of it: all twelve conditions, from tiny models of the classes of `paper`.

In this process, stage after stage: workers of Ray's would each import torch and its libraries, for a minute.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graph200k.catalogue import GRAPH200K, MetaTask
from graph200k.dataset import Dataset
from graph200k.failures import read_failures
from graph200k.schema import graph200k_tasks
from graph200k.storage import Folder
from graph200k.verify import verify
from pipelines.annotate.config import choose_annotators, read_config
from support.datasets import make_dataset
from support.pictures import draw_scene
from support.running import annotate_here, assert_clean

RECORDS = 16


def draw(number: int) -> np.ndarray:
    return draw_scene(number, width=48, height=96)  # high and narrow: OpenPose looks at 184 rows of any picture


def test_smoke_makes_all_twelve_conditions_and_their_tasks_can_be_served(tmp_path: Path, tiny: Path) -> None:
    data = tmp_path / "data"
    make_dataset(data, RECORDS, draw=draw, described=lambda number: number > 0)
    annotators = choose_annotators(read_config(None, preset="smoke"), None, tiny)
    annotate_here(data, annotators)
    dataset = Dataset(str(data))
    assert [failure.message for failure in read_failures(Folder(str(data)))] == []
    conditions = [node for node, entry in GRAPH200K.items() if entry.meta_task is MetaTask.CONDITIONAL_GENERATION]
    assert len(conditions) == 12
    counts = dataset.node_counts()
    assert {node: counts[node] for node in conditions} == dict.fromkeys(conditions, RECORDS)
    tasks = graph200k_tasks()
    served = dict(zip((task.name for task in tasks), dataset.task_counts(tasks), strict=True))
    asked = [
        task.name for task in tasks if len(task.path) == 2 and task.path[0] in conditions and task.path[1] == "target"
    ]
    assert len(asked) == 12
    assert {served[name] for name in asked} == {RECORDS}
    assert dataset.record("scene-0000").info.text.machine_made
    made_by = {found.model for found in dataset.record("scene-0000").info.annotations if found.model}
    assert all(model.startswith("tiny:") for model in made_by)
    assert verify(str(data)) == []
    assert_clean(data)
