"""A grid out of a user's own images, fitted to cells as the sampler fits a dataset's, and the words for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from graph200k.catalogue import GRAPH200K, Catalogue, MetaTask
from graph200k.errors import ImageDecodeError, PlanError
from graph200k.photographs import read_photograph
from graph200k.record import Edit, Text
from graph200k.schema import Task
from sampler.columns import Column, task_columns
from sampler.config import ALL_SAID, SamplerConfig
from sampler.fit import fit_image
from sampler.grid import SQUARE, Grid, aspect_buckets, cell_size
from sampler.instructions import Instructions, instruct
from sampler.pool import TURNED

GAP = "_"
"""What stands, among the names of a query's images, for one that is to be generated."""

OwnRow: TypeAlias = tuple[np.ndarray | None, ...]
"""Images of one row, uint8 H×W×3 RGB of any sizes; None for one that is to be generated."""


@dataclass(frozen=True, slots=True)
class OwnImages:
    """The images of a task, one a column in the order of its path."""

    task: Task
    columns: tuple[Column, ...]
    rows: tuple[OwnRow, ...]
    """In-context examples first, the query last."""


def read_images(task: Task, contexts: Sequence[str], query: str, catalogue: Catalogue = GRAPH200K) -> OwnImages:
    """Return the images that a user names.

    Parameters
    ----------
    task
        What is to be done.
    contexts
        For each example the files of all its images, separated by commas.
    query
        The files of the conditions, or of all columns but those of the task's targets; or one name a column, with ``_``
        for each image to generate.

    Raises
    ------
    PlanError
        If a file is missing or no image, or a row has not as many as the task has columns.
    """
    columns = task_columns(task, catalogue)
    examples = tuple(_read_row(f"--context {names}", task, columns, names.split(",")) for names in contexts)
    for names, example in zip(contexts, examples, strict=True):
        if _has_gap(example):
            raise PlanError(f"--context {names}: an example has all its images; {GAP} is for --query alone")
    files = query.split(",")
    gaps = [GAP] * len(task.targets) if len(files) == len(columns) - len(task.targets) else []
    asked = _read_row(f"--query {query}", task, columns, [*files, *gaps])
    if not _has_gap(asked):
        raise PlanError(f"--query {query}: nothing is left to generate; put {GAP} where an image is wanted")
    if not examples and all(image is None for image in asked):
        raise PlanError(f"--query {query}: expected an image to start from, or a --context")
    return OwnImages(task, columns, (*examples, asked))


def own_grid(own: OwnImages, config: SamplerConfig, catalogue: Catalogue = GRAPH200K) -> Grid:
    """Return the images as a grid; what is to be generated is masked, and black.

    All cells of a row have the aspect bucket of one of its images: the photograph's if it is given, else the first that
    shows it in another way.
    """
    square = config.shape == "square" or not TURNED.isdisjoint(own.task.path)
    # A query of which nothing is given takes the shape of the last example.
    shaped = [row if any(image is not None for image in row) else own.rows[-2] for row in own.rows]
    sizes = [
        cell_size(SQUARE if square else _bucket(row, own.columns, catalogue), config.area_px) for row in shaped
    ]  # fmt: skip
    cells = [
        [_cell(image, size, column, config, catalogue) for image, column in zip(row, own.columns, strict=True)]
        for row, size in zip(own.rows, sizes, strict=True)
    ]
    masked = np.array([[image is None for image in row] for row in own.rows])
    return Grid(tuple(np.concatenate(row, axis=1) for row in cells), masked)


def own_instructions(own: OwnImages, content: str, picks: int, catalogue: Catalogue = GRAPH200K) -> Instructions:
    """Return the instructions for a user's images, none of them dropped.

    Parameters
    ----------
    own
        The images.
    content
        What the generated image shows, "" if that is not said.
    picks
        Non-negative integer from which the phrases are chosen.
    """
    masked = [
        (row, column) for row, images in enumerate(own.rows) for column, image in enumerate(images) if image is None
    ]
    wanted = [own.columns[column].node for _, column in masked]
    edits = [node for node in wanted if catalogue[node].meta_task == MetaTask.IMAGE_EDITING]
    said = instruct(
        own.task,
        own.columns,
        masked,
        rows=len(own.rows),
        text=Text(description=content or None),
        edit=Edit(node=edits[0], variant=0, name=content, description="") if edits and content else None,
        picks=picks,
        config=ALL_SAID,
        catalogue=catalogue,
    )
    # Content that the task has no sentence for is said as the user says it.
    return said if said.content or not content else Instructions(said.layout, said.task, content)


def _read_row(option: str, task: Task, columns: Sequence[Column], files: Sequence[str]) -> OwnRow:
    if len(files) != len(columns):
        described = ", ".join(f"{column.node} {column.role}".strip() for column in columns)
        given = len(columns) - len(task.targets)
        first = f"the first {given}, or " if given else ""
        raise PlanError(
            f"{option}: {len(files)} images; task {task.name} has {len(columns)} columns ({described}): an example "
            f"takes {len(columns)} images, a query {first}{len(columns)} with {GAP} for each one to generate"
        )
    return tuple(None if file.strip() == GAP else _read(option, Path(file.strip())) for file in files)


def _read(option: str, file: Path) -> np.ndarray:
    try:
        return read_photograph(file.read_bytes())
    except OSError as error:
        raise PlanError(
            f"{option}: {file}: {error.strerror}; expected the files of images, separated by commas"
        ) from None
    except ImageDecodeError as error:
        raise PlanError(f"{option}: {file}: {error}") from None


def _has_gap(row: OwnRow) -> bool:
    return any(image is None for image in row)


def _bucket(row: OwnRow, columns: Sequence[Column], catalogue: Catalogue) -> int:
    def rank(column: Column) -> int:
        """Sort by how surely an image has the photograph's aspect ratio."""
        meta_task = catalogue[column.node].meta_task
        if meta_task == MetaTask.TARGET:
            return 0
        return 2 if column.role == "reference" or meta_task == MetaTask.IP_PRESERVATION else 1

    given = [(column, image) for column, image in zip(columns, row, strict=True) if image is not None]
    _, image = min(given, key=lambda found: rank(found[0]))
    return int(aspect_buckets(np.array([[image.shape[1], image.shape[0]]]))[0])


def _cell(
    image: np.ndarray | None, size: tuple[int, int], column: Column, config: SamplerConfig, catalogue: Catalogue
) -> np.ndarray:
    if image is None:
        return np.zeros((*size, 3), np.uint8)
    return fit_image(image, size, config.fit, pixels=catalogue[column.node].pixels)
