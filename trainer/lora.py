"""A LoRA on the Linears of a FLUX transformer: float32 weights that are trained, over a frozen base of any dtype.

By default every Linear has one, 504 in FLUX's 57 blocks, as in the release (paper, Sec. 4.3): attention and MLPs, and
also modulations, embedders and the output layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file

from graph200k.errors import PlanError, SourceError
from trainer.quantisation import refuse_int8
from trainer.settings import Settings

ADAPTER = "default"
"""Name of the adapter that is trained."""
WEIGHTS_NAME = "pytorch_lora_weights.safetensors"
"""Name that diffusers looks for in a folder."""


class LoraSettings(Settings):
    """Which Linears get a LoRA and how large."""

    rank: int = 256
    """Rank, capped by the narrower side of each Linear: a product of higher rank has no more to say."""
    scale: float = 1.0
    """Factor on BA, alpha / rank of every module. Saved as peft's alpha."""
    targets: tuple[str, ...] = ()
    """Names of modules, or the ends of names (``to_q``, ``ff.net.2``); none for every Linear."""
    bias: bool = False
    """Whether B has a bias, as in the release. diffusers loads it; many other tools do not."""


class _MasterLinear(torch.nn.Linear):
    """A Linear that keeps float32 weights and computes in its input's dtype.

    Beside a bfloat16 base the products are bfloat16, and gradients add up in float32. Autocast would give that too, but
    it also turns every norm of the base to float32 and keeps those activations for the backward pass.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x·Wᵀ + b in the dtype of x."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return torch.nn.functional.linear(x, self.weight.to(x.dtype), bias)


def add_lora(transformer: FluxTransformer2DModel, settings: LoraSettings, generator: torch.Generator) -> None:
    """Freeze a transformer and put a LoRA on its Linears that changes nothing yet.

    A is drawn from ``generator`` (a CPU's) in float32, uniform as peft does; B and its bias are 0. The parameters are
    :func:`lora_parameters`.

    Raises
    ------
    PlanError
        If a target names no Linear, or the base is int8 and B is to have a bias.
    """
    if settings.bias:
        refuse_int8(transformer, "lora.bias = true (peft has no such layer)", "lora.bias = false, or nf4")
    linears = _target_linears(transformer, settings.targets)
    transformer.requires_grad_(False)
    transformer.add_adapter(_peft_config(linears, settings), adapter_name=ADAPTER)
    layers = _lora_layers(transformer, ADAPTER)
    if set(layers) != set(linears):
        odd = sorted(set(layers) ^ set(linears))[0]
        raise PlanError(f"the targets name {len(linears)} Linears, peft put a LoRA on {len(layers)}, such as {odd}")
    for layer in layers.values():
        _keep_float32(layer, generator)


def lora_parameters(transformer: FluxTransformer2DModel) -> dict[str, torch.nn.Parameter]:
    """Return the parameters that are trained, float32, by name in a fixed order."""
    return {name: value for name, value in sorted(transformer.named_parameters()) if ".lora_" in name}


def save_lora(
    transformer: FluxTransformer2DModel, folder: Path, weights: Mapping[str, torch.Tensor] | None = None
) -> Path:
    """Save the LoRA as diffusers' pipelines load it, float32, with its alpha in the metadata; return the file.

    The file appears under its name only when it is complete.

    Parameters
    ----------
    transformer
        With a LoRA of :func:`add_lora`.
    folder
        Made if it is missing; ``load_lora_weights(folder)`` finds the file there.
    weights
        Values that take the parameters' place, by the names of :func:`lora_parameters`, such as their moving average.
    """
    parameters = lora_parameters(transformer)
    values = parameters if weights is None else {name: weights[name] for name in parameters}
    # peft writes no adapter's name, so that a file can be loaded under any.
    state = {name.replace(f".{ADAPTER}.", "."): value for name, value in values.items()}
    return write_lora(state, transformer.peft_config[ADAPTER], folder)


def read_lora(transformer: FluxTransformer2DModel, path: Path) -> dict[str, torch.Tensor]:
    """Return a saved LoRA's weights by the names of :func:`lora_parameters`, to be copied into them.

    Parameters
    ----------
    transformer
        With a LoRA of :func:`add_lora` under the settings of the saved one.
    path
        The file, or the folder it is in.

    Raises
    ------
    SourceError
        If the file's LoRA has other modules, or other ranks.
    """
    stored = load_file(path / WEIGHTS_NAME if path.is_dir() else path)
    # The adapter's name comes before the last word: proj_out.lora_A.weight is proj_out.lora_A.default.weight.
    named = {
        f".{ADAPTER}.".join(name.removeprefix("transformer.").rsplit(".", 1)): value for name, value in stored.items()
    }
    expected = {name: value.shape for name, value in lora_parameters(transformer).items()}
    different = sorted(
        name for name in {*expected, *named} if name not in named or named[name].shape != expected.get(name)
    )  # fmt: skip
    if different:
        raise SourceError(
            f"{path} is another LoRA than the one that is trained: {len(different)} of {len(expected)} weights differ, "
            f"such as {different[0]}; train with the settings it was made with (lora.rank, lora.targets, lora.bias)"
        )
    return named


def write_lora(state: Mapping[str, torch.Tensor], config: LoraConfig, folder: Path) -> Path:
    """Save LoRA weights by module name (``….lora_A.weight``) with peft's settings of them; return the file."""
    temporary = f".{WEIGHTS_NAME}.part"
    # alpha and rank differ from module to module; without them the file would load, and act, at another scale.
    metadata = {key: sorted(value) if isinstance(value, set) else value for key, value in config.to_dict().items()}
    FluxPipeline.save_lora_weights(
        folder,
        transformer_lora_layers={name: value.detach().cpu().contiguous() for name, value in state.items()},
        transformer_lora_adapter_metadata=metadata,
        weight_name=temporary,
    )
    return (folder / temporary).replace(folder / WEIGHTS_NAME)


def peft_config(ranks: Mapping[str, int], scale: float, *, bias: bool) -> LoraConfig:
    """Return peft's settings for LoRAs of these ranks by module name, all with alpha = scale · rank."""
    largest = max(ranks.values())
    # peft takes names as patterns for the end of a name: "proj_out" alone would be every block's too.
    smaller = {f"^{name}": rank for name, rank in ranks.items() if rank != largest}
    return LoraConfig(
        r=largest,
        lora_alpha=scale * largest,
        rank_pattern=smaller,
        alpha_pattern={name: scale * rank for name, rank in smaller.items()},
        target_modules=sorted(ranks),
        lora_bias=bias,
    )


def _peft_config(linears: Mapping[str, torch.nn.Linear], settings: LoraSettings) -> LoraConfig:
    ranks = {name: min(settings.rank, linear.in_features, linear.out_features) for name, linear in linears.items()}
    return peft_config(ranks, settings.scale, bias=settings.bias)


def _target_linears(transformer: torch.nn.Module, targets: tuple[str, ...]) -> dict[str, torch.nn.Linear]:
    linears = {name: module for name, module in transformer.named_modules() if isinstance(module, torch.nn.Linear)}
    for target in targets:
        if not any(_is_named(name, target) for name in linears):
            ends = sorted({name.rsplit(".", 1)[-1] for name in linears})
            raise PlanError(
                f"lora.targets: {target!r} names no Linear of the transformer; names end in {', '.join(ends)}"
            )
    return {
        name: linear
        for name, linear in linears.items()
        if not targets or any(_is_named(name, target) for target in targets)
    }


def _is_named(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _lora_layers(transformer: torch.nn.Module, adapter: str) -> dict[str, LoraLayer]:
    return {
        name: module
        for name, module in transformer.named_modules()
        if isinstance(module, LoraLayer) and adapter in module.lora_A
    }


def _keep_float32(layer: LoraLayer, generator: torch.Generator) -> None:
    """Make a LoRA's weights float32 and A a draw of ours: peft drew it from the global state, in the base's dtype."""
    for part in (layer.lora_A, layer.lora_B):
        old = part[ADAPTER]
        linear = _MasterLinear(
            old.in_features, old.out_features, bias=old.bias is not None, device=old.weight.device, dtype=torch.float32
        )
        torch.nn.init.zeros_(linear.weight)
        if linear.bias is not None:
            torch.nn.init.zeros_(linear.bias)
        part[ADAPTER] = linear
    a = layer.lora_A[ADAPTER].weight
    drawn = torch.empty(a.shape, dtype=torch.float32)
    torch.nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=generator)
    with torch.no_grad():
        a.copy_(drawn)
    layer.cast_input_dtype_enabled = False  # peft would turn the input to float32 and compute in it
