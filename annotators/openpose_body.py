"""Bodies as coloured sticks by OpenPose (Z. Cao et al., TPAMI 2019), run by controlnet_aux."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotators.base import ANNOTATORS, Resources
from annotators.controlnet_detector import ControlnetDetector
from annotators.scale import resize_labels
from annotators.together import StandIn

if TYPE_CHECKING:
    import torch
    from controlnet_aux.open_pose import OpenposeDetector

_FILE = "body_pose_model.pth"


@ANNOTATORS.register("openpose_body")
@dataclass(frozen=True, kw_only=True)
class OpenposeBody(ControlnetDetector):
    """The bodies of all people, 18 joints each, in OpenPose's colours on black; black where nobody is."""

    name = "openpose_body"
    produces = ("openpose",)
    pretrained = "openpose"
    resources = Resources(gpus=0.04, memory_mb=2500, time_limit_s=300.0)

    at_once = 16
    enlarge = staticmethod(resize_labels)

    def load_network(self, folder: Path) -> torch.nn.Module:
        """Return the network that finds bodies; hands and faces are not drawn."""
        from controlnet_aux.open_pose import Body

        # By torch.load, with weights_only by default since torch 2.6, our oldest.
        return Body(str(folder / _FILE)).model

    def detector(self, network: StandIn) -> OpenposeDetector:
        """Return the detector around a network."""
        from controlnet_aux.open_pose import Body, OpenposeDetector

        body = Body.__new__(Body)  # whose constructor reads the file
        body.model = network
        return OpenposeDetector(body)
