from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import load_file, save_file

from graph200k.errors import MissingWeightsError, PlanError, SourceError
from trainer.adapters import Adapter, fuse_adapters, load_adapters, parse_adapter, without_adapters
from trainer.lora import LoraSettings, add_lora, lora_parameters, read_lora, save_lora

Inputs = Callable[..., dict[str, torch.Tensor]]


def output(transformer: FluxTransformer2DModel, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        return transformer(**inputs, return_dict=False)[0]


def saved(base: FluxTransformer2DModel, folder: Path, seed: int, settings: LoraSettings) -> Path:
    """Save a LoRA of random weights."""
    transformer = copy.deepcopy(base)
    add_lora(transformer, settings, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed)
    for parameter in lora_parameters(transformer).values():
        torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    save_lora(transformer, folder)
    return folder


@pytest.fixture
def two(transformer: FluxTransformer2DModel, tmp_path: Path) -> list[Path]:
    """Two LoRAs of different ranks, alphas and targets."""
    return [
        saved(transformer, tmp_path / "a", 1, LoraSettings(rank=8, scale=0.5)),
        saved(transformer, tmp_path / "b", 2, LoraSettings(rank=4, targets=("to_q", "proj_out"))),
    ]


def add_by_hand(transformer: FluxTransformer2DModel, folder: Path, scale: float) -> None:
    """Add scale · B·A to the weights."""
    weights = load_file(folder / "pytorch_lora_weights.safetensors")
    for key, a in weights.items():
        if ".lora_A." in key:
            name = key.removeprefix("transformer.").removesuffix(".lora_A.weight")
            transformer.get_submodule(name).weight.data += scale * weights[key.replace("lora_A", "lora_B")] @ a


def test_loras_add_up_by_their_weights(
    transformer: FluxTransformer2DModel, two: list[Path], model_inputs: Inputs
) -> None:
    by_hand = copy.deepcopy(transformer)
    add_by_hand(by_hand, two[0], 0.5)
    add_by_hand(by_hand, two[1], 0.8)
    load_adapters(transformer, [Adapter(two[0]), Adapter(two[1], 0.8)])
    torch.testing.assert_close(output(transformer, model_inputs()), output(by_hand, model_inputs()), rtol=0, atol=1e-5)


def test_a_lora_of_kohyas_trainer_acts_at_its_own_alpha(
    transformer: FluxTransformer2DModel, tmp_path: Path, model_inputs: Inputs
) -> None:
    down, up = torch.randn(4, 32), torch.randn(96, 4)
    fused = "lora_unet_double_blocks_0_img_attn_qkv"
    weights = {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(2.0)}
    save_file({f"{fused}.{part}": value for part, value in weights.items()}, tmp_path / "kohya.safetensors")
    by_hand = copy.deepcopy(transformer)
    for part, rows in zip(("to_q", "to_k", "to_v"), up.chunk(3), strict=True):
        by_hand.transformer_blocks[0].attn.get_submodule(part).weight.data += 2.0 / 4 * rows @ down
    load_adapters(transformer, [Adapter(tmp_path / "kohya.safetensors")])
    torch.testing.assert_close(output(transformer, model_inputs()), output(by_hand, model_inputs()), rtol=0, atol=1e-5)


def test_a_weight_of_zero_is_the_base(
    transformer: FluxTransformer2DModel, two: list[Path], model_inputs: Inputs
) -> None:
    base = output(transformer, model_inputs())
    load_adapters(transformer, [Adapter(two[0], 0.0)])
    assert torch.equal(output(transformer, model_inputs()), base)


def test_fused_loras_leave_a_stock_transformer_that_computes_the_same(
    transformer: FluxTransformer2DModel, two: list[Path], model_inputs: Inputs, tmp_path: Path
) -> None:
    adapters = [Adapter(two[0], 0.7), Adapter(two[1], 1.2)]
    loaded = copy.deepcopy(transformer)
    load_adapters(loaded, adapters)
    names = set(transformer.state_dict())
    fuse_adapters(transformer, adapters)
    assert set(transformer.state_dict()) == names
    torch.testing.assert_close(output(transformer, model_inputs()), output(loaded, model_inputs()), rtol=0, atol=1e-5)
    transformer.save_pretrained(tmp_path / "fused")
    again = FluxTransformer2DModel.from_pretrained(tmp_path / "fused")
    assert torch.equal(output(again, model_inputs()), output(transformer, model_inputs()))


def test_loras_can_be_switched_off_for_a_while(
    transformer: FluxTransformer2DModel, two: list[Path], model_inputs: Inputs
) -> None:
    base = output(transformer, model_inputs())
    with without_adapters(transformer):  # none to switch off
        pass
    load_adapters(transformer, [Adapter(two[0])])
    with_lora = output(transformer, model_inputs())
    with without_adapters(transformer):
        assert torch.equal(output(transformer, model_inputs()), base)
    assert torch.equal(output(transformer, model_inputs()), with_lora)


def test_a_key_that_would_be_left_out_silently_is_an_error(
    transformer: FluxTransformer2DModel, two: list[Path], tmp_path: Path
) -> None:
    weights = load_file(two[0] / "pytorch_lora_weights.safetensors")
    weights["transformer.transformer_blocks.7.attn.to_q.lora_A.weight"] = torch.zeros(4, 32)
    save_file(weights, tmp_path / "strange.safetensors")
    with pytest.raises(SourceError, match=r"1 of 61 keys are not, such as transformer\.transformer_blocks\.7"):
        load_adapters(transformer, [Adapter(tmp_path / "strange.safetensors")])


def test_a_file_in_the_original_layout_is_refused_with_the_way_to_convert_it(
    transformer: FluxTransformer2DModel, tmp_path: Path
) -> None:
    save_file({"double_blocks.0.img_attn.qkv.lora_A.weight": torch.zeros(4, 32)}, tmp_path / "release.safetensors")
    with pytest.raises(SourceError, match="import-lora"):
        load_adapters(transformer, [Adapter(tmp_path / "release.safetensors")])


def test_a_missing_lora_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"no LoRA at .*nowhere; expected a safetensors file"):
        _ = Adapter(tmp_path / "nowhere").file


def test_a_saved_lora_can_be_trained_on(transformer: FluxTransformer2DModel, two: list[Path]) -> None:
    add_lora(transformer, LoraSettings(rank=8, scale=0.5), torch.Generator().manual_seed(5))
    stored = read_lora(transformer, two[0])
    assert stored.keys() == lora_parameters(transformer).keys()
    name = "transformer_blocks.0.attn.to_q.lora_A.default.weight"
    file = load_file(two[0] / "pytorch_lora_weights.safetensors")
    assert torch.equal(stored[name], file["transformer.transformer_blocks.0.attn.to_q.lora_A.weight"])


def test_a_saved_lora_of_other_ranks_is_refused(transformer: FluxTransformer2DModel, two: list[Path]) -> None:
    add_lora(transformer, LoraSettings(rank=16), torch.Generator().manual_seed(5))
    with pytest.raises(SourceError, match="60 of 60 weights differ"):
        read_lora(transformer, two[0])


def test_a_weight_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="'x' is no weight"):
        parse_adapter(f"{tmp_path}:x")
