"""Several records at once: batches that fit the memory of a GPU, and inputs of one shape stacked."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from annotators.base import Annotation, Fact, RecordView
from graph200k.errors import AnswerError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
R = TypeVar("R")

Made: TypeAlias = Sequence[Annotation | Fact] | AnswerError
"""What is made of a record; or why nothing is, where a model's answer about it cannot be read."""

BatchRun: TypeAlias = Callable[[Sequence[RecordView], Sequence[np.random.Generator]], Sequence[Made]]
"""From records and a generator for each to what is made of each, in order."""


class BatchSize:
    """How many fit into memory at once: halved when they do not, and never raised again.

    Examples
    --------
    >>> size = BatchSize(8)
    >>> def run(batch):
    ...     if len(batch) > 3:
    ...         raise MemoryError
    ...     return [-number for number in batch]
    >>> size.map(range(5), run), size.now
    ([0, -1, -2, -3, -4], 2)
    """

    def __init__(self, most: int) -> None:
        self.now = most

    def fit(self, run: Callable[[int], R]) -> R:
        """Return ``run(size)``, tried with half the size as long as memory does not suffice.

        Raises
        ------
        Exception
            Whatever ``run`` raises; lack of memory only from a size of 1.
        """
        while True:
            try:
                return run(self.now)
            except (RuntimeError, MemoryError) as error:
                if self.now == 1 or not is_out_of_memory(error):
                    raise
            # Out of the handler, for the error's traceback holds on to what filled the memory.
            self.now //= 2
            _release()

    def map(self, items: Sequence[T], run: Callable[[Sequence[T]], Sequence[R]]) -> list[R]:
        """Return ``run`` of all items, in order, as many of them at once as fit."""
        done: list[R] = []
        while len(done) < len(items):
            start = len(done)
            done += self.fit(lambda size: run(items[start : start + size]))  # noqa: B023  (called at once)
        return done


class BatchFunction:
    """An annotate function that takes several records at once, too.

    Parameters
    ----------
    run
        What makes annotations of records. What it makes of one must not depend on the others.
    size
        Most records at once.
    """

    def __init__(self, run: BatchRun, size: int) -> None:
        self.run = run
        self.most = size
        """Records worth handing over together."""
        self._size = BatchSize(size)

    def __call__(self, view: RecordView, rng: np.random.Generator) -> Sequence[Annotation | Fact]:
        """Return what is made of one record.

        Raises
        ------
        AnswerError
            If a model's answer about it cannot be read.
        """
        (made,) = self.many([view], [rng])
        if isinstance(made, AnswerError):
            raise made
        return made

    def many(self, views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[Made]:
        """Return what is made of each record, as many at once as fit into memory.

        Raises
        ------
        Exception
            If it fails on one of them, whichever: try them one by one then.
        """

        def run(pairs: Sequence[tuple[RecordView, np.random.Generator]]) -> Sequence[Made]:
            # Copies, for a batch that did not fit has drawn from its generators already.
            return self.run([view for view, _ in pairs], [copy.deepcopy(rng) for _, rng in pairs])

        return self._size.map(list(zip(views, rngs, strict=True)), run)


def stacks(inputs: Sequence[Mapping[str, torch.Tensor]]) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Yield a network's inputs (tensors 1×… by name) stacked where all shapes agree, with their positions.

    Networks that keep the aspect ratio see pictures of different sizes in different shapes.
    """
    import torch

    groups: dict[tuple[tuple[str, tuple[int, ...]], ...], list[int]] = defaultdict(list)
    for position, tensors in enumerate(inputs):
        groups[tuple((name, tuple(tensor.shape)) for name, tensor in tensors.items())].append(position)
    for shapes, positions in groups.items():
        yield positions, {name: torch.cat([inputs[position][name] for position in positions]) for name, _ in shapes}


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory, a GPU's or the machine's, does not suffice.

    Examples
    --------
    >>> is_out_of_memory(MemoryError()), is_out_of_memory(ValueError())
    (True, False)
    """
    # torch's, a RuntimeError, by its name: torch is not imported here.
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _release() -> None:
    """Give back what torch keeps for later: in pieces, it may be too small for what comes."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
