from __future__ import annotations

import pytest
import torch

from trainer.ema import ExponentialAverage


def parameter(value: float) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor([value]))


def test_the_average_by_hand() -> None:
    weight = parameter(0.0)
    average = ExponentialAverage({"w": weight}, decay=0.25)
    weight.data.fill_(1.0)
    average.update()  # keeps 2/11 of the old
    assert average.state_dict()["w"].item() == pytest.approx(9 / 11)
    average.update()  # keeps 3/12
    assert average.state_dict()["w"].item() == pytest.approx(9 / 11 / 4 + 3 / 4)
    weight.data.fill_(0.0)
    average.update()  # would keep 4/13, but no more than 1/4
    assert average.state_dict()["w"].item() == pytest.approx((9 / 11 / 4 + 3 / 4) / 4)


def test_parameters_have_the_average_within_the_block_and_their_own_values_after() -> None:
    weight = parameter(0.0)
    average = ExponentialAverage({"w": weight}, decay=0.5)
    weight.data.fill_(1.0)
    with pytest.raises(RuntimeError, match="inside"), average.applied():
        assert weight.item() == 0.0
        raise RuntimeError("inside")
    assert weight.item() == 1.0


def test_a_loaded_average_goes_on_as_the_saved_one_would() -> None:
    weight = parameter(0.0)
    first = ExponentialAverage({"w": weight}, decay=0.9)
    weight.data.fill_(1.0)
    first.update()
    second = ExponentialAverage({"w": weight}, decay=0.9)
    second.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    weight.data.fill_(2.0)
    first.update()
    second.update()
    assert torch.equal(first.state_dict()["w"], second.state_dict()["w"])


def test_the_average_of_other_parameters_is_refused() -> None:
    average = ExponentialAverage({"w": parameter(0.0)}, decay=0.9)
    with pytest.raises(ValueError, match="2 differ, such as v"):
        average.load_state_dict({"v": torch.zeros(1), "updates": torch.tensor(1)})
