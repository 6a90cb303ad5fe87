"""Print instructions for human eyes: ``python -m sampler.instructions_page docs/instructions.md``.

Sixty over all meta-tasks, of records made up for it, with nothing dropped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from graph200k.catalogue import GRAPH200K, MetaTask
from graph200k.record import Edit, Text
from graph200k.schema import Task, graph200k_tasks
from graph200k.seeds import derive_rng
from sampler.columns import Column, task_columns
from sampler.config import ALL_SAID
from sampler.instructions import instruct

SAMPLES = {
    "conditional generation": 12,
    "ip preservation": 3,
    "subject extraction": 3,
    "dense prediction": 7,
    "style transfer": 11,
    "image editing": 9,
    "restoration": 15,
}
"""How many of each meta-task."""

SCENES = (
    ("A red enamel teapot", "On a windowsill in the morning sun, it stands beside two cups and a folded napkin."),
    ("wooden rocking horse", "A child's room with striped wallpaper, the toy in front of a low bookshelf"),
    ("Hiking boots", "Muddy and unlaced, they rest on the steps of a mountain hut."),
    (None, "A cyclist in a yellow raincoat crosses a cobbled square at dusk."),
    ("The old tram", "It climbs a steep street between pastel houses, seen from below."),
    ("Brass telescope", None),
    ("A striped cat", "asleep on a stack of newspapers in a shop"),
    ("none", "N/A"),
)
"""Names and captions of the records, some of them missing."""

EDITS = (
    ("A potted fern", "Its fronds spread over the edge of the table in soft light."),
    ("paper lantern", "A glowing lantern fills the place, its ribs faintly visible."),
    ("A pair of skates", "Worn white skates with silver blades lie there."),
)
"""Names and captions of edited pictures."""


_HEAD = """# Sixty instructions

What a model is told about a grid: its layout, its task, and, where a photograph with a caption is to be generated, its
content (for edits, the edit; for style transfer nothing). In training whole prompts, tasks and contents are left out at
random (`InstructionConfig`). The sentences are in `sampler/phrases/frames.toml`, what each node type is called in
`sampler/phrases/<catalogue>.toml`.

Nothing is dropped below; each line begins with the task, the rows of the grid and the wanted columns. Written by
`python -m sampler.instructions_page docs/instructions.md` from made-up records.
"""


def instructions_page(seed: int = 0) -> str:
    """Return the page as Markdown, the same for the same seed."""
    sections = [_HEAD]
    for meta_task, count in SAMPLES.items():
        tasks = [task for task in graph200k_tasks() if task.meta_task == meta_task]
        lines = []
        for index in range(count):
            rng = derive_rng(seed, meta_task, index)
            lines.append(example(tasks[index * len(tasks) // count], rng))
        sections.append("\n".join([f"## {meta_task}\n", *lines]) + "\n")
    return "\n".join(sections)


def example(task: Task, rng: np.random.Generator) -> str:
    """Return one line: a task with random rows, order of columns, wanted cells and record, and its instructions."""
    columns = _shuffled(task_columns(task), rng)
    rows = int(rng.integers(1, 4))
    wanted = [len(columns) - 1] if rng.random() < 0.6 else [int(rng.integers(len(columns)))]
    if len(columns) > 2 and rng.random() < 0.15:
        wanted = [0, len(columns) - 1]
    item, description = SCENES[rng.integers(len(SCENES))]
    told = instruct(
        task,
        columns,
        [(rows - 1, column) for column in wanted],
        rows=rows,
        text=Text(item=item, description=description),
        edit=_edit(task, rng),
        picks=int(rng.integers(1 << 63)),
        config=ALL_SAID,
    )
    names = ", ".join(f"`[IMAGE{column + 1}]`" for column in wanted)
    return f"- **{task.name}**, {rows}, {names}: {told.prompt}"


def _shuffled(columns: tuple[Column, ...], rng: np.random.Generator) -> list[Column]:
    """Return the columns with all but the last in random order, as grids show them."""
    return [*(columns[index] for index in rng.permutation(len(columns) - 1)), columns[-1]]


def _edit(task: Task, rng: np.random.Generator) -> Edit | None:
    edited = [node for node in task.path if GRAPH200K[node].meta_task is MetaTask.IMAGE_EDITING]
    if not edited:
        return None
    name, description = EDITS[rng.integers(len(EDITS))]
    return Edit(node=edited[0], variant=0, name=name, description=description)


def main() -> None:
    """Write the page where the command line says."""
    parser = argparse.ArgumentParser(prog="python -m sampler.instructions_page", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.parse_args().out.write_text(instructions_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
