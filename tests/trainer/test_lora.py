from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import FluxFillPipeline, FluxTransformer2DModel, VisualClozePipeline
from peft.tuners.lora import LoraLayer
from safetensors import safe_open

from graph200k.errors import PlanError
from trainer.lora import LoraSettings, add_lora, lora_parameters, save_lora

Inputs = Callable[..., dict[str, torch.Tensor]]
SETTINGS = LoraSettings(rank=8)


@pytest.fixture
def narrow(tiny_fill: Path) -> FluxTransformer2DModel:
    """A transformer whose output layer, ``proj_out``, is narrower than the blocks' layers of the same name."""
    config = FluxTransformer2DModel.load_config(tiny_fill, subfolder="transformer")
    return FluxTransformer2DModel.from_config(config, out_channels=8)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def output(transformer: FluxTransformer2DModel, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        return transformer(**inputs, return_dict=False)[0]


def trained(transformer: FluxTransformer2DModel, settings: LoraSettings = SETTINGS) -> FluxTransformer2DModel:
    """Give a transformer a LoRA that changes something."""
    add_lora(transformer, settings, generator())
    for number, parameter in enumerate(lora_parameters(transformer).values()):
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(number))
    return transformer


def test_every_linear_has_a_lora_of_a_rank_no_greater_than_its_narrower_side(
    transformer: FluxTransformer2DModel,
) -> None:
    linears = {name: m for name, m in transformer.named_modules() if isinstance(m, torch.nn.Linear)}
    add_lora(transformer, LoraSettings(rank=256), generator())
    layers = {name: m for name, m in transformer.named_modules() if isinstance(m, LoraLayer)}
    assert layers.keys() == linears.keys()
    for name, layer in layers.items():
        assert layer.r["default"] == min(256, *linears[name].weight.shape)
        assert layer.lora_A["default"].weight.shape[0] == layer.r["default"]


def test_the_full_size_transformer_has_504_linears() -> None:
    with torch.device("meta"):
        full = FluxTransformer2DModel(in_channels=384, out_channels=64, guidance_embeds=True)
    assert sum(isinstance(module, torch.nn.Linear) for module in full.modules()) == 504


def test_a_new_lora_changes_nothing(transformer: FluxTransformer2DModel, model_inputs: Inputs) -> None:
    before = output(transformer, model_inputs())
    add_lora(transformer, SETTINGS, generator())
    assert torch.equal(output(transformer, model_inputs()), before)


def test_the_loras_alone_are_trained(transformer: FluxTransformer2DModel) -> None:
    add_lora(transformer, SETTINGS, generator())
    assert {n for n, p in transformer.named_parameters() if p.requires_grad} == lora_parameters(transformer).keys()


def test_the_same_generator_gives_the_same_lora(tiny_fill: Path) -> None:
    first, second = (FluxTransformer2DModel.from_pretrained(tiny_fill, subfolder="transformer") for _ in range(2))
    add_lora(first, SETTINGS, generator())
    add_lora(second.to(torch.bfloat16), SETTINGS, generator())
    for one, other in zip(lora_parameters(first).values(), lora_parameters(second).values(), strict=True):
        assert torch.equal(one, other)


def test_weights_are_float32_over_a_bfloat16_base_that_computes_in_bfloat16(
    transformer: FluxTransformer2DModel, model_inputs: Inputs
) -> None:
    transformer.to(torch.bfloat16)
    add_lora(transformer, SETTINGS, generator())
    inputs = {
        name: value if name in {"img_ids", "txt_ids"} else value.bfloat16() for name, value in model_inputs().items()
    }
    seen = {}
    layer = transformer.transformer_blocks[0].ff.net[2]
    layer.lora_B["default"].register_forward_hook(lambda module, args, result: seen.update(dtype=result.dtype))
    transformer(**inputs, return_dict=False)[0].float().square().mean().backward()
    assert seen["dtype"] == torch.bfloat16
    assert transformer.x_embedder.base_layer.weight.dtype == torch.bfloat16
    for parameter in lora_parameters(transformer).values():
        assert parameter.dtype == parameter.grad.dtype == torch.float32
    assert layer.lora_B["default"].weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "settings",
    [SETTINGS, LoraSettings(rank=16, scale=0.5), LoraSettings(rank=64, scale=2.0, bias=True)],
    ids=["one rank", "other alpha", "bias"],
)
@pytest.mark.parametrize("kind", [FluxFillPipeline, VisualClozePipeline])
def test_what_is_saved_acts_the_same_in_diffusers(
    kind: type,
    settings: LoraSettings,
    narrow: FluxTransformer2DModel,
    pipeline: FluxFillPipeline,
    tmp_path: Path,
    model_inputs: Inputs,
) -> None:
    parts = pipeline.components | {"transformer": copy.deepcopy(narrow)}
    before = output(narrow, model_inputs())
    ours = output(trained(narrow, settings), model_inputs())
    save_lora(narrow, tmp_path)
    loaded = kind(**parts)
    (loaded if kind is FluxFillPipeline else loaded.generation_pipe).load_lora_weights(tmp_path)
    assert (ours - before).abs().max() > 1e-3
    torch.testing.assert_close(output(parts["transformer"], model_inputs()), ours, rtol=0, atol=1e-5)


def test_the_metadata_has_the_alpha_of_every_rank(narrow: FluxTransformer2DModel, tmp_path: Path) -> None:
    path = save_lora(trained(narrow, LoraSettings(rank=64, scale=0.5)), tmp_path)
    with safe_open(path, "pt") as file:
        metadata = json.loads(file.metadata()["lora_adapter_metadata"])
        ranks = {
            name.removesuffix(".lora_A.weight").removeprefix("transformer."): file.get_slice(name).get_shape()[0]
            for name in file.keys()
            if "lora_A" in name
        }
    assert ranks["proj_out"] == 8
    assert ranks["single_transformer_blocks.0.proj_out"] == 32
    for name, rank in ranks.items():
        alpha = metadata["transformer.alpha_pattern"].get(f"^{name}", metadata["transformer.lora_alpha"])
        assert alpha == 0.5 * rank, name


def test_an_average_can_be_saved_in_place_of_the_weights(transformer: FluxTransformer2DModel, tmp_path: Path) -> None:
    trained(transformer)
    zeros = {name: torch.zeros_like(value) for name, value in lora_parameters(transformer).items()}
    with safe_open(save_lora(transformer, tmp_path, zeros), "pt") as file:
        assert not any(file.get_tensor(name).any() for name in file.keys())


def test_a_crash_while_saving_leaves_the_old_file(transformer: FluxTransformer2DModel, tmp_path: Path) -> None:
    path = save_lora(trained(transformer), tmp_path)
    before = path.read_bytes()
    with pytest.raises(KeyError):
        save_lora(transformer, tmp_path, weights={})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_targets_may_be_ends_of_names(transformer: FluxTransformer2DModel) -> None:
    add_lora(transformer, LoraSettings(rank=4, targets=("to_q", "ff.net.2")), generator())
    names = {name for name, module in transformer.named_modules() if isinstance(module, LoraLayer)}
    assert names == {
        "transformer_blocks.0.attn.to_q",
        "single_transformer_blocks.0.attn.to_q",
        "transformer_blocks.0.ff.net.2",
    }


def test_a_target_that_names_nothing_is_an_error_with_the_names_there_are(transformer: FluxTransformer2DModel) -> None:
    with pytest.raises(PlanError, match=r"'to_qkv' names no Linear .* to_add_out"):
        add_lora(transformer, LoraSettings(targets=("to_qkv",)), generator())
