from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import FluxTransformer2DModel
from torch.nn.functional import layer_norm, linear, silu

from graph200k.errors import SourceError, UnsafeInputError
from trainer.adapters import Adapter, load_adapters
from trainer.import_lora import convert_lora, import_lora

Inputs = Callable[..., dict[str, torch.Tensor]]
Weights = dict[str, torch.Tensor]
WIDTH = 32

LINEARS = {  # (in, out) of every Linear of a FLUX with one block of each kind in the original code, 32 wide
    "img_in": (384, 32),
    "txt_in": (32, 32),
    "time_in.in_layer": (256, 32),
    "time_in.out_layer": (32, 32),
    "vector_in.in_layer": (32, 32),
    "vector_in.out_layer": (32, 32),
    "guidance_in.in_layer": (256, 32),
    "guidance_in.out_layer": (32, 32),
    "double_blocks.0.img_mod.lin": (32, 192),
    "double_blocks.0.txt_mod.lin": (32, 192),
    "double_blocks.0.img_attn.qkv": (32, 96),
    "double_blocks.0.txt_attn.qkv": (32, 96),
    "double_blocks.0.img_attn.proj": (32, 32),
    "double_blocks.0.txt_attn.proj": (32, 32),
    "double_blocks.0.img_mlp.0": (32, 128),
    "double_blocks.0.img_mlp.2": (128, 32),
    "double_blocks.0.txt_mlp.0": (32, 128),
    "double_blocks.0.txt_mlp.2": (128, 32),
    "single_blocks.0.linear1": (32, 224),
    "single_blocks.0.linear2": (160, 32),
    "single_blocks.0.modulation.lin": (32, 96),
    "final_layer.linear": (32, 64),
    "final_layer.adaLN_modulation.1": (32, 64),
}


def _modules() -> dict[str, list[str]]:
    double, single = "transformer_blocks.0", "single_transformer_blocks.0"
    embed = "time_text_embed"
    names = {
        "img_in": "x_embedder", "txt_in": "context_embedder",
        "time_in.in_layer": f"{embed}.timestep_embedder.linear_1",
        "time_in.out_layer": f"{embed}.timestep_embedder.linear_2",
        "vector_in.in_layer": f"{embed}.text_embedder.linear_1",
        "vector_in.out_layer": f"{embed}.text_embedder.linear_2",
        "guidance_in.in_layer": f"{embed}.guidance_embedder.linear_1",
        "guidance_in.out_layer": f"{embed}.guidance_embedder.linear_2",
        "double_blocks.0.img_mod.lin": f"{double}.norm1.linear",
        "double_blocks.0.txt_mod.lin": f"{double}.norm1_context.linear",
        "double_blocks.0.img_attn.proj": f"{double}.attn.to_out.0",
        "double_blocks.0.txt_attn.proj": f"{double}.attn.to_add_out",
        "double_blocks.0.img_mlp.0": f"{double}.ff.net.0.proj", "double_blocks.0.img_mlp.2": f"{double}.ff.net.2",
        "double_blocks.0.txt_mlp.0": f"{double}.ff_context.net.0.proj",
        "double_blocks.0.txt_mlp.2": f"{double}.ff_context.net.2",
        "single_blocks.0.linear2": f"{single}.proj_out", "single_blocks.0.modulation.lin": f"{single}.norm.linear",
        "final_layer.linear": "proj_out", "final_layer.adaLN_modulation.1": "norm_out.linear",
    }  # fmt: skip
    fused = {
        "double_blocks.0.img_attn.qkv": [f"{double}.attn.to_{part}" for part in "qkv"],
        "double_blocks.0.txt_attn.qkv": [f"{double}.attn.add_{part}_proj" for part in "qkv"],
        "single_blocks.0.linear1": [*(f"{single}.attn.to_{part}" for part in "qkv"), f"{single}.proj_mlp"],
    }
    return {name: [module] for name, module in names.items()} | fused


MODULES = _modules()
"""The Linears of diffusers by that of the original code, written down here a second time."""


@pytest.fixture
def release() -> Weights:
    """A LoRA as the release's training script saves it."""
    generator = torch.Generator().manual_seed(3)
    state = {}
    for name, (inputs, outputs) in LINEARS.items():
        rank = min(16, inputs, outputs)
        state[f"{name}.lora_A.weight"] = 0.1 * torch.randn(rank, inputs, generator=generator)
        state[f"{name}.lora_B.weight"] = 0.1 * torch.randn(outputs, rank, generator=generator)
        state[f"{name}.lora_B.bias"] = 0.1 * torch.randn(outputs, generator=generator)
    return state


def saved(state: Weights, folder: Path) -> Path:
    torch.save(state, folder / "release.pth")
    return folder / "release.pth"


def change(state: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    """Return what the LoRA adds to the output of a Linear in the original code: B(A x) with B's bias."""
    return linear(
        linear(x, state[f"{name}.lora_A.weight"]), state[f"{name}.lora_B.weight"], state[f"{name}.lora_B.bias"]
    )


def loaded(transformer: FluxTransformer2DModel, state: Weights, folder: Path) -> FluxTransformer2DModel:
    transformer = copy.deepcopy(transformer)
    load_adapters(transformer, [Adapter(import_lora(saved(state, folder), folder))])
    return transformer


@pytest.mark.parametrize("name", [name for name, modules in MODULES.items() if len(modules) > 1])
def test_the_parts_of_a_fused_linear_side_by_side_change_as_it_does(
    name: str, transformer: FluxTransformer2DModel, release: Weights, tmp_path: Path
) -> None:
    after = loaded(transformer, release, tmp_path)
    x = torch.randn(2, 5, WIDTH)
    ours = torch.cat([after.get_submodule(m)(x) - transformer.get_submodule(m)(x) for m in MODULES[name]], dim=2)
    torch.testing.assert_close(ours, change(release, name, x), rtol=0, atol=1e-5)


def test_the_output_layer_is_modulated_as_in_the_original_code(
    transformer: FluxTransformer2DModel, release: Weights, tmp_path: Path
) -> None:
    after = loaded(transformer, release, tmp_path)
    x, vec = torch.randn(2, 5, WIDTH), torch.randn(2, WIDTH)
    # LastLayer of the original code: shift, scale = adaLN_modulation(vec).chunk(2); x = (1 + scale) * norm(x) + shift
    base = transformer.norm_out.linear
    scale_rows, shift_rows = base.weight.chunk(2)
    scale_bias, shift_bias = base.bias.chunk(2)
    original = linear(silu(vec), torch.cat([shift_rows, scale_rows]), torch.cat([shift_bias, scale_bias]))
    original = original + change(release, "final_layer.adaLN_modulation.1", silu(vec))
    shift, scale = original.chunk(2, dim=1)
    expected = (1 + scale[:, None]) * layer_norm(x, (WIDTH,), eps=1e-6) + shift[:, None]
    torch.testing.assert_close(after.norm_out(x, vec), expected, rtol=0, atol=1e-5)


def test_every_linear_of_the_transformer_gets_its_part(transformer: FluxTransformer2DModel, release: Weights) -> None:
    linears = {name: m for name, m in transformer.named_modules() if isinstance(m, torch.nn.Linear)}
    converted = convert_lora(release)
    assert {key.partition(".lora_")[0] for key in converted} == linears.keys()
    for name, module in linears.items():
        assert converted[f"{name}.lora_A.weight"].shape[1] == module.in_features, name
        assert converted[f"{name}.lora_B.weight"].shape[0] == module.out_features, name
        assert converted[f"{name}.lora_B.bias"].shape[0] == module.out_features, name


def test_a_fused_lora_is_the_same_as_adding_it_to_the_original_weights(
    transformer: FluxTransformer2DModel, release: Weights, tmp_path: Path, model_inputs: Inputs
) -> None:
    """The whole model: B·A added to each fused matrix of the original layout, which is then taken apart by chunks."""
    by_hand = copy.deepcopy(transformer)
    ours = loaded(transformer, release, tmp_path)
    for name in LINEARS:
        delta = release[f"{name}.lora_B.weight"] @ release[f"{name}.lora_A.weight"]
        bias = release[f"{name}.lora_B.bias"]
        modules = MODULES[name]
        if name.startswith("final_layer.adaLN"):
            delta, bias = delta.roll(WIDTH, dims=0), bias.roll(WIDTH)
        done = 0
        for module in modules:
            part = by_hand.get_submodule(module)
            rows = slice(done, done + part.out_features)
            part.weight.data += delta[rows]
            part.bias.data += bias[rows]
            done += part.out_features
        assert done == len(delta)
    with torch.no_grad():
        expected, found = (model(**model_inputs(), return_dict=False)[0] for model in (by_hand, ours))
        before = transformer(**model_inputs(), return_dict=False)[0]
    assert (found - before).abs().max() > 0.05
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "key",
    [
        "double_blocks.0.img_attn.qkv.weight",  # not a LoRA's
        "double_blocks.0.img_attn.unknown.lora_A.weight",
        "triple_blocks.0.img_attn.qkv.lora_A.weight",
        "double_blocks.0.img_attn.qkv.lora_A.default.weight",
    ],
)
def test_a_key_left_over_is_an_error_that_names_it(key: str, release: Weights) -> None:
    release[key] = torch.zeros(1)
    with pytest.raises(SourceError, match=rf"1 of 70 keys are not, such as '{key}'"):
        convert_lora(release)


def test_a_module_without_one_of_its_weights_is_an_error(release: Weights) -> None:
    del release["single_blocks.0.linear1.lora_B.weight"]
    with pytest.raises(SourceError, match=r"single_blocks\.0\.linear1 has no lora_B\.weight"):
        convert_lora(release)


def test_a_bias_on_some_modules_alone_is_an_error(release: Weights) -> None:
    del release["img_in.lora_B.bias"]
    with pytest.raises(SourceError, match=r"img_in has no lora_B\.bias although 22 others have"):
        convert_lora(release)


def test_a_fused_layer_of_another_size_is_an_error(release: Weights) -> None:
    name = "double_blocks.0.img_attn.qkv.lora_B.weight"
    release[name] = release[name][:-1]
    with pytest.raises(SourceError, match="B has 95 rows, which is not what 3 fused layers 32 wide have"):
        convert_lora(release)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"img_in.lora_A.weight": Path("x")}, tmp_path / "bad.pth")
    with pytest.raises(UnsafeInputError, match="no file of tensors alone"):
        import_lora(tmp_path / "bad.pth", tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.pth: no such file"):
        import_lora(tmp_path / "gone.pth", tmp_path)
