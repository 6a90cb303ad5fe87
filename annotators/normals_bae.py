"""Surface normals in one pass of a network, by NormalBae (G. Bae et al., ICCV 2021), run by controlnet_aux."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotators.base import ANNOTATORS, Resources
from annotators.controlnet_detector import ControlnetDetector
from annotators.scale import resize
from annotators.together import StandIn

if TYPE_CHECKING:
    import torch
    from controlnet_aux import NormalBaeDetector


@ANNOTATORS.register("normal_bae")
@dataclass(frozen=True, kw_only=True)
class NormalBae(ControlnetDetector):
    """Normals as colours: red looks left, green up, blue to the camera; about ten times as fast as Marigold."""

    name = "normal_bae"
    produces = ("normal",)
    pretrained = "normal_bae"
    resources = Resources(gpus=0.1, memory_mb=2500, time_limit_s=300.0)

    at_once = 8
    enlarge = staticmethod(resize)

    def load_network(self, folder: Path) -> torch.nn.Module:
        """Return the network."""
        from controlnet_aux import NormalBaeDetector

        # By torch.load, with weights_only by default since torch 2.6, our oldest.
        return NormalBaeDetector.from_pretrained(str(folder)).model

    def detector(self, network: StandIn) -> NormalBaeDetector:
        """Return the detector around a network."""
        from controlnet_aux import NormalBaeDetector

        return NormalBaeDetector(network)
