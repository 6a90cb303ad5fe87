"""Several pictures at once through a library that takes one picture and asks its network by itself.

Each picture goes through the library up to the question to the network. All questions are answered together, and each
picture goes through the library again, with its answer at hand. What the library does before and after stays its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from annotators.batching import stacks

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
Q = TypeVar("Q")
A = TypeVar("A")
R = TypeVar("R")


class _Asked(Exception):
    """Ends a run at its question."""

    def __init__(self, question: Any) -> None:
        super().__init__()
        self.question = question


def ask_together(
    run: Callable[[T, Callable[[Q], A]], R], items: Sequence[T], answer: Callable[[Sequence[Q]], Sequence[A]]
) -> list[R]:
    """Return ``run(item, ask)`` of each item, in order, with all that they ask answered at once.

    Parameters
    ----------
    run
        What is done with one item. It asks exactly once, the same whenever it is run; if there are several items, it is
        run twice for each.
    items
        One or more.
    answer
        From questions to their answers, in order.

    Examples
    --------
    >>> ask_together(lambda item, ask: ask(item + 1) * 10, [1, 2, 3], lambda questions: [-one for one in questions])
    [-20, -30, -40]
    """
    if len(items) == 1:
        return [run(items[0], lambda question: answer([question])[0])]
    answers = answer([_question(run, item) for item in items])
    return [run(item, _saying(known)) for item, known in zip(items, answers, strict=True)]


def _saying(known: A) -> Callable[[Any], A]:
    return lambda _: known


def _question(run: Callable[[T, Callable[[Q], A]], R], item: T) -> Q:
    def ask(question: Q) -> A:
        raise _Asked(question)

    try:
        run(item, ask)
    except _Asked as asked:
        return asked.question
    raise AssertionError("it asked nothing")


class StandIn:
    """What a library takes for its network (of torch): it runs where the network does, and asks."""

    def __init__(self, network: torch.nn.Module, ask: Callable[[torch.Tensor], Any]) -> None:
        self._network = network
        self._ask = ask

    def parameters(self) -> Iterator[torch.Tensor]:
        """Yield the network's weights, which tell the library where it runs."""
        yield from self._network.parameters()

    def __call__(self, seen: torch.Tensor) -> Any:
        """Return the answer."""
        return self._ask(seen)


def run_together(run: Callable[[T, StandIn], R], items: Sequence[T], network: torch.nn.Module) -> list[R]:
    """Return ``run(item, network)`` of each item, with the network run on all inputs of one shape at once.

    ``run`` calls the network exactly once, with a tensor 1×…, and gets what it returns for it: a tensor, or tensors in
    lists.
    """

    def answer(inputs: Sequence[torch.Tensor]) -> list[Any]:
        found: dict[int, Any] = {}
        for positions, stack in stacks([{"x": one} for one in inputs]):
            outputs = network(stack["x"])
            found.update((position, _of_one(outputs, n)) for n, position in enumerate(positions))
        return [found[position] for position in range(len(inputs))]

    return ask_together(lambda item, ask: run(item, StandIn(network, ask)), items, answer)


def _of_one(outputs: Any, position: int) -> Any:
    """Return what is one picture's of a network's outputs, as a batch of one."""
    if isinstance(outputs, (list, tuple)):
        return [_of_one(one, position) for one in outputs]
    return None if outputs is None else outputs[position : position + 1]
