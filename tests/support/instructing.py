"""Instructions of records made up for tests."""

from __future__ import annotations

from graph200k.record import Edit, Text
from graph200k.schema import Task, find_task
from sampler.columns import task_columns
from sampler.config import InstructionConfig
from sampler.instructions import Instructions, instruct

ALL_SAID = InstructionConfig(drop_prompt=0, drop_task=0, drop_content=0)

SCENES = [
    Text(item="A red teapot", description="It stands on a sill, steaming."),
    Text(item="wooden horse", description='a toy {on axles} wheels \n marked "100%"'),
    Text(description="Two cyclists at dusk"),
    Text(item="Hiking boots"),
    Text(),
    Text(item="n/a", description="None"),
]


def say(
    task: str | Task,
    wanted: list[int] | None = None,
    *,
    rows: int = 2,
    picks: int = 0,
    text: Text = SCENES[0],
    edit: Edit | None = None,
    config: InstructionConfig = ALL_SAID,
) -> Instructions:
    """Return the instructions of a task whose columns stand in order; cells of the last row are wanted."""
    found = find_task(task) if isinstance(task, str) else task
    columns = task_columns(found)
    masked = [(rows - 1, column) for column in wanted or [len(columns) - 1]]
    return instruct(found, columns, masked, rows=rows, text=text, edit=edit, picks=picks, config=config)
