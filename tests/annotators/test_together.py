import numpy as np
import pytest
import torch

from annotators.together import ask_together, run_together


def test_a_network_sees_pictures_of_one_shape_together_and_each_gets_its_own_answer() -> None:
    seen: list[tuple[int, ...]] = []

    class Network(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
            seen.append(tuple(x.shape))
            return x + 1, [x * 10, None]

    def detect(image: np.ndarray, network: torch.nn.Module) -> list[float]:
        plus, (times, nothing) = network(torch.from_numpy(image)[None])
        assert nothing is None
        assert plus.shape == times.shape == (1, *image.shape)
        return [float(plus[0, 0]), float(times[0, 0])]

    images = [np.full(size, value, np.float32) for size, value in [(4, 1.0), (6, 2.0), (4, 3.0)]]
    assert run_together(detect, images, Network()) == [[2.0, 10.0], [3.0, 20.0], [4.0, 30.0]]
    assert seen == [(2, 4), (1, 6)]


def test_an_error_before_the_question_and_one_of_the_network_come_out_as_they_are() -> None:
    def divide(item: int, ask) -> int:
        return ask(1 // item)

    with pytest.raises(ZeroDivisionError):
        ask_together(divide, [1, 0], list)

    def refuse(questions: list[int]) -> list[int]:
        raise MemoryError

    with pytest.raises(MemoryError):
        ask_together(divide, [1, 2], refuse)


def test_one_item_is_run_once() -> None:
    runs: list[int] = []

    def run(item: int, ask) -> int:
        runs.append(item)
        return ask(item)

    assert ask_together(run, [7], list) == [7]
    assert runs == [7]
