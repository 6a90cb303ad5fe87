"""Where the models of a generation lie: all on one device, or only what is at work.

In bfloat16 FLUX's transformer takes 24 GB, T5 9.4 GB and the VAE 0.2 GB. Offloading model by model needs a card for the
largest of them (12 GB with a transformer in nf4), and offloading layer by layer one for a few GB of activations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from diffusers.hooks import apply_group_offloading
from pydantic import Field

from graph200k.errors import PlanError
from trainer.settings import Settings

_CPU = torch.device("cpu")


class PlacementSettings(Settings):
    """Where models are held and where they compute."""

    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    """``cuda``, ``cuda:1``, ``mps`` or ``cpu``; ``auto`` takes a CUDA device if there is one."""
    offload: Literal["none", "model", "sequential"] = "none"
    """What is on the device: ``none`` keeps all models there, ``model`` the one at work, ``sequential`` one layer of
    it. The last two are untested on GPUs: the tests run them on a CPU."""

    @property
    def torch_device(self) -> torch.device:
        """Return the device.

        Raises
        ------
        PlanError
            If it is a CUDA device and there is none.
        """
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise PlanError(f"device {self.device}: torch finds no CUDA device; use cpu or auto")
        return torch.device(self.device)


class Placement:
    """Brings models to the device for as long as they work, and back to the CPU's memory."""

    def __init__(self, settings: PlacementSettings) -> None:
        self.device = settings.torch_device
        self._offload = settings.offload

    def add(self, module: torch.nn.Module, *, large: bool) -> None:
        """Take a model in charge, its LoRAs on it; under ``sequential`` a ``large`` one is brought layer by layer."""
        if self._is_brought_by_layer(large):
            # By leaves and not by blocks: the dev variant calls the parts of its blocks, and T5's are one level down.
            apply_group_offloading(
                module, onload_device=self.device, offload_device=_CPU, offload_type="leaf_level"
            )  # fmt: skip
        else:
            # Offloaded, most are on the CPU already; a transformer in nf4 was loaded on the GPU.
            module.to(self.device if self._offload == "none" else _CPU)

    @contextmanager
    def at_work(self, module: torch.nn.Module, *, large: bool) -> Iterator[None]:
        """Have a model that was added on the device for the time of a ``with`` block."""
        if self._offload == "none" or self._is_brought_by_layer(large):
            yield
            return
        module.to(self.device)
        try:
            yield
        finally:
            module.to(_CPU)

    def _is_brought_by_layer(self, large: bool) -> bool:
        return large and self._offload == "sequential"
