"""The three instructions of a grid: its layout, its task, and the content asked for (paper, Sec. 4.2 and Appendix A).

Every choice is a function of one integer, so the same sample has the same words on every machine and at every replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graph200k.catalogue import GRAPH200K, Catalogue
from graph200k.record import Edit, Text
from graph200k.schema import Task
from sampler.choices import Choice, chance, pick
from sampler.columns import Column
from sampler.config import InstructionConfig
from sampler.content import Shown, cues_suffice, describe
from sampler.phrasebook import frames, node_phrases
from sampler.wording import capitalised, counted, image_name, listed, listed_clauses


@dataclass(frozen=True, slots=True)
class Instructions:
    """What a model is told about a grid; "" for a part that was dropped or does not apply."""

    layout: str
    """How many rows, columns and images."""
    task: str
    """What each column is, and which of them are generated."""
    content: str
    """What the generated image shows, or how it is edited."""

    @property
    def prompt(self) -> str:
        """Return the parts joined by single spaces, "" if there are none."""
        return " ".join(part for part in (self.layout, self.task, self.content) if part)


def instruct(
    task: Task,
    columns: Sequence[Column],
    masked: Sequence[tuple[int, int]],
    *,
    rows: int,
    text: Text,
    edit: Edit | None,
    picks: int,
    config: InstructionConfig,
    catalogue: Catalogue = GRAPH200K,
) -> Instructions:
    """Return the instructions of a grid, a pure function of its arguments.

    Parameters
    ----------
    columns
        In the order shown; the k-th is called [IMAGEk], counted from 1.
    masked
        Cells to generate, (row, column) counted from 0. A column with one of them is wanted, the others are given.
    rows
        Rows of the grid, the query's included.
    text
        What the target of the query record shows.
    edit
        What the edited picture in the query row shows, where the task has one. Without a name, its description is
        an instruction that makes the target out of that picture.
    picks
        Non-negative integer from which phrases and dropout are chosen.

    Raises
    ------
    ValueError
        If no cell is masked, or one outside the grid.
    UnknownNameError
        If the catalogue has no phrases for a column.
    """
    if not masked or not all(0 <= row < rows and 0 <= column < len(columns) for row, column in masked):
        raise ValueError(f"cells to generate are {list(masked)}; expected some within {rows} × {len(columns)}")
    if chance(picks, Choice.DROP_PROMPT) < config.drop_prompt:
        return Instructions("", "", "")
    task_said = content_said = ""
    wanted = sorted({column for _, column in masked})
    if chance(picks, Choice.DROP_TASK) >= config.drop_task:
        named = [
            pick(node_phrases(column.node, column.role, task.meta_task, catalogue), picks, Choice.PHRASE, position)
            for position, column in enumerate(columns)
        ]
        task_said = _task(named, wanted, rows, _place(masked, rows), picks)
    if chance(picks, Choice.DROP_CONTENT) >= config.drop_content and not cues_suffice(task, catalogue):
        # Text and edit are the query record's: they say nothing about cells of other rows.
        asked = sorted({column for row, column in masked if row == rows - 1})
        shown = Shown(task, [catalogue[column.node] for column in columns], asked, text, edit)
        content_said = " ".join(filter(None, (describe(shown, column, picks) for column in asked)))
    return Instructions(_layout(rows, len(columns), picks), task_said, content_said)


def _layout(rows: int, columns: int, picks: int) -> str:
    frame = pick(frames().layout, picks, Choice.LAYOUT)
    counts = {"rows": counted(rows, "row"), "columns": counted(columns, "column")}
    return frame.format(**counts, images=counted(rows * columns, "image"))


def _place(masked: Sequence[tuple[int, int]], rows: int) -> str:
    """Say where the gaps are."""
    if rows == 1:
        return "the row"
    return "the last row" if all(row == rows - 1 for row, _ in masked) else "the grid"


def _task(named: Sequence[str], wanted: Sequence[int], rows: int, place: str, picks: int) -> str:
    given = [column for column in range(len(named)) if column not in wanted]
    noun = [f"{image_name(column)} ({name})" for column, name in enumerate(named)]
    noun_as = [f"{name} ({image_name(column)})" for column, name in enumerate(named)]
    clause = [f"{image_name(column)} is {name}" for column, name in enumerate(named)]
    words = {
        "all": listed(noun),
        "all_is": listed_clauses(clause),
        "wanted": listed([noun[column] for column in wanted]),
        "wanted_as": listed([noun_as[column] for column in wanted]),
        "wanted_names": listed([image_name(column) for column in wanted]),
        "each_row": "each row" if rows > 1 else "the row",
        "place": place,
    }
    if not given:
        return capitalised(pick(frames().free, picks, Choice.TASK).format(**words))
    words |= {
        "given": listed([noun[column] for column in given]),
        "given_as": listed([noun_as[column] for column in given]),
        "given_is": listed_clauses([clause[column] for column in given]),
        "others": "the other column" if len(given) == 1 else "the other columns",
    }
    return capitalised(pick(frames().task, picks, Choice.TASK).format(**words))
