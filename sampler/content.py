"""What a grid's content instruction says: the caption of a photograph to generate, or the edit that leads to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graph200k.captions import said
from graph200k.catalogue import Catalogue, MetaTask, NodeType
from graph200k.record import Edit, Text
from graph200k.schema import Task
from sampler.choices import Choice, pick
from sampler.phrasebook import frames
from sampler.wording import as_name, as_sentence, image_name


def cues_suffice(task: Task, catalogue: Catalogue) -> bool:
    """Return whether the grid itself tells all there is to say: a style comes with its reference."""
    return catalogue[task.generated].meta_task == MetaTask.STYLE_TRANSFER


@dataclass(frozen=True, slots=True)
class Shown:
    """What is known about the pictures of the query row."""

    task: Task
    entries: Sequence[NodeType]
    """Node types of the columns, in the order shown."""
    wanted: Sequence[int]
    """Columns whose picture is to be generated."""
    text: Text
    """What the target shows."""
    edit: Edit | None
    """What the edited picture shows, or how it is to be edited."""

    def described(self, column: int) -> tuple[str, str]:
        """Return name and description of what a photograph shows, "" where unknown or where cues have to suffice."""
        entry = self.entries[column]
        if entry.meta_task == MetaTask.TARGET:
            return said(self.text.item), said(self.text.description)
        # An edit without a name is an instruction, and says nothing about its own picture.
        if self.edit is not None and self.edit.node == entry.name and said(self.edit.name):
            return said(self.edit.name), said(self.edit.description)
        return "", ""

    def instruction(self, column: int) -> str:
        """Return the instruction that makes the target out of a given picture, "" if there is none."""
        edit = self.edit
        if edit is None or said(edit.name) or self.entries[column].meta_task != MetaTask.TARGET:
            return ""
        given = any(entry.name == edit.node for entry in self._given())
        return as_sentence(said(edit.description)) if given else ""

    def counterpart(self, column: int) -> int | None:
        """Return the given column of which a column is an edit, or which is an edit of it; None if there is none."""
        if self.task.meta_task != MetaTask.IMAGE_EDITING:
            return None
        target = self.entries[column].meta_task == MetaTask.TARGET
        sought = MetaTask.IMAGE_EDITING if target else MetaTask.TARGET
        found = (self.entries.index(entry) for entry in self._given() if entry.meta_task == sought)
        return next(found, None)

    def _given(self) -> list[NodeType]:
        return [entry for column, entry in enumerate(self.entries) if column not in self.wanted]


def describe(shown: Shown, column: int, picks: int) -> str:
    """Say what a picture shows or, where it stands beside the picture it is an edit of, what the edit is.

    Returns "" for what is no photograph with a caption.
    """
    if instruction := shown.instruction(column):
        frame = pick(frames().instruction, picks, Choice.CONTENT, column)
        return frame.format(image=image_name(column), caption=instruction)
    name, description = shown.described(column)
    counterpart = shown.counterpart(column) if name else None
    if counterpart is not None:
        before, _ = shown.described(counterpart)
        options = frames().edit if before else frames().edit_to
        frame = pick(options, picks, Choice.CONTENT, column)
        edit = frame.format(image=image_name(column), before=as_name(before), after=as_name(name))
        return f"{edit} {as_sentence(description)}".rstrip()
    # Descriptions say "it" of the subject, which only the name tells.
    caption = " ".join(filter(None, (as_sentence(name), as_sentence(description))))
    frame = pick(frames().content, picks, Choice.CONTENT, column)
    return frame.format(image=image_name(column), caption=caption) if caption else ""
