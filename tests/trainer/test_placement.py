from __future__ import annotations

import pytest
import torch
from diffusers.hooks import HookRegistry

from graph200k.errors import PlanError
from trainer.placement import Placement, PlacementSettings


class Watched(torch.nn.Module):
    """A model that notes where it is sent. ``meta`` stands for a device: every machine has it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)
        self.places: list[str] = []

    def to(self, device: torch.device) -> Watched:
        self.places.append(str(device))
        return self


@pytest.fixture
def watched() -> Watched:
    return Watched()


def placement(offload: str) -> Placement:
    return Placement(PlacementSettings(device="cpu", offload=offload))


def test_without_offloading_a_model_goes_to_the_device_once(watched: Watched) -> None:
    place = placement("none")
    place.device = torch.device("meta")
    place.add(watched, large=True)
    with place.at_work(watched, large=True):
        pass
    assert watched.places == ["meta"]


def test_a_model_comes_for_its_work_and_goes_back_even_if_that_fails(watched: Watched) -> None:
    place = placement("model")
    place.device = torch.device("meta")
    place.add(watched, large=True)
    assert watched.places == ["cpu"]
    with pytest.raises(RuntimeError), place.at_work(watched, large=True):
        assert watched.places == ["cpu", "meta"]
        raise RuntimeError
    assert watched.places == ["cpu", "meta", "cpu"]


def test_large_models_come_layer_by_layer_and_small_ones_whole(watched: Watched) -> None:
    place, large = placement("sequential"), Watched()
    for module, is_large in ((large, True), (watched, False)):
        place.add(module, large=is_large)
        with place.at_work(module, large=is_large):
            pass
    assert large.places == []
    assert hasattr(large.linear, "_diffusers_hook")
    assert isinstance(large.linear._diffusers_hook, HookRegistry)
    assert watched.places == ["cpu"] * 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_device_that_is_not_there_is_an_error() -> None:
    assert PlacementSettings().torch_device == torch.device("cpu")
    with pytest.raises(PlanError, match="device cuda:1: torch finds no CUDA device; use cpu or auto"):
        _ = PlacementSettings(device="cuda:1").torch_device
