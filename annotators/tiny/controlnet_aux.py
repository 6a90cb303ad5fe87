"""HED, M-LSD, NormalBae and OpenPose's body network at full size, for their library knows no other, in small files."""

from __future__ import annotations

import contextlib
import io
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from annotators.tiny.base import TINY_MODELS, seeded

if TYPE_CHECKING:
    import torch


@TINY_MODELS.register("hed")
@seeded
def save_hed(folder: Path) -> Path:
    """Save a HED network."""
    with _silence():
        from controlnet_aux.hed import ControlNetHED_Apache2
    return _save(random_weights(ControlNetHED_Apache2), folder / "ControlNetHED.pth")


@TINY_MODELS.register("mlsd")
@seeded
def save_mlsd(folder: Path, *, scale: float = 1.0) -> Path:
    """Save an M-LSD; a ``scale`` of 0 finds no lines."""
    with _silence():
        from controlnet_aux.mlsd import MobileV2_MLSD_Large
    return _save(random_weights(MobileV2_MLSD_Large, scale), folder / "mlsd_large_512_fp32.pth")


@TINY_MODELS.register("openpose")
@seeded
def save_openpose(folder: Path, *, scale: float = 1.0) -> Path:
    """Save OpenPose's body network; a ``scale`` of 0 finds nobody."""
    with _silence():
        from controlnet_aux.open_pose.model import bodypose_model
    # A crowd in every picture would take its detector, which compares joints in Python, longer than the network.
    drawn = random_weights(bodypose_model, scale)
    drawn["model6_2.Mconv7_stage6_L2.bias"] -= 0.4
    # The file has the names of Caffe's layers; the network has them below the name of a block.
    weights = {name.split(".", 1)[1]: tensor for name, tensor in drawn.items()}
    return _save(weights, folder / "body_pose_model.pth")


@TINY_MODELS.register("normal_bae")
@seeded
def save_normal_bae(folder: Path) -> Path:
    """Save a NormalBae; its layers have so many shapes that the file is large, 213 MB."""
    with _silence(), contextlib.redirect_stdout(io.StringIO()):
        from controlnet_aux.normalbae import NNET

        settings = types.SimpleNamespace(architecture="BN", sampling_ratio=0.4, importance_ratio=0.7)
        # A little smaller than He's, by which rounding would grow into another picture through so many layers.
        weights = random_weights(lambda: NNET(settings), 0.85)
    return _save({"model": weights}, folder / "scannet.pt")


def random_weights(make: Callable[[], torch.nn.Module], scale: float = 1.0) -> dict[str, torch.Tensor]:
    """Return weights for the network that ``make`` returns, drawn so that signals neither die out nor grow (He).

    Layers of one shape share their numbers, which a file then holds once.
    """
    import torch

    weights, drawn = make().state_dict(), dict[torch.Size, torch.Tensor]()
    for name, tensor in weights.items():
        if tensor.ndim == 4:
            fan_in = tensor[0].numel()
            if tensor.shape not in drawn:
                drawn[tensor.shape] = torch.randn(tensor.shape) * scale * (2 / fan_in) ** 0.5
            weights[name] = drawn[tensor.shape]
    return weights


def _save(weights: Mapping[str, object], path: Path) -> Path:
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(weights, path)
    return path.parent


@contextmanager
def _silence() -> Iterator[None]:
    """Say nothing of what the other detectors of the package lack."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
