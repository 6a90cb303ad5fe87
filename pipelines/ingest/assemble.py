"""Put a record together from files that are named for what they hold (record folders, tars)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graph200k.codecs import Limits
from graph200k.errors import SourceError
from pipelines.ingest.failure import failure_class
from pipelines.ingest.names import Sorted, sort_out
from pipelines.ingest.source import Problem, RawImage, RawRecord, SourceItem, origin_of
from pipelines.ingest.text import read_words


def assemble(
    item: SourceItem,
    names: Sequence[str],
    read: Callable[[str], bytes],
    *,
    kind: str,
    limits: Limits,
    lone_image_is_target: bool,
) -> RawRecord:
    """Return the record that the files ``names`` make up.

    Parameters
    ----------
    item
        The planned item.
    names
        ``[{node}[.{variant}][.{role}]].{extension}``, without key and folder.
    read
        Returns the bytes of one of ``names``.
    kind
        Kind of source, for the record's origin.
    limits
        Sizes beyond which a file is refused.
    lone_image_is_target
        As in :func:`~pipelines.ingest.names.sort_out`.

    Raises
    ------
    RefusedError
        If there is no target, or more than one.
    SourceError
        If the target is gone or has changed.
    """
    found = sort_out(names, lone_image_is_target=lone_image_is_target)
    data = read(found.target)
    words, problems = read_words({name: name for name in found.words}, read, limits)
    annotations, unread = _annotations(found, read)
    refused = [Problem(name, error.error, str(error)) for name, error in found.problems]
    return RawRecord(
        target=RawImage(node="target", data=data, name=found.target),
        annotations=annotations,
        text=words.text,
        quality=words.quality,
        origin=origin_of(item, kind, data),
        problems=[*refused, *problems, *unread],
    )


def _annotations(found: Sorted, read: Callable[[str], bytes]) -> tuple[list[RawImage], list[Problem]]:
    images, problems = [], []
    for name, (node, variant, role) in found.annotations:
        try:
            images.append(RawImage(node=node, variant=variant, role=role, data=read(name), name=name))
        except SourceError as error:
            problems.append(Problem(name, failure_class(error), str(error)))
    return images, problems
