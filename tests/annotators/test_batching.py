"""Batches: halved when memory does not suffice, never in order or content otherwise than one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from annotators.base import Annotation, RecordView
from annotators.batching import BatchFunction, BatchSize, is_out_of_memory, stacks


def fits(most: int, seen: list[int]):
    """Return a function that negates numbers, and like a GPU has room for so many."""

    def run(batch: Sequence[int]) -> list[int]:
        seen.append(len(batch))
        if len(batch) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [-number for number in batch]

    return run


def test_a_batch_that_does_not_fit_is_halved_and_the_size_remembered() -> None:
    size, seen = BatchSize(8), []
    assert size.map(list(range(10)), fits(3, seen)) == [-number for number in range(10)]
    assert seen == [8, 4, 2, 2, 2, 2, 2]
    assert size.map([1, 2, 3], fits(3, seen)) == [-1, -2, -3]
    assert seen[7:] == [2, 1]


def test_lack_of_memory_for_a_single_one_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        BatchSize(4).map([1, 2], fits(0, []))


def test_other_errors_change_no_size() -> None:
    def run(batch: Sequence[int]) -> list[int]:
        raise RuntimeError("no kernel image is available")

    size = BatchSize(4)
    with pytest.raises(RuntimeError, match="no kernel"):
        size.map([1], run)
    assert size.now == 4


def test_what_is_drawn_is_the_same_after_a_batch_that_did_not_fit() -> None:
    def make(most: int) -> BatchFunction:
        def run(views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[list[Annotation]]:
            drawn = [rng.integers(0, 256, (2, 2), dtype=np.uint8) for rng in rngs]
            if len(views) > most:
                raise torch.OutOfMemoryError
            return [[Annotation("depth", image)] for image in drawn]

        return BatchFunction(run, 8)

    def images(most: int) -> list[list[list[int]]]:
        made = make(most).many([RecordView({})] * 5, [np.random.default_rng(seed) for seed in range(5)])
        return [annotation.image.tolist() for (annotation,) in made]

    assert images(most=2) == images(most=8)
    (alone,) = make(8)(RecordView({}), np.random.default_rng(3))
    assert alone.image.tolist() == images(most=8)[3]


def test_inputs_are_stacked_with_those_of_their_shape() -> None:
    shapes = [(4, 6), (6, 4), (4, 6)]
    inputs = [{"pixels": torch.full((1, 3, *shape), float(number))} for number, shape in enumerate(shapes)]
    found = [(positions, tensors["pixels"]) for positions, tensors in stacks(inputs)]
    assert [(positions, tuple(tensor.shape)) for positions, tensor in found] == [
        ([0, 2], (2, 3, 4, 6)),
        ([1], (1, 3, 6, 4)),
    ]
    assert found[0][1][:, 0, 0, 0].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("error", "is_memory"), [(torch.OutOfMemoryError(), True), (MemoryError(), True), (RuntimeError("x"), False)]
)
def test_lack_of_memory_is_told_from_other_errors(error: Exception, is_memory: bool) -> None:
    assert is_out_of_memory(error) is is_memory
