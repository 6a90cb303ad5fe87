from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from sampler.grid import Grid
from trainer.codec import VaeCodec
from trainer.dev_variant import CleanTokenFlux, TokenTimes, hold_clean
from trainer.flow import sample_losses
from trainer.latents import GridEncoder, LatentSettings
from trainer.lora import LoraSettings, add_lora, lora_parameters
from trainer.models import ModelSettings, load_transformer

Inputs = Callable[..., dict[str, torch.Tensor]]
CLEAN = torch.tensor([[True, True, False, True, False, False], [True, False, False, False, True, False]])


@pytest.fixture
def variant(tiny_dev: Path) -> CleanTokenFlux:
    """The variant with two blocks of each kind's worth of random weights in every modulation."""
    return load_transformer(tiny_dev, ModelSettings(dtype="float32"))


def run(variant: CleanTokenFlux, inputs: dict[str, torch.Tensor], **changes: torch.Tensor) -> torch.Tensor:
    return variant(**(inputs | changes), return_dict=False)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_with_nothing_clean_it_is_the_stock_model(
    dtype: torch.dtype, variant: CleanTokenFlux, model_inputs: Inputs
) -> None:
    variant.to(dtype)
    inputs = {name: value if "ids" in name else value.to(dtype) for name, value in model_inputs(64).items()}
    stock = run(variant, inputs)
    assert torch.equal(run(variant, inputs, clean=torch.zeros(2, 6, dtype=torch.bool)), stock)


def test_with_everything_clean_only_the_text_sees_the_time(variant: CleanTokenFlux, model_inputs: Inputs) -> None:
    inputs = model_inputs(64)
    at_zero = run(variant, inputs, timestep=torch.zeros(2))
    # Here text and image both stand at σ = 0, so clean and noisy modulations are the same.
    clean = torch.ones(2, 6, dtype=torch.bool)
    torch.testing.assert_close(run(variant, inputs, timestep=torch.zeros(2), clean=clean), at_zero)
    assert not torch.allclose(run(variant, inputs, clean=clean), at_zero, atol=1e-4)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, torch.Tensor]]]:
    """The modulations that every adaptive norm gave, with the kind of the norm."""
    found: list[tuple[str, torch.Tensor]] = []
    compute = TokenTimes.modulations

    def record(self: TokenTimes, norm: torch.nn.Module, parts: int) -> tuple[torch.Tensor, ...]:
        result = compute(self, norm, parts)
        found.append((type(norm).__name__, torch.stack(result)))
        return result

    monkeypatch.setattr(TokenTimes, "modulations", record)
    yield found


def test_modulations_of_condition_tokens_do_not_depend_on_the_noise_level(
    variant: CleanTokenFlux, model_inputs: Inputs, seen: list[tuple[str, torch.Tensor]]
) -> None:
    run(variant, model_inputs(64), clean=CLEAN, timestep=torch.tensor([0.1, 0.2]))
    first = seen.copy()
    seen.clear()
    run(variant, model_inputs(64), clean=CLEAN, timestep=torch.tensor([0.9, 0.7]))
    assert [name for name, _ in seen] == ["AdaLayerNormZero", "AdaLayerNormZeroSingle", "AdaLayerNormContinuous"]
    for (name, one), (_, other) in zip(first, seen, strict=True):
        image_one, image_other = one[:, :, -6:], other[:, :, -6:]  # single blocks have the text in front
        assert torch.equal(image_one[:, CLEAN], image_other[:, CLEAN]), name
        assert (image_one[:, ~CLEAN] != image_other[:, ~CLEAN]).all(), name
        if name == "AdaLayerNormZeroSingle":
            assert (one[:, :, :-6] != other[:, :, :-6]).all()


def test_condition_tokens_are_modulated_as_the_stock_model_modulates_at_zero(
    variant: CleanTokenFlux, model_inputs: Inputs, seen: list[tuple[str, torch.Tensor]]
) -> None:
    inputs = model_inputs(64)
    run(variant, inputs, clean=CLEAN)
    at_zero = variant.time_text_embed(torch.zeros(2), inputs["guidance"] * 1000, inputs["pooled_projections"])
    norm = variant.transformer_blocks[0].norm1
    shift = norm.linear(norm.silu(at_zero)).chunk(6, dim=1)[0]
    modulated = seen[0][1][0]
    torch.testing.assert_close(modulated[0, CLEAN[0]], shift[:1].expand(3, -1))


def test_a_checkpointed_pass_has_the_same_gradients(variant: CleanTokenFlux, model_inputs: Inputs) -> None:
    add_lora(variant, LoraSettings(rank=4), torch.Generator().manual_seed(0))
    gradients = []
    for checkpointing in (False, True):
        (variant.enable_gradient_checkpointing if checkpointing else variant.disable_gradient_checkpointing)()
        variant.zero_grad()
        loss = sample_losses(run(variant, model_inputs(64), clean=CLEAN), torch.zeros(2, 6, 64), ~CLEAN, "masked")
        loss.mean().backward()
        gradients.append([p.grad.clone() for p in lora_parameters(variant).values()])
    assert any(gradient.any() for gradient in gradients[0])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_conditions_stay_clean_whatever_a_step_did_to_them(codec: VaeCodec) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    grid = Grid((pixels, pixels), np.array([[False, False], [False, True]]))
    conditions = GridEncoder(codec, LatentSettings()).conditions([grid], [torch.Generator().manual_seed(0)])
    noisy = torch.randn(conditions.masked_latents.shape)
    held = hold_clean(noisy, conditions)
    generated = conditions.generated
    assert torch.equal(held[generated], noisy[generated])
    assert torch.equal(held[~generated], conditions.masked_latents[~generated])
    assert generated.sum() == 4
