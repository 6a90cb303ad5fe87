from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import FluxFillPipeline, FluxTransformer2DModel
from safetensors.torch import load_file, save_file

from graph200k.errors import MissingWeightsError, PlanError, SourceError
from trainer.adapters import Adapter, load_adapters, parse_adapter
from trainer.lora import LoraSettings, add_lora, lora_parameters, save_lora
from trainer.lora_sums import fuse_loras

Inputs = Callable[..., dict[str, torch.Tensor]]


def output(base: FluxTransformer2DModel, adapters: list[Adapter], inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    transformer = copy.deepcopy(base)
    load_adapters(transformer, adapters)
    with torch.no_grad():
        return transformer(**inputs, return_dict=False)[0]


@pytest.fixture
def save(transformer: FluxTransformer2DModel, tmp_path: Path) -> Callable[..., Path]:
    """Save a LoRA of random weights under a name."""

    def run(name: str, **settings: object) -> Path:
        adapted = copy.deepcopy(transformer)
        add_lora(adapted, LoraSettings(**settings), torch.Generator().manual_seed(0))
        generator = torch.Generator().manual_seed(len(name))
        for parameter in lora_parameters(adapted).values():
            torch.nn.init.normal_(parameter, std=0.1, generator=generator)
        save_lora(adapted, tmp_path / name)
        return tmp_path / name

    return run


def test_one_file_is_the_weighted_sum_of_several(
    transformer: FluxTransformer2DModel, save: Callable[..., Path], model_inputs: Inputs, tmp_path: Path
) -> None:
    adapters = [
        Adapter(save("a", rank=48, scale=0.5), 0.7),
        Adapter(save("bb", rank=4, targets=("to_q", "proj_out"), bias=True), -1.2),
        Adapter(save("ccc", rank=8, targets=("ff.net.2",)), 1.0),
    ]
    together = output(transformer, adapters, model_inputs())
    fused = fuse_loras(adapters, tmp_path / "fused")
    assert (output(transformer, [], model_inputs()) - together).abs().max() > 0.05
    torch.testing.assert_close(output(transformer, [Adapter(fused)], model_inputs()), together, rtol=0, atol=1e-5)


def test_the_stock_pipeline_loads_the_sum(
    tiny_fill: Path,
    transformer: FluxTransformer2DModel,
    save: Callable[..., Path],
    model_inputs: Inputs,
    tmp_path: Path,
) -> None:
    adapters = [Adapter(save("a", rank=8, scale=2.0), 0.5), Adapter(save("bb", rank=4), 0.5)]
    fuse_loras(adapters, tmp_path / "fused")
    stock = FluxFillPipeline.from_pretrained(tiny_fill)
    stock.load_lora_weights(tmp_path / "fused")
    with torch.no_grad():
        theirs = stock.transformer(**model_inputs(), return_dict=False)[0]
    torch.testing.assert_close(theirs, output(transformer, adapters, model_inputs()), rtol=0, atol=1e-5)


@pytest.mark.parametrize("alpha", [None, 2.0])
def test_files_without_settings_act_as_diffusers_loads_them(
    transformer: FluxTransformer2DModel, save: Callable[..., Path], model_inputs: Inputs, tmp_path: Path, alpha: float
) -> None:
    weights = load_file(save("a", rank=48, targets=("to_q", "proj_out")) / "pytorch_lora_weights.safetensors")
    name = "transformer.transformer_blocks.0.attn.to_q.lora_"
    weights[f"{name}A.weight"] = weights[f"{name}A.weight"][:5].clone()
    weights[f"{name}B.weight"] = weights[f"{name}B.weight"][:, :5].clone()
    if alpha is not None:
        modules = {key.partition(".lora_")[0] for key in weights}
        weights |= {f"{module}.alpha": torch.tensor(alpha) for module in modules}
    save_file(weights, tmp_path / "bare.safetensors")
    bare = Adapter(tmp_path / "bare.safetensors", 0.9)
    fused = fuse_loras([bare], tmp_path / "fused")
    expected = output(transformer, [bare], model_inputs())
    torch.testing.assert_close(output(transformer, [Adapter(fused)], model_inputs()), expected, rtol=0, atol=1e-5)


def test_what_is_no_lora_is_refused(tmp_path: Path) -> None:
    save_file({"transformer.proj_out.weight": torch.zeros(2, 2)}, tmp_path / "base.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    with pytest.raises(SourceError, match=r"1 of 1 keys are not, such as transformer\.proj_out\.weight"):
        fuse_loras([Adapter(tmp_path / "base.safetensors")], tmp_path)
    with pytest.raises(SourceError, match=r"torn\.safetensors cannot be read as safetensors"):
        fuse_loras([Adapter(tmp_path / "torn.safetensors")], tmp_path)
    with pytest.raises(MissingWeightsError, match="no LoRA at"):
        fuse_loras([Adapter(tmp_path / "nowhere")], tmp_path)
    with pytest.raises(PlanError, match="no LoRA to fuse"):
        fuse_loras([], tmp_path)


def test_a_weight_is_what_follows_the_last_colon_if_it_is_a_number() -> None:
    assert parse_adapter("runs/a:0.8") == Adapter(Path("runs/a"), 0.8)
    assert parse_adapter("runs/a") == Adapter(Path("runs/a"))
    assert parse_adapter("runs/12:30/a") == Adapter(Path("runs/12:30/a"))
