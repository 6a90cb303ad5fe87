"""LoRAs of the VisualCloze release, a ``.pth`` in the layout of FLUX's original code, to diffusers' layout.

The original code fuses what diffusers keeps apart: query, key and value in one Linear, in single blocks with the MLP's
first layer beside them. A LoRA on a fused Linear, y = B(A x), is one on each part with the same A and that part's rows
of B. The output layer's modulation is (shift, scale) there and (scale, shift) in diffusers.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch

from graph200k.errors import SourceError, UnsafeInputError
from trainer.lora import peft_config, write_lora

Weights = dict[str, torch.Tensor]

_OUTSIDE_BLOCKS = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
    "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
    "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
}
_DOUBLE_BLOCK = {
    "img_mod.lin": ("norm1.linear",),
    "txt_mod.lin": ("norm1_context.linear",),
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "img_attn.proj": ("attn.to_out.0",),
    "txt_attn.proj": ("attn.to_add_out",),
    "img_mlp.0": ("ff.net.0.proj",),
    "img_mlp.2": ("ff.net.2",),
    "txt_mlp.0": ("ff_context.net.0.proj",),
    "txt_mlp.2": ("ff_context.net.2",),
}
_SINGLE_BLOCK = {
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation.lin": ("norm.linear",),
}
_KEY = re.compile(r"(?P<module>.+)\.(?P<part>lora_A\.weight|lora_B\.weight|lora_B\.bias)")
_BLOCK = re.compile(r"(?P<kind>double|single)_blocks\.(?P<number>\d+)\.(?P<module>.+)")


def import_lora(source: Path, folder: Path) -> Path:
    """Convert a LoRA file of the release and save it below ``folder``; return the safetensors file.

    Raises
    ------
    SourceError
        If the file is missing or holds anything that is not a LoRA weight of FLUX's original layout.
    UnsafeInputError
        If it holds more than tensors: it is read without running what a pickle may ask for.
    """
    try:
        state = torch.load(source, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise SourceError(f"{source}: no such file; expected a LoRA of the release, a .pth") from None
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        # torch's own words advise to load it all the same, which would run what is in it.
        raise UnsafeInputError(
            f"{source} is damaged, or no file of tensors alone; expected a .pth of the release, fetched whole"
        ) from error
    converted = convert_lora(state)
    ranks = {_module(key): len(value) for key, value in converted.items() if key.endswith(".lora_A.weight")}
    bias = any(key.endswith(".bias") for key in converted)
    # The original code adds BA as it is: alpha is the rank.
    return write_lora(converted, peft_config(ranks, 1.0, bias=bias), folder)


def convert_lora(state: Mapping[str, torch.Tensor]) -> Weights:
    """Return a LoRA in diffusers' layout, by module name, from one in the layout of FLUX's original code.

    Raises
    ------
    SourceError
        If a key is left over, or a module lacks one of its weights.
    """
    modules = _by_module(state)
    with_bias = {module for module, parts in modules.items() if "lora_B.bias" in parts}
    if with_bias and with_bias != set(modules):
        odd = min(set(modules) - with_bias)
        raise SourceError(f"{odd} has no lora_B.bias although {len(with_bias)} others have; expected all or none")
    converted: Weights = {}
    for module, parts in modules.items():
        converted |= _convert_module(module, parts)
    return converted


def _by_module(state: Mapping[str, torch.Tensor]) -> dict[str, Weights]:
    modules: dict[str, Weights] = {}
    strange = []
    for key, value in state.items():
        match = _KEY.fullmatch(key)
        if match is None or not isinstance(value, torch.Tensor) or not _targets(match["module"]):
            strange.append(key)
        else:
            modules.setdefault(match["module"], {})[match["part"]] = value
    if strange or not modules:
        found = f"{len(strange)} of {len(state)} keys are not, such as {strange[0]!r}" if strange else "it is empty"
        raise SourceError(
            f"expected LoRA weights of FLUX's original layout (double_blocks.0.img_attn.qkv.lora_A.weight, …); {found}"
        )
    for module, parts in modules.items():
        for part in ("lora_A.weight", "lora_B.weight"):
            if part not in parts:
                raise SourceError(f"{module} has no {part}; the file is cut short or of another kind")
    return modules


def _targets(module: str) -> tuple[str, ...]:
    """Return the modules of diffusers that a module of the original layout becomes, none if it is unknown.

    Examples
    --------
    >>> _targets("single_blocks.3.linear1")[-1]
    'single_transformer_blocks.3.proj_mlp'
    """
    if module in _OUTSIDE_BLOCKS:
        return (_OUTSIDE_BLOCKS[module],)
    match = _BLOCK.fullmatch(module)
    if match is None:
        return ()
    double = match["kind"] == "double"
    table, prefix = (_DOUBLE_BLOCK, "transformer_blocks") if double else (_SINGLE_BLOCK, "single_transformer_blocks")
    return tuple(f"{prefix}.{match['number']}.{target}" for target in table.get(match["module"], ()))


def _convert_module(module: str, parts: Weights) -> Weights:
    targets = _targets(module)
    sizes = _sizes(module, parts, len(targets))
    # Copies: safetensors refuses tensors that share memory.
    converted = {f"{target}.lora_A.weight": parts["lora_A.weight"].clone() for target in targets}
    for part in parts.keys() & {"lora_B.weight", "lora_B.bias"}:
        value = _scale_first(parts[part]) if targets == ("norm_out.linear",) else parts[part]
        for target, rows in zip(targets, value.split(sizes), strict=True):
            converted[f"{target}.{part}"] = rows.clone()
    return converted


def _sizes(module: str, parts: Weights, count: int) -> list[int]:
    """Return the rows of B for each target: for query, key and value the model's width, for the MLP the rest."""
    rows, width = len(parts["lora_B.weight"]), parts["lora_A.weight"].shape[1]
    sizes = [rows] if count == 1 else [width] * 3 + [rows - 3 * width] * (count - 3)
    if sum(sizes) != rows or min(sizes) <= 0:
        raise SourceError(f"{module}: B has {rows} rows, which is not what {count} fused layers {width} wide have")
    return sizes


def _scale_first(rows: torch.Tensor) -> torch.Tensor:
    shift, scale = rows.chunk(2)
    return torch.cat([scale, shift])


def _module(key: str) -> str:
    return key.removesuffix(".lora_A.weight")
