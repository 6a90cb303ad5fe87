from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers import FluxTransformer2DModel
from torch._dynamo.testing import CompileCounterWithBackend

from graph200k.errors import PlanError
from trainer.compute import ComputeSettings, prepare_blocks
from trainer.lora import LoraSettings, add_lora, lora_parameters
from trainer.models import ModelSettings, load_transformer
from trainer.tiny import tiny_transformer

Inputs = Callable[..., dict[str, torch.Tensor]]


def gradients(transformer: FluxTransformer2DModel, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    transformer.zero_grad()
    transformer(**inputs, return_dict=False)[0].square().mean().backward()
    return [parameter.grad.clone() for parameter in lora_parameters(transformer).values()]


@pytest.mark.parametrize(("checkpointing", "runs"), [("none", (1, 1)), ("selective", (2, 1)), ("full", (2, 2))])
def test_checkpointed_blocks_run_twice_and_give_the_same_gradients(
    checkpointing: str, runs: tuple[int, int], transformer: FluxTransformer2DModel, model_inputs: Inputs
) -> None:
    add_lora(transformer, LoraSettings(rank=4), torch.Generator().manual_seed(0))
    expected = gradients(transformer, model_inputs())
    counts = [0, 0]

    def count(number: int) -> Callable[..., None]:
        def hook(*_: object) -> None:
            counts[number] += 1

        return hook

    # A layer at the start of each block: recomputing stops once the last activation that is needed is there.
    transformer.transformer_blocks[0].norm1.register_forward_pre_hook(count(0))
    transformer.single_transformer_blocks[0].norm.register_forward_pre_hook(count(1))
    prepare_blocks(transformer, ComputeSettings(checkpointing=checkpointing))
    found = gradients(transformer, model_inputs())
    assert tuple(counts) == runs
    assert any(gradient.any() for gradient in expected)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_the_dev_variant_is_not_compiled(tiny_dev: Path) -> None:
    with pytest.raises(PlanError, match=r"compute\.compile = true"):
        prepare_blocks(load_transformer(tiny_dev, ModelSettings()), ComputeSettings(compile=True))


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[CompileCounterWithBackend]:
    """Count compiled programs, which are traced and guarded but run as they are: writing C++ takes a minute."""
    counter = CompileCounterWithBackend("eager")
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counter))
    torch.compiler.reset()
    yield counter
    torch.compiler.reset()


# torch looks at the gradients of what it traces, and warns itself.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled_programs_serve_all_blocks_of_a_kind_and_from_the_second_grid_shape_on_all_shapes(
    traced: CompileCounterWithBackend, model_inputs: Inputs
) -> None:
    torch.manual_seed(0)
    transformer = tiny_transformer(num_layers=2, num_single_layers=2)
    add_lora(transformer, LoraSettings(rank=4), torch.Generator().manual_seed(0))
    inputs = [model_inputs(sides=sides) for sides in ((2, 3), (3, 3), (5, 4))]
    expected = [gradients(transformer, one) for one in inputs]
    names = list(transformer.state_dict())
    prepare_blocks(transformer, ComputeSettings(checkpointing="selective", compile=True))
    programs = []
    with torch.no_grad():
        for one in inputs:
            transformer(**one)
            programs.append(traced.frame_count)
    for one, plain in zip(inputs, expected, strict=True):
        for left, right in zip(gradients(transformer, one), plain, strict=True):
            torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-6)
        programs.append(traced.frame_count)
    # Three for four blocks: the first single block gets whole tensors, the others slices of one.
    assert programs == [3, 6, 6, 9, 9, 9]
    assert list(transformer.state_dict()) == names
