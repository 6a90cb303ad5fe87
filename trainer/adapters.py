"""LoRAs for generation: several at once, each with a weight, switched off for a while, or fused into the base."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import FluxPipeline, FluxTransformer2DModel

from graph200k.errors import MissingWeightsError, SourceError
from trainer.lora import WEIGHTS_NAME

_PREFIX = "transformer."


@dataclass(frozen=True, slots=True)
class Adapter:
    """A saved LoRA and how strongly it acts."""

    path: Path
    """The safetensors file, or the folder it is in."""
    weight: float = 1.0
    """Factor on what it adds; 1 is as trained."""

    @property
    def file(self) -> Path:
        """Return the safetensors file.

        Raises
        ------
        MissingWeightsError
            If there is none.
        """
        file = self.path / WEIGHTS_NAME if self.path.is_dir() else self.path
        if not file.is_file():
            raise MissingWeightsError(
                f"no LoRA at {self.path}; expected a safetensors file or a folder with {WEIGHTS_NAME}"
            )
        return file


def load_adapters(transformer: FluxTransformer2DModel, adapters: Sequence[Adapter]) -> None:
    """Put saved LoRAs on a transformer; what they add is summed, each by its weight.

    Raises
    ------
    MissingWeightsError
        If a file is not there.
    SourceError
        If a file has a weight that belongs to no Linear of the transformer: diffusers would leave it out silently.
    """
    names = [f"lora_{number}" for number in range(len(adapters))]
    for name, adapter in zip(names, adapters, strict=True):
        file = adapter.file
        # diffusers also reads, and converts, what kohya's and XLabs' trainers write.
        state, alphas, metadata = FluxPipeline.lora_state_dict(
            file.parent,
            weight_name=file.name,
            return_alphas=True,
            return_lora_metadata=True,
            use_safetensors=True,
            local_files_only=True,
        )
        _check_keys(transformer, file, state)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")  # several are meant
            FluxPipeline.load_lora_into_transformer(state, alphas, transformer, adapter_name=name, metadata=metadata)
    if names:
        transformer.set_adapters(names, [adapter.weight for adapter in adapters])


def fuse_adapters(transformer: FluxTransformer2DModel, adapters: Sequence[Adapter]) -> None:
    """Add saved LoRAs to the base's own weights, which leaves a stock transformer without any LoRA (paper, Sec. 4.3).

    What it computes is what :func:`load_adapters` makes it compute, up to rounding in the base's dtype.
    """
    load_adapters(transformer, adapters)
    if adapters:
        transformer.fuse_lora()
        transformer.unload_lora()


@contextmanager
def without_adapters(transformer: FluxTransformer2DModel) -> Iterator[None]:
    """Switch all LoRAs off for the time of a ``with`` block, as for upsampling with the base alone."""
    if not getattr(transformer, "peft_config", None):
        yield
        return
    transformer.disable_adapters()
    try:
        yield
    finally:
        transformer.enable_adapters()


def _check_keys(transformer: FluxTransformer2DModel, file: Path, state: Mapping[str, torch.Tensor]) -> None:
    # A module that has a LoRA already keeps its own weights one level down.
    linears = {
        name.removesuffix(".base_layer")
        for name, module in transformer.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    strange = [key for key in state if _module_of(key) not in linears]
    if strange or not state:
        found = f"{len(strange)} of {len(state)} keys are not, such as {strange[0]}" if strange else "it is empty"
        raise SourceError(
            f"{file}: expected LoRA weights of this transformer ({_PREFIX}<module>.lora_A.weight); {found}; "
            "a .pth of the VisualCloze release is converted by `graph200k import-lora`"
        )


def _module_of(key: str) -> str | None:
    module, separator, _ = key.partition(".lora_")
    return module.removeprefix(_PREFIX) if separator and module.startswith(_PREFIX) else None
