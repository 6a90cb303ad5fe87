"""LoRAs for generation: several at once, each with a weight, switched off for a while, or fused into the base."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from safetensors import SafetensorError

from graph200k.errors import MissingWeightsError, PlanError, SourceError
from trainer.lora import WEIGHTS_NAME
from trainer.quantisation import refuse_int8

PREFIX = "transformer."
"""Before the name of each module in a saved LoRA, for a pipeline has other models too."""


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


def parse_adapter(text: str) -> Adapter:
    """Return the LoRA named on the command line: a file or folder, and ``:WEIGHT`` behind it where it is not 1.

    Raises
    ------
    PlanError
        If what stands behind the colon is no number, and no part of a name either.

    Examples
    --------
    >>> parse_adapter("runs/a:0.8").weight, parse_adapter("runs/a").weight
    (0.8, 1.0)
    """
    path, colon, weight = text.rpartition(":")
    try:
        return Adapter(Path(path), float(weight)) if colon else Adapter(Path(text))
    except ValueError:
        if Path(path).exists() and not Path(text).exists():
            raise PlanError(
                f"{text}: {weight!r} is no weight; expected LORA or LORA:NUMBER, such as {path}:0.8"
            ) from None
        return Adapter(Path(text))  # a colon in a name


@dataclass(frozen=True, slots=True)
class SavedLora:
    """A LoRA's file as diffusers understands it: with the ``transformer.`` of a pipeline before all names."""

    state: dict[str, torch.Tensor]
    alphas: dict[str, torch.Tensor] | None
    """alpha by module, for files that have it beside the weights."""
    metadata: dict[str, Any] | None
    """peft's settings, for files that have them."""


def read_adapter(adapter: Adapter) -> SavedLora:
    """Return what a LoRA's file holds; diffusers also reads, and converts, what kohya's and XLabs' trainers write.

    Raises
    ------
    MissingWeightsError
        If there is no such file.
    SourceError
        If it has no LoRA weights, or any other.
    """
    file = adapter.file
    try:
        saved = SavedLora(
            *FluxPipeline.lora_state_dict(
                file.parent,
                weight_name=file.name,
                return_alphas=True,
                return_lora_metadata=True,
                use_safetensors=True,
                local_files_only=True,
            )
        )
    except (OSError, SafetensorError) as error:
        raise SourceError(f"{file} cannot be read as safetensors ({error}); expected a saved LoRA") from error
    strange = [key for key in saved.state if _module_of(key) is None]
    if strange or not saved.state:
        raise _not_a_lora(file, strange, saved.state)
    return saved


def load_adapters(transformer: FluxTransformer2DModel, adapters: Sequence[Adapter]) -> None:
    """Put saved LoRAs on a transformer; what they add is summed, each by its weight.

    Raises
    ------
    MissingWeightsError
        If a file is not there.
    PlanError
        If the base is int8 and a LoRA has biases, as the release's has.
    SourceError
        If a file has a weight that belongs to no Linear of the transformer: diffusers would leave it out silently.
    """
    names = [f"lora_{number}" for number in range(len(adapters))]
    for name, adapter in zip(names, adapters, strict=True):
        saved = read_adapter(adapter)
        _check_keys(transformer, adapter.file, saved.state)
        if any(key.endswith(".lora_B.bias") for key in saved.state):
            refuse_int8(transformer, f"the biases of {adapter.file} (peft has no such layer)", "nf4 or none")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")  # several are meant
            FluxPipeline.load_lora_into_transformer(
                saved.state, saved.alphas, transformer, adapter_name=name, metadata=saved.metadata
            )
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
    if strange := [key for key in state if _module_of(key) not in linears]:
        raise _not_a_lora(file, strange, state)


def _not_a_lora(file: Path, strange: Sequence[str], state: Mapping[str, torch.Tensor]) -> SourceError:
    found = f"{len(strange)} of {len(state)} keys are not, such as {strange[0]}" if strange else "it is empty"
    return SourceError(
        f"{file}: expected LoRA weights of this transformer ({PREFIX}<module>.lora_A.weight); {found}; "
        "a .pth of the VisualCloze release is converted by `graph200k import-lora`"
    )


def _module_of(key: str) -> str | None:
    module, separator, _ = key.partition(".lora_")
    return module.removeprefix(PREFIX) if separator and module.startswith(PREFIX) else None
